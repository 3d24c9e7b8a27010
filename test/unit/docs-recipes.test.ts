/** docs/recipes.md names every step and every field that a recipe may have. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseRecipe, RecipeSchema, StepSchema } from '../../core/linearize/recipe/schema.ts'
import { LossSchema } from '../../core/training/losses/loss.ts'
import { OptimiserSchema } from '../../core/training/trainer/optimiser.ts'
import { ScheduleSchema } from '../../core/training/trainer/schedule.ts'

const text = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'recipes.md'), 'utf8')

/** Names of the fields of a schema's objects. */
const fieldsOf = (options: readonly { readonly entries: object }[]): string[] =>
  options.flatMap(({ entries }) => Object.keys(entries))
const kindOf = ({ entries: { kind } }: { entries: { kind: { literal: string } } }): string => kind.literal

test('every step, field and kind is explained', () => {
  const names = [
    ...Object.keys(RecipeSchema.entries),
    ...StepSchema.options.map(({ entries }) => entries.step.literal),
    ...[StepSchema, LossSchema, OptimiserSchema, ScheduleSchema].flatMap(({ options }) => fieldsOf(options)),
    ...[LossSchema, OptimiserSchema, ScheduleSchema].flatMap(({ options }) => options.map(kindOf)),
  ]
  const missing = [...new Set(names)].filter((name) => !new RegExp(`[\`".]${name}[\`".]`).test(text))
  expect(missing).toEqual([])
})

test('the example is a recipe', () => {
  const [, example] = /```json\n([^]*?)```/.exec(text) ?? []
  expect(parseRecipe(JSON.parse(example)).steps).toHaveLength(1)
})
