/** What each step of a recipe does to the state. */
import { AdytonError } from '../../errors/errors.ts'
import { initialTensors } from '../../training/model/initial.ts'
import { TrainableModel } from '../../training/model/model.ts'
import type { EpochReport } from '../../training/trainer/report.ts'
import { byCriticality, criticality, type StageAccuracy } from '../criticality.ts'
import { cull, dropToBudget, onlyStage, thin } from '../layers.ts'
import { countKept, masksOf, stageStatistics, uniformMasks, withMasks, type Masks, type Network } from '../masks.ts'
import {
  finetunePhase,
  needsTeacher,
  pretrainPhase,
  runPhase,
  type FullPhase,
  type Storage,
  type Surroundings,
} from '../phase.ts'
import { pruneFilters } from '../prune.ts'
import { scaleChannels, scaleFeatureMaps, type Reshaped } from '../scale.ts'
import { randomMasks, shareOfRelus } from '../select.ts'
import { snl } from '../snl/snl.ts'
import type { Budget, Step, StepOf } from './schema.ts'
import type { RecipeEpoch, RecipeState, StepRecord } from './state.ts'

export interface StepContext {
  readonly around: Surroundings
  /** Of the recipe, the step's place added. */
  readonly seed: string
  /** A folder of the step's own. */
  readonly storage?: Storage
  /** Fills in for 'sweep'. */
  readonly budget?: number
}

export interface StepOutcome {
  readonly state: RecipeState
  readonly epochs?: readonly RecipeEpoch[]
  /** When the step has measured it already. */
  readonly accuracy?: number
  readonly record?: Pick<StepRecord, 'criticality' | 'snl'>
}

function relusFor(budget: Budget, { graph }: Network, context: StepContext): number {
  if (budget === 'sweep') return context.budget ?? 0
  return typeof budget === 'number' ? budget : shareOfRelus(graph, budget.share)
}

const masked = (state: RecipeState, masks: Masks): StepOutcome => ({
  state: { ...state, network: withMasks(state.network, masks) },
})

/** Weights as drawn by seed, under the network's masks. */
const fresh = (network: Network, seed: string): Network =>
  withMasks({ graph: network.graph, tensors: initialTensors(network.graph, seed) }, masksOf(network))

const epochOf = (phase: string, relus: number, report: EpochReport): RecipeEpoch => ({
  phase,
  epoch: report.epoch,
  relus,
  loss: report.loss,
  trainAccuracy: report.accuracy,
  ...(report.evaluation === undefined ? {} : { accuracy: report.evaluation.top1 }),
})

interface Trained {
  readonly network: Network
  readonly epochs: RecipeEpoch[]
  readonly accuracy?: number
}

async function trainNetwork(
  context: StepContext,
  teacher: Network | undefined,
  network: Network,
  spec: FullPhase,
  phase: string,
): Promise<Trained> {
  const { engine } = context.around
  const masks = masksOf(network)
  const relus = countKept(network.graph, masks)
  const model = TrainableModel.create(engine, network.graph, network.tensors)
  const taught =
    needsTeacher(spec) && teacher !== undefined
      ? TrainableModel.create(engine, teacher.graph, teacher.tensors)
      : undefined
  try {
    const { reports } = await runPhase(context.around, {
      phase,
      model,
      ...(taught === undefined ? {} : { teacher: taught }),
      spec,
      seed: `${context.seed} ${phase}`,
      kept: relus,
      ...(context.storage === undefined ? {} : { storage: context.storage }),
    })
    const accuracy = reports.at(-1)?.evaluation?.top1
    return {
      network: withMasks(await model.exportModel(), masks),
      epochs: reports.map((report) => epochOf(phase, relus, report)),
      ...(accuracy === undefined ? {} : { accuracy }),
    }
  } finally {
    model.dispose()
    taught?.dispose()
  }
}

async function trainStep(
  context: StepContext,
  state: RecipeState,
  network: Network,
  spec: FullPhase,
  phase: string,
): Promise<StepOutcome> {
  const { network: trained, ...rest } = await trainNetwork(context, state.teacher, network, spec, phase)
  return { state: { ...state, network: trained, weights: true }, ...rest }
}

function reshaped(state: RecipeState, { graph, masks }: Reshaped): StepOutcome {
  return { state: { ...state, network: withMasks({ graph, tensors: new Map() }, masks), weights: false } }
}

async function measureCriticality(
  context: StepContext,
  state: RecipeState,
  { start, step: _, ...phase }: StepOf<'criticality'>,
): Promise<StepOutcome> {
  const { graph } = state.network
  const spec = pretrainPhase(phase)
  // Masks of earlier steps would mix with the question: every stage is judged with all of its ReLUs.
  const bare = withMasks(state.network, uniformMasks(graph, 'channel', 1))
  const stages: StageAccuracy[] = []
  const epochs: RecipeEpoch[] = []
  for (const { stage, total } of stageStatistics(graph, new Map())) {
    if (total === 0) continue
    const only = withMasks(bare, onlyStage(graph, new Map(), stage))
    const first = start === 'trained' ? only : fresh(only, `${context.seed} initial`)
    const trained = await trainNetwork(context, state.teacher, first, spec, `criticality-${stage}`)
    stages.push({ stage, relus: total, accuracy: 100 * (trained.accuracy ?? 0) })
    epochs.push(...trained.epochs)
  }
  const rows = criticality(stages)
  return { state: { ...state, criticality: rows }, epochs, record: { criticality: rows } }
}

function cullStep(state: RecipeState, step: StepOf<'cull'>): StepOutcome {
  const { graph } = state.network
  const masks = masksOf(state.network)
  if (step.stage !== 'least-critical') return masked(state, cull(graph, masks, step.stage))
  const kept = stageStatistics(graph, masks)
  const least = byCriticality(state.criticality ?? []).find((stage) => kept[stage].kept > 0)
  if (least === undefined) throw new AdytonError('usage', 'no stage has ReLUs left to cull')
  return masked(state, cull(graph, masks, least))
}

async function snlStep(context: StepContext, state: RecipeState, step: StepOf<'snl'>): Promise<StepOutcome> {
  const { step: _, budget, ...spec } = step
  const { network, teacher } = state
  const result = await snl(context.around, {
    network: state.weights ? network : fresh(network, `${context.seed} initial`),
    spec: { ...spec, budget: relusFor(budget, network, context) },
    seed: context.seed,
    ...(teacher === undefined ? {} : { teacher }),
    ...(context.storage === undefined ? {} : { storage: context.storage }),
  })
  const { accuracy, relus, reached } = result
  return {
    state: {
      ...state,
      network: result.network ?? withMasks(network, result.masks),
      weights: true,
      exportable: result.network !== undefined,
    },
    epochs: result.history.map(({ penalty: _penalty, ...row }) => row),
    ...(accuracy === undefined ? {} : { accuracy }),
    record: { snl: { threshold: relus.threshold, reached } },
  }
}

/** Carries out a step. */
export async function runStep(context: StepContext, state: RecipeState, step: Step): Promise<StepOutcome> {
  const { network } = state
  const { graph } = network
  switch (step.step) {
    case 'train': {
      const { step: _, fresh: anew, ...phase } = step
      const start = state.weights && anew !== true ? network : fresh(network, `${context.seed} initial`)
      return trainStep(context, state, start, pretrainPhase(phase), 'train')
    }
    case 'finetune': {
      const { step: _, ...phase } = step
      return trainStep(context, state, network, finetunePhase(phase), 'finetune')
    }
    case 'teacher':
      return { state: { ...state, teacher: network } }
    case 'snl':
      return snlStep(context, state, step)
    case 'thin':
      return masked(state, thin(graph, masksOf(network), step))
    case 'cull':
      return cullStep(state, step)
    case 'criticality':
      return measureCriticality(context, state, step)
    case 'scale-channels':
      return reshaped(state, scaleChannels(graph, masksOf(network), step.factor))
    case 'scale-feature-maps':
      return reshaped(state, scaleFeatureMaps(graph, masksOf(network), step.divisor))
    case 'prune-filters': {
      const budget = relusFor(step.budget, network, context)
      return { state: { ...state, network: pruneFilters(network, budget, step) } }
    }
    case 'random-masks': {
      const budget = relusFor(step.budget, network, context)
      const { granularity = 'element' } = step
      const within = masksOf(network)
      return masked(state, randomMasks(graph, budget, context.seed, { granularity, within }))
    }
    case 'drop-layers': {
      const budget = relusFor(step.budget, network, context)
      return masked(state, dropToBudget(graph, masksOf(network), budget, step))
    }
  }
}
