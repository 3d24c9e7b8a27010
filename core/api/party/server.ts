/**
 * The server process of a local inference: holds the weights, listens on loopback, serves one pinned client.
 */
import { ephemeralIdentity, type Identity } from '../../channel/identity.ts'
import { listen, type Listener, type TlsChannel } from '../../channel/tls.ts'
import { HePool } from '../../he/pool.ts'
import { loadKernels } from '../../kernels/index.ts'
import { Ledger } from '../../ledger/ledger.ts'
import { makeOffer } from '../offer.ts'
import { serveClient } from '../../protocol/server/session.ts'
import { storedSecret } from '../../protocol/store/secret.ts'
import { PackageStore } from '../../protocol/store/store.ts'
import { collectInOneGo } from '../processes/collector.ts'
import { tellAccount } from './account.ts'
import type { Identified, Listening, ServerCommand, Stopped } from './messages.ts'
import { Collector } from './seen.ts'
import { kernelOptions } from './settings.ts'
import { peakMemory } from './peak-memory.ts'
import { serveCommands, tell, toPartyError } from './serve-commands.ts'

collectInOneGo()

let identity: Identity | undefined
let listener: Listener | undefined
let pool: HePool | undefined
const sessions = new Set<Promise<void>>()

serveCommands<ServerCommand>(async (command): Promise<Identified | Listening | Stopped> => {
  switch (command.do) {
    case 'identify':
      identity ??= await ephemeralIdentity()
      return { fingerprint: identity.fingerprint }
    case 'serve':
      return await serve(command)
    case 'stop':
      await listener?.close()
      await Promise.allSettled(sessions)
      await pool?.close()
      return { peakMemory: peakMemory() }
  }
})

async function serve(command: Extract<ServerCommand, { do: 'serve' }>): Promise<Listening> {
  if (identity === undefined) throw new Error('the server was not asked for its identity first')
  const { settings } = command
  const kernels = loadKernels(kernelOptions(settings))
  const store = await PackageStore.open(settings.store, { role: 'server' })
  const he = (pool = await HePool.create(settings.threads, { kernels: kernelOptions(settings).force }))
  const offer = makeOffer(command.model, command.card, await storedSecret(settings.store, 'commitment-salt'))
  const accept = (channel: TlsChannel): void => {
    const ledger = new Ledger()
    const endAccount = tellAccount(ledger)
    const witness = settings.watch === undefined ? undefined : new Collector(settings.watch)
    const session = serveClient({
      channel,
      peerFingerprint: channel.peerFingerprint,
      disconnected: channel.disconnected,
      offer,
      kernels,
      he,
      store,
      revealSeeds: settings.revealSeeds,
      ledger,
      ...(witness === undefined ? {} : { witness }),
      onProgress: (done) => tell({ kind: 'progress', done }),
      onServed: ({ phase, packageId, seed, ledger }) => {
        const seen = witness?.take() ?? null
        tell({ kind: 'served', served: { phase, package: packageId, seed: seed ?? null, ledger, seen } })
      },
    })
    sessions.add(session)
    session
      .catch((error: unknown) => tell({ kind: 'broken', error: toPartyError(error) }))
      .finally(() => {
        endAccount()
        sessions.delete(session)
      })
  }
  listener = await listen({
    host: '127.0.0.1',
    port: 0,
    identity,
    authorise: (fingerprint) => fingerprint === command.client,
    onChannel: accept,
  })
  return { port: listener.port }
}
