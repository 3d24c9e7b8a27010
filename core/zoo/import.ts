/**
 * Brings a model into the catalog. A source (today: a model folder) puts a model folder into a staging folder; that copy
 * is what is checked, counted and kept, so nothing can change between the check and the commit. Other formats become
 * further sources.
 */
import { constants } from 'node:fs'
import { chmod, copyFile, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { readModel } from '../formats/model-directory.ts'
import { countNetwork, type Counts } from '../network/counts.ts'
import { codeOf } from '../protocol/store/files.ts'
import type { Staged } from './files.ts'
import { insertVersion, ROLES, type NewVersion, type Role } from './insert.ts'
import type { Stage } from './models.ts'
import type { Zoo } from './zoo.ts'

/** Names of a model folder's files. Nothing else is taken from a folder. */
export const FILE_NAMES: Readonly<Record<Role, string>> = {
  weights: 'weights.safetensors',
  graph: 'graph.json',
  card: 'card.json',
  recipe: 'recipe.json',
  calibration: 'calibration.json',
}
const MAX_RECIPE_BYTES = 2 ** 20

export interface ImportOptions {
  readonly versionOf?: string
  readonly stage?: Stage
  readonly parent?: NonNullable<NewVersion['parent']>
}

export interface Imported extends Counts {
  readonly id: string
  /** Number of the version, from 1. */
  readonly version: number
  readonly name: string
}

export async function importModel(zoo: Zoo, path: string, options: ImportOptions = {}): Promise<Imported> {
  const source = resolve(path)
  return await zoo.files.staging(async (staging) => {
    await stageFolder(source, staging)
    const { card, counts, recipe } = await readStaged(staging).catch((error: unknown) => {
      throw named(error, staging, source)
    })
    const files = new Map<Role, Staged>()
    for (const role of ROLES) {
      const file = join(staging, FILE_NAMES[role])
      if (await isFile(file)) files.set(role, await zoo.files.stage(file))
    }
    const { versionOf, stage = 'draft', parent } = options
    const { id, number } = zoo.write(() =>
      insertVersion(zoo, {
        ...(versionOf === undefined ? {} : { versionOf }),
        ...(parent === undefined ? {} : { parent }),
        ...(recipe === undefined ? {} : { recipe }),
        ...{ stage, card, counts, files, source, at: Date.now() },
      }),
    )
    return { id, version: number, name: card.name, ...counts }
  })
}

/** Copies the files of a model folder; a link is followed, since the person who names the folder may read its target. */
async function stageFolder(source: string, staging: string): Promise<void> {
  const info = await stat(source).catch((cause: unknown) => {
    throw new AdytonError('file-not-found', `${source} cannot be read`, { advice: 'Check the path.', cause })
  })
  if (!info.isDirectory()) {
    throw new AdytonError('file-unsupported', `${source} is not a model folder`, {
      advice: `Name a folder with ${FILE_NAMES.graph}, ${FILE_NAMES.weights} and ${FILE_NAMES.card}.`,
    })
  }
  for (const role of ROLES) {
    const from = join(source, FILE_NAMES[role])
    // Not a pipe or a device, which would be read for ever. What is missing is named by the check of the copy.
    if (!(await isFile(from))) continue
    const to = join(staging, FILE_NAMES[role])
    await copyFile(from, to, constants.COPYFILE_FICLONE)
    // A copy has the original's permissions, which may be none to write, or too many: weights are secret.
    await chmod(to, 0o600)
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

async function readStaged(staging: string) {
  const { graph, tensors, card } = await readModel(staging)
  const { relus, macs, params } = countNetwork(graph, tensors)
  const recipe = await readRecipe(join(staging, FILE_NAMES.recipe))
  return { card, counts: { relus, macs, params }, ...(recipe === undefined ? {} : { recipe }) }
}

/** Not checked step by step: a recipe of another version of the program is still worth keeping. */
async function readRecipe(path: string): Promise<NewVersion['recipe'] | undefined> {
  if (!(await isFile(path))) return undefined
  const corrupt = (why: string, cause?: unknown): never => {
    throw new AdytonError('file-corrupt', `${path}: ${why}`, { advice: 'Mend the file or remove it.', cause })
  }
  if ((await stat(path)).size > MAX_RECIPE_BYTES) corrupt(`more than ${MAX_RECIPE_BYTES} bytes`)
  const json = await readFile(path, 'utf8')
  let recipe: unknown
  try {
    recipe = JSON.parse(json)
  } catch (cause) {
    corrupt('not valid JSON', cause)
  }
  const hasName = typeof recipe === 'object' && recipe !== null && 'name' in recipe && typeof recipe.name === 'string'
  return { name: hasName ? (recipe as { name: string }).name.slice(0, 128) : 'recipe', json }
}

/** An error about the copy, told about the original. */
function named(error: unknown, staging: string, source: string): unknown {
  if (!(error instanceof AdytonError)) return error
  return new AdytonError(error.code, error.message.replaceAll(staging, source), {
    ...(error.advice === undefined ? {} : { advice: error.advice }),
    cause: error,
  })
}
