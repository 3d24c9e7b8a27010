/** Recipes in words, and the verdict on one that somebody wrote. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { recipeCheck, recipes } from '../../core/api/operations/recipes.ts'
import { recipeWords } from '../../core/api/recipe-words.ts'
import { parseRecipe, StepSchema } from '../../core/linearize/recipe/schema.ts'

const context = { signal: new AbortController().signal, onNotice: () => undefined, onProgress: () => undefined }
const FOLDER = join(import.meta.dirname, '..', '..', 'resources', 'recipes')
const check = (recipe: unknown, given = {}) =>
  recipeCheck.run(
    { text: typeof recipe === 'string' ? recipe : JSON.stringify(recipe), weights: true, masked: false, ...given },
    context,
  )

test('the recipes that come with the program are listed and can work', async () => {
  const rows = await recipes.run({}, context)
  expect(rows.map(({ id }) => `${id}.json`)).toEqual(readdirSync(FOLDER).sort())
  for (const row of rows) {
    expect(await check(row.recipe)).toMatchObject({ valid: true, name: row.name, epochs: row.epochs })
  }
  const snl = rows.find(({ id }) => id === 'snl-resnet20')
  // 3 of sparsifying and 4 of fine-tuning, as its file says.
  expect(snl).toMatchObject({ epochs: 7, needsBudget: true })
  expect(snl?.steps[0].parameters).toContainEqual({ name: 'ReLUs to keep', value: 'to be chosen' })
})

test('every kind of step has words', () => {
  const more: Record<string, object> = {
    snl: { budget: 1000 },
    cull: { stage: 0 },
    'scale-channels': { factor: 2 },
    'scale-feature-maps': { divisor: 2 },
    'prune-filters': { budget: { share: 0.25 } },
    'random-masks': { budget: 1000 },
    'drop-layers': { budget: 1000 },
  }
  const steps = StepSchema.options.map(({ entries }) => ({
    step: entries.step.literal,
    ...more[entries.step.literal],
  }))
  const words = recipeWords(parseRecipe({ version: 1, name: 'all', steps }))
  expect(words.map(({ step }) => step)).toEqual(steps.map(({ step }) => step))
  expect(new Set(words.map(({ title }) => title)).size).toBe(steps.length)
  expect(words.find(({ step }) => step === 'prune-filters')?.parameters[0].value).toBe('25% of the ReLUs')
  expect(JSON.stringify(words)).not.toMatch(/undefined|NaN|null/)
})

describe('what is wrong is told with its place', () => {
  const base = { version: 1, name: 'mine' }

  test.each([
    ['{\n  "version": 1,\n  "name" "x"\n}', 3, 10],
    ['{"version": 1,', 1, 15],
    ['', 1, 1],
  ])('%j', async (text, line, column) => {
    expect(await check(text)).toMatchObject({ valid: false, line, column })
  })

  test.each([
    [{ ...base, steps: [{ step: 'finetune', epochs: 0 }] }, /step 1 \(finetune\), epochs/],
    [{ ...base, steps: [{ step: 'thin' }, { step: 'snl' }] }, /step 2 \(snl\)/],
    [{ ...base, steps: [{ step: 'melt' }] }, /step 1 \(melt\)/],
    [{ ...base, steps: [{ step: 'cull', stage: 'least-critical' }] }, /step 1 \(cull\): no criticality/],
    [[], /recipe/],
  ])('%j', async (recipe, words) => {
    const verdict = await check(recipe)
    expect(verdict).toMatchObject({ valid: false, line: null })
    expect('message' in verdict && verdict.message).toMatch(words)
  })

  test('a network without weights cannot be fine-tuned', async () => {
    const recipe = { ...base, steps: [{ step: 'finetune' }] }
    expect(await check(recipe)).toMatchObject({ valid: true })
    expect(await check(recipe, { weights: false })).toMatchObject({ valid: false })
  })
})
