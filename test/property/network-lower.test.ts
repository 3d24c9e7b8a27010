import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { runFloat } from '../../core/network/float.ts'
import { dequantise, runFixed } from '../../core/network/fixed.ts'
import { lower } from '../../core/network/lower/lower.ts'
import { checkPlan } from '../../core/network/plan-check.ts'
import type { Tensor } from '../../core/network/graph.ts'
import { normals, randomTensors } from '../../core/network/tensors.ts'
import { errorBound, planner, prg, randomGraph } from '../unit/network-helpers.ts'

const choices = fc.array(fc.nat(1000), { minLength: 20, maxLength: 120 })

describe('a lowered random network', () => {
  it('is a valid plan whose fixed run stays within the derived bound of the float run', () => {
    let decided = 0
    let runs = 0
    fc.assert(
      fc.property(choices, fc.integer({ min: 1, max: 9 }), fc.nat(), (list, size, seed) => {
        const graph = randomGraph(list, size)
        const source = prg(seed)
        const tensors: Map<string, Tensor> = randomTensors(graph, source)
        const keep = seed % 3
        for (const [name, { shape, data }] of tensors) {
          if (!name.endsWith('.mask')) continue
          tensors.set(name, { shape, data: source.bytes(data.length).map((b) => (keep === 0 ? 1 : b & 1)) })
        }
        const image = normals(source, 72)
        let model
        try {
          model = lower(graph, tensors, [image, normals(source, 72)], planner, { activationBits: 13, weightBits: 12 })
        } catch (error) {
          // Long chains with masks may exceed 59 bits at this precision; that must be said, not computed wrongly.
          if (error instanceof AdytonError && error.code === 'model-overflow') return
          throw error
        }
        checkPlan(model.plan)
        const { logits } = runFloat(graph, tensors, image)
        const { logits: integers, label, values } = runFixed(model, image, { values: true })
        const largest = (values ?? []).map((x) => x.reduce((a, b) => Math.max(a, Math.abs(b)), 0))
        const bound = errorBound(model, largest)
        const got = dequantise(model.plan.values[model.plan.values.length - 1], integers)
        logits.forEach((x, i) => expect(Math.abs(got[i] - x)).toBeLessThanOrEqual(bound + 1e-4 * Math.abs(x)))
        runs++
        const [best, second] = [...logits].sort((a, b) => b - a)
        if (best - second <= 2.01 * bound) return
        decided++
        expect(logits[label]).toBe(best)
      }),
      { numRuns: 80 },
    )
    // The claim on labels must not be empty.
    expect(runs).toBeGreaterThan(40)
    expect(decided).toBeGreaterThan(runs / 4)
  })
})
