/** linearize: brings a trained model to a ReLU budget, by a method or by a recipe, into a new model folder. */
import { join } from 'node:path'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { writeModel, type Card } from '../../formats/model-directory.ts'
import { countKept, masksOf } from '../../linearize/masks.ts'
import { plannedPhases } from '../../linearize/recipe/phases.ts'
import { shareOfRelus } from '../../linearize/select.ts'
import type { Graph } from '../../network/graph.ts'
import { layerReport, layerReportSvg } from '../../linearize/reports/reports.ts'
import { recipeData, runRecipe, type RecipeResult } from '../../linearize/recipe/run.ts'
import { parseRecipe, RECIPE_VERSION, type Recipe } from '../../linearize/recipe/schema.ts'
import { checkTag } from '../../zoo/tags.ts'
import { TrainingTracker } from '../curation/tracker.ts'
import type { PlannedPart, TrainingPoint } from '../data/training.ts'
import { calibrateOn, datasetCard, jobStorage, openSetting, writeText } from '../curation/setting.ts'
import type { Operation } from '../operation.ts'
import { keep } from '../recording.ts'
import { loadNetwork } from '../source.ts'
import { tagsEntry } from './zoo-input.ts'

const whole = (min: number, max: number) => v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max))

export const METHODS = ['snl', 'snl-channel', 'random', 'drop-layers', 'prune-filters'] as const

export const linearizeInput = v.strictObject({
  model: v.pipe(v.string(), v.minLength(1)),
  dataset: v.pipe(v.string(), v.minLength(1)),
  out: v.pipe(v.string(), v.minLength(1)),
  /** ReLUs to keep; needed unless a recipe says so itself. */
  budget: v.optional(whole(0, 2 ** 31)),
  method: v.optional(v.picklist(METHODS), 'snl'),
  /** At most so many epochs of sparsifying (SNL). */
  epochs: v.optional(whole(1, 10_000), 20),
  /** Epochs of fine-tuning with distillation. */
  finetune: v.optional(whole(1, 10_000), 10),
  /** First Lasso coefficient of SNL. */
  lambda: v.optional(v.pipe(v.number(), v.gtValue(0))),
  seed: v.optional(whole(0, 2 ** 32 - 1), 1),
  /** A recipe as JSON, instead of a method. */
  recipe: v.optional(v.unknown()),
  name: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(100))),
  /** Bring the result into the catalog. */
  keep: v.optional(v.boolean(), false),
  /** In the catalog. */
  tags: tagsEntry,
  /** Folder of the catalog; see dataFolder. */
  data: v.exactOptional(v.string()),
})
export type LinearizeInput = v.InferOutput<typeof linearizeInput>

export interface LinearizeOutcome {
  /** Folder. */
  readonly model: string
  /** In the catalog, when it was brought there. */
  readonly id: string | null
  readonly relus: { readonly before: number; readonly after: number }
  readonly accuracy: { readonly before: number | null; readonly after: number }
  readonly recipe: Recipe
  /** What each step of the recipe did. */
  readonly steps: RecipeResult['history']
  /** Every epoch, for curves. */
  readonly history: readonly TrainingPoint[]
  /** What the points' `part` counts. */
  readonly plan: readonly PlannedPart[]
  /** ReLUs by layer, before and after. */
  readonly layers: ReturnType<typeof layerReport>
  readonly seconds: number
  readonly engine: string
}

/** The Lasso coefficient of SNL's section 4 times the ReLUs of its network, ResNet-18: the whole pull on the slopes. */
const PULL = 1e-5 * 491_520

/**
 * The recipe of a method: select or learn the masks, then fine-tune with the given model as the teacher. `relus`: of the
 * model as given. SNL's settings are those that work in tens of epochs rather than the paper's 200: a coefficient scaled
 * by the size of the network and raised whenever the count is behind its schedule, and slopes that move faster than
 * weights.
 */
export function methodRecipe(input: LinearizeInput, relus: number): Recipe {
  const { method, budget, epochs, finetune, lambda, seed } = input
  if (budget === undefined) {
    throw new AdytonError('usage', 'a budget of ReLUs is needed', { advice: 'Give a budget, or a recipe.' })
  }
  const tune = {
    epochs: finetune,
    optimiser: { kind: 'sgd', momentum: 0.9, decay: 0.0005 },
    schedule: { kind: 'cosine', rate: 0.01 },
    loss: { kind: 'distillation', temperature: 4, weight: 0.5 },
  }
  const step =
    method === 'snl' || method === 'snl-channel'
      ? {
          step: 'snl',
          budget,
          granularity: method === 'snl' ? 'element' : 'channel',
          final: 'largest',
          lambda: lambda ?? PULL / Math.max(relus, 1),
          kappa: 1.2,
          requiredFall: 'on-schedule',
          sparsify: { epochs, optimiser: { kind: 'adam', decay: 0.0005, slopeRate: 8 } },
          finetune: tune,
        }
      : { step: method === 'random' ? 'random-masks' : method, budget }
  const steps = 'finetune' in step ? [step] : [step, { step: 'finetune', ...tune }]
  return parseRecipe({ version: RECIPE_VERSION, name: `${method} to ${budget} ReLUs`, seed, steps })
}

/** The recipe with the budget in every place that leaves it open, so that what is stored repeats the run. */
function withBudget(recipe: Recipe, budget: number | undefined): Recipe {
  if (budget === undefined) return recipe
  const steps = recipe.steps.map((step) => ('budget' in step && step.budget === 'sweep' ? { ...step, budget } : step))
  return parseRecipe({ ...recipe, steps })
}

export const linearize: Operation<typeof linearizeInput, LinearizeOutcome> = {
  name: 'linearize',
  summary: 'Brings a model to a ReLU budget by SNL, a baseline or a recipe; run it again to go on after a stop.',
  input: linearizeInput,
  async run(input, context) {
    const started = performance.now()
    // Known before hours of training.
    const tags = input.tags.map(checkTag)
    const given = input.recipe === undefined ? undefined : withBudget(parseRecipe(input.recipe), input.budget)
    const network = await loadNetwork({ model: input.model }, input.data)
    const relus = countKept(network.graph, masksOf({ graph: network.graph, tensors: network.tensors }))
    const recipe = given ?? methodRecipe(input, relus)
    const { dataset: path, data } = input
    const setting = await openSetting({ dataset: path, batch: recipe.batches?.size ?? 128, network, data, context })
    const { engine, dataset, around, perEpoch } = setting
    try {
      const start = { graph: network.graph, tensors: network.tensors }
      const { batches: _batches, evaluation: _evaluation, ...rest } = around
      const storage = await jobStorage(join(input.out, 'job'))
      const plan = plannedPhases(recipe, network.graph).map(({ phase, ...part }) => ({ stage: phase, ...part }))
      const tracker = new TrainingTracker({
        ...{ context, engine: engine.description, images: perEpoch, relus, folder: storage.folder },
        plan,
        budget: budgetOf(recipe, network.graph),
      })
      const result = await runRecipe(recipe, {
        ...rest,
        ...tracker.hooks,
        engine,
        data: recipeData(dataset),
        start,
        storage,
        onStep: (record, index) => {
          tracker.record(record, index)
          context.onNotice(`${record.step}: ${record.relus} ReLUs, ${percentOf(record.accuracy)}`)
        },
      })
      if (result.network === undefined || result.accuracy === undefined) {
        throw new AdytonError('usage', `recipe '${recipe.name}' leaves no trained network that can be written`)
      }
      tracker.finish('calibrating the model')
      const before = masksOf(start)
      const seconds = (performance.now() - started) / 1000
      const card: Card = {
        name: input.name ?? `${network.name}, ${result.relus} ReLUs`,
        description: `Linearised from ${network.name} by the recipe in recipe.json (${recipe.name}).`,
        ...datasetCard(dataset, network.card),
        licence: network.card?.licence ?? 'unknown',
        accuracy: { top1: result.accuracy, images: dataset.parts.test.count },
        training: {
          images: dataset.parts.train.count,
          summary: `Recipe '${recipe.name}', seed ${recipe.seed ?? 1}, ${Math.round(seconds)} s on ${engine.description}.`,
        },
      }
      const calibration = await calibrateOn(dataset, result.network.graph, result.network.tensors)
      await writeModel(input.out, { ...result.network, card, calibration })
      await writeText(join(input.out, 'recipe.json'), `${JSON.stringify(recipe, undefined, 2)}\n`)
      const layers = layerReport(result.graph, result.masks)
      await writeText(join(input.out, 'relus.svg'), layerReportSvg(layers))
      const kept = { folder: input.out, data: input.data, by: 'linearize', of: input.model, tags } as const
      return {
        model: input.out,
        id: input.keep ? await keep(kept) : null,
        relus: { before: countKept(start.graph, before), after: result.relus },
        accuracy: { before: network.card?.accuracy?.top1 ?? null, after: result.accuracy },
        recipe,
        steps: result.history,
        history: tracker.history,
        plan,
        layers,
        seconds,
        engine: engine.description,
      }
    } finally {
      engine.dispose()
    }
  },
}

/** ReLUs of the last step that names a number of them; null when none does. */
function budgetOf(recipe: Recipe, graph: Graph): number | null {
  const budget = recipe.steps.findLast((step) => 'budget' in step)?.budget
  if (budget === undefined || budget === 'sweep') return null
  return typeof budget === 'number' ? budget : shareOfRelus(graph, budget.share)
}

function percentOf(accuracy: number | undefined): string {
  return accuracy === undefined ? 'not measured' : `${(100 * accuracy).toFixed(2)}% of the test images`
}
