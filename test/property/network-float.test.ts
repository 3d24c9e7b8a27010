import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { floatRunner, runFloat } from '../../core/network/float.ts'
import type { Tensor } from '../../core/network/graph.ts'
import { normals, randomTensors } from '../../core/network/tensors.ts'
import { naive, prg, randomGraph } from '../unit/network-helpers.ts'

const choices = fc.array(fc.nat(1000), { minLength: 20, maxLength: 120 })

/** Random weights with masks of random bits. */
function tensorsWithMasks(graph: ReturnType<typeof randomGraph>, seed: number): Map<string, Tensor> {
  const source = prg(seed)
  const tensors = randomTensors(graph, source)
  for (const [name, { shape, data }] of tensors) {
    if (name.endsWith('.mask')) tensors.set(name, { shape, data: source.bytes(data.length).map((b) => b & 1) })
  }
  return tensors
}

describe('float run', () => {
  it('agrees with the definition of every operation at every node', () => {
    fc.assert(
      fc.property(choices, fc.integer({ min: 1, max: 12 }), fc.nat(), (list, size, seed) => {
        const graph = randomGraph(list, size)
        const tensors = tensorsWithMasks(graph, seed)
        const image = normals(prg(seed + 1), 72)
        const { logits, values } = runFloat(graph, tensors, image, { values: true })
        const expected = naive(graph, tensors, image)
        for (const [id, value] of expected) {
          const got = values?.get(id) as Float32Array
          expect(got.length).toBe(value.length)
          const scale = value.reduce((a, b) => Math.max(a, Math.abs(b)), 1)
          // 2^-24 a rounding to float32, a dozen of them in a row with growth: far above noise, far below an error.
          value.forEach((v, i) => expect(Math.abs(got[i] - v)).toBeLessThan(1e-4 * scale))
        }
        expect(logits).toEqual(values?.get('out'))
      }),
      { numRuns: 60 },
    )
  })

  it('gives the same logits whether values are kept or not, and from run to run', () => {
    const graph = randomGraph([1, 5, 2, 0, 3, 4, 7, 8, 1, 3], 6)
    const tensors = tensorsWithMasks(graph, 9)
    const image = normals(prg(10), 72)
    const run = floatRunner(graph, tensors)
    const { logits } = run(image, { values: true })
    expect(run(image).values).toBeUndefined()
    expect(run(image).logits).toEqual(logits)
  })
})
