/** Criticality against the published tables; capacity bounds against the theorems' own statements and brute force. */
import { describe, expect, test } from 'vitest'
import {
  bestAllocation,
  capacityBound,
  capacityReport,
  deepCapacityLog10,
  linearisedCapacityBound,
  prunedCapacityBound,
} from '../../core/linearize/capacity.ts'
import { byCriticality, criticality } from '../../core/linearize/criticality.ts'

describe('criticality', () => {
  // DeepReShape, table 10: thousands of ReLUs, accuracy with distillation and C_k of the four stages.
  test.each([
    ['R18(m=16)-2x2x2x', [81.92, 32.77, 16.38, 8.19], [52.67, 62.1, 64.64, 59.7], [0, 7.39, 9.84, 6.07]],
    ['R18(m=64)-2x2x2x', [327.68, 131.07, 65.54, 32.77], [63.13, 68.32, 70.29, 63.47], [0, 3.69, 5.34, 0.27]],
    ['R18(m=256)-2x2x2x', [1310.72, 524.29, 262.14, 131.07], [65.22, 72.43, 73.77, 65.77], [0, 4.65, 5.79, 0.39]],
    ['R18(m=16)-7x7x7x', [81.92, 114.69, 200.7, 351.23], [49.07, 67.89, 73.33, 67.88], [0, 13.5, 16.74, 12.48]],
  ])('of %s is as published', (_name, thousands, accuracies, published) => {
    const stages = accuracies.map((accuracy, stage) => ({ stage, accuracy, relus: 1000 * thousands[stage] }))
    const rows = criticality(stages)
    rows.forEach((row, k) => expect(row.criticality).toBeCloseTo(published[k], 1))
    expect(byCriticality(rows)).toEqual([0, 3, 1, 2])
  })

  test('stages without ReLUs are left out', () => {
    expect(criticality([{ stage: 0, relus: 0, accuracy: 10 }])).toEqual([])
  })
})

/**
 * Pieces along a line of the sum of a two-layer network's outputs, counted as the proof of corollary 1 does, one neuron
 * after the other: bends of a sum add up, an activation of p pieces turns k pieces into p k.
 */
function countPieces(d1: number, d2: number, kept1: number, kept2: number, p: number): number {
  const sum = (pieces: number[]): number => pieces.reduce((all, k) => all + k - 1, 1)
  const first = Array.from({ length: d1 }, (_, i) => (i < kept1 ? p : 1))
  const second = Array.from({ length: d2 }, (_, i) => (i < kept2 ? p : 1) * sum(first))
  return sum(second)
}

describe('capacity', () => {
  test('corollary 1 is one more than the pieces, for any allocation', () => {
    for (const p of [2, 3])
      for (const [d1, d2] of [
        [4, 3],
        [3, 5],
      ])
        for (let kept1 = 0; kept1 <= d1; kept1++)
          for (let kept2 = 0; kept2 <= d2; kept2++) {
            const bound = linearisedCapacityBound(d1, d2, kept1, kept2, p)
            expect(bound).toBe(countPieces(d1, d2, kept1, kept2, p) + 1)
            const layers = [
              { total: d1, kept: kept1 },
              { total: d2, kept: kept2 },
            ]
            expect(10 ** deepCapacityLog10(layers, 'keep', p)).toBeCloseTo(bound, 6)
            expect(10 ** deepCapacityLog10(layers, 'remove', p)).toBeCloseTo(prunedCapacityBound(kept1, kept2, p), 6)
          }
  })

  test('theorem 1 and corollaries 1 and 2 for ReLUs, as the paper simplifies them', () => {
    const [d1, d2, a1, a2] = [40, 20, 0.25, 0.5]
    expect(capacityBound(d1, d2)).toBe(2 * d1 * d2 + d2 + 2)
    expect(linearisedCapacityBound(d1, d2, a1 * d1, a2 * d2)).toBe(a1 * (1 + a2) * d1 * d2 + a2 * d2 + 2)
    expect(prunedCapacityBound(a1 * d1, a2 * d2)).toBe(2 * a1 * a2 * d1 * d2 + a2 * d2 + 2)
  })

  test("theorem 2: the paper's example", () => {
    const { kept1, kept2 } = bestAllocation(50000, 5000, 10000)
    expect(kept1 / 50000).toBeCloseTo(14999 / 100000, 10)
    expect(kept2 / 5000).toBeCloseTo(5001 / 10000, 10)
  })

  test('theorem 2: no whole-number split does better, and none worse by more than rounding', () => {
    for (const [d1, d2] of [
      [12, 7],
      [5, 9],
      [1, 1],
      [30, 2],
    ]) {
      for (let budget = 0; budget <= d1 + d2; budget++) {
        const { kept1, kept2 } = bestAllocation(d1, d2, budget)
        expect(kept1 + kept2).toBeCloseTo(budget, 10)
        const bound = linearisedCapacityBound(d1, d2, kept1, kept2)
        let most = 0
        for (let k = Math.max(0, budget - d2); k <= Math.min(d1, budget); k++) {
          most = Math.max(most, linearisedCapacityBound(d1, d2, k, budget - k))
        }
        expect(bound).toBeGreaterThanOrEqual(most - 1e-9)
        expect(bound - most).toBeLessThanOrEqual(0.25 + 1e-9)
      }
    }
  })

  test('a report orders its bounds: pruning <= linearising <= all ReLUs, linearising <= the best split', () => {
    const report = capacityReport([
      { total: 65536, kept: 3000 },
      { total: 32768, kept: 9000 },
      { total: 8192, kept: 8192 },
    ])
    expect(report.pairs).toHaveLength(2)
    for (const { full, linearised, pruned, best } of report.pairs) {
      expect(pruned).toBeLessThanOrEqual(linearised)
      expect(linearised).toBeLessThanOrEqual(best.bound)
      expect(best.bound).toBeLessThanOrEqual(full)
    }
    // All of the second layer kept: corollaries 1 and 2 agree, as the paper notes.
    expect(report.pairs[1].linearised).toBe(report.pairs[1].pruned)
    expect(report.log10.pruned).toBeLessThan(report.log10.linearised)
    expect(report.log10.linearised).toBeLessThan(report.log10.full)
  })

  test('impossible layers are refused', () => {
    expect(() => capacityBound(0, 3)).toThrow(RangeError)
    expect(() => linearisedCapacityBound(3, 3, 4, 0)).toThrow(RangeError)
    expect(() => bestAllocation(3, 3, 7)).toThrow(RangeError)
  })
})
