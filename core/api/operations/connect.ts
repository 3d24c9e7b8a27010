/** connect: private inferences against a server on this or another machine. */
import { join } from 'node:path'
import * as v from 'valibot'
import { loadOrCreateIdentity } from '../../channel/identity.ts'
import { place } from '../../channel/tls-errors.ts'
import { connect as connectTls, type TlsChannel } from '../../channel/tls.ts'
import { AdytonError } from '../../errors/errors.ts'
import { HePool } from '../../he/pool.ts'
import { loadKernels } from '../../kernels/index.ts'
import { Ledger, type LedgerData } from '../../ledger/ledger.ts'
import { ownTimes, phaseBytes, stepReports, cpuTime, mergeLedgers, type KindTimes } from '../../ledger/report.ts'
import { quantiseInput } from '../../network/fixed.ts'
import { ClientSession } from '../../protocol/client/session.ts'
import { PackageStore } from '../../protocol/store/store.ts'
import { wilson, type Interval } from '../data/interval.ts'
import { dataFolder } from '../data-folder.ts'
import { loadImages } from '../inference/images.ts'
import { InferenceTracker } from '../inference/tracker.ts'
import { noteServer, resolveTarget, targetEntries } from '../joining/target.ts'
import type { Operation, OperationContext } from '../operation.ts'
import { PeerStore } from '../peers.ts'
import { collectInOneGo } from '../processes/collector.ts'
import { topClasses, type ClassScore } from '../inference/scores.ts'
import { kindByteReport, type DirectionBytes, type KindBytes } from '../report.ts'
import { SOFTWARE } from '../software.ts'

const count = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(max))

export const connectInput = v.strictObject({
  ...targetEntries,
  /** Id of the model that is wanted; the server's first one by default. */
  model: v.optional(v.pipe(v.string(), v.maxLength(200))),
  /** Pictures; or a dataset folder with a part of it; or none, for an image of noise. */
  pictures: v.optional(v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(10_000))),
  dataset: v.optional(
    v.strictObject({
      folder: v.string(),
      split: v.picklist(['train', 'test']),
      count: count(1_000_000),
      /** First image. */
      from: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
    }),
  ),
  data: v.optional(v.string()),
  threads: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(256)), 1),
})
export type ConnectInput = v.InferOutput<typeof connectInput>

/** One party's view of a phase; waiting includes the server's work. Means over the images. */
export interface OwnPhase {
  readonly wallMs: number
  readonly cpuMs: { readonly client: number; readonly server: null }
  readonly kinds: KindTimes
}

/** The link as this session found it. */
export interface MeasuredLink {
  /** There and back, ms: the shortest of TCP's connecting and the greeting. */
  readonly rttMs: number
  /** bit/s of the large transfers; null where too little was moved. Buffers on the way can make it look faster. */
  readonly up: number | null
  readonly down: number | null
}

export interface ConnectResult {
  readonly server: {
    readonly fingerprint: string
    /** Where it is paired. */
    readonly name: string | null
    readonly address: string
  }
  readonly model: {
    readonly id: string
    readonly name: string
    readonly dataset: string
    readonly classes: number
    readonly classNames: readonly string[]
    readonly planDigest: string
  }
  readonly images: number
  /** Share of the labels that are the true ones, with Wilson's 95% interval; null without true labels. */
  readonly accuracy: number | null
  readonly interval: Interval | null
  readonly predictions: readonly {
    readonly index: number
    /** Null for an image of a data set. */
    readonly picture: string | null
    readonly label: number
    readonly name: string
    /** True label, when the data set has one. */
    readonly expected: number | null
    /** The most probable classes; null when only the label was revealed. */
    readonly top: readonly ClassScore[] | null
  }[]
  readonly phases: {
    readonly setup: { readonly wallMs: number }
    readonly offline: OwnPhase
    readonly online: OwnPhase
  }
  readonly layers: readonly (ReturnType<typeof stepReports>[number] & {
    readonly kindBytes: Readonly<Record<'offline' | 'online', KindBytes>>
  })[]
  readonly kindBytes: Readonly<Record<'offline' | 'online', KindBytes>>
  readonly bytes: { readonly offline: DirectionBytes; readonly online: DirectionBytes }
  readonly link: MeasuredLink
  /** When it ended, ISO 8601. */
  readonly date: string
}

export const connect: Operation<typeof connectInput, ConnectResult> = {
  name: 'connect',
  summary: 'Runs private inferences against a server that is paired, or that shows the given fingerprint.',
  input: connectInput,
  run: runConnect,
}

/** How often the account is looked at for progress. */
const ACCOUNT_MS = 200

async function runConnect(input: ConnectInput, context: OperationContext): Promise<ConnectResult> {
  collectInOneGo()
  const data = dataFolder(input.data)
  const identity = await loadOrCreateIdentity(data)
  const peers = new PeerStore(data)
  const target = await resolveTarget(input, peers)
  const { host, port, serverFingerprint } = target
  const kernels = loadKernels({ warn: context.onNotice })
  const store = await PackageStore.open(join(data, 'packages'), { role: 'client' })
  context.onProgress({ text: `connecting to ${place(host, port)}` })
  const channel = await connectTls({ host, port, identity, serverFingerprint, signal: context.signal })
  const stop = (): void => void channel.abort('cancelled', 'the client was stopped')
  context.signal.addEventListener('abort', stop)
  const he = await HePool.create(input.threads)
  try {
    await noteServer(peers, target, channel)
    context.onProgress({ text: 'greeting, keys and base OT' })
    const ledger = new Ledger()
    const watch: { tracker?: InferenceTracker } = {}
    const session = await ClientSession.open({
      ...{ channel, peerFingerprint: channel.peerFingerprint, kernels, he, store, software: SOFTWARE, ledger },
      model: input.model,
      onProgress: (done) => watch.tracker?.done('client', done),
    })
    const images = await imagesFor(session, input, context)
    const tracker = new InferenceTracker({
      ...{ plan: session.plan, images: images.floats.length, bothParties: false },
      emit: (progress) => context.onProgress(progress),
    })
    watch.tracker = tracker
    const timer = setInterval(() => tracker.account('client', ledger.entries()), ACCOUNT_MS)
    try {
      const runs = await runImages(session, images.floats, tracker)
      const paired = await peers.find('server', channel.peerFingerprint)
      const server = {
        fingerprint: channel.peerFingerprint,
        name: paired?.name ?? null,
        address: place(host, port),
      }
      const result = report(session, input, images.labels, runs, { server, link: linkOf(channel, session) })
      tracker.end()
      return result
    } finally {
      clearInterval(timer)
    }
  } catch (error) {
    if (context.signal.aborted) throw new AdytonError('cancelled', 'the inference was cancelled', { cause: error })
    throw error
  } finally {
    context.signal.removeEventListener('abort', stop)
    await channel.close()
    await he.close()
  }
}

/** Every image, before the first package is made: a bad file should not cost one. */
async function imagesFor({ plan, card }: ClientSession, input: ConnectInput, context: OperationContext) {
  const network = { name: card.name, inputShape: plan.values[0].shape, preprocessing: card.preprocessing }
  return await loadImages({ pictures: input.pictures ?? [], dataset: input.dataset }, network, context)
}

interface Runs {
  readonly labels: readonly number[]
  readonly tops: readonly (readonly ClassScore[] | null)[]
  readonly offline: readonly LedgerData[]
  readonly online: readonly LedgerData[]
}

async function runImages(
  session: ClientSession,
  images: readonly Float32Array[],
  tracker: InferenceTracker,
): Promise<Runs> {
  const labels: number[] = []
  const tops: (readonly ClassScore[] | null)[] = []
  const offline: LedgerData[] = []
  const online: LedgerData[] = []
  for (const image of images) {
    const prepared = await session.prepare()
    offline.push(prepared.ledger)
    tracker.account('client', prepared.ledger.entries)
    const answer = await session.infer(prepared.id, quantiseInput(session.plan, image))
    online.push(answer.ledger)
    tracker.account('client', answer.ledger.entries)
    labels.push(answer.label)
    tops.push(topClasses(session.plan, answer.logits ?? null, null))
    tracker.answer(answer.label, className(session, answer.label))
  }
  return { labels, tops, offline, online }
}

function className({ card }: ClientSession, label: number): string {
  return card.classNames[label] ?? String(label)
}

function linkOf(channel: TlsChannel, session: ClientSession): MeasuredLink {
  const bits = (bytes: number | null): number | null => (bytes === null ? null : 8 * bytes)
  return {
    rttMs: Math.min(channel.connectMs ?? Infinity, session.roundTripMs),
    up: bits(channel.sending.perSecond),
    down: bits(channel.receiving.perSecond),
  }
}

function report(
  session: ClientSession,
  input: ConnectInput,
  expected: readonly (number | null)[],
  { labels, tops, offline, online }: Runs,
  { server, link }: Pick<ConnectResult, 'server' | 'link'>,
): ConnectResult {
  const { plan, card } = session
  const known = expected.every((label) => label !== null)
  const right = labels.filter((label, i) => label === expected[i]).length
  const direction = (ledger: LedgerData, phase: 'offline' | 'online'): DirectionBytes => {
    const { clientToServer, serverToClient } = phaseBytes(ledger, phase)
    return { clientToServer, serverToClient }
  }
  return {
    server,
    model: {
      ...{ id: card.id, name: card.name, dataset: card.dataset },
      ...{ classes: plan.classes, classNames: card.classNames, planDigest: session.planDigest },
    },
    images: labels.length,
    accuracy: known ? right / labels.length : null,
    interval: known ? wilson(right, labels.length) : null,
    predictions: labels.map((label, i) => ({
      index: (input.dataset?.from ?? 0) + i,
      picture: input.pictures?.[i] ?? null,
      label,
      name: className(session, label),
      expected: expected[i],
      top: tops[i],
    })),
    phases: {
      setup: { wallMs: session.setup.entries.reduce((sum, entry) => sum + entry.wallMs, 0) },
      offline: ownPhase(offline, 'offline'),
      online: ownPhase(online, 'online'),
    },
    layers: stepReports(mergeLedgers([offline[0], online[0]]), undefined, [
      ...new Set(plan.steps.map((s) => s.id)),
    ]).map((layer) => ({ ...layer, kindBytes: kindByteReport({ offline: offline[0], online: online[0] }, layer.id) })),
    bytes: { offline: direction(offline[0], 'offline'), online: direction(online[0], 'online') },
    kindBytes: kindByteReport({ offline: offline[0], online: online[0] }),
    link,
    date: new Date().toISOString(),
  }
}

function ownPhase(ledgers: readonly LedgerData[], phase: 'offline' | 'online'): OwnPhase {
  const merged = mergeLedgers(ledgers)
  const n = ledgers.length
  const times = ownTimes(merged, phase)
  const kinds: KindTimes = {
    he: times.he / n,
    gc: times.gc / n,
    ot: times.ot / n,
    share: times.share / n,
    wait: times.wait / n,
  }
  return {
    wallMs: kinds.he + kinds.gc + kinds.ot + kinds.share + kinds.wait,
    cpuMs: { client: cpuTime(merged, phase) / n, server: null },
    kinds,
  }
}
