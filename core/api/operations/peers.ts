/** Who this installation is paired with, and pairing with a server. */
import { hostname } from 'node:os'
import * as v from 'valibot'
import { formatFingerprint, loadOrCreateIdentity, parseFingerprint, shortFingerprint } from '../../channel/identity.ts'
import { parseCode } from '../../channel/pairing/code.ts'
import { pairAsClient } from '../../channel/pairing/exchange.ts'
import { place } from '../../channel/tls-errors.ts'
import { connectToPair } from '../../channel/tls.ts'
import { AdytonError } from '../../errors/errors.ts'
import { PEER_ROLES, type Peer } from '../data/hosting.ts'
import { dataFolder } from '../data-folder.ts'
import type { Operation, OperationContext } from '../operation.ts'
import { MAX_PEER_NAME, PeerStore } from '../peers.ts'

const data = v.optional(v.string())
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_PEER_NAME))

export const pairInput = v.strictObject({
  host: v.pipe(v.string(), v.minLength(1), v.maxLength(255)),
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
  /** The code that the server shows; blanks and hyphens do not matter. */
  code: v.string(),
  /** What the server is told this installation is called; the name of the machine by default. */
  name: v.optional(name),
  data,
})
export type PairInput = v.InferOutput<typeof pairInput>

export const pair: Operation<typeof pairInput, Peer> = {
  name: 'pair',
  summary:
    'Pairs this installation with a server by the code that the server shows; both know each other from then on.',
  input: pairInput,
  run: runPair,
}

async function runPair(input: PairInput, context: OperationContext): Promise<Peer> {
  const { host, port } = input
  const code = parseCode(input.code)
  const folder = dataFolder(input.data)
  const identity = await loadOrCreateIdentity(folder)
  context.onProgress({ text: `pairing with ${place(host, port)}` })
  const channel = await connectToPair({ host, port, identity, signal: context.signal })
  const stop = (): void => void channel.abort('cancelled', 'the pairing was stopped')
  context.signal.addEventListener('abort', stop)
  try {
    const side = { channel, ownFingerprint: identity.fingerprint, name: input.name ?? hostname() }
    const server = await pairAsClient(side, code)
    const peers = new PeerStore(folder)
    const called = server.name === '' ? shortFingerprint(server.fingerprint) : server.name
    await peers.pin('server', server.fingerprint, called, place(host, port))
    const kept = await peers.find('server', server.fingerprint)
    if (kept === undefined) throw new AdytonError('store-failed', 'the pairing was not kept')
    return kept
  } catch (error) {
    if (context.signal.aborted) throw new AdytonError('cancelled', 'the pairing was cancelled', { cause: error })
    throw explained(error)
  } finally {
    context.signal.removeEventListener('abort', stop)
    await channel.close()
  }
}

/** What a server says of a failed pairing is short; the person who typed the code can do this about it. */
function explained(error: unknown): unknown {
  if (!(error instanceof AdytonError) || error.code !== 'peer-untrusted' || error.advice !== undefined) return error
  return new AdytonError(error.code, error.message, {
    advice:
      'Compare the code and the address with what the server shows, and try again. After three attempts, or ten minutes, ask for a new code there.',
    cause: error,
  })
}

const peersInput = v.strictObject({ data })

export const peers: Operation<typeof peersInput, readonly Peer[]> = {
  name: 'peers',
  summary: 'Lists the servers and clients that this installation is paired with.',
  input: peersInput,
  run: (input) => new PeerStore(dataFolder(input.data)).list(),
}

const onePeer = {
  /** In any form, or its first digits where only one peer has them. */
  fingerprint: v.pipe(v.string(), v.minLength(1), v.maxLength(200)),
  role: v.optional(v.picklist(PEER_ROLES)),
  data,
}
export const forgetPeerInput = v.strictObject(onePeer)
export const renamePeerInput = v.strictObject({ ...onePeer, name })

export const forgetPeer: Operation<typeof forgetPeerInput, Peer> = {
  name: 'forgetPeer',
  summary: 'Forgets a peer: as a client it may connect no more, as a server it has to be paired again.',
  input: forgetPeerInput,
  async run(input) {
    const store = new PeerStore(dataFolder(input.data))
    const peer = await only(store, input)
    await store.forget(peer.role, peer.fingerprint)
    return peer
  },
}

export const renamePeer: Operation<typeof renamePeerInput, Peer> = {
  name: 'renamePeer',
  summary: 'Gives a peer another name on this machine.',
  input: renamePeerInput,
  async run(input) {
    const store = new PeerStore(dataFolder(input.data))
    const { role, fingerprint } = await only(store, input)
    await store.rename(role, fingerprint, input.name)
    return (await store.find(role, fingerprint)) as Peer
  },
}

/** The one peer that is meant. */
async function only(store: PeerStore, input: v.InferOutput<typeof forgetPeerInput>): Promise<Peer> {
  const digits = input.fingerprint.replaceAll(/[:\s…]/g, '').toLowerCase()
  // A whole fingerprint is checked for typing errors, its beginning cannot be.
  if (digits.length >= 64) parseFingerprint(input.fingerprint)
  const found = (await store.list()).filter(
    (peer) => peer.fingerprint.startsWith(digits) && (input.role === undefined || peer.role === input.role),
  )
  const [first, second] = found
  if (first !== undefined && second === undefined) return first
  if (first === undefined) {
    throw new AdytonError('usage', `no peer's fingerprint begins with '${input.fingerprint.slice(0, 80)}'`, {
      advice: 'Look it up among the peers.',
    })
  }
  const listed = found.map((peer) => `${peer.role} ${formatFingerprint(peer.fingerprint)}`).join(', ')
  throw new AdytonError('usage', `several peers are meant: ${listed}`, {
    advice: 'Give the whole fingerprint, and the role where a peer is both client and server.',
  })
}
