import { describe, expect, it } from 'vitest'
import { compareWithReference, randomImages } from '../../core/formats/import/compare.ts'
import type { ReferenceRunner } from '../../core/formats/import/format.ts'
import type { Graph, Tensor } from '../../core/network/graph.ts'

/** Logits 2a + b and a - 4b of an image (a, b). */
const graph: Graph = {
  name: 'two',
  nodes: [
    { id: 'in', op: 'input', inputs: [], shape: [2] },
    { id: 'out', op: 'dense', inputs: ['in'], outFeatures: 2, bias: false },
  ],
}
const tensors = new Map<string, Tensor>([['out.weight', { shape: [2, 2], data: Float32Array.of(2, 1, 1, -4) }]])

const reference = (run: (a: number, b: number) => number[]): ReferenceRunner => ({
  name: 'by hand 1.0',
  run: ([a, b]) => Promise.resolve(Float32Array.from(run(a, b))),
  close: () => Promise.resolve(),
})

const exact = (a: number, b: number): number[] => [2 * a + b, a - 4 * b]
const images = [Float32Array.of(1, 2), Float32Array.of(-3, 0.5), Float32Array.of(0, 0)]

describe('comparison with a reference', () => {
  it('finds no difference where there is none', async () => {
    expect(await compareWithReference({ graph, tensors }, reference(exact), images)).toEqual({
      against: 'by hand 1.0',
      images: 3,
      largestDifference: 0,
      largestLogit: 7,
    })
  })

  it.each([0, 1])('finds the largest difference, of either sign, in logit %i of any image', async (logit) => {
    for (const [i, error] of [0.5, -0.25, 2].entries()) {
      const runner = reference((a, b) => {
        const out = exact(a, b)
        out[logit] += a === images[i][0] ? error : error / 8
        return out
      })
      const { largestDifference } = await compareWithReference({ graph, tensors }, runner, images)
      expect(largestDifference).toBe(Math.abs(error))
    }
  })

  it('refuses another number of logits', async () => {
    const error = compareWithReference(
      { graph, tensors },
      reference((a, b) => [...exact(a, b), 0]),
      images,
    )
    await expect(error).rejects.toMatchObject({
      code: 'model-invalid',
      message: 'by hand 1.0 gives 3 logits, the imported network 2',
    })
  })

  it.each([NaN, Infinity, -Infinity])('refuses the logit %d, which no difference can be taken of', async (value) => {
    const runner = reference((a, b) => (a === -3 ? [0, value] : exact(a, b)))
    await expect(compareWithReference({ graph, tensors }, runner, images)).rejects.toMatchObject({
      code: 'model-invalid',
      message: `image 1: by hand 1.0 gives the logit ${value}`,
    })
    const large = new Map<string, Tensor>([['out.weight', { shape: [2, 2], data: new Float32Array(4).fill(3e38) }]])
    const ours = compareWithReference({ graph, tensors: large }, reference(exact), images)
    await expect(ours).rejects.toMatchObject({ message: 'image 0: the imported network gives the logit Infinity' })
  })

  it('claims nothing from no images', async () => {
    await expect(compareWithReference({ graph, tensors }, reference(exact), [])).rejects.toThrow(RangeError)
  })
})

describe('random images', () => {
  it('spread over the range of normalised pictures', () => {
    const [first, second] = randomImages([3, 40, 40], 2)
    expect(first).toHaveLength(4800)
    expect(second).not.toEqual(first)
    for (const image of [first, second]) {
      // Each of 50 equal parts of the range is missed by 4800 draws with probability 0.98^4800 < 2^-139.
      const parts = new Set(Array.from(image, (x) => Math.min(49, Math.floor((x + 2.5) * 10))))
      expect([...parts].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
    }
  })

  it('are as many as asked for', () => {
    expect(randomImages([7], 3).map((image) => image.length)).toEqual([7, 7, 7])
    expect(randomImages([7], 0)).toEqual([])
  })
})
