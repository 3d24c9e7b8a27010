/** Coefficient encoding against direct convolution, through a plain negacyclic product. No SEAL here. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeResults, encodeInput, encodeWeights } from '../../core/he/encoding.ts'
import { layoutOf, runBlocks, tileCount } from '../../core/he/layout.ts'
import { chooseTiling } from '../../core/he/tiling.ts'
import type { Tiling } from '../../core/he/types.ts'
import { convOutput, type ConvGeometry } from '../../core/ring/geometry.ts'
import { ring, type RingVector } from '../../core/ring/ring.ts'
import { equal, zeros } from '../../core/ring/vector.ts'
import { bigints, directConv, geometry, inputLength, vectorOf, weightLength } from '../fixtures/he-reference.ts'

/** a * b in Z_2^bits [X] / (X^N + 1), added to `sum`. */
function negacyclic(a: readonly bigint[], b: Int32Array, bits: number, sum: bigint[]): void {
  const n = a.length
  b.forEach((weight, j) => {
    if (weight === 0) return
    for (let i = 0; i < n; i++) {
      const product = a[i] * BigInt(weight)
      if (i + j < n) sum[i + j] += product
      else sum[i + j - n] -= product
    }
  })
  sum.forEach((value, i) => (sum[i] = BigInt.asUintN(bits, value)))
}

/** The step as the two parties would do it, on plain polynomials. */
function throughPolynomials(
  g: ConvGeometry,
  tiling: Tiling,
  n: number,
  share: RingVector,
  weights: Int32Array,
): RingVector {
  const layout = layoutOf(g, tiling, n)
  const { height, width } = convOutput(g)
  const out = zeros(share.ring, g.outChannels * height * width)
  const words = new Uint32Array(2 * n)
  const signed = new Int32Array(n)
  for (let tile = 0; tile < tileCount(layout); tile++) {
    const inputs = Array.from({ length: layout.blocks }, (_, block) => {
      encodeInput(layout, share, tile * layout.blocks + block, words)
      return bigints(words)
    })
    for (let run = 0; run < layout.runs; run++) {
      const sum = new Array<bigint>(n).fill(0n)
      const { start, end } = runBlocks(layout, run)
      for (let block = start; block < end; block++) {
        encodeWeights(layout, weights, run, block, signed)
        negacyclic(inputs[block], signed, share.ring.bits, sum)
      }
      sum.forEach((value, i) => {
        words[2 * i] = Number(value & 0xffffffffn)
        words[2 * i + 1] = Number(value >> 32n)
      })
      decodeResults(layout, tile * layout.runs + run, words, out)
    }
  }
  return out
}

/** Distinct, sign-changing values from a counter: every position matters, and a failure repeats. */
function filler(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    return state >> 8
  }
}

function check(g: ConvGeometry, tiling: Tiling, n: number, bits: number, seed: number): void {
  const next = filler(seed)
  const share = vectorOf(
    ring(bits),
    Array.from({ length: inputLength(g) }, () => BigInt(next()) * 0x9e3779b97f4a7c15n),
  )
  const weights = Int32Array.from({ length: weightLength(g) }, next)
  const got = throughPolynomials(g, tiling, n, share, weights)
  if (!equal(got, directConv(share, weights, g))) {
    throw new Error(`wrong result for ${JSON.stringify({ g, tiling, n, bits })}`)
  }
}

/** Every tiling that is valid for a geometry. */
function allTilings(g: ConvGeometry, n: number): Tiling[] {
  const found: Tiling[] = []
  for (let channels = 1; channels <= g.inChannels; channels++) {
    for (let outputs = 1; outputs <= g.outChannels; outputs++) {
      for (let height = 1; height <= g.inHeight + 2 * g.padding; height++) {
        for (let width = 1; width <= (g.inHeight + 2 * g.padding) * (g.inWidth + 2 * g.padding); width++) {
          if (channels * outputs * height * width > n) break
          try {
            layoutOf(g, { channels, outputs, height, width }, n)
            found.push({ channels, outputs, height, width })
          } catch {
            // not valid
          }
        }
      }
    }
  }
  return found
}

describe('coefficient encoding', () => {
  test('every tiling of every small geometry', () => {
    let cases = 0
    for (const [kernelHeight, kernelWidth] of [
      [1, 1],
      [2, 1],
      [2, 3],
      [3, 3],
    ]) {
      for (const stride of [1, 2]) {
        for (const padding of [0, 1]) {
          for (const [inChannels, outChannels, groups] of [
            [1, 1, 1],
            [3, 2, 1],
            [2, 2, 2],
            [4, 2, 2],
            [2, 4, 2],
            [3, 3, 3],
          ]) {
            const g = geometry({
              ...{ inChannels, outChannels, groups, kernelHeight, kernelWidth, stride, padding },
              ...{ inHeight: 3, inWidth: 4 },
            })
            for (const tiling of allTilings(g, 64)) check(g, tiling, 64, 20, cases++)
          }
        }
      }
    }
    expect(cases).toBeGreaterThan(2000)
  })

  test('random geometries, random and chosen tilings, up to 59 bits', () => {
    const dims = fc.record({
      groups: fc.integer({ min: 1, max: 3 }),
      channels: fc.integer({ min: 1, max: 3 }),
      outputs: fc.integer({ min: 1, max: 4 }),
      inHeight: fc.integer({ min: 1, max: 9 }),
      inWidth: fc.integer({ min: 1, max: 9 }),
      kernelHeight: fc.integer({ min: 1, max: 4 }),
      kernelWidth: fc.integer({ min: 1, max: 4 }),
      stride: fc.integer({ min: 1, max: 3 }),
      padding: fc.integer({ min: 0, max: 2 }),
    })
    const property = fc.property(dims, fc.constantFrom(2, 20, 32, 37, 59), fc.nat(), (d, bits, seed) => {
      const { groups, channels, outputs, ...rest } = d
      fc.pre(d.kernelHeight <= d.inHeight + 2 * d.padding && d.kernelWidth <= d.inWidth + 2 * d.padding)
      const g = geometry({ ...rest, groups, inChannels: groups * channels, outChannels: groups * outputs })
      check(g, chooseTiling(g, 256), 256, bits, seed)
      const tilings = allTilings(g, 128)
      check(g, tilings[seed % tilings.length], 128, bits, seed)
    })
    fc.assert(property, { numRuns: 60 })
  })
})
