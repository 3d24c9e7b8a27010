/**
 * A sweep: one recipe at several ReLU budgets and seeds, for a Pareto front. Every point has a folder of its own, so a
 * sweep that was stopped goes on with the point it was at; finished points are read back.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import type { Network } from './masks.ts'
import type { Storage } from './phase.ts'
import { runRecipe, type RecipeContext, type RecipeResult } from './recipe/run.ts'
import { parseRecipe, type Recipe } from './recipe/schema.ts'

const integers = (min: number) => v.pipe(v.array(v.pipe(v.number(), v.safeInteger(), v.minValue(min))), v.minLength(1))

const SweepShape = v.strictObject({
  version: v.literal(1),
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
  /** ReLUs, each once. */
  budgets: v.pipe(integers(0), v.maxLength(100)),
  /** Each once; [1] unless given. They take the place of the recipes' own. */
  seeds: v.exactOptional(v.pipe(integers(0), v.maxLength(100))),
  /** Run once a seed; its network is where every budget starts from, and its teacher. */
  prepare: v.exactOptional(v.unknown()),
  /** Run once a seed and budget; its steps take 'sweep' as their budget. */
  recipe: v.unknown(),
})

export interface Sweep {
  readonly version: 1
  readonly name: string
  readonly budgets: readonly number[]
  readonly seeds: readonly number[]
  readonly prepare?: Recipe
  readonly recipe: Recipe
}

/** A sweep from parsed JSON. Throws AdytonError 'usage' that names the field. */
export function parseSweep(json: unknown): Sweep {
  const result = v.safeParse(SweepShape, json, { abortEarly: true })
  if (!result.success) {
    const issue = result.issues[0]
    throw new AdytonError('usage', `sweep: ${v.getDotPath(issue) ?? 'the whole'}: ${issue.message}`)
  }
  const { prepare, recipe, seeds = [1], ...rest } = result.output
  for (const [name, list] of Object.entries({ budgets: rest.budgets, seeds })) {
    if (new Set(list).size !== list.length) throw new AdytonError('usage', `sweep: ${name}: a number is there twice`)
  }
  const sweep: Sweep = {
    ...rest,
    seeds,
    recipe: parseRecipe(recipe),
    ...(prepare === undefined ? {} : { prepare: parseRecipe(prepare) }),
  }
  if (!sweep.recipe.steps.some((step) => 'budget' in step && step.budget === 'sweep')) {
    throw new AdytonError('usage', "sweep: no step of the recipe has the budget 'sweep'")
  }
  return sweep
}

export interface SweepRow {
  readonly budget: number
  readonly seed: number
  /** ReLUs that the network has in the end. */
  readonly relus: number
  /** 0 to 1 */
  readonly accuracy: number
}

export interface SweepContext extends Omit<RecipeContext, 'budget' | 'storage'> {
  readonly storage: Storage
  /** Told of each point as it is there; `network` to keep the model. */
  readonly onPoint?: (row: SweepRow, result: RecipeResult) => void
  /** Told before each point, and before a seed's preparation. */
  readonly onStart?: (what: { readonly seed: number; readonly budget?: number }) => void
}

async function inFolder(storage: Storage, ...names: string[]): Promise<Storage> {
  const folder = join(storage.folder, ...names)
  await mkdir(folder, { recursive: true })
  return { ...storage, folder }
}

/**
 * Runs what is missing of a sweep; rows by seed, then budget, in the order of the sweep.
 * @throws AdytonError 'usage' without test images, and what {@link runRecipe} throws
 */
export async function runSweep(sweep: Sweep, context: SweepContext): Promise<SweepRow[]> {
  if (context.data.test === undefined) throw new AdytonError('usage', 'a sweep needs test images')
  const { storage, onPoint, onStart, ...rest } = context
  const rows: SweepRow[] = []
  for (const seed of sweep.seeds) {
    let start = rest.start
    if (sweep.prepare !== undefined) {
      onStart?.({ seed })
      start = await prepared(
        sweep.prepare,
        { ...rest, storage: await inFolder(storage, `seed-${seed}`, 'start') },
        seed,
      )
    }
    for (const budget of sweep.budgets) {
      onStart?.({ seed, budget })
      const result = await runRecipe(
        { ...sweep.recipe, seed },
        { ...rest, start, budget, storage: await inFolder(storage, `seed-${seed}`, `relus-${budget}`) },
      )
      const row = { budget, seed, relus: result.relus, accuracy: result.accuracy ?? NaN }
      rows.push(row)
      onPoint?.(row, result)
    }
  }
  return rows
}

async function prepared(recipe: Recipe, context: RecipeContext, seed: number): Promise<Network> {
  const { network } = await runRecipe({ ...recipe, seed }, context)
  if (network === undefined) throw new AdytonError('usage', `recipe '${recipe.name}': leaves no trained network`)
  return network
}

export interface SweepMean {
  readonly budget: number
  /** Means over seeds. */
  readonly relus: number
  readonly accuracy: number
  /** Of the accuracy, over seeds; absent for one seed. */
  readonly deviation?: number
  readonly seeds: number
}

/** Mean over seeds for each budget, in order of first appearance. */
export function sweepMeans(rows: readonly SweepRow[]): SweepMean[] {
  const byBudget = Map.groupBy(rows, (row) => row.budget)
  return [...byBudget].map(([budget, group]) => {
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
    const accuracy = mean(group.map((row) => row.accuracy))
    const squares = group.reduce((sum, row) => sum + (row.accuracy - accuracy) ** 2, 0)
    return {
      budget,
      relus: mean(group.map((row) => row.relus)),
      accuracy,
      ...(group.length > 1 ? { deviation: Math.sqrt(squares / (group.length - 1)) } : {}),
      seeds: group.length,
    }
  })
}
