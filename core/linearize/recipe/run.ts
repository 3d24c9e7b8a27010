/** Runs a recipe: its steps one after the other, each kept on disk when it is done. */
import { createHash } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AdytonError } from '../../errors/errors.ts'
import type { Dataset } from '../../datasets/dataset.ts'
import type { Seed } from '../../datasets/random.ts'
import { countNetwork } from '../../network/counts.ts'
import type { Graph } from '../../network/graph.ts'
import { TrainableModel, type TensorEngine } from '../../training/model/model.ts'
import { partBatches, type BatchSource } from '../../training/trainer/batches.ts'
import { evaluate } from '../../training/trainer/evaluate.ts'
import { networkDigest } from '../digest.ts'
import { countKept, layerStatistics, masksOf, type Mask, type Network } from '../masks.ts'
import type { Storage, Surroundings } from '../phase.ts'
import { checkRecipe } from './check.ts'
import type { BatchSettings, Recipe } from './schema.ts'
import { readState, writeState, type RecipeState, type StepRecord } from './state.ts'
import { runStep } from './steps.ts'

/** Pictures to train and to test with. */
export interface RecipeData {
  /** For people, and what a resumed run must agree on. */
  readonly name: string
  readonly train: (seed: Seed, settings: Required<BatchSettings>) => BatchSource
  readonly test?: BatchSource
}

/** A data set with its customary normalisation and augmentation. `depth`: batches prepared ahead, see partBatches. */
export function recipeData(
  dataset: Dataset,
  options: { readonly depth?: number; readonly testSize?: number } = {},
): RecipeData {
  const { parts, normalisation, augmentation } = dataset
  const depth = options.depth === undefined ? {} : { depth: options.depth }
  return {
    name: `${dataset.name}, ${parts.train.count} + ${parts.test.count} images`,
    train: (seed, { size, augment }) =>
      partBatches(parts.train, {
        size,
        seed,
        shuffle: true,
        normalisation,
        ...(augment ? augmentation : {}),
        ...depth,
      }),
    test: partBatches(parts.test, { size: options.testSize ?? 256, normalisation, ...depth }),
  }
}

export interface RecipeContext extends Omit<Surroundings, 'batches' | 'evaluation' | 'engine'> {
  readonly engine: TensorEngine
  readonly data: RecipeData
  /** A network with weights (it is the teacher until a step says otherwise) or an architecture. */
  readonly start: Network | Graph
  /** Fills in for 'sweep'. */
  readonly budget?: number
  readonly storage?: Storage
  /** Told before each step that is run, with its place from 0. */
  readonly onBegin?: (index: number) => void
  /** Told after each step, and of those that an earlier run did. */
  readonly onStep?: (record: StepRecord, index: number) => void
}

export interface RecipeResult {
  /** Absent when the recipe ends without weights or with zero-out. */
  readonly network?: Network
  readonly graph: Graph
  readonly masks: Map<string, Mask>
  /** To be stored with the model. */
  readonly recipe: Recipe
  readonly history: readonly StepRecord[]
  /** ReLUs for one image at the end. */
  readonly relus: number
  /** On the test images at the end, 0 to 1. */
  readonly accuracy?: number
}

function startState(start: Network | Graph): RecipeState {
  const common = { done: 0, exportable: true, history: [] }
  if (!('tensors' in start)) return { ...common, network: { graph: start, tensors: new Map() }, weights: false }
  return { ...common, network: start, weights: true, teacher: start }
}

const isPartlyMasked = (network: Network): boolean =>
  layerStatistics(network.graph, masksOf(network)).some((row) => row.kept > 0 && row.kept < row.total)

/**
 * Runs a recipe. With storage, each finished step is kept, and training steps keep checkpoints: a run that was stopped
 * goes on where it was, to the same bits on the same backend.
 * @throws AdytonError 'usage' for a recipe that cannot work, naming the step; 'cancelled'; 'checkpoint-mismatch'
 */
export async function runRecipe(recipe: Recipe, context: RecipeContext): Promise<RecipeResult> {
  const { data, start, storage, budget, onStep } = context
  let state = startState(start)
  checkRecipe(recipe, {
    weights: state.weights,
    partlyMasked: isPartlyMasked(state.network),
    budget: budget !== undefined,
    evaluation: data.test !== undefined,
  })
  const started = createHash('sha256')
    .update(JSON.stringify([networkDigest(state.network), data.name, budget ?? null]))
    .digest('hex')
  if (storage?.resume === true) state = (await readState(storage, recipe, started)) ?? state
  state.history.forEach((record, index) => onStep?.(record, index))
  for (let index = state.done; index < recipe.steps.length; index++) {
    if (context.signal?.aborted === true) {
      throw new AdytonError('cancelled', `recipe '${recipe.name}' was stopped before step ${index + 1}`)
    }
    context.onBegin?.(index)
    state = await oneStep(recipe, context, state, index)
    if (storage !== undefined) {
      await writeState(storage, recipe, started, state)
      await rm(stepFolder(storage, index), { recursive: true, force: true })
    }
    onStep?.(state.history[index], index)
  }
  const { network, exportable, weights, history } = state
  const masks = masksOf(network)
  const accuracy = history.at(-1)?.accuracy
  return {
    ...(exportable && weights ? { network } : {}),
    graph: network.graph,
    masks,
    recipe,
    history,
    relus: countKept(network.graph, masks),
    ...(accuracy === undefined ? {} : { accuracy }),
  }
}

const stepFolder = ({ folder }: Storage, index: number): string =>
  join(folder, `step-${String(index + 1).padStart(2, '0')}`)

async function oneStep(
  recipe: Recipe,
  context: RecipeContext,
  state: RecipeState,
  index: number,
): Promise<RecipeState> {
  const { data, storage, budget, start: _start, onStep: _onStep, ...rest } = context
  const settings = { size: 128, augment: true, ...recipe.batches }
  const around: Surroundings = {
    ...rest,
    batches: (seed) => data.train(seed, settings),
    ...(data.test === undefined ? {} : { evaluation: data.test }),
  }
  const own = storage === undefined ? undefined : { ...storage, folder: stepFolder(storage, index) }
  if (own !== undefined) {
    // Left over by a run that was not resumed.
    if (storage?.resume !== true) await rm(own.folder, { recursive: true, force: true })
    await mkdir(own.folder, { recursive: true })
  }
  const began = performance.now()
  const step = recipe.steps[index]
  const outcome = await runStep(
    {
      around,
      seed: `${recipe.seed ?? 1} step ${index + 1}`,
      ...(own === undefined ? {} : { storage: own }),
      ...(budget === undefined ? {} : { budget }),
    },
    state,
    step,
  )
  const { network, weights, exportable } = outcome.state
  const accuracy = outcome.accuracy ?? (weights && exportable ? await measure(around, network) : undefined)
  const { relus, macs, params } = countNetwork(network.graph, network.tensors)
  const record: StepRecord = {
    step: step.step,
    relus,
    macs,
    params,
    ...(accuracy === undefined ? {} : { accuracy }),
    epochs: outcome.epochs ?? [],
    ...outcome.record,
    seconds: (performance.now() - began) / 1000,
  }
  return { ...outcome.state, done: index + 1, history: [...state.history, record] }
}

async function measure({ engine, evaluation, signal }: Surroundings, network: Network): Promise<number | undefined> {
  if (evaluation === undefined) return undefined
  const model = TrainableModel.create(engine, network.graph, network.tensors)
  try {
    return (await evaluate(model, evaluation, signal === undefined ? {} : { signal })).top1
  } finally {
    model.dispose()
  }
}
