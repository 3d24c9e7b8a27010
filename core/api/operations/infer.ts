/**
 * infer: private inferences between two processes of this machine, with the clear run beside them.
 */
import { availableParallelism } from 'node:os'
import * as v from 'valibot'
import { imageToDigit, imageToTensor } from '../../datasets/image.ts'
import { openDataset } from '../../datasets/dataset.ts'
import { MNIST_PIXELS } from '../../datasets/mnist.ts'
import { AdytonError } from '../../errors/errors.ts'
import { KERNEL_CHOICES, loadKernels, type Kernels } from '../../kernels/index.ts'
import type { KindTimes } from '../../ledger/report.ts'
import { countNetwork } from '../../network/counts.ts'
import { argmax, dequantise, fixedRunner, quantiseInput } from '../../network/fixed.ts'
import { floatRunner } from '../../network/float.ts'
import type { LoweredModel, RevealStep } from '../../network/plan.ts'
import { simulate } from '../../protocol/simulator.ts'
import { networkImages } from '../network-images.ts'
import { machineName, record, type Recorded } from '../recording.ts'
import { LocalRun, type LocalInference, type LocalRunOptions } from '../local-run.ts'
import type { Operation, OperationContext } from '../operation.ts'
import {
  byteReport,
  layerReports,
  phaseReport,
  type DirectionBytes,
  type LayerReport,
  type PhaseReport,
} from '../report.ts'
import { loadNetwork, lowerNetwork, noiseImages, publicCard, sourceSchema, type LoadedNetwork } from '../source.ts'
import { planSummary, type PlanSummary } from '../plan-summary.ts'

const count = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(max))

export const inferInput = v.strictObject({
  source: sourceSchema,
  /** A picture; or a dataset folder with a part of it; or neither, for an image of noise. */
  picture: v.optional(v.string()),
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
  readonly label: number
  readonly name: string
  /** Label of the clear float run. */
  readonly clear: number
  /** True label, when the dataset has one. */
  readonly expected: number | null
}

export interface InferResult {
  readonly model: {
    readonly id: string
    readonly name: string
    readonly dataset: string | null
    readonly classes: number
  }
  readonly images: number
  /** Share of the private labels that are the true ones; null without true labels. */
  readonly accuracy: number | null
  /** Share of the private labels that the clear float run gives too. */
  readonly agreement: number
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
  readonly perRelu: PlanSummary['perRelu']
  /** Largest resident set of each process, bytes. */
  readonly memory: { readonly client: number; readonly server: number }
  readonly failure: PlanSummary['failure']
  readonly kernels: string
  readonly threads: { readonly client: number; readonly server: number }
  readonly predictions: readonly Prediction[]
}

/** Images ready for the network: preprocessed floats. */
interface Images {
  readonly floats: readonly Float32Array[]
  readonly labels: readonly (number | null)[]
}

export const infer: Operation<InferInput, InferResult> = {
  name: 'infer',
  summary: 'Runs private inferences between two processes of this machine and accounts for every second and byte.',
  input: inferInput,
  run: runInfer,
}

async function runInfer(input: InferInput, context: OperationContext): Promise<InferResult> {
  context.onProgress({ text: 'loading the network' })
  const network = await loadNetwork(input.source, input.data)
  const images = await loadImages(input, network, context)
  const kernels = loadKernels({ warn: context.onNotice })
  context.onProgress({ text: 'lowering the network to the ring' })
  const lowered = lowerNetwork(network, { reveal: input.reveal })
  const threads = input.threads ?? { client: 1, server: Math.max(1, availableParallelism()) }
  const total = images.floats.length
  let current = 0
  const steps = Math.max(1, lowered.plan.steps.length)
  const run = await startRun({
    model: lowered,
    card: publicCard(network),
    threads,
    kernels: input.kernels ?? null,
    revealSeeds: input.verify,
    signal: context.signal,
    onProgress: (party, done) => {
      const index = lowered.plan.steps.findIndex((step) => step.id === done.step)
      const within =
        (done.phase === 'offline' ? 0 : 0.9) + (Math.max(0, index) / steps) * (done.phase === 'offline' ? 0.9 : 0.1)
      context.onProgress({
        text: `image ${current + 1} of ${total}, ${done.phase}: ${done.step} ${done.what} by the ${party}`,
        fraction: (current + within) / total,
      })
    },
  })
  const results: LocalInference[] = []
  const setup = run.setup
  try {
    for (; current < total; current++) {
      context.signal.throwIfAborted()
      results.push(await run.infer(quantiseInput(lowered.plan, images.floats[current])))
    }
  } catch (error) {
    run.kill()
    await run.close()
    throw cancelledOr(error, context.signal)
  }
  const memory = await run.close()
  context.onProgress({ text: 'comparing with the clear run' })
  const clearRun = floatRunner(network.graph, network.tensors)
  const clearLogits = images.floats.map((image) => clearRun(image).logits)
  const clear = clearLogits.map(argmax)
  const expected = images.labels
  const known = expected.filter((label) => label !== null).length
  const share = (matches: (i: number) => boolean): number => results.filter((_, i) => matches(i)).length / total
  const summary = planSummary(lowered.plan)
  const result: InferResult = {
    model: { id: network.id, name: network.name, dataset: network.dataset, classes: lowered.plan.classes },
    images: total,
    accuracy: known === total ? share((i) => results[i].label === expected[i]) : null,
    agreement: share((i) => results[i].label === clear[i]),
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
    perRelu: summary.perRelu,
    memory,
    failure: summary.failure,
    kernels: setup.kernels,
    threads,
    predictions: results.map((result, i) => ({
      index: (input.dataset?.from ?? 0) + i,
      label: result.label,
      name: network.classNames[result.label] ?? String(result.label),
      clear: clear[i],
      expected: expected[i],
    })),
  }
  if (input.record && 'model' in input.source) await record(input.source.model, input.data, recorded(result), context)
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

async function loadImages(input: InferInput, network: LoadedNetwork, context: OperationContext): Promise<Images> {
  if (input.picture !== undefined && input.dataset !== undefined) {
    throw new AdytonError('usage', 'give either a picture or a dataset, not both')
  }
  if (input.picture !== undefined) return { floats: [await loadPicture(input.picture, network)], labels: [null] }
  if (input.dataset !== undefined) return await loadDataset(input.dataset, network, context)
  return { floats: noiseImages(network, 1), labels: [null] }
}

/** One picture, preprocessed as the model's card says. */
export async function loadPicture(
  file: string,
  network: Pick<LoadedNetwork, 'inputShape' | 'preprocessing'>,
): Promise<Float32Array> {
  const { inputShape, preprocessing } = network
  const [channels, height, width] = inputShape
  if (preprocessing.kind === 'digit' && height * width === MNIST_PIXELS) {
    return normalise(await imageToDigit(file), preprocessing)
  }
  return await imageToTensor(file, {
    shape: [channels, height, width],
    mean: preprocessing.mean,
    std: preprocessing.std,
  })
}

function normalise(
  pixels: Float32Array,
  { mean, std }: { mean: readonly number[]; std: readonly number[] },
): Float32Array {
  return pixels.map((x) => (x - mean[0]) / std[0])
}

async function loadDataset(
  input: NonNullable<InferInput['dataset']>,
  network: LoadedNetwork,
  context: OperationContext,
): Promise<Images> {
  const dataset = await openDataset(input.folder)
  for (const notice of dataset.notices) context.onNotice(notice)
  if (network.inputShape.join() !== dataset.shape.join()) {
    throw new AdytonError(
      'usage',
      `${network.name} takes images of ${network.inputShape.join('x')}, ${dataset.name} has ${dataset.shape.join('x')}`,
      { advice: 'Choose another data set or another model.' },
    )
  }
  const part = dataset.parts[input.split]
  const end = input.from + input.count
  if (end > part.count) {
    throw new AdytonError('usage', `the ${input.split} part of ${dataset.name} has ${part.count} images, not ${end}`, {
      advice: 'Ask for fewer images, or start earlier.',
    })
  }
  const records = Uint32Array.from({ length: input.count }, (_, i) => input.from + i)
  const floats = await networkImages(part, records, network.preprocessing)
  return { floats, labels: [...part.labels.subarray(input.from, end)] }
}

/** Kinds in the order of every table. */
export const TABLE_KINDS: readonly (keyof Omit<KindTimes, 'wait'>)[] = ['he', 'gc', 'ot', 'share']
