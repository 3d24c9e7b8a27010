/** The comparison of linearisation methods: its statistics, its budgets, and that docs/results.md shows its rows. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { layersToDrop, METHODS, recipeOf } from '../campaigns/methods/plan.ts'
import { render, tables } from '../campaigns/methods/render.ts'
import { readRows, type Row } from '../campaigns/methods/rows.ts'
import { interval } from '../campaigns/methods/statistics.ts'

const DOCS = join(import.meta.dirname, '..', '..', 'docs')

describe('interval', () => {
  it('is what is computed by hand', () => {
    // Sample deviation of 1, 2, 3 is 1; t with 2 degrees of freedom is 4.303; its error is 1 / sqrt(3).
    const { mean, half } = interval([1, 2, 3])
    expect(mean).toBe(2)
    expect(half).toBeCloseTo(4.303 / Math.sqrt(3), 10)
  })

  it('holds no interval for one value, and does not move when all values do', () => {
    expect(interval([0.7])).toEqual({ mean: 0.7 })
    const half = interval([0.1, 0.4, 0.2, 0.3]).half ?? NaN
    expect(interval([5.1, 5.4, 5.2, 5.3]).half).toBeCloseTo(half, 10)
  })
})

describe('layersToDrop', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 8 })

  it('leaves the budget exactly with the earliest layers, or says that no layers do', () => {
    fc.assert(
      fc.property(sizes, fc.nat(100), (totals, of) => {
        const layers = totals.map((total, i) => ({ id: `${i}`, total }))
        const all = totals.reduce((a, b) => a + b, 0)
        const budget = of % (all + 1)
        // Every set of layers, as bits with the first layer highest: the largest that leaves the budget.
        let best = -1
        for (let set = 0; set < 2 ** totals.length; set++) {
          const left = totals.filter((_, i) => ((set >> (totals.length - 1 - i)) & 1) === 0).reduce((a, b) => a + b, 0)
          if (left === budget) best = set
        }
        const expected = layers.filter((_, i) => best >= 0 && ((best >> (totals.length - 1 - i)) & 1) === 1)
        expect(layersToDrop(layers, budget)).toEqual(best < 0 ? undefined : expected.map(({ id }) => id))
      }),
    )
  })
})

describe('recipes', () => {
  it('train for the same number of epochs with the same loss, and name the budget', () => {
    const layers = [
      { id: 'a', total: 60 },
      { id: 'b', total: 40 },
    ]
    const efforts = METHODS.map((method) => {
      const recipe = recipeOf(method, { layers, budget: 40, seed: 1, effort: { sparsify: 2, finetune: 3 } })
      const phases = recipe.steps.flatMap((step) =>
        step.step === 'snl' ? [step.sparsify, step.finetune] : step.step === 'finetune' ? [step] : [],
      )
      expect(recipe.steps[0]).toMatchObject({ budget: 40 })
      expect(phases.at(-1)).toMatchObject({ loss: { kind: 'distillation' } })
      return phases.reduce((sum, phase) => sum + (typeof phase === 'object' ? (phase.epochs ?? NaN) : NaN), 0)
    })
    expect(efforts).toEqual(METHODS.map(() => 5))
  })
})

describe('the tables', () => {
  const row = (method: Row['method'], seed: number, top1: number): Row => ({
    network: 'net',
    seed,
    method,
    budget: method === 'full' ? 100 : 50,
    relus: method === 'full' ? 100 : 50,
    top1,
    images: 1000,
    epochs: { sparsify: 0, train: 5 },
    layers: [{ id: 'relu', total: 100, kept: 50 }],
    engine: 'none',
  })

  it('pair seeds, and say what was not run', () => {
    const text = tables([
      ...[row('full', 1, 0.9), row('full', 2, 0.8), row('snl', 1, 0.89), row('snl', 2, 0.78)],
      ...[row('random', 1, 0.85), row('random', 2, 0.76)],
    ])
    // SNL less random: 4 and 2 points; mean 3, deviation sqrt(2), t 12.706, so +- 12.706.
    expect(text).toContain('| random masks | 50 | 80.50 | −4.50 ± 6.35 | +3.00 ± 12.71 | 1, 2 |')
    expect(text).toContain('| l1 filter pruning | not yet run |')
  })

  it('of docs/results.md are those of the rows beside it', async () => {
    const document = readFileSync(join(DOCS, 'results.md'), 'utf8')
    expect(render(document, await readRows(join(DOCS, 'results', 'cifar10-methods')))).toBe(document)
  })
})
