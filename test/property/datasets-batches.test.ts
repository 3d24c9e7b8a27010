import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { drawPlacement, normalisingTable, place } from '../../core/datasets/augment.ts'
import { BatchMaker } from '../../core/datasets/batch-maker.ts'
import { makePart, statistics } from '../../core/datasets/part.ts'
import { shared, type ImageShape } from '../../core/datasets/pixels.ts'
import { Draws, identity } from '../../core/datasets/random.ts'

const seed = fc.oneof(fc.maxSafeInteger(), fc.string(), fc.uint8Array({ maxLength: 40 }))
const side = fc.integer({ min: 1, max: 9 })
const shape: fc.Arbitrary<ImageShape> = fc.tuple(fc.constantFrom(1, 3), side, side)
const image = shape.chain(([c, h, w]) =>
  fc.tuple(fc.constant<ImageShape>([c, h, w]), fc.uint8Array({ minLength: c * h * w, maxLength: c * h * w })),
)

/** Bytes stay as they are: 0 to 255. */
const plain = (channels: number) =>
  normalisingTable(channels, { mean: Array<number>(channels).fill(0), std: Array<number>(channels).fill(1 / 255) })

function placed(bytes: Uint8Array, of: ImageShape, placement: { top: number; left: number; flip: boolean }): number[] {
  const out = new Float32Array(bytes.length)
  place(bytes, 0, of, placement, plain(of[0]), out, 0)
  return Array.from(out, Math.round)
}

describe('random order', () => {
  test('is a permutation, the same for the same seed', () => {
    fc.assert(
      fc.property(seed, fc.nat(300), (s, count) => {
        const order = new Draws(s, 'order').shuffle(identity(count))
        expect([...order].sort((a, b) => a - b)).toEqual([...identity(count)])
        expect(new Draws(s, 'order').shuffle(identity(count))).toEqual(order)
      }),
    )
  })

  test('every order of three is as likely', () => {
    const draws = new Draws('three', 'order')
    const seen = new Map<string, number>()
    for (let i = 0; i < 6000; i++) {
      const key = draws.shuffle(identity(3)).join('')
      seen.set(key, (seen.get(key) ?? 0) + 1)
    }
    expect(seen.size).toBe(6)
    // Five degrees of freedom: above 30 with a probability of 1.5e-5, for a seed that does not change.
    const chi2 = [...seen.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
    expect(chi2).toBeLessThan(30)
  })

  test('numbers are below their bound', () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 1, max: 2 ** 32 }), (s, bound) => {
        const value = new Draws(s, 'x').below(bound)
        expect(Number.isInteger(value) && value >= 0 && value < bound).toBe(true)
      }),
    )
  })
})

test('numbers are uniform where a remainder would not be', () => {
  const draws = new Draws('bias', 'below')
  // Of three equal stretches, a remainder would hit the first half the time.
  const bound = 3 * 2 ** 30
  const low = Array.from({ length: 3000 }, () => draws.below(bound)).filter((value) => value < 2 ** 30).length
  expect(Math.abs(low / 3000 - 1 / 3)).toBeLessThan(0.05)
})

describe('augmentation', () => {
  test('is pad, crop, mirror: as those three, one after another', () => {
    fc.assert(
      fc.property(image, fc.nat(4), fc.nat(8), fc.nat(8), fc.boolean(), ([of, bytes], pad, y0, x0, flip) => {
        const [channels, height, width] = of
        const top = Math.min(y0, 2 * pad)
        const left = Math.min(x0, 2 * pad)
        const rows = (c: number) =>
          Array.from({ length: height }, (_, y) => [
            ...bytes.subarray((c * height + y) * width, (c * height + y + 1) * width),
          ])
        const planes = Array.from({ length: channels }, (_, c) => {
          const blank = Array<number>(width + 2 * pad).fill(0)
          const border = Array<number>(pad).fill(0)
          const padded = [
            ...Array.from({ length: pad }, () => blank),
            ...rows(c).map((row) => [...border, ...row, ...border]),
            ...Array.from({ length: pad }, () => blank),
          ]
          const cropped = padded.slice(top, top + height).map((row) => row.slice(left, left + width))
          return flip ? cropped.map((row) => row.reverse()) : cropped
        })
        const expected: number[] = []
        for (let y = 0; y < height; y++) {
          for (let x = 0; x < width; x++) for (let c = 0; c < channels; c++) expected.push(planes[c][y][x])
        }
        expect(placed(bytes, of, { top: top - pad, left: left - pad, flip })).toEqual(expected)
      }),
    )
  })

  test('a crop stays inside the padding, and all places occur', () => {
    fc.assert(
      fc.property(seed, fc.integer({ min: 0, max: 3 }), (s, crop) => {
        const draws = new Draws(s, 'places')
        const seen = new Set<number>()
        let flips = 0
        for (let i = 0; i < 60 * (2 * crop + 1); i++) {
          const { top, left, flip } = drawPlacement(draws, crop, true)
          flips += flip ? 1 : 0
          expect(Math.max(Math.abs(top), Math.abs(left))).toBeLessThanOrEqual(crop)
          seen.add(top)
        }
        expect(seen.size).toBe(2 * crop + 1)
        // Sixty or more tosses: beyond these bounds with a probability below 1e-9.
        expect(Math.abs(flips / (60 * (2 * crop + 1)) - 0.5)).toBeLessThan(0.4)
        expect(drawPlacement(draws, crop, false).flip).toBe(false)
      }),
    )
  })

  test('mirrored twice is as it was', () => {
    fc.assert(
      fc.property(image, ([[, height, width], bytes]) => {
        // One channel, where the layouts before and after are the same.
        const of: ImageShape = [1, height, width]
        const one = bytes.subarray(0, height * width)
        const flip = { top: 0, left: 0, flip: true }
        expect(placed(Uint8Array.from(placed(one, of, flip)), of, flip)).toEqual([...one])
      }),
    )
  })

  test('normalised by its own statistics, an image has mean 0 and deviation 1 in each channel', () => {
    fc.assert(
      fc.property(image, ([of, bytes]) => {
        const { mean, std } = statistics(bytes, of)
        fc.pre(std.every((value) => value > 0.01))
        const out = new Float32Array(bytes.length)
        place(bytes, 0, of, { top: 0, left: 0, flip: false }, normalisingTable(of[0], { mean, std }), out, 0)
        for (let c = 0; c < of[0]; c++) {
          const values = out.filter((_, i) => i % of[0] === c)
          const average = values.reduce((sum, value) => sum + value, 0) / values.length
          const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length - average ** 2
          expect(average).toBeCloseTo(0, 4)
          expect(variance).toBeCloseTo(1, 3)
        }
      }),
    )
  })
})

describe('batches', () => {
  const options = fc.record({
    size: fc.integer({ min: 1, max: 12 }),
    seed,
    shuffle: fc.boolean(),
    flip: fc.boolean(),
    crop: fc.integer({ min: 0, max: 2 }),
    dropLast: fc.boolean(),
  })

  test('are functions of seed and place: any of them can be made alone, in any order', async () => {
    const count = 23
    const of: ImageShape = [1, 3, 4]
    const labels = Uint8Array.from({ length: count }, (_, i) => i % 5)
    const data = shared(Uint8Array.from({ length: count * 12 }, (_, i) => (i * 37) % 256))
    const part = makePart('train', labels, { kind: 'memory', data, shape: of })
    await fc.assert(
      fc.asyncProperty(options, fc.infiniteStream(fc.nat(1000)), async (chosen, jumps) => {
        fc.pre(!chosen.dropLast || chosen.size <= count)
        const maker = new BatchMaker(part, chosen)
        const places: { epoch: number; step: number }[] = []
        for (let at = { epoch: 0, step: 0 }; at.epoch < 2; at = maker.next(at)) places.push(at)
        const inOrder = new Map<string, unknown>()
        const records: number[] = []
        for (const at of places) {
          const batch = await maker.make(at)
          inOrder.set(`${at.epoch} ${at.step}`, batch)
          if (at.epoch === 0) records.push(...batch.records)
          batch.records.forEach((record, i) => expect(batch.labels[i]).toBe(labels[record]))
        }
        expect(new Set(records).size).toBe(records.length)
        expect(records.length).toBe(chosen.dropLast ? count - (count % chosen.size) : count)
        const other = new BatchMaker(part, chosen)
        for (let i = 0; i < 3; i++) {
          const at = places[(jumps.next().value as number) % places.length]
          expect(await other.make(at)).toEqual(inOrder.get(`${at.epoch} ${at.step}`))
        }
      }),
      { numRuns: 60 },
    )
  })
})
