/**
 * The client process of a local inference: holds the image, never the weights.
 */
import { ephemeralIdentity, type Identity } from '../../channel/identity.ts'
import { connect } from '../../channel/tls.ts'
import { HePool } from '../../he/pool.ts'
import { loadKernels } from '../../kernels/index.ts'
import { Ledger } from '../../ledger/ledger.ts'
import { ClientSession } from '../../protocol/client/session.ts'
import { PackageStore } from '../../protocol/store/store.ts'
import { collectInOneGo } from '../processes/collector.ts'
import { SOFTWARE } from '../software.ts'
import { tellAccount } from './account.ts'
import type { ClientCommand, Connected, Identified, Inferred, PreparedHere, Stopped } from './messages.ts'
import { Collector } from './seen.ts'
import { kernelOptions } from './settings.ts'
import { peakMemory } from './peak-memory.ts'
import { serveCommands, tell } from './serve-commands.ts'

collectInOneGo()

let identity: Identity | undefined
let session: ClientSession | undefined
let pool: HePool | undefined
let witness: Collector | undefined
let endAccount = (): void => undefined

serveCommands<ClientCommand>(async (command): Promise<Identified | Connected | PreparedHere | Inferred | Stopped> => {
  switch (command.do) {
    case 'identify':
      identity ??= await ephemeralIdentity()
      return { fingerprint: identity.fingerprint }
    case 'connect':
      return await open(command)
    case 'prepare': {
      const { id, seed, ledger } = await opened().prepare()
      return { package: id, seed: seed ?? null, ledger, seen: witness?.take() ?? null }
    }
    case 'infer': {
      const { label, logits, ledger } = await opened().infer(command.package, command.image)
      return { label, logits: logits ?? null, ledger, seen: witness?.take() ?? null }
    }
    case 'stop':
      endAccount()
      await session?.close()
      await pool?.close()
      return { peakMemory: peakMemory() }
  }
})

function opened(): ClientSession {
  if (session === undefined) throw new Error('the client is not connected')
  return session
}

async function open(command: Extract<ClientCommand, { do: 'connect' }>): Promise<Connected> {
  if (identity === undefined) throw new Error('the client was not asked for its identity first')
  const { settings, host, port } = command
  const kernels = loadKernels(kernelOptions(settings))
  const store = await PackageStore.open(settings.store, { role: 'client' })
  pool = await HePool.create(settings.threads, { kernels: kernelOptions(settings).force })
  const channel = await connect({ host, port, identity, serverFingerprint: command.server })
  const ledger = new Ledger()
  if (settings.watch !== undefined) witness = new Collector(settings.watch)
  session = await ClientSession.open({
    channel,
    peerFingerprint: channel.peerFingerprint,
    kernels,
    he: pool,
    store,
    software: SOFTWARE,
    expectedPlan: command.expectedPlan,
    revealSeeds: settings.revealSeeds,
    ledger,
    ...(witness === undefined ? {} : { witness }),
    onProgress: (done) => tell({ kind: 'progress', done }),
  })
  endAccount = tellAccount(ledger)
  return { plan: session.plan, kernels: kernels.name, setup: session.setup }
}
