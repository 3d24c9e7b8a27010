/**
 * A party in a process of its own that a campaign may kill: the modules of `adyton serve` and `adyton connect` with an
 * identity that survives restarts, and a log of every use of a package that does not go through the store.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeOffer } from '../../core/api/offer.ts'
import { serveCommands, toPartyError } from '../../core/api/party/serve-commands.ts'
import type { Channel } from '../../core/channel/channel.ts'
import { loadOrCreateIdentity } from '../../core/channel/identity.ts'
import { MESSAGES, NO_STEP } from '../../core/channel/messages.ts'
import { connect, listen, type TlsChannel } from '../../core/channel/tls.ts'
import { HePool } from '../../core/he/pool.ts'
import { loadKernels } from '../../core/kernels/index.ts'
import { ClientSession } from '../../core/protocol/client/session.ts'
import { serveClient } from '../../core/protocol/server/session.ts'
import { ID_BYTES } from '../../core/protocol/sizes.ts'
import { storedSecret } from '../../core/protocol/store/secret.ts'
import { PackageStore } from '../../core/protocol/store/store.ts'
import { Request, requestPayload } from '../../core/protocol/wire.ts'
import type { ChildCommand, ChildEvent } from './party-process.ts'

const ONLINE_REQUEST = requestPayload(Request.online, new Uint8Array(ID_BYTES))[0]

/** Notes a use in the log, before the first online byte is handed to the connection. */
function logged(channel: TlsChannel, role: 'client' | 'server', log: string, session: number): Channel {
  const note = (id: Uint8Array): void => {
    appendFileSync(log, `${role} ${Buffer.from(id).toString('hex')} ${process.pid}\n`)
  }
  return {
    get bytesSent() {
      return channel.bytesSent
    },
    get bytesReceived() {
      return channel.bytesReceived
    },
    send(frame) {
      const { type, payload } = frame
      if (role === 'client' && type === MESSAGES.request && payload[0] === ONLINE_REQUEST) note(payload.subarray(1))
      if (role === 'server' && type === MESSAGES.onlineAccept) note(payload)
      return channel.send(frame)
    },
    async receive(expected) {
      const payload = await channel.receive(expected)
      if (expected.type === MESSAGES.request) tellParent({ session, kind: 'asked' })
      return payload
    },
    abort: (code, message) => channel.abort(code, message),
    close: () => channel.close(),
  }
}

function tellParent(event: ChildEvent): void {
  process.send?.(event, undefined, undefined, () => undefined)
}

let pool: HePool | undefined
let session: ClientSession | undefined
let channel: TlsChannel | undefined

async function runServe(command: Extract<ChildCommand, { do: 'serve' }>): Promise<{ port: number }> {
  const { folder, log, model, card, client } = command
  const identity = await loadOrCreateIdentity(join(folder, 'identity', 'server'))
  const packages = join(folder, 'packages')
  const store = await PackageStore.open(packages, { role: 'server' })
  const kernels = loadKernels()
  const he = (pool = await HePool.create(0))
  const offer = makeOffer(model, card, await storedSecret(packages, 'commitment-salt'))
  let sessions = 0
  const accept = (accepted: TlsChannel): void => {
    const session = ++sessions
    serveClient({
      channel: logged(accepted, 'server', log, session),
      peerFingerprint: accepted.peerFingerprint,
      disconnected: accepted.disconnected,
      offer,
      kernels,
      he,
      store,
      onServed: ({ phase, packageId }) => tellParent({ session, kind: 'served', phase, package: packageId }),
    }).then(
      () => tellParent({ session, kind: 'left' }),
      (error: unknown) => tellParent({ session, kind: 'broken', error: toPartyError(error) }),
    )
  }
  const listener = await listen({ port: 0, identity, authorise: (peer) => peer === client, onChannel: accept })
  return { port: listener.port }
}

async function runConnect(command: Extract<ChildCommand, { do: 'connect' }>): Promise<void> {
  const { folder, log, port, server } = command
  await session?.close()
  const identity = await loadOrCreateIdentity(join(folder, 'identity', 'client'))
  const store = await PackageStore.open(join(folder, 'packages'), { role: 'client' })
  pool ??= await HePool.create(0)
  channel = await connect({ host: '127.0.0.1', port, identity, serverFingerprint: server })
  session = await ClientSession.open({
    channel: logged(channel, 'client', log, 0),
    peerFingerprint: channel.peerFingerprint,
    kernels: loadKernels(),
    he: pool,
    store,
    software: 'campaign',
  })
}

/** A client that cheats: asks for a package again, past its own store. */
async function runReplay(id: string): Promise<void> {
  if (channel === undefined) throw new Error('the client is not connected')
  const payload = requestPayload(Request.online, Buffer.from(id, 'hex'))
  await channel.send({ type: MESSAGES.request, step: NO_STEP, payload })
  await channel.receive({ type: MESSAGES.onlineAccept, step: NO_STEP, length: ID_BYTES })
}

serveCommands<ChildCommand>(async (command): Promise<unknown> => {
  switch (command.do) {
    case 'identify': {
      const { fingerprint } = await loadOrCreateIdentity(join(command.folder, 'identity', command.role))
      return { fingerprint }
    }
    case 'serve':
      return await runServe(command)
    case 'connect':
      return await runConnect(command)
    case 'prepare': {
      if (session === undefined) throw new Error('the client is not connected')
      const { id } = await session.prepare()
      return { package: id }
    }
    case 'infer': {
      if (session === undefined) throw new Error('the client is not connected')
      const { label, logits } = await session.infer(command.package, command.image)
      return { label, logits: logits ?? null }
    }
    case 'replay':
      return await runReplay(command.package)
  }
})
