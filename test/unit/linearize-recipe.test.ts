/** Recipes and sweeps as JSON: what is accepted, and what the errors say. */
import { describe, expect, test } from 'vitest'
import { checkRecipe, type RecipeStart } from '../../core/linearize/recipe/check.ts'
import { parseRecipe, type Recipe } from '../../core/linearize/recipe/schema.ts'
import { fullSnlSpec } from '../../core/linearize/snl/spec.ts'
import { parseSweep, sweepMeans } from '../../core/linearize/sweep.ts'
import { failing } from '../fixtures/errors.ts'

const recipe = (...steps: unknown[]): unknown => ({ version: 1, name: 'test', steps })
const START: RecipeStart = { weights: false, partlyMasked: false, budget: false, evaluation: true }
const check = (steps: unknown[], start: Partial<RecipeStart> = {}): void =>
  checkRecipe(parseRecipe(recipe(...steps)), { ...START, ...start })

describe('a recipe', () => {
  test('is read, and comes back from JSON as it was', () => {
    const whole = {
      version: 1,
      name: 'HybReNet, thinned, SNL',
      description: 'DeepReShape, table 5',
      seed: 7,
      batches: { size: 64, augment: false },
      steps: [
        { step: 'train', epochs: 3, optimiser: { kind: 'sgd' }, schedule: { kind: 'cosine', rate: 0.1 } },
        { step: 'teacher' },
        { step: 'criticality', epochs: 1 },
        { step: 'cull', stage: 'least-critical' },
        { step: 'thin', first: 'drop', stages: [1, 2] },
        { step: 'finetune', epochs: 2, loss: { kind: 'decoupled-distillation' } },
        {
          step: 'snl',
          budget: { share: 0.5 },
          granularity: 'channel',
          lambda: 1e-4,
          final: 'largest',
          finetune: false,
        },
      ],
    }
    const parsed: Recipe = parseRecipe(JSON.parse(JSON.stringify(whole)))
    expect(JSON.parse(JSON.stringify(parsed))).toEqual(whole)
    expect(() => checkRecipe(parsed, START)).not.toThrow()
  })

  test.each([
    ['an unknown step', recipe({ step: 'prune' }), /step 1 \(prune\), step: .*"prune"/],
    [
      'a budget that is no number',
      recipe({ step: 'teacher' }, { step: 'snl', budget: 'half' }),
      /step 2 \(snl\), budget: expected a number of ReLUs/,
    ],
    ['a negative budget', recipe({ step: 'snl', budget: -1 }), /step 1 \(snl\), budget/],
    ['a share above 1', recipe({ step: 'drop-layers', budget: { share: 2 } }), /step 1 \(drop-layers\), budget/],
    ['an unknown field', recipe({ step: 'thin', keep: 'first' }), /step 1 \(thin\), keep/],
    ['kappa of 1', recipe({ step: 'snl', budget: 1, kappa: 1 }), /step 1 \(snl\), kappa: .*>1/],
    [
      'a wrong optimiser',
      recipe({ step: 'train', optimiser: { kind: 'rmsprop' } }),
      /step 1 \(train\), optimiser.kind/,
    ],
    ['no steps', recipe(), /steps: .*length/],
    ['another version', { version: 2, name: 'x', steps: [{ step: 'thin' }] }, /version/],
    ['no object', 'thin', /the whole/],
  ])('with %s is refused, and the error says where', (_name, json, message) => {
    expect(() => parseRecipe(json)).toThrow(failing('usage', message))
  })

  test.each<[string, unknown[], Partial<RecipeStart>, RegExp]>([
    ['SNL before any training', [{ step: 'snl', budget: 1 }], {}, /step 1 \(snl\): SNL starts from a trained network/],
    [
      'distillation without a teacher',
      [{ step: 'train' }, { step: 'finetune' }],
      {},
      /step 2 \(finetune\): there is no teacher/,
    ],
    ['pruning of weights that are not there', [{ step: 'prune-filters', budget: 1 }], {}, /ranked by their weights/],
    [
      'scaling after SNL',
      [
        { step: 'snl', budget: 1 },
        { step: 'scale-channels', factor: 0.5 },
      ],
      { weights: true },
      /step 2 \(scale-channels\): .*scale before/,
    ],
    [
      'scaling of a masked network',
      [{ step: 'scale-feature-maps', divisor: 2 }],
      { partlyMasked: true },
      /scale before/,
    ],
    [
      'fine-tuning after scaling',
      [{ step: 'scale-channels', factor: 0.5 }, { step: 'finetune' }],
      { weights: true },
      /step 2 \(finetune\): there are no weights/,
    ],
    ['a sweep budget without a sweep', [{ step: 'random-masks', budget: 'sweep' }], {}, /'sweep', and none is given/],
    ['culling by unknown criticality', [{ step: 'cull', stage: 'least-critical' }], {}, /no criticality is known/],
    ['criticality without test images', [{ step: 'criticality' }], { evaluation: false }, /needs test images/],
    [
      'a step after zero-out',
      [{ step: 'snl', budget: 1, removed: 'zero' }, { step: 'finetune' }],
      { weights: true },
      /zero-out gives no model/,
    ],
    ['a teacher without weights', [{ step: 'teacher' }], {}, /cannot teach/],
  ])('with %s is refused before it runs', (_name, steps, start, message) => {
    expect(() => check(steps, start)).toThrow(message)
  })

  test('a network that is given with weights teaches from the start', () => {
    expect(() => check([{ step: 'finetune' }], { weights: true })).not.toThrow()
    expect(() => check([{ step: 'random-masks', budget: 'sweep' }], { budget: true })).not.toThrow()
  })
})

test("what an SNL step leaves out is the paper's", () => {
  // Section 4 and appendix B.3.
  expect(fullSnlSpec({ budget: 5 })).toEqual({
    budget: 5,
    granularity: 'element',
    removed: 'identity',
    start: 'trained',
    lambda: 1e-5,
    kappa: 1.1,
    epsilon: 0.01,
    requiredFall: 1,
    final: 'threshold',
    sparsify: {
      epochs: 200,
      loss: { kind: 'cross-entropy' },
      optimiser: { kind: 'adam', decay: 0.0005 },
      schedule: { kind: 'constant', rate: 0.001 },
    },
    finetune: {
      epochs: 100,
      loss: { kind: 'distillation', temperature: 4, weight: 0.5 },
      optimiser: { kind: 'sgd', momentum: 0.9, decay: 0.0005 },
      schedule: { kind: 'constant', rate: 0.001 },
    },
  })
})

describe('a sweep', () => {
  const swept = recipe({ step: 'random-masks', budget: 'sweep' })
  const sweep = (more: object): unknown => ({ version: 1, name: 's', budgets: [3, 1], recipe: swept, ...more })

  test('has one seed unless it says otherwise', () => {
    expect(parseSweep(sweep({}))).toMatchObject({ budgets: [3, 1], seeds: [1] })
  })

  test.each([
    [sweep({ budgets: [] }), /sweep: budgets/],
    [sweep({ budgets: [1, 1] }), /budgets: a number is there twice/],
    [sweep({ seeds: [-1] }), /seeds/],
    [sweep({ recipe: recipe({ step: 'thin' }) }), /no step of the recipe has the budget 'sweep'/],
    [sweep({ prepare: recipe({ step: 'x' }) }), /recipe: step 1 \(x\)/],
  ])('that cannot be is refused (%#)', (json, message) => {
    expect(() => parseSweep(json)).toThrow(message)
  })

  test('means and deviations over seeds', () => {
    const rows = [
      { budget: 1, seed: 1, relus: 1, accuracy: 0.5 },
      { budget: 1, seed: 2, relus: 1, accuracy: 0.7 },
      { budget: 9, seed: 1, relus: 8, accuracy: 0.9 },
    ]
    const [one, nine] = sweepMeans(rows)
    expect(one).toMatchObject({ budget: 1, relus: 1, seeds: 2 })
    expect(one.accuracy).toBeCloseTo(0.6, 12)
    expect(one.deviation).toBeCloseTo(Math.sqrt(0.02), 12)
    expect(nine).toEqual({ budget: 9, relus: 8, accuracy: 0.9, seeds: 1 })
  })
})
