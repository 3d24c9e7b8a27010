/** Where a recipe stands: the network between two steps, kept in a file so that a run goes on after the last one. */
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import type { Graph, Tensor, Tensors } from '../../network/graph.ts'
import { GraphSchema, parseGraph } from '../../network/schema.ts'
import type { StageCriticality } from '../criticality.ts'
import { ordered } from '../digest.ts'
import type { Network } from '../masks.ts'
import type { Storage } from '../phase.ts'
import type { Recipe } from './schema.ts'

/** An epoch of a step that trains. */
export interface RecipeEpoch {
  readonly phase: string
  /** From 0, within its phase. */
  readonly epoch: number
  readonly relus: number
  readonly loss: number
  /** 0 to 1 */
  readonly trainAccuracy: number
  readonly accuracy?: number
  readonly lambda?: number
}

/** What a step did. */
export interface StepRecord {
  readonly step: string
  /** ReLUs, multiply-accumulates and learnable numbers after it. */
  readonly relus: number
  readonly macs: number
  readonly params: number
  /** On the test images after it, 0 to 1; absent without weights or test images. */
  readonly accuracy?: number
  readonly epochs: readonly RecipeEpoch[]
  readonly criticality?: readonly StageCriticality[]
  /** SNL: slopes above epsilon at the end of the sparsifying, and whether that was within the budget. */
  readonly snl?: { readonly threshold: number; readonly reached: boolean }
  readonly seconds: number
}

export interface RecipeState {
  /** Steps done. */
  readonly done: number
  /** With masks; without weights when they have yet to be trained. */
  readonly network: Network
  readonly weights: boolean
  readonly teacher?: Network
  /** False after zero-out, whose network core/network cannot express. */
  readonly exportable: boolean
  readonly criticality?: readonly StageCriticality[]
  readonly history: readonly StepRecord[]
}

const FILE = 'recipe.safetensors'
const VERSION = '1'
const StateSchema = v.object({
  started: v.string(),
  recipe: v.looseObject({ steps: v.array(v.unknown()) }),
  done: v.pipe(v.number(), v.integer(), v.minValue(0)),
  weights: v.boolean(),
  exportable: v.boolean(),
  graph: GraphSchema,
  teacher: v.exactOptional(GraphSchema),
  criticality: v.exactOptional(v.array(v.looseObject({ stage: v.number() }))),
  history: v.array(v.looseObject({ step: v.string() })),
})

/** Steps and settings that decide what is done after `done` steps. */
const decisive = ({ seed, batches, steps }: Partial<Recipe>, done: number): string =>
  ordered([seed ?? 1, batches ?? {}, (steps ?? []).slice(0, done)])

/** `started` tells what the run began with (network, data, budget). */
export async function writeState(
  { folder, format }: Storage,
  recipe: Recipe,
  started: string,
  state: RecipeState,
): Promise<void> {
  const { network, teacher, ...rest } = state
  const tensors = new Map<string, Tensor>()
  for (const [name, tensor] of network.tensors) tensors.set(`network/${name}`, tensor)
  for (const [name, tensor] of teacher?.tensors ?? []) tensors.set(`teacher/${name}`, tensor)
  const json = JSON.stringify({
    ...rest,
    started,
    recipe,
    graph: network.graph,
    ...(teacher === undefined ? {} : { teacher: teacher.graph }),
  })
  const bytes = format.write(tensors, { metadata: { adytonRecipe: VERSION, state: json } })
  const file = join(folder, FILE)
  const handle = await open(`${file}.${process.pid}.tmp`, 'w')
  try {
    await handle.writeFile(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
  await rename(`${file}.${process.pid}.tmp`, file)
}

const part = (tensors: Tensors, prefix: string): Map<string, Tensor> =>
  new Map(
    [...tensors].flatMap(([name, tensor]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [])),
  )

/**
 * The state that a folder holds; undefined when it holds none. The recipe may have grown since, by steps at its end.
 * @throws AdytonError 'file-corrupt'; 'checkpoint-mismatch' when it is of another recipe, network or data set
 */
export async function readState(
  { folder, format }: Storage,
  recipe: Recipe,
  started: string,
): Promise<RecipeState | undefined> {
  const file = join(folder, FILE)
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw new AdytonError('file-not-found', `${file} cannot be read`, { cause: error })
  }
  const { tensors, metadata } = format.read(bytes, file)
  const corrupt = (why: string): AdytonError =>
    new AdytonError('file-corrupt', `${file}: ${why}`, { advice: 'Begin the run anew, in another folder.' })
  if (metadata['adytonRecipe'] !== VERSION) throw corrupt('not the state of a recipe of this version')
  let json: unknown
  try {
    json = JSON.parse(metadata['state'] ?? '')
  } catch {
    throw corrupt('the state is not valid JSON')
  }
  const parsed = v.safeParse(StateSchema, json)
  if (!parsed.success) throw corrupt(`${v.getDotPath(parsed.issues[0]) ?? 'the state'} is not valid`)
  const stored = parsed.output
  const advice = 'Resume with the recipe, network and data of the run that was stopped, or take another folder.'
  if (stored.started !== started) {
    throw new AdytonError('checkpoint-mismatch', `${file}: the run began with another network, data set or budget`, {
      advice,
    })
  }
  const was = stored.recipe as Partial<Recipe>
  if (stored.done > recipe.steps.length || decisive(was, stored.done) !== decisive(recipe, stored.done)) {
    throw new AdytonError('checkpoint-mismatch', `${file}: made by other steps, seed or batches`, { advice })
  }
  const graphOf = (graph: unknown): Graph => parseGraph(graph)
  return {
    done: stored.done,
    network: { graph: graphOf(stored.graph), tensors: part(tensors, 'network/') },
    weights: stored.weights,
    exportable: stored.exportable,
    ...(stored.teacher === undefined
      ? {}
      : { teacher: { graph: graphOf(stored.teacher), tensors: part(tensors, 'teacher/') } }),
    ...(stored.criticality === undefined ? {} : { criticality: stored.criticality as unknown as StageCriticality[] }),
    history: stored.history as unknown as StepRecord[],
  }
}
