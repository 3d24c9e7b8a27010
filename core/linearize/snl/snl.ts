/**
 * Selective Network Linearization, algorithm 1 of Cho, Joshi, Garg, Reagen, Hegde: "Selective Network Linearization for
 * Efficient Private Inference", ICML 2022. A trained network gets a slope c for each ReLU (or channel); weights and
 * slopes are trained together under a Lasso penalty until at most B slopes exceed epsilon; slopes become 0 or 1, are
 * frozen, and the weights are fine-tuned with distillation from the original network.
 *
 * The order of images is drawn by seed, and each phase keeps a checkpoint: a run that was stopped goes on to the same
 * bits on the same backend.
 */
import { AdytonError } from '../../errors/errors.ts'
import type { Graph, Tensor } from '../../network/graph.ts'
import { initialTensors } from '../../training/model/initial.ts'
import { TrainableModel } from '../../training/model/model.ts'
import { evaluate } from '../../training/trainer/evaluate.ts'
import type { EpochReport } from '../../training/trainer/report.ts'
import { networkDigest } from '../digest.ts'
import { countKept, maskLength, masksOf, reluLayers, withMasks, type Mask, type Masks, type Network } from '../masks.ts'
import { needsTeacher, runPhase, type Storage, type Surroundings } from '../phase.ts'
import { checkBudget, selectLargest, type Slopes } from '../select.ts'
import { fullSnlSpec, type FullSnlSpec, type SnlSpec } from './spec.ts'
import { SparsifyHook } from './sparsify.ts'

export interface SnlOptions {
  /** The trained network f_W. ReLUs that its masks have removed stay removed. */
  readonly network: Network
  readonly spec: SnlSpec
  readonly seed: number | string
  /** Distils; the network itself, as given, unless named. */
  readonly teacher?: Network
  readonly storage?: Storage
}

export interface SnlEpoch {
  readonly phase: 'sparsify' | 'finetune'
  /** From 0, within the phase. */
  readonly epoch: number
  /** While sparsifying, slopes above epsilon; then the kept ReLUs. */
  readonly relus: number
  /** Lasso coefficient in force; only while sparsifying. */
  readonly lambda?: number
  readonly loss: number
  readonly penalty: number
  /** On training images as fed, 0 to 1. */
  readonly trainAccuracy: number
  /** On the test images, 0 to 1; while sparsifying, with the slopes as they are between 0 and 1. */
  readonly accuracy?: number
}

export interface SnlResult {
  /** Absent for zero-out, which masks of core/network do not express. */
  readonly network?: Network
  readonly masks: Map<string, Mask>
  /** As they were when sparsifying ended, in the order of core/network. */
  readonly slopes: Slopes
  readonly relus: {
    readonly before: number
    /** Slopes above epsilon when sparsifying ended. */
    readonly threshold: number
    readonly kept: number
  }
  /** Whether sparsifying came to the budget by itself. */
  readonly reached: boolean
  readonly history: readonly SnlEpoch[]
  /** Of the final network on the test images, 0 to 1. */
  readonly accuracy?: number
}

/** Runs SNL. The given network is not changed. */
export async function snl(around: Surroundings, options: SnlOptions): Promise<SnlResult> {
  const spec = fullSnlSpec(options.spec)
  const given = options.network
  const before = masksOf(given)
  const total = countKept(given.graph, before)
  checkBudget(spec.budget, total)
  const teacher = TrainableModel.create(around.engine, ...parts(options.teacher ?? given))
  try {
    const found = await sparsify(around, options, spec, teacher)
    const masks = chooseMasks(given.graph, before, found.slopes, spec)
    const kept = countKept(given.graph, masks)
    const soft = { graph: given.graph, tensors: found.weights }
    const { model, history, accuracy } = await finetune(around, options, spec, teacher, withMasks(soft, masks), kept)
    try {
      return {
        ...(spec.removed === 'zero' ? {} : { network: withMasks(await model.exportModel(), masks) }),
        masks,
        slopes: found.slopes,
        relus: { before: total, threshold: found.threshold, kept },
        reached: found.reached,
        history: [...found.history, ...history],
        ...(accuracy === undefined ? {} : { accuracy }),
      }
    } finally {
      model.dispose()
    }
  } finally {
    teacher.dispose()
  }
}

const parts = ({ graph, tensors }: Network) => [graph, tensors] as const

const epochOf = (report: EpochReport) => ({
  epoch: report.epoch,
  loss: report.loss,
  penalty: report.penalty,
  trainAccuracy: report.accuracy,
  ...(report.evaluation === undefined ? {} : { accuracy: report.evaluation.top1 }),
})

interface Sparsified {
  readonly weights: Map<string, Tensor>
  readonly slopes: Slopes
  readonly threshold: number
  readonly reached: boolean
  readonly history: SnlEpoch[]
}

/** Lines 2 to 10. */
async function sparsify(
  around: Surroundings,
  { network, seed, storage }: SnlOptions,
  spec: FullSnlSpec,
  teacher: TrainableModel,
): Promise<Sparsified> {
  const slopes = { slopes: spec.granularity, removed: spec.removed }
  const model = TrainableModel.create(around.engine, ...parts(fromStart(network, spec, seed)), slopes)
  try {
    const { budget, lambda, kappa, epsilon, requiredFall, final, start } = spec
    const options = { budget, lambda, kappa, epsilon, requiredFall }
    const hook = new SparsifyHook(options, { ...options, final, start, before: networkDigest(network) })
    const total = (await model.countRelus(spec.epsilon)).kept
    const reports =
      total <= spec.budget
        ? []
        : (
            await runPhase(around, {
              phase: 'sparsify',
              model,
              ...(needsTeacher(spec.sparsify) ? { teacher } : {}),
              spec: spec.sparsify,
              seed: `${seed} sparsify`,
              hooks: [hook],
              reluThreshold: spec.epsilon,
              ...(storage === undefined ? {} : { storage }),
            })
          ).reports
    const threshold = hook.epochs.at(-1)?.relus ?? total
    if (threshold > spec.budget && spec.final === 'threshold') {
      throw new AdytonError(
        'usage',
        `SNL: after ${reports.length} epochs ${threshold} ReLUs are left, more than the budget of ${spec.budget}`,
        {
          advice: "Give it more epochs, a larger lambda or kappa, or take the largest slopes with 'final': 'largest'.",
        },
      )
    }
    const weights = await model.state()
    for (const id of model.slopes().keys()) weights.delete(`${id}.slope`)
    const history = reports.map((report, i): SnlEpoch => {
      const { relus, lambda } = hook.epochs[i]
      return { phase: 'sparsify', ...epochOf(report), relus, lambda }
    })
    return { weights, slopes: await model.readSlopes(), threshold, reached: threshold <= spec.budget, history }
  } finally {
    model.dispose()
  }
}

function fromStart(network: Network, spec: FullSnlSpec, seed: number | string): Network {
  if (spec.start === 'trained') return network
  return withMasks({ graph: network.graph, tensors: initialTensors(network.graph, seed) }, masksOf(network))
}

/** Line 11, or the stated final step. */
function chooseMasks(graph: Graph, before: Masks, slopes: Slopes, spec: FullSnlSpec): Map<string, Mask> {
  const { granularity, epsilon } = spec
  if (spec.final === 'largest') return selectLargest(graph, slopes, spec.budget, granularity, { within: before })
  return new Map(
    reluLayers(graph).map((layer) => {
      const c = slopes.get(layer.id) ?? new Float32Array(maskLength(layer, granularity))
      return [layer.id, { granularity, kept: Uint8Array.from(c, (slope) => (slope > epsilon ? 1 : 0)) }]
    }),
  )
}

/** Line 12: C is frozen, for the model has no trainable slopes. */
async function finetune(
  around: Surroundings,
  { seed, storage }: SnlOptions,
  spec: FullSnlSpec,
  teacher: TrainableModel,
  network: Network,
  kept: number,
): Promise<{ model: TrainableModel; history: SnlEpoch[]; accuracy?: number }> {
  const model = TrainableModel.create(around.engine, ...parts(network), { removed: spec.removed })
  try {
    if (spec.finetune === false) {
      const { evaluation, signal } = around
      if (evaluation === undefined) return { model, history: [] }
      const measured = await evaluate(model, evaluation, signal === undefined ? {} : { signal })
      return { model, history: [], accuracy: measured.top1 }
    }
    const { reports } = await runPhase(around, {
      phase: 'finetune',
      model,
      ...(needsTeacher(spec.finetune) ? { teacher } : {}),
      spec: spec.finetune,
      seed: `${seed} finetune`,
      kept,
      ...(storage === undefined ? {} : { storage }),
    })
    const accuracy = reports.at(-1)?.evaluation?.top1
    return {
      model,
      history: reports.map((report) => ({ phase: 'finetune', ...epochOf(report), relus: kept })),
      ...(accuracy === undefined ? {} : { accuracy }),
    }
  } catch (error) {
    model.dispose()
    throw error
  }
}
