/** Selection at a budget, for any slopes, ties among them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { countKept, reluLayers } from '../../core/linearize/masks.ts'
import { randomMasks, selectLargest } from '../../core/linearize/select.ts'
import type { Graph } from '../../core/network/graph.ts'

const graph: Graph = {
  name: 'two layers',
  nodes: [
    { id: 'in', op: 'input', inputs: [], shape: [2, 2, 3] },
    { id: 'a', op: 'relu', inputs: ['in'], mask: 'none' },
    { id: 'p', op: 'averagePool', inputs: ['a'], kernel: [2, 1], stride: 1, padding: 0 },
    { id: 'b', op: 'relu', inputs: ['p'], mask: 'none' },
  ],
}
const TOTAL = 12 + 6

// Few values, so that ties are common.
const slopes = fc.array(fc.constantFrom(-0.5, 0, 0.25, 0.5, 1), { minLength: TOTAL, maxLength: TOTAL })

test('the budget is met exactly, by the largest, the earlier of equal ones', () => {
  fc.assert(
    fc.property(slopes, fc.nat(TOTAL), (values, budget) => {
      const masks = selectLargest(
        graph,
        new Map([
          ['a', Float32Array.from(values.slice(0, 12))],
          ['b', Float32Array.from(values.slice(12))],
        ]),
        budget,
      )
      const kept = ['a', 'b'].flatMap((id) => [...(masks.get(id)?.kept ?? [])])
      expect(kept.every((value) => value === 0 || value === 1)).toBe(true)
      expect(kept.filter((value) => value === 1)).toHaveLength(budget)
      for (let i = 0; i < TOTAL; i++)
        for (let j = 0; j < TOTAL; j++)
          if (kept[i] > kept[j]) expect(values[i] > values[j] || (values[i] === values[j] && i < j)).toBe(true)
    }),
  )
})

test('by channel the count is under the budget by less than a channel that could have been taken', () => {
  fc.assert(
    fc.property(fc.nat(TOTAL), fc.integer(), (budget, seed) => {
      const masks = randomMasks(graph, budget, seed, { granularity: 'channel' })
      const count = countKept(graph, masks)
      expect(count).toBeLessThanOrEqual(budget)
      for (const layer of reluLayers(graph)) {
        if (masks.get(layer.id)?.kept.includes(0) === true) expect(count + layer.area).toBeGreaterThan(budget)
      }
    }),
  )
})
