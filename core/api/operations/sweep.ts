/** sweep: one recipe at several ReLU budgets and seeds, for a Pareto front; finished points are kept. */
import { join } from 'node:path'
import * as v from 'valibot'
import { recipeData } from '../../linearize/recipe/run.ts'
import { paretoFront, paretoSvg } from '../../linearize/reports/reports.ts'
import { parseSweep, runSweep, sweepMeans, type SweepMean, type SweepRow } from '../../linearize/sweep.ts'
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
})
export type SweepInput = v.InferOutput<typeof sweepInput>

export interface SweepOutcome {
  readonly rows: readonly SweepRow[]
  readonly means: readonly SweepMean[]
  /** The means that no other beats in both ReLUs and accuracy. */
  readonly front: readonly SweepMean[]
}

export const sweep: Operation<SweepInput, SweepOutcome> = {
  name: 'sweep',
  summary: 'Runs a recipe at several ReLU budgets and seeds; run it again to go on after a stop.',
  input: sweepInput,
  async run(input, context) {
    const plan = parseSweep(input.sweep)
    const network = await loadNetwork({ model: input.model })
    const { engine, dataset, around } = await openSetting({
      dataset: input.dataset,
      batch: plan.recipe.batches?.size ?? 128,
      network,
      context,
    })
    try {
      const { batches: _batches, evaluation: _evaluation, ...rest } = around
      const rows = await runSweep(plan, {
        ...rest,
        engine,
        data: recipeData(dataset),
        start: { graph: network.graph, tensors: network.tensors },
        storage: await jobStorage(join(input.out, 'job')),
        onPoint: (row) =>
          context.onNotice(
            `seed ${row.seed}, budget ${row.budget}: ${(100 * row.accuracy).toFixed(2)}% at ${row.relus} ReLUs`,
          ),
      })
      const means = sweepMeans(rows)
      const front = paretoFront(means)
      const outcome = { rows, means, front }
      await writeText(join(input.out, 'sweep.json'), `${JSON.stringify(outcome, undefined, 2)}\n`)
      await writeText(join(input.out, 'pareto.svg'), paretoSvg([{ name: plan.name, points: means }]))
      return outcome
    } finally {
      engine.dispose()
    }
  },
}
