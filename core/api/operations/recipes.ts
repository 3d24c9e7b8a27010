/** recipes: those that come with the program, in plain words; and whether one that somebody wrote can work. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { checkRecipe } from '../../linearize/recipe/check.ts'
import { parseRecipe, type Recipe } from '../../linearize/recipe/schema.ts'
import type { Operation } from '../operation.ts'
import { recipeWords, type StepWords } from '../recipe-words.ts'

const FOLDER = fileURLToPath(new URL('../../../resources/recipes', import.meta.url))
/** Longer is no recipe. */
const MAX_TEXT = 2 ** 20

export interface RecipeWords {
  readonly name: string
  readonly summary: string
  readonly steps: readonly StepWords[]
  /** Of training in all, at most. */
  readonly epochs: number
  /** Whether the number of ReLUs is left open, to be given with the recipe. */
  readonly needsBudget: boolean
}

export interface RecipeRow extends RecipeWords {
  /** File name without its ending. */
  readonly id: string
  /** What linearize takes. */
  readonly recipe: Recipe
}

function inWords(recipe: Recipe): RecipeWords {
  const steps = recipeWords(recipe)
  return {
    name: recipe.name,
    summary: recipe.description ?? steps.map(({ title }) => title).join('; '),
    steps,
    epochs: steps.reduce((sum, { epochs }) => sum + epochs, 0),
    needsBudget: recipe.steps.some((step) => 'budget' in step && step.budget === 'sweep'),
  }
}

const input = v.strictObject({})

export const recipes: Operation<typeof input, RecipeRow[]> = {
  name: 'recipes',
  summary: 'Lists the recipes that come with the program, step by step in plain words.',
  input,
  run: () => {
    const files = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.endsWith('.json')) : []
    const rows = files.sort().map((name): RecipeRow => {
      const recipe = parseRecipe(JSON.parse(readFileSync(join(FOLDER, name), 'utf8')))
      return { id: name.slice(0, -'.json'.length), recipe, ...inWords(recipe) }
    })
    return Promise.resolve(rows)
  },
}

const checkInput = v.strictObject({
  /** JSON. */
  text: v.pipe(v.string(), v.maxLength(MAX_TEXT)),
  /** Whether the network that it is for has weights, and ReLUs masked in part. */
  weights: v.optional(v.boolean(), true),
  masked: v.optional(v.boolean(), false),
})

export type RecipeVerdict =
  | ({ readonly valid: true; readonly recipe: Recipe } & RecipeWords)
  | {
      readonly valid: false
      /** What is wrong, with the step and field. */
      readonly message: string
      readonly advice: string | null
      /** Where the text is no JSON, from 1; null elsewhere. */
      readonly line: number | null
      readonly column: number | null
    }

export const recipeCheck: Operation<typeof checkInput, RecipeVerdict> = {
  name: 'recipe-check',
  summary: 'Says whether a recipe can work, or which step and field are wrong.',
  input: checkInput,
  run: ({ text, weights, masked }) => {
    const wrong = (message: string, advice: string | null, at?: { line: number; column: number }): RecipeVerdict => ({
      ...{ valid: false, message, advice },
      ...{ line: at?.line ?? null, column: at?.column ?? null },
    })
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      const what = why.replace(/ in JSON at position \d+.*$/s, '')
      return Promise.resolve(wrong(`not valid JSON: ${what}`, null, placeOf(text, why)))
    }
    try {
      const recipe = parseRecipe(json)
      checkRecipe(recipe, { weights, partlyMasked: masked, budget: true, evaluation: true })
      return Promise.resolve({ valid: true, recipe, ...inWords(recipe) })
    } catch (error) {
      if (!(error instanceof AdytonError)) throw error
      return Promise.resolve(wrong(error.message, error.advice ?? null))
    }
  },
}

/** V8 names the position in its message; text that ends too early is wrong at its end. */
function placeOf(text: string, message: string): { line: number; column: number } {
  const found = /at position (\d+)/.exec(message)?.[1]
  const before = text.slice(0, found === undefined ? text.length : Number(found)).split('\n')
  return { line: before.length, column: (before.at(-1) as string).length + 1 }
}
