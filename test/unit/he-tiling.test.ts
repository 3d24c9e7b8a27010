import { describe, expect, test } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { resultCoefficients, resultElements } from '../../core/he/encoding.ts'
import { blockChannels, layoutOf, runBlocks, runOutputs, tileCount } from '../../core/he/layout.ts'
import { checkTiling, chooseTiling, tilingCost, tilingCounts } from '../../core/he/tiling.ts'
import type { Tiling } from '../../core/he/types.ts'
import { convOutput, type ConvGeometry } from '../../core/ring/geometry.ts'
import { geometry } from '../fixtures/he-reference.ts'

const N = 8192
const square = (
  channels: number,
  side: number,
  outputs: number,
  kernel: number,
  stride = 1,
  groups = 1,
): ConvGeometry =>
  geometry({
    inChannels: channels,
    outChannels: outputs,
    inHeight: side,
    inWidth: side,
    kernelHeight: kernel,
    kernelWidth: kernel,
    stride,
    padding: (kernel - 1) >> 1,
    groups,
  })

const layers: readonly ConvGeometry[] = [
  square(3, 32, 64, 3),
  square(64, 32, 64, 3),
  square(64, 32, 128, 3, 2),
  square(128, 16, 256, 1, 2),
  square(512, 4, 512, 3),
  square(512, 1, 100, 1),
  square(3, 224, 64, 7, 2),
  square(64, 32, 64, 1, 1, 64),
  square(32, 28, 32, 3, 1, 32),
  square(32, 14, 64, 3, 2, 4),
]

describe('chooseTiling', () => {
  test('has the least cost of all tilings on small cases', () => {
    const cases: [ConvGeometry, number][] = [
      [square(3, 5, 4, 3), 64],
      [square(4, 6, 3, 3, 2), 128],
      [square(6, 4, 5, 1), 64],
      [square(5, 5, 3, 1, 2), 32],
      [square(6, 3, 6, 1, 1, 6), 64],
      [square(6, 4, 6, 3, 1, 3), 256],
      [square(8, 3, 4, 1, 1, 4), 64],
      [square(9, 1, 20, 1), 32],
      [geometry({ inChannels: 2, outChannels: 5, inHeight: 9, inWidth: 4, kernelHeight: 3, kernelWidth: 2 }), 128],
    ]
    for (const [g, n] of cases) {
      let least = Infinity
      let valid = 0
      for (let channels = 1; channels <= g.inChannels; channels++) {
        for (let outputs = 1; outputs <= g.outChannels; outputs++) {
          for (let height = 1; height <= 12; height++) {
            for (let width = 1; width <= 40; width++) {
              if (channels * outputs * height * width > n) break
              const tiling = { channels, outputs, height, width }
              try {
                least = Math.min(least, tilingCost(g, tiling, n))
                valid++
              } catch (error) {
                expect(error).toBeInstanceOf(AdytonError)
              }
            }
          }
        }
      }
      expect(valid).toBeGreaterThan(3)
      expect(tilingCost(g, chooseTiling(g, n), n), JSON.stringify(g)).toBeCloseTo(least, 9)
    }
  })

  test('is valid for real layers, and never needs many more products than the dense minimum', () => {
    for (const g of layers) {
      const tiling = chooseTiling(g, N)
      expect(() => checkTiling(g, tiling, N)).not.toThrow()
      const { products } = tilingCounts(g, tiling, N)
      const { height, width } = convOutput(g)
      const pixels = g.kernelHeight === 1 ? height * width : (g.inHeight + 2 * g.padding) * (g.inWidth + 2 * g.padding)
      if (g.groups === 1)
        expect(products).toBeLessThan(2.5 * Math.ceil((g.inChannels * g.outChannels * pixels) / N) + 8)
    }
  })

  test('packs the answers of a depthwise layer', () => {
    const g = square(64, 32, 64, 1, 1, 64)
    const { inputs, products, answers } = tilingCounts(g, chooseTiling(g, N), N)
    // One channel to a ciphertext would take 64 of each.
    expect(answers).toBeLessThanOrEqual(32)
    expect(inputs + answers).toBeLessThanOrEqual(80)
    expect(products).toBeLessThanOrEqual(64)
  })

  test('depends on the geometry and not on how the object was written', () => {
    const one = square(3, 32, 64, 3)
    // The same nine numbers in the same order, of another geometry.
    const names = Object.keys(one)
    const swapped = names.map((name) =>
      name === 'inChannels' ? 'outChannels' : name === 'outChannels' ? 'inChannels' : name,
    )
    const other = Object.fromEntries(swapped.map((name, i) => [name, Object.values(one)[i]])) as unknown as ConvGeometry
    expect(other).toMatchObject({ inChannels: 64, outChannels: 3 })
    expect(chooseTiling(one, N)).not.toEqual(chooseTiling(other, N))
    expect(chooseTiling(other, N)).toEqual(chooseTiling(square(64, 32, 3, 3), N))
  })

  test('refuses a kernel that no ciphertext holds', () => {
    expect(() => chooseTiling(square(1, 100, 1, 91), N)).toThrow(/exceed N/)
  })
})

describe('tilingCounts', () => {
  test('agrees with counting what the layout says', () => {
    for (const g of layers) {
      const tiling = chooseTiling(g, N)
      const layout = layoutOf(g, tiling, N)
      const counts = tilingCounts(g, tiling, N)
      const perIn = g.inChannels / g.groups
      const perOut = g.outChannels / g.groups
      let products = 0
      for (let run = 0; run < layout.runs; run++) {
        const outputs = runOutputs(layout, run)
        for (let block = 0; block < layout.blocks; block++) {
          const { start, end } = blockChannels(layout, block)
          let meets = false
          for (let m = outputs.start; m < outputs.end; m++) {
            const first = Math.floor(m / perOut) * perIn
            meets ||= start < first + perIn && end > first
          }
          const range = runBlocks(layout, run)
          expect(block >= range.start && block < range.end).toBe(meets)
          if (meets) products++
        }
      }
      expect(counts.products).toBe(products * tileCount(layout))
      expect(counts.inputs).toBe(layout.blocks * tileCount(layout))
      const seen = new Set<number>()
      counts.resultCoefficients.forEach((count, answer) => {
        const elements = resultElements(layout, answer)
        const coefficients = resultCoefficients(layout, answer)
        expect(elements.length).toBe(count)
        expect(new Set(coefficients).size).toBe(count)
        expect(Math.max(...coefficients)).toBeLessThan(N)
        for (const element of elements) seen.add(element)
      })
      const { height, width } = convOutput(g)
      const total = g.outChannels * height * width
      expect(counts.resultCoefficients.reduce((a, b) => a + b)).toBe(total)
      expect(seen.size).toBe(total)
    }
  })
})

describe('checkTiling', () => {
  const g = square(8, 6, 4, 3, 2)
  const good: Tiling = { channels: 2, outputs: 2, height: 5, width: 7 }

  test('accepts a valid tiling', () => {
    expect(() => checkTiling(g, good, N)).not.toThrow()
  })

  test.each([
    ['zero channels', { channels: 0 }],
    ['negative outputs', { outputs: -1 }],
    ['a fraction', { channels: 1.5 }],
    ['NaN', { height: NaN }],
    ['infinity', { width: Infinity }],
    ['a huge number', { channels: 2 ** 40 }],
    ['too many channels', { channels: 9 }],
    ['too many outputs', { outputs: 5 }],
    ['a tile off the stride', { height: 4 }],
    ['a tile smaller than the kernel', { width: 1 }],
    ['a tile larger than the image', { height: 9 }],
  ] as [string, Partial<Tiling>][])('refuses %s', (_, change) => {
    try {
      checkTiling(g, { ...good, ...change }, N)
    } catch (error) {
      expect((error as AdytonError).code).toBe('plan-invalid')
      return
    }
    expect.unreachable()
  })

  test('refuses more than N coefficients', () => {
    expect(() => checkTiling(g, { ...good, outputs: 2 }, 64)).toThrow(/exceed N = 64/)
  })

  test('refuses blocks that cut across groups', () => {
    const grouped = square(12, 4, 4, 3, 1, 4)
    expect(() => checkTiling(grouped, { channels: 4, outputs: 1, height: 6, width: 6 }, N)).toThrow(/groups of 3/)
    expect(() => checkTiling(grouped, { channels: 6, outputs: 1, height: 6, width: 6 }, N)).not.toThrow()
  })

  test.each([
    ['groups that do not divide', { groups: 3 }],
    ['a zero stride', { stride: 0 }],
    ['negative padding', { padding: -1 }],
    ['a kernel beyond the image', { kernelHeight: 20 }],
    ['an endless image', { inHeight: 2 ** 30 }],
    ['a missing field', { inWidth: undefined as unknown as number }],
  ] as [string, Partial<ConvGeometry>][])('refuses a geometry with %s', (_, change) => {
    expect(() => checkTiling({ ...g, ...change }, good, N)).toThrow(AdytonError)
  })
})
