/** sweep: one recipe at several ReLU budgets and seeds, for a Pareto front; finished points are kept. */
import { join } from 'node:path'
import * as v from 'valibot'
import { countKept, masksOf } from '../../linearize/masks.ts'
import { plannedPhases } from '../../linearize/recipe/phases.ts'
import type { Recipe } from '../../linearize/recipe/schema.ts'
import type { Graph } from '../../network/graph.ts'
import { recipeData } from '../../linearize/recipe/run.ts'
import { paretoFront, paretoSvg } from '../../linearize/reports/reports.ts'
import { parseSweep, runSweep, sweepMeans, type Sweep, type SweepMean, type SweepRow } from '../../linearize/sweep.ts'
import { TrainingTracker } from '../curation/tracker.ts'
import type { PlannedPart, TrainingPoint } from '../data/training.ts'
import { jobStorage, openSetting, writeText } from '../curation/setting.ts'
import type { Operation } from '../operation.ts'
import { loadNetwork } from '../source.ts'

export const sweepInput = v.strictObject({
  model: v.pipe(v.string(), v.minLength(1)),
  dataset: v.pipe(v.string(), v.minLength(1)),
  /** Folder of the finished points and the report. */
  out: v.pipe(v.string(), v.minLength(1)),
  /** A sweep as JSON: budgets, seeds, recipe; see core/linearize/sweep.ts. */
  sweep: v.unknown(),
  /** Folder of the catalog that zoo:ID means; see dataFolder. */
  data: v.exactOptional(v.string()),
})
export type SweepInput = v.InferOutput<typeof sweepInput>

/** One seed at one budget, for a chart of accuracy over ReLUs. */
export interface SweepPoint extends SweepRow {
  /** Whether no other point has as few ReLUs and is as accurate, better in one of them. */
  readonly front: boolean
}

export interface SweepOutcome {
  readonly rows: readonly SweepRow[]
  readonly means: readonly SweepMean[]
  /** The means that no other beats in both ReLUs and accuracy. */
  readonly front: readonly SweepMean[]
  readonly points: readonly SweepPoint[]
  /** Of the network that the sweep starts from; its accuracy as its card states it. */
  readonly start: { readonly relus: number; readonly accuracy: number | null }
  /** Every epoch, for curves. */
  readonly history: readonly TrainingPoint[]
  /** What the points' `part` counts. */
  readonly plan: readonly PlannedPart[]
}

/** Every training run of a sweep, in order. */
function planOf({ seeds, budgets, prepare, recipe }: Sweep, graph: Graph): PlannedPart[] {
  const run = (recipe: Recipe, seed: number, budget: number | null): PlannedPart[] =>
    plannedPhases(recipe, graph).map(({ phase, ...part }) => ({ stage: phase, ...part, seed, budget }))
  return seeds.flatMap((seed) => [
    ...(prepare === undefined ? [] : run(prepare, seed, null)),
    ...budgets.flatMap((budget) => run(recipe, seed, budget)),
  ])
}

export const sweep: Operation<typeof sweepInput, SweepOutcome> = {
  name: 'sweep',
  summary: 'Runs a recipe at several ReLU budgets and seeds; run it again to go on after a stop.',
  input: sweepInput,
  async run(input, context) {
    const plan = parseSweep(input.sweep)
    const network = await loadNetwork({ model: input.model }, input.data)
    const { engine, dataset, around, perEpoch } = await openSetting({
      dataset: input.dataset,
      batch: plan.recipe.batches?.size ?? 128,
      network,
      data: input.data,
      context,
    })
    try {
      const { batches: _batches, evaluation: _evaluation, ...rest } = around
      const storage = await jobStorage(join(input.out, 'job'))
      const relus = countKept(network.graph, masksOf(network))
      const parts = planOf(plan, network.graph)
      const tracker = new TrainingTracker({
        ...{ context, engine: engine.description, images: perEpoch, relus, folder: storage.folder },
        ...{ plan: parts, budget: null },
      })
      const rows = await runSweep(plan, {
        ...rest,
        ...tracker.hooks,
        onStep: (record, step) => tracker.record(record, step),
        onStart: ({ seed, budget }) => tracker.enter(seed, budget ?? null),
        engine,
        data: recipeData(dataset),
        start: { graph: network.graph, tensors: network.tensors },
        storage,
        onPoint: (row) =>
          context.onNotice(
            `seed ${row.seed}, budget ${row.budget}: ${(100 * row.accuracy).toFixed(2)}% at ${row.relus} ReLUs`,
          ),
      })
      const means = sweepMeans(rows)
      const front = paretoFront(means)
      const points = paretoFront(rows)
      const outcome: SweepOutcome = {
        ...{ rows, means, front, plan: parts, history: tracker.history },
        points: rows.map((row) => ({ ...row, front: points.includes(row) })),
        start: { relus, accuracy: network.card?.accuracy?.top1 ?? null },
      }
      await writeText(join(input.out, 'sweep.json'), `${JSON.stringify(outcome, undefined, 2)}\n`)
      await writeText(join(input.out, 'pareto.svg'), paretoSvg([{ name: plan.name, points: means }]))
      return outcome
    } finally {
      engine.dispose()
    }
  },
}
