/**
 * infer: private inferences between two processes of this machine, with the clear run beside them.
 */
import { availableParallelism } from 'node:os'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { KERNEL_CHOICES, loadKernels, type Kernels } from '../../kernels/index.ts'
import type { KindTimes } from '../../ledger/report.ts'
import { countNetwork } from '../../network/counts.ts'
import { argmax, dequantise, fixedRunner, quantiseInput } from '../../network/fixed.ts'
import { floatRunner } from '../../network/float.ts'
import type { LoweredModel, RevealStep } from '../../network/plan.ts'
import { simulate } from '../../protocol/simulator.ts'
import { wilson, type Interval } from '../data/interval.ts'
import { loadImages, type Images } from '../inference/images.ts'
import { InferenceTracker } from '../inference/tracker.ts'
import { drawViews, watchFor } from '../inference/views.ts'
import { machineName, record, type Recorded } from '../recording.ts'
import { topClasses, type ClassScore } from '../inference/scores.ts'
import { LocalRun, type LocalInference, type LocalRunOptions } from '../local-run.ts'
import type { Operation, OperationContext } from '../operation.ts'
import {
  byteReport,
  kindByteReport,
  layerReports,
  phaseReport,
  type DirectionBytes,
  type KindBytes,
  type LayerReport,
  type PhaseReport,
} from '../report.ts'
import { loadNetwork, lowerNetwork, publicCard, sourceSchema } from '../source.ts'
import { planSummary, type PlanSummary } from '../plan-summary.ts'

const count = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(max))

export const inferInput = v.strictObject({
  source: sourceSchema,
  /** A picture, or several; or a dataset folder with a part of it; or none, for an image of noise. */
  picture: v.optional(v.string()),
  pictures: v.optional(v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(100))),
  dataset: v.optional(
    v.strictObject({
      folder: v.string(),
      split: v.picklist(['train', 'test']),
      count: count(1_000_000),
      /** First image. */
      from: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
    }),
  ),
  /** Only the label is revealed, by a garbled argmax. */
  reveal: v.optional(v.picklist(['logits', 'label']), 'logits'),
  /** Repeat every run from both parties' seeds and demand equal logits. */
  verify: v.optional(v.boolean(), false),
  /**
   * Show what each party held of an image (its place in this run, from 0) and of a step: as the `transient` part of the
   * last progress, which nothing stores. See core/api/data/views.ts.
   */
  views: v.optional(
    v.strictObject({ image: v.pipe(v.number(), v.integer(), v.minValue(0)), step: v.optional(v.string()) }),
  ),
  /** HE worker threads of each party; by default the server takes every core, the client one. */
  threads: v.optional(v.strictObject({ client: count(256), server: count(256) })),
  kernels: v.optional(v.picklist(KERNEL_CHOICES)),
  /** Folder of the catalog that zoo:ID means; see dataFolder. */
  data: v.exactOptional(v.string()),
  /** Leave times, bytes and the whole account in the catalog, for a model of it. */
  record: v.optional(v.boolean(), true),
})
export type InferInput = v.InferOutput<typeof inferInput>

export interface Prediction {
  readonly index: number
  /** Null for what is no picture. */
  readonly picture: string | null
  readonly label: number
  readonly name: string
  /** Label of the clear float run. */
  readonly clear: number
  /** True label, when the dataset has one. */
  readonly expected: number | null
  /** The classes that the private run found most probable; null for labels alone. */
  readonly top: readonly ClassScore[] | null
}

/** How probable a class is: the softmax of the private logits, and of those of the clear float run. */
export interface InferResult {
  readonly model: {
    readonly id: string
    readonly name: string
    readonly dataset: string | null
    readonly classes: number
    readonly classNames: readonly string[]
  }
  readonly images: number
  /** Share of the private labels that are the true ones; null without true labels. */
  readonly accuracy: number | null
  /** Share of the private labels that the clear float run gives too. */
  readonly agreement: number
  /** Wilson's 95% intervals of the two. */
  readonly intervals: { readonly accuracy: Interval | null; readonly agreement: Interval }
  /** Largest difference of a private logit from the clear fixed-point run, in units of its last bit; null for labels alone. */
  readonly maxLsbError: number | null
  /**
   * Largest difference of a private logit from the clear runs, as a fraction of the largest logit of the float run;
   * null for labels alone.
   */
  readonly deviation: { readonly fixed: number; readonly float: number } | null
  /** True when the simulator gave every private logit bit for bit; null when it was not asked. */
  readonly verified: boolean | null
  readonly relus: number
  /** Times in ms, mean over the images. */
  readonly phases: {
    readonly setup: { readonly wallMs: number }
    readonly offline: PhaseReport
    readonly online: PhaseReport
  }
  readonly layers: readonly LayerReport[]
  /** Bytes of one inference. */
  readonly bytes: { readonly offline: DirectionBytes; readonly online: DirectionBytes }
  readonly kindBytes: { readonly offline: KindBytes; readonly online: KindBytes }
  readonly perRelu: PlanSummary['perRelu']
  /** Largest resident set of each process, bytes. */
  readonly memory: { readonly client: number; readonly server: number }
  readonly failure: PlanSummary['failure']
  readonly kernels: string
  readonly threads: { readonly client: number; readonly server: number }
  /** Processor and cores. */
  readonly machine: string
  /** When it ended, ISO 8601. */
  readonly date: string
  readonly predictions: readonly Prediction[]
}

export const infer: Operation<typeof inferInput, InferResult> = {
  name: 'infer',
  summary: 'Runs private inferences between two processes of this machine and accounts for every second and byte.',
  input: inferInput,
  run: runInfer,
}

async function runInfer(input: InferInput, context: OperationContext): Promise<InferResult> {
  context.onProgress({ text: 'loading the network' })
  const network = await loadNetwork(input.source, input.data)
  const pictures = [...(input.picture === undefined ? [] : [input.picture]), ...(input.pictures ?? [])]
  const images = await loadImages({ pictures, dataset: input.dataset }, network, context)
  const total = images.floats.length
  const kernels = loadKernels({ warn: context.onNotice })
  context.onProgress({ text: 'lowering the network to the ring' })
  const lowered = lowerNetwork(network, { reveal: input.reveal })
  const { plan } = lowered
  const { views } = input
  if (views !== undefined && views.image >= total) {
    throw new AdytonError('usage', `there is no image ${views.image}: they are numbered from 0 to ${total - 1}`)
  }
  const threads = input.threads ?? { client: 1, server: Math.max(1, availableParallelism()) }
  const tracker = new InferenceTracker({
    ...{ plan, images: total, bothParties: true },
    emit: (progress) => context.onProgress(progress),
  })
  const run = await startRun({
    model: lowered,
    card: publicCard(network),
    threads,
    kernels: input.kernels ?? null,
    revealSeeds: input.verify,
    signal: context.signal,
    onProgress: (party, done) => tracker.done(party, done),
    onAccount: (party, entries) => tracker.account(party, entries),
    ...(views === undefined ? {} : { watch: watchFor(plan, views) }),
  })
  const results: LocalInference[] = []
  const clearLogits: Float32Array[] = []
  let seen: LocalInference['seen'] = null
  const clearRun = floatRunner(network.graph, network.tensors)
  const setup = run.setup
  try {
    for (const [index, image] of images.floats.entries()) {
      context.signal.throwIfAborted()
      const { seen: held, ...inferred } = await run.infer(quantiseInput(plan, image))
      if (index === views?.image) seen = held
      results.push({ ...inferred, seen: null })
      clearLogits.push(clearRun(image).logits)
      const { label } = inferred
      tracker.answer(label, network.classNames[label] ?? String(label), argmax(clearLogits[index]))
    }
  } catch (error) {
    run.kill()
    await run.close()
    throw cancelledOr(error, context.signal)
  }
  const memory = await run.close()
  tracker.after('comparing with the clear run')
  const clear = clearLogits.map(argmax)
  const expected = images.labels
  const known = expected.filter((label) => label !== null).length
  const right = results.filter(({ label }, i) => label === expected[i]).length
  const agreeing = results.filter(({ label }, i) => label === clear[i]).length
  const summary = planSummary(lowered.plan)
  const result: InferResult = {
    model: {
      id: network.id,
      name: network.name,
      dataset: network.dataset,
      classes: lowered.plan.classes,
      classNames: network.classNames,
    },
    images: total,
    accuracy: known === total ? right / total : null,
    agreement: agreeing / total,
    intervals: { accuracy: known === total ? wilson(right, total) : null, agreement: wilson(agreeing, total) },
    ...(input.reveal === 'label'
      ? { maxLsbError: null, deviation: null }
      : deviations(lowered, images, results, clearLogits)),
    verified: input.verify ? verify(kernels, lowered, images, results) : null,
    relus: countNetwork(network.graph, network.tensors).relus,
    phases: {
      setup: { wallMs: sumTimes(setup.setup.entries) },
      offline: phaseReport(results, 'offline'),
      online: phaseReport(results, 'online'),
    },
    layers: layerReports(lowered.plan, results),
    bytes: byteReport(results),
    kindBytes: kindByteReport(results[0].client),
    perRelu: summary.perRelu,
    memory,
    failure: summary.failure,
    kernels: setup.kernels,
    threads,
    machine: machineName(),
    date: new Date().toISOString(),
    predictions: results.map((result, i) => ({
      index: (input.dataset?.from ?? 0) + i,
      picture: pictures[i] ?? null,
      label: result.label,
      name: network.classNames[result.label] ?? String(result.label),
      clear: clear[i],
      expected: expected[i],
      top: topClasses(lowered.plan, result.logits, clearLogits[i]),
    })),
  }
  if (input.record && 'model' in input.source) await record(input.source.model, input.data, recorded(result), context)
  const { mean, std } = network.preprocessing
  const drawn =
    seen === null || views === undefined ? undefined : await drawViews({ plan, request: views, seen, mean, std })
  tracker.end(drawn)
  return result
}

/** What the catalog keeps: everything but whose image was taken for what. */
function recorded({ predictions: _, model, ...ledger }: InferResult): Recorded {
  const { phases, bytes, images, accuracy, agreement } = ledger
  const here = { images, machine: machineName() }
  const both = ({ clientToServer, serverToClient }: DirectionBytes): number => clientToServer + serverToClient
  const { dataset } = model
  return {
    measurements: [
      { what: 'offline', value: phases.offline.wallMs / 1000, unit: 's', ...here },
      { what: 'online', value: phases.online.wallMs / 1000, unit: 's', ...here },
      { what: 'offline bytes', value: both(bytes.offline), unit: 'B', ...here },
      { what: 'online bytes', value: both(bytes.online), unit: 'B', ...here },
      ...(accuracy === null
        ? []
        : [
            { what: 'private accuracy', value: accuracy, dataset, images },
            { what: 'private agreement', value: agreement, dataset, images },
          ]),
    ],
    ledger,
  }
}

/** A process that was ended because the operation is being stopped is no failure of its own. */
function cancelledOr(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted ? new AdytonError('cancelled', 'the inference was cancelled') : error
}

async function startRun(options: LocalRunOptions & { readonly signal: AbortSignal }): Promise<LocalRun> {
  try {
    return await LocalRun.start(options)
  } catch (error) {
    throw cancelledOr(error, options.signal)
  }
}

function sumTimes(entries: readonly { readonly wallMs: number }[]): number {
  return entries.reduce((sum, entry) => sum + entry.wallMs, 0)
}

function deviations(
  lowered: LoweredModel,
  images: Images,
  results: readonly LocalInference[],
  clearLogits: readonly Float32Array[],
): Pick<InferResult, 'maxLsbError' | 'deviation'> {
  const fixed = fixedRunner(lowered)
  const last = lowered.plan.values[(lowered.plan.steps.at(-1) as RevealStep).input]
  const unit = dequantise(last, Float64Array.of(1))[0]
  let fromFixed = 0
  let fromFloat = 0
  let largest = Number.MIN_VALUE
  results.forEach(({ logits }, i) => {
    const exact = fixed(quantiseInput(lowered.plan, images.floats[i])).logits
    logits?.forEach((logit, c) => {
      fromFixed = Math.max(fromFixed, Math.abs(logit - exact[c]))
      fromFloat = Math.max(fromFloat, Math.abs(logit * unit - clearLogits[i][c]))
      largest = Math.max(largest, Math.abs(clearLogits[i][c]))
    })
  })
  return { maxLsbError: fromFixed, deviation: { fixed: (fromFixed * unit) / largest, float: fromFloat / largest } }
}

function verify(kernels: Kernels, lowered: LoweredModel, images: Images, results: readonly LocalInference[]): boolean {
  return results.every((result, i) => {
    if (result.seeds === null) throw new Error('the parties did not hand over their seeds')
    const image = quantiseInput(lowered.plan, images.floats[i])
    const simulated = simulate(kernels, lowered, image, result.seeds.client, result.seeds.server)
    if (result.logits === null) return result.label === simulated.label
    return result.logits.every((logit, c) => logit === simulated.logits[c])
  })
}

/** Kinds in the order of every table. */
export const TABLE_KINDS: readonly (keyof Omit<KindTimes, 'wait'>)[] = ['he', 'gc', 'ot', 'share']
