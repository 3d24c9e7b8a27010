/** Reads and checks a model folder that lies in a staging folder: what every import does before it inserts anything. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { readModel, type Card } from '../formats/model-directory.ts'
import { countNetwork, type Counts } from '../network/counts.ts'
import { codeOf } from '../protocol/store/files.ts'
import type { Recipe } from './insert.ts'

export const MAX_RECIPE_BYTES = 2 ** 20

export interface StagedModel {
  readonly card: Card
  readonly counts: Counts
  readonly recipe?: Recipe
}

export async function readStaged(staging: string): Promise<StagedModel> {
  const { graph, tensors, card } = await readModel(staging)
  const { relus, macs, params } = countNetwork(graph, tensors)
  const recipe = await readRecipe(join(staging, 'recipe.json'))
  return { card, counts: { relus, macs, params }, ...(recipe === undefined ? {} : { recipe }) }
}

/** A recipe's text with its name. Not checked step by step: a recipe of another version is still worth keeping. */
export function recipeOf(json: string): Recipe {
  const recipe: unknown = JSON.parse(json)
  const hasName = typeof recipe === 'object' && recipe !== null && 'name' in recipe && typeof recipe.name === 'string'
  return { name: hasName ? (recipe as { name: string }).name.slice(0, 128) : 'recipe', json }
}

async function readRecipe(path: string): Promise<Recipe | undefined> {
  const size = await sizeOf(path)
  if (size === undefined) return undefined
  const corrupt = (why: string, cause?: unknown): AdytonError =>
    new AdytonError('file-corrupt', `${path}: ${why}`, { advice: 'Mend the file or remove it.', cause })
  if (size > MAX_RECIPE_BYTES) throw corrupt(`more than ${MAX_RECIPE_BYTES} bytes`)
  try {
    return recipeOf(await readFile(path, 'utf8'))
  } catch (cause) {
    throw corrupt('not valid JSON', cause)
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const info = await stat(path)
    return info.isFile() ? info.size : undefined
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
