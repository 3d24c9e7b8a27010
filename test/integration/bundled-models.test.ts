/** The models that come with the program: their cards are true to their files, and each runs privately. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { models } from '../../core/api/operations/models.ts'
import { bundledModels } from '../../core/api/source.ts'
import { parseRecipe } from '../../core/linearize/recipe/schema.ts'
import { adyton } from '../fixtures/command.ts'

const FOLDER = join(import.meta.dirname, '..', '..', 'resources', 'models')
const sources = JSON.parse(readFileSync(join(FOLDER, 'sources.json'), 'utf8')) as {
  id: string
  budget?: number
  bundled?: boolean
}[]
const context = { signal: new AbortController().signal, onProgress: () => {}, onNotice: () => {} }

test('every bundled model has a source, and has the ReLUs that it says', async () => {
  const rows = await models.run({}, context)
  // The digits model has a trainer of its own.
  const bundled = sources.filter((source) => source.bundled ?? true).map((source) => source.id)
  expect(rows.map((row) => row.id).sort()).toEqual(['digits', ...bundled].sort())
  for (const { id, budget } of sources) {
    if (budget !== undefined) expect(rows.find((row) => row.id === id)?.relus, id).toBe(budget)
  }
  for (const row of rows) expect(row.accuracy, row.id).toBeGreaterThan(0.5)
})

test('recipes beside models and in resources can be read, and leave no budget open beside a model', () => {
  const recipes = join(FOLDER, '..', 'recipes')
  for (const file of readdirSync(recipes)) parseRecipe(JSON.parse(readFileSync(join(recipes, file), 'utf8')))
  for (const { id, budget } of sources) {
    if (budget === undefined) continue
    const recipe = parseRecipe(JSON.parse(readFileSync(join(FOLDER, id, 'recipe.json'), 'utf8')))
    expect(recipe.steps.some((step) => 'budget' in step && step.budget === budget)).toBe(true)
  }
})

test('together they take less than 40 MB', () => {
  const files = readdirSync(FOLDER, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const bytes = files.reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0)
  expect(bytes).toBeLessThan(40e6)
})

test.each(bundledModels())('%s runs privately, as in the clear', { timeout: 120_000 }, async (id) => {
  const sample = join(FOLDER, '..', 'samples', 'seven.png')
  const { code, stdout, stderr } = await adyton('infer', '--model', id, '--input', sample, '--verify', '--json')
  expect(code, stderr).toBe(0)
  expect(JSON.parse(stdout)).toMatchObject({ images: 1, verified: true })
})
