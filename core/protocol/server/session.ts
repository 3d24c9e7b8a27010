/**
 * One connected client, from its greeting until it leaves.
 */
import { MESSAGES, NO_STEP } from '../../channel/messages.ts'
import type { Channel } from '../../channel/channel.ts'
import { HEADER_BYTES } from '../../channel/frames.ts'
import { AdytonError } from '../../errors/errors.ts'
import { publicKeyBytes } from '../../he/wire.ts'
import type { HePool } from '../../he/pool.ts'
import type { Kernels } from '../../kernels/interface.ts'
import { Ledger, type LedgerData } from '../../ledger/ledger.ts'
import type { LoweredModel } from '../../network/plan.ts'
import { PAIRING_CLIENT_BYTES, pairingServerRespond } from '../../ot/bootstrap.ts'
import type { Progress } from '../client/context.ts'
import {
  checkVersion,
  clientHelloSchema,
  encodeHello,
  freshNonce,
  MAX_HELLO_BYTES,
  parseHello,
  PROTOCOL_VERSION,
  sessionId,
  type PublicCard,
} from '../hello.ts'
import { abortWith } from '../failure.ts'
import { Link, place } from '../link.ts'
import { mismatch } from '../mismatch.ts'
import { REQUEST_BYTES } from '../sizes.ts'
import type { PackageMeta, PackageStore } from '../store/store.ts'
import type { Witness } from '../witness.ts'
import { parseRequest, Request } from '../wire.ts'
import type { ServerContext } from './context.ts'
import { servePrepare } from './offline.ts'
import { serveInfer } from './online.ts'

/** A model that a server offers, the same for every client. */
export interface Offer {
  readonly model: LoweredModel
  /** Canonical bytes of the plan and their SHA-256 in hexadecimal. */
  readonly planBytes: Uint8Array
  readonly planDigest: string
  /** Salted commitment to the weights, hexadecimal. */
  readonly commitment: string
  readonly card: PublicCard
  readonly software: string
}

/** A request that was served. */
export interface Served {
  readonly phase: 'offline' | 'online'
  readonly packageId: string
  /** Seed of the package when it was made here and now; secret, for a simulator in local mode. */
  readonly seed?: Uint8Array
  readonly ledger: LedgerData
}

export interface ServerSessionOptions {
  readonly channel: Channel
  readonly peerFingerprint: string
  /** What a client gets that names no model. */
  readonly offer: Offer
  /** Further models, with ids of their own. */
  readonly more?: readonly Offer[]
  readonly kernels: Kernels
  readonly he: HePool
  readonly store: PackageStore
  /** Aborted when the connection is gone. */
  readonly disconnected?: AbortSignal
  /** Hand package seeds to the caller, for a simulator; local mode only. */
  readonly revealSeeds?: boolean
  /** Is shown what this party holds; local mode only. */
  readonly witness?: Witness
  /** Account to keep, for a caller that watches it; its own by default. */
  readonly ledger?: Ledger
  /** Called before a request is served; throws to refuse it (rate limits). */
  readonly admit?: (phase: 'offline' | 'online') => void
  /** The client has chosen a model. */
  readonly onChosen?: (offer: Offer) => void
  readonly onProgress?: (done: Progress) => void
  readonly onServed?: (served: Served) => void
}

/**
 * Serves a client until it closes the connection. Rejects with the first error; the client has then been told the
 * reason by an abort.
 */
export async function serveClient(options: ServerSessionOptions): Promise<void> {
  const { channel } = options
  try {
    await serveRequests(await greet(options), options.onServed)
    await channel.close()
  } catch (error) {
    const reason = whyItEnded(error, options.disconnected)
    await abortWith(channel, reason, 'server')
    throw reason
  }
}

/** Work that was cancelled because the client is gone ended for that reason. */
function whyItEnded(error: unknown, disconnected: AbortSignal | undefined): unknown {
  if (!(error instanceof AdytonError && error.code === 'cancelled') || disconnected?.aborted !== true) return error
  return disconnected.reason instanceof AdytonError ? disconnected.reason : error
}

/** Serves requests of a client that was greeted until it leaves. */
export async function serveRequests(context: ServerContext, onServed?: (served: Served) => void): Promise<void> {
  for (;;) {
    const request = await nextRequest(context.link.channel)
    if (request === undefined) return
    const phase = request.request === Request.offline ? 'offline' : 'online'
    context.admit(phase)
    context.link.ledger.traffic(phase, '', 'share', 'received', HEADER_BYTES + REQUEST_BYTES)
    const served =
      phase === 'offline'
        ? await servePrepare(context, request.bytes)
        : await serveInfer(context, request.bytes).then(() => ({ id: Buffer.from(request.bytes).toString('hex') }))
    const ledger = context.link.ledger.take()
    const { id: packageId, ...secret } = served
    onServed?.({ phase, packageId, ...secret, ledger })
  }
}

async function nextRequest(channel: Channel): Promise<ReturnType<typeof parseRequest> | undefined> {
  try {
    return parseRequest(await channel.receive({ type: MESSAGES.request, step: NO_STEP, length: REQUEST_BYTES }))
  } catch (error) {
    if (error instanceof AdytonError && error.code === 'peer-closed') return undefined
    throw error
  }
}

/** Throws 'model-mismatch' for a model that is not offered. */
function chosen(offers: readonly Offer[], model: string | null): Offer {
  const offer = model === null ? offers[0] : offers.find(({ card }) => card.id === model)
  if (offer !== undefined) return offer
  const ids = offers.map(({ card }) => JSON.stringify(card.id)).join(', ')
  throw new AdytonError('model-mismatch', `this server does not offer ${JSON.stringify(model)}; it offers ${ids}`)
}

/** Greeting, plan, HE public keys and base OT. */
async function greet(options: ServerSessionOptions): Promise<ServerContext> {
  const { kernels, he, store } = options
  const ledger = options.ledger ?? new Ledger()
  const link = new Link(options.channel, ledger)
  const setup = place('setup')
  const theirs = await link.receive(setup, MESSAGES.clientHello, { min: 1, max: MAX_HELLO_BYTES })
  const hello = parseHello(clientHelloSchema, theirs, 'client')
  checkVersion(hello.protocol, 'client')
  const offers = [options.offer, ...(options.more ?? [])]
  const offer = chosen(offers, hello.model)
  const { plan, secret } = offer.model
  if (hello.planDigest !== null && hello.planDigest !== offer.planDigest) {
    throw mismatch('model', 'the model that the client expects', hello.planDigest, 'the served one', offer.planDigest)
  }
  const ours = encodeHello({
    protocol: PROTOCOL_VERSION,
    software: offer.software,
    nonce: freshNonce(),
    models: offers.map(({ card: { id, name, dataset } }) => ({ id, name, dataset })),
    planDigest: offer.planDigest,
    planBytes: offer.planBytes.length,
    commitment: offer.commitment,
    card: offer.card,
  })
  await link.send(setup, MESSAGES.serverHello, ours)
  if (!hello.havePlan) await link.send(setup, MESSAGES.plan, offer.planBytes)
  options.onChosen?.(offer)
  const publicKeys = new Map<number, Uint8Array>()
  for (const parameters of plan.he) {
    const key = await link.receive(setup, MESSAGES.hePublicKey, publicKeyBytes(parameters))
    publicKeys.set(parameters.plainBits, key)
  }
  const points = await link.receive(setup, MESSAGES.baseOtReceiver, PAIRING_CLIENT_BYTES)
  const { message, pairing } = await link.work(setup, 'ot', () => pairingServerRespond(points, sessionId(theirs, ours)))
  await link.send(setup, MESSAGES.baseOtSender, message)
  return {
    link,
    plan,
    secret,
    kernels,
    he,
    store,
    pairing,
    publicKeys,
    disconnected: options.disconnected,
    revealSeeds: options.revealSeeds ?? false,
    witness: options.witness,
    admit: (phase) => options.admit?.(phase),
    progress: (done) => options.onProgress?.(done),
    packageMeta: (id) => packageMeta(id, 'server', options.peerFingerprint, offer),
    checkPackage: (meta) => checkPackage(meta, options.peerFingerprint, offer),
  }
}

/** Description of a package made in this session. */
export function packageMeta(
  id: string,
  role: 'client' | 'server',
  peer: string,
  offer: { planDigest: string; commitment: string },
): PackageMeta {
  return {
    id,
    role,
    peer,
    planDigest: offer.planDigest,
    commitment: offer.commitment,
    protocol: PROTOCOL_VERSION,
    created: new Date().toISOString(),
  }
}

/** Refuses a package of another model, weights, release or peer, by name. */
export function checkPackage(meta: PackageMeta, peer: string, offer: { planDigest: string; commitment: string }): void {
  if (meta.protocol !== PROTOCOL_VERSION) {
    throw new AdytonError('version-mismatch', `package ${meta.id} was made by protocol version ${meta.protocol}`)
  }
  if (meta.planDigest !== offer.planDigest) {
    throw mismatch('model', `the model of package ${meta.id}`, meta.planDigest, 'the served one', offer.planDigest)
  }
  if (meta.commitment !== offer.commitment) {
    throw mismatch('model', `the weights of package ${meta.id}`, meta.commitment, 'the served ones', offer.commitment)
  }
  if (meta.peer !== peer) {
    throw new AdytonError('peer-untrusted', `package ${meta.id} was prepared with another peer`)
  }
}
