/**
 * The states of a session in which a frame is due, found by recording genuine sessions of two tiny networks, and for each
 * of them the session's own code, run against a script of the frames that came before. HE work of other steps than the
 * one under test is left out: what it makes does not matter there, and it takes a thousand times as long as the rest.
 */
import { makeOffer } from '../../core/api/offer.ts'
import type { Channel, Expected } from '../../core/channel/channel.ts'
import { memoryChannels } from '../../core/channel/memory.ts'
import { MESSAGES, messageName, NO_STEP } from '../../core/channel/messages.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import type { HePool } from '../../core/he/pool.ts'
import { tilingCounts } from '../../core/he/tiling.ts'
import type { HeStep } from '../../core/he/types.ts'
import { loadKernels } from '../../core/kernels/index.ts'
import { Ledger } from '../../core/ledger/ledger.ts'
import { quantiseInput } from '../../core/network/fixed.ts'
import type { Graph, Tensor } from '../../core/network/graph.ts'
import { decodePlan, planDigest } from '../../core/network/plan-json.ts'
import type { HeParameters, LinearStep, LoweredModel, Plan } from '../../core/network/plan.ts'
import { randomTensors } from '../../core/network/tensors.ts'
import { pairingClientFinish, pairingClientStart, pairingServerRespond } from '../../core/ot/bootstrap.ts'
import type { ClientContext } from '../../core/protocol/client/context.ts'
import { prepare } from '../../core/protocol/client/offline.ts'
import { infer, takePackage } from '../../core/protocol/client/online.ts'
import { ClientSession } from '../../core/protocol/client/session.ts'
import { Link } from '../../core/protocol/link.ts'
import { ringOf } from '../../core/protocol/local.ts'
import type { ServerContext } from '../../core/protocol/server/context.ts'
import { packageMeta, serveClient, serveRequests, type Offer } from '../../core/protocol/server/session.ts'
import { frameGroups, heOf, ID_BYTES } from '../../core/protocol/sizes.ts'
import type { PackageMeta, PackageReader, PackageStore, PackageWriter } from '../../core/protocol/store/store.ts'
import { packageId } from '../../core/protocol/wire.ts'
import { prgFor } from '../../core/ring/prg.ts'
import { zeros } from '../../core/ring/vector.ts'
import { CARD, lowered, noise } from '../fixtures/parties.ts'
import { rewriteJson, type Dice, type Rewrite } from './mutate.ts'
import type { ScriptFrame, Sent } from './scripted.ts'

const SEED = new Uint8Array(32).fill(11)
const PEER = { client: 'c'.repeat(64), server: '5'.repeat(64) }

/** A moment of a session in which one frame is due. */
export interface State {
  readonly name: string
  /** The peer's frames from the start of the phase on. */
  readonly frames: readonly ScriptFrame[]
  /** Which of them is due; undefined where the frames mutate themselves, when told by `before`. */
  readonly at: number | undefined
  readonly before?: (dice: Dice) => void
  /**
   * Given where `run` is slow: what the session asks for, frame by frame. A mutation that the framing refuses under
   * these is refused in the session as well, which is tried out on some of them only.
   */
  readonly expected?: readonly Expected[] | undefined
  /** Runs the session's code on a channel; resolves when it is content with what it got. */
  run(channel: Channel): Promise<unknown>
  /** Share of the mutations that spoil only the payload, percent. */
  readonly payloadShare: number
  readonly rewrite?: Rewrite | undefined
  /** Whether the genuine frames satisfy `run` to its end. */
  readonly complete: boolean
}

const conv: Graph['nodes'][number] = {
  id: 'conv',
  inputs: ['image'],
  op: 'conv2d',
  outChannels: 2,
  kernel: [3, 3],
  stride: 1,
  padding: 1,
  groups: 1,
  bias: true,
}
const head: Graph['nodes'] = [
  { id: 'flat', inputs: ['body'], op: 'flatten' },
  { id: 'fc', inputs: ['flat'], op: 'dense', outFeatures: 3, bias: true },
]

/** A partly linearised ReLU and revealed logits; a max-pool and a revealed label. Every message type occurs. */
export function networks(): { logits: LoweredModel; label: LoweredModel } {
  const masked: Graph = {
    name: 'masked',
    nodes: [
      { id: 'image', inputs: [], op: 'input', shape: [1, 4, 4] },
      conv,
      { id: 'body', inputs: ['conv'], op: 'relu', mask: 'element' },
      ...head,
    ],
  }
  const pooled: Graph = {
    name: 'pooled',
    nodes: [
      { id: 'image', inputs: [], op: 'input', shape: [1, 4, 4] },
      conv,
      { id: 'relu', inputs: ['conv'], op: 'relu', mask: 'none' },
      { id: 'body', inputs: ['relu'], op: 'maxPool', kernel: [2, 2], stride: 2, padding: 0 },
      ...head,
    ],
  }
  const mask: Tensor = { shape: [2, 4, 4], data: Uint8Array.from({ length: 32 }, (_, i) => (i % 3 === 0 ? 0 : 1)) }
  const tensors = new Map([...randomTensors(masked, prgFor(SEED, 'masked')), ['body.mask', mask] as const])
  return {
    logits: lowered(masked, tensors),
    label: lowered(pooled, randomTensors(pooled, prgFor(SEED, 'pooled')), { reveal: 'label' }),
  }
}

/** Packages in memory that can be taken again and again: what is under test here is the sessions. */
export class MemoryStore {
  readonly packages = new Map<string, { meta: PackageMeta; sections: Map<string, Buffer> }>()

  get asStore(): PackageStore {
    return this as unknown as PackageStore
  }

  async create(meta: PackageMeta): Promise<PackageWriter> {
    const sections = new Map<string, Buffer>()
    const writer = {
      meta,
      append: async (name: string, bytes: Uint8Array) => {
        sections.set(name, Buffer.concat([sections.get(name) ?? Buffer.alloc(0), bytes]))
      },
      finish: async () => void this.packages.set(meta.id, { meta, sections }),
      discard: async () => void this.packages.delete(meta.id),
    }
    return writer as unknown as PackageWriter
  }

  async meta(id: string): Promise<PackageMeta> {
    const found = this.packages.get(id)
    if (found === undefined) throw new AdytonError('package-missing', `there is no package ${id}`)
    return found.meta
  }

  async take(id: string): Promise<PackageReader> {
    const meta = await this.meta(id)
    const { sections } = this.packages.get(id) as { sections: Map<string, Buffer> }
    const given = new Map<string, number>()
    const reader = {
      meta,
      read: async (name: string, count: number) => {
        const start = given.get(name) ?? 0
        const section = sections.get(name) ?? Buffer.alloc(0)
        if (start + count > section.length) throw new AdytonError('package-corrupt', `section ${name} is too short`)
        given.set(name, start + count)
        return new Uint8Array(section.subarray(start, start + count))
      },
      close: async () => undefined,
    }
    return reader as unknown as PackageReader
  }
}

/** Thrown where a session would go on to expensive work that is not under test: it was content so far. */
class Enough extends Error {}

/** HE that does the work of one step and makes up the rest. */
function partialHe(he: HePool, real: HeStep | undefined): HePool {
  const stub = {
    generateKeys: () => Promise.reject(new Enough()),
    encrypt: async (params: HeParameters, _key: Uint8Array, step: LinearStep) => {
      const { inputs } = tilingCounts(step.geometry, step.tiling, params.polyDegree)
      return Array.from({ length: inputs }, () => new Uint8Array(0))
    },
    decrypt: async (...call: Parameters<HePool['decrypt']>) => {
      const [params, , step] = call
      return step === real ? await he.decrypt(...call) : zeros({ ...ringOfBits(params) }, outputs(step))
    },
    evaluate: async (...call: Parameters<HePool['evaluate']>) => {
      const [params, , step, , inputs, , options] = call
      if (step === real) return await he.evaluate(...call)
      for await (const _ of inputs);
      const { answers } = tilingCounts(step.geometry, step.tiling, params.polyDegree)
      for (let i = 0; i < answers; i++) options?.onCiphertext?.(i, new Uint8Array(0))
      return { answers: [], share: zeros(ringOfBits(params), outputs(step)) }
    },
  }
  return stub as unknown as HePool
}

const ringOfBits = (params: HeParameters) =>
  ringOf({ shape: [1], length: 1, bits: params.plainBits, scale: 0, divisor: 1 })

function outputs({ geometry: g }: HeStep): number {
  const size = (n: number, k: number): number => Math.floor((n + 2 * g.padding - k) / g.stride) + 1
  return g.outChannels * size(g.inHeight, g.kernelHeight) * size(g.inWidth, g.kernelWidth)
}

interface Received {
  readonly expected: Expected
  readonly payload: Uint8Array
}

/** Notes what a session asked for and got. */
function recording(channel: Channel, frames: Received[]): Channel {
  return {
    get bytesSent() {
      return channel.bytesSent
    },
    get bytesReceived() {
      return channel.bytesReceived
    },
    send: (frame) => channel.send(frame),
    async receive(expected) {
      const payload = await channel.receive(expected)
      frames.push({ expected, payload: payload.slice() })
      return payload
    },
    abort: (code, message) => channel.abort(code, message),
    close: () => channel.close(),
  }
}

const frameOf = ({ expected, payload }: Received): ScriptFrame => {
  const frame = { type: expected.type, step: expected.step, payload }
  return () => frame
}

function nameOf(role: string, { expected }: Received, plan: Plan, phase: string): string {
  const step = expected.step === NO_STEP ? '' : ` of ${plan.steps[expected.step].id} (${plan.steps[expected.step].op})`
  return `${role}, ${phase}: ${messageName(expected.type)}${step}`
}

/** All states of both networks; `he` does the HE work and has no threads. */
export async function allStates(he: HePool): Promise<State[]> {
  const { logits, label } = networks()
  const fromLogits = await statesOf(logits, he)
  const fromLabel = await statesOf(label, he)
  // The second network adds what the first one lacks: the max-pool's frames and the reveal of a label.
  return [...fromLogits, ...fromLabel.filter(({ name }) => /\((maxPool|reveal)\)$/.test(name))]
}

async function statesOf(model: LoweredModel, he: HePool): Promise<State[]> {
  const offer = makeOffer(model, CARD, new Uint8Array(32))
  return [...(await greetingStates(model, offer, he)), ...(await phaseStates(model, offer, he))]
}

async function greetingStates(model: LoweredModel, offer: Offer, he: HePool): Promise<State[]> {
  const kernels = loadKernels()
  const got: Record<'client' | 'server', Received[]> = { client: [], server: [] }
  const [clientEnd, serverEnd] = memoryChannels()
  const store = new MemoryStore().asStore
  const serverOptions = { peerFingerprint: PEER.client, offer, kernels, he, store }
  const clientOptions = { peerFingerprint: PEER.server, kernels, he, store, software: 'test' }
  const ended = serveClient({ ...serverOptions, channel: recording(serverEnd, got.server) })
  const client = await ClientSession.open({ ...clientOptions, channel: recording(clientEnd, got.client) })
  await client.close()
  await ended

  const sid = new Uint8Array(32)
  const started = pairingClientStart(sid)
  const linear = model.plan.steps.find((step) => step.op === 'linear') as LinearStep
  const params = heOf(model.plan, linear)
  const upload = await genuineUpload(he, params, linear)
  // What a session does with these is repeated here: the whole greeting would cost half a second each time.
  const consumers: Partial<Record<number, (payload: Uint8Array) => unknown>> = {
    // The session keeps a public key unread until the first answer; a genuine upload makes it read here.
    [MESSAGES.hePublicKey]: (key) => {
      const weights = model.secret.weights.get(linear.id) as Int32Array
      return he.evaluate(params, key, linear, weights, upload, new Uint8Array(16))
    },
    [MESSAGES.baseOtReceiver]: (payload) => pairingServerRespond(payload, sid),
    [MESSAGES.baseOtSender]: (payload) => pairingClientFinish(started.state, payload),
  }
  const states: State[] = []
  for (const role of ['server', 'client'] as const) {
    const frames = got[role].filter(({ expected }) => expected.type !== MESSAGES.request)
    frames.forEach((frame, at) => {
      const { type } = frame.expected
      const consume = consumers[type]
      const alone = async (channel: Channel): Promise<void> => {
        for (const earlier of frames.slice(0, at)) await channel.receive(earlier.expected)
        const payload = await channel.receive(frame.expected)
        // Where the mutation left this payload as it was, the answer is known.
        if (!Buffer.from(payload).equals(frame.payload)) await consume?.(payload)
      }
      const json = type === MESSAGES.clientHello || type === MESSAGES.serverHello || type === MESSAGES.plan
      const session = (channel: Channel): Promise<unknown> =>
        role === 'server'
          ? serveClient({ ...serverOptions, channel })
          : ClientSession.open({ ...clientOptions, he: partialHe(he, undefined), channel })
      states.push({
        name: nameOf(role, frame, model.plan, 'greeting'),
        frames: frames.slice(0, at + 2).map(frameOf),
        at,
        run: (channel) => contentWith(consume === undefined ? session(channel) : alone(channel)),
        payloadShare: type === MESSAGES.baseOtReceiver ? 20 : json ? 70 : 50,
        rewrite: json ? rewriteJson : undefined,
        complete: consume !== undefined || type === MESSAGES.plan || type === MESSAGES.serverHello,
      })
    })
  }
  return [...states, hostilePlan(got.client, clientOptions, he, model.plan)]
}

/** A server that means it: its plan is mutated and its greeting announces that very plan. */
function hostilePlan(
  got: readonly Received[],
  options: Omit<Parameters<typeof ClientSession.open>[0], 'channel'>,
  he: HePool,
  plan: Plan,
): State {
  const [hello, sent] = got
  const greeting = JSON.parse(new TextDecoder().decode(hello.payload)) as Record<string, unknown>
  let rewritten: Uint8Array = sent.payload
  return {
    name: `${nameOf('client', sent, plan, 'greeting')}, announced as such`,
    frames: [
      (): ReturnType<ScriptFrame> => {
        let digest = greeting['planDigest']
        try {
          digest = planDigest(decodePlan(rewritten))
        } catch {
          // The client has to find out by itself.
        }
        const payload = new TextEncoder().encode(
          JSON.stringify({ ...greeting, planDigest: digest, planBytes: rewritten.length }),
        )
        return { type: MESSAGES.serverHello, step: NO_STEP, payload }
      },
      (): ReturnType<ScriptFrame> => ({ type: MESSAGES.plan, step: NO_STEP, payload: rewritten }),
    ],
    at: undefined,
    run: async (channel) => {
      await contentWith(ClientSession.open({ ...options, he: partialHe(he, undefined), channel }))
      // The client took the plan: everything that it lays out by it next must work.
      const taken = decodePlan(rewritten)
      const elements = taken.values.reduce((sum, value) => sum + value.length, 0)
      if (elements < 2 ** 20) frameGroups(taken)
    },
    payloadShare: 100,
    before: (dice) => {
      rewritten = rewriteJson(sent.payload, dice)
    },
    complete: true,
  }
}

async function contentWith(work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!(error instanceof Enough)) throw error
  }
}

async function genuineUpload(he: HePool, params: HeParameters, step: LinearStep): Promise<Uint8Array[]> {
  const { secretKey } = await he.generateKeys(params)
  const g = step.geometry
  return await he.encrypt(params, secretKey, step, zeros(ringOfBits(params), g.inChannels * g.inHeight * g.inWidth))
}

/** States of offline and online: contexts of a pairing of our own, one genuine package, then scripts of it. */
async function phaseStates(model: LoweredModel, offer: Offer, he: HePool): Promise<State[]> {
  const { plan, secret } = model
  const kernels = loadKernels()
  const sid = new Uint8Array(32)
  const started = pairingClientStart(sid)
  const responded = pairingServerRespond(started.message, sid)
  const keys = new Map(
    await Promise.all(plan.he.map(async (params) => [params.plainBits, await he.generateKeys(params)] as const)),
  )
  const stores = { client: new MemoryStore(), server: new MemoryStore() }
  const identity = { planDigest: offer.planDigest, commitment: offer.commitment }
  const common = {
    plan,
    kernels,
    revealSeeds: false,
    admit: () => undefined,
    progress: () => undefined,
    checkPackage: () => undefined,
  }
  const clientContext = (channel: Channel, work: HePool): ClientContext => ({
    ...common,
    link: new Link(channel, new Ledger()),
    he: work,
    store: stores.client.asStore,
    pairing: clientPairing,
    secretKeys: new Map([...keys].map(([bits, { secretKey }]) => [bits, secretKey])),
    packageMeta: (id) => packageMeta(id, 'client', PEER.server, identity),
  })
  const clientPairing = pairingClientFinish(started.state, responded.message)
  const serverContext = (channel: Channel, work: HePool): ServerContext => ({
    ...common,
    link: new Link(channel, new Ledger()),
    secret,
    he: work,
    store: stores.server.asStore,
    pairing: responded.pairing,
    publicKeys: new Map([...keys].map(([bits, { publicKey }]) => [bits, publicKey])),
    disconnected: undefined,
    packageMeta: (id) => packageMeta(id, 'server', PEER.client, identity),
  })

  const got: Record<'client' | 'server', Received[]> = { client: [], server: [] }
  const [clientEnd, serverEnd] = memoryChannels()
  const served = serveRequests(serverContext(recording(serverEnd, got.server), he))
  const recordingClient = clientContext(recording(clientEnd, got.client), he)
  const { id } = await prepare(recordingClient)
  const split = { client: got.client.length, server: got.server.length }
  const image = quantiseInput(plan, noise(plan.values[0].length, 'states'))
  await infer(recordingClient, await takePackage(recordingClient, id, image), image)
  await clientEnd.close()
  await served

  const states: State[] = []
  for (const role of ['server', 'client'] as const) {
    for (const phase of ['offline', 'online'] as const) {
      const frames = phase === 'offline' ? got[role].slice(0, split[role]) : got[role].slice(split[role])
      const script = phase === 'offline' ? frames.map((frame) => withFreshId(frame, frames)) : frames.map(frameOf)
      frames.forEach((frame, at) => {
        const { type, step } = frame.expected
        const underTest = type === MESSAGES.heUpload || type === MESSAGES.heAnswer ? plan.steps[step] : undefined
        const work = partialHe(he, underTest as LinearStep | undefined)
        const run = async (channel: Channel): Promise<unknown> => {
          // What earlier runs made is not used again.
          for (const { packages } of [stores.client, stores.server]) {
            for (const made of packages.keys()) if (made !== id) packages.delete(made)
          }
          if (role === 'server') return await serveRequests(serverContext(channel, work))
          const context = clientContext(channel, work)
          if (phase === 'offline') return await prepare(context)
          return await infer(context, await takePackage(context, id, image), image)
        }
        const name = nameOf(role, frame, plan, phase)
        // Any bytes do for these: fewer of them show as much.
        const opaque = type === MESSAGES.otExtension || type === MESSAGES.tables || type === MESSAGES.decodeBits
        states.push({
          name,
          frames: script,
          at,
          expected: phase === 'offline' ? frames.map(({ expected }) => expected) : undefined,
          run,
          payloadShare: opaque ? 20 : 40,
          complete: true,
        })
      })
    }
  }
  return states
}

/** The last frame of an offline phase carries the id of its package, which is another one every time. */
function withFreshId(frame: Received, frames: readonly Received[]): ScriptFrame {
  const { type, step } = frame.expected
  if (type !== MESSAGES.offlineEnd && type !== MESSAGES.offlineConfirm) return frameOf(frame)
  const server = type === MESSAGES.offlineEnd
  return (sent: Sent) => {
    const request = server ? frames[0].payload : sent.get(MESSAGES.request)
    const accept = server ? sent.get(MESSAGES.offlineAccept) : frames[0].payload
    // No session, only its framing.
    if (request === undefined || accept === undefined) return { type, step, payload: new Uint8Array(ID_BYTES) }
    const id = packageId(request.slice(1), accept.slice(0, ID_BYTES))
    return { type, step, payload: new Uint8Array(Buffer.from(id, 'hex')) }
  }
}
