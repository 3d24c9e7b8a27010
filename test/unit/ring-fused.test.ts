/** One pass against the chain of core/ring/vector.ts that it stands for. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addMaskAndBias, addShifted, truncateServerInto } from '../../core/ring/fused.ts'
import { free } from '../../core/ring/memory.ts'
import { ring, type RingVector } from '../../core/ring/ring.ts'
import {
  add,
  fromSigned,
  fromWords,
  gather,
  reduce,
  reduceWords,
  scatter,
  shiftLeft,
  truncateServer,
  zeros,
} from '../../core/ring/vector.ts'

const width = fc.constantFrom(2, 7, 25, 31, 32, 33, 47, 54, 59)
/** Words at the edges of both halves more often than others. */
const word = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
)
const words = fc.array(word, { minLength: 24, maxLength: 24 })

/** Twelve elements that need not be reduced. */
function raw(bits: number, from: readonly number[]): RingVector {
  const to = ring(bits)
  return fromWords(to, 12, Uint32Array.from(from.slice(0, 12 * to.stride)))
}
function vector(bits: number, from: readonly number[]): RingVector {
  const { ring, length, words } = raw(bits, from)
  return reduceWords(ring, length, words)
}

describe('in one pass', () => {
  test('a mask and the biases of channels are added to words that are not reduced', () => {
    const biases = fc.array(fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }), { minLength: 4, maxLength: 4 })
    fc.assert(
      fc.property(width, words, words, fc.option(biases), (bits, x, m, b) => {
        const mask = vector(bits, m)
        const bias = fromSigned(
          ring(bits),
          Array.from({ length: 12 }, (_, i) => b?.[Math.floor(i / 3)] ?? 0),
        )
        const target = raw(bits, x)
        addMaskAndBias(target, mask, b === null ? undefined : Float64Array.from(b))
        expect(target).toEqual(add(add(vector(bits, x), mask), bias))
      }),
      { numRuns: 400 },
    )
  })

  test('linearised elements are truncated and corrected, and others are left alone', () => {
    fc.assert(
      fc.property(width, width, fc.nat(58), words, words, words, fc.subarray([...Array(12).keys()]), (...drawn) => {
        const [from, to, any, x, y, d, places] = drawn
        const shift = any % from
        const indices = Uint32Array.from(places)
        const input = vector(from, x)
        const correction = gather(vector(to, d), indices)
        const [output, expected] = [vector(to, y), vector(to, y)]
        scatter(expected, indices, add(truncateServer(gather(input, indices), shift, ring(to)), correction))
        truncateServerInto(output, indices, input, shift, correction)
        expect(output).toEqual(expected)
      }),
      { numRuns: 600 },
    )
  })

  test('two shares are reduced, shifted and added', () => {
    fc.assert(
      fc.property(width, width, width, fc.nat(58), fc.nat(58), words, words, (p, q, r, s, t, x, y) => {
        const [to, a, b] = [p, q, r].sort((m, n) => m - n)
        const shifts = [s % to, t % to] as const
        const [u, v] = [vector(a, x), vector(b, y)]
        const output = zeros(ring(to), 12)
        addShifted(output, u, shifts[0], v, shifts[1])
        expect(output).toEqual(
          add(shiftLeft(reduce(u, ring(to)), shifts[0]), shiftLeft(reduce(v, ring(to)), shifts[1])),
        )
      }),
      { numRuns: 600 },
    )
  })

  test('vectors that do not fit each other are refused', () => {
    const of = (bits: number, length: number): RingVector => zeros(ring(bits), length)
    expect(() => addMaskAndBias(of(40, 12), of(41, 12), undefined)).toThrow(RangeError)
    expect(() => addMaskAndBias(of(40, 12), of(40, 11), undefined)).toThrow(RangeError)
    expect(() => addMaskAndBias(of(40, 12), of(40, 12), new Float64Array(5))).toThrow(RangeError)
    const all = Uint32Array.of(0, 1)
    expect(() => truncateServerInto(of(40, 2), all, of(40, 2), 40, of(40, 2))).toThrow(RangeError)
    expect(() => truncateServerInto(of(40, 2), all, of(40, 2), 3, of(32, 2))).toThrow(RangeError)
    expect(() => truncateServerInto(of(40, 2), all, of(40, 2), 3, of(40, 1))).toThrow(RangeError)
    expect(() => truncateServerInto(of(40, 3), all, of(40, 2), 3, of(40, 2))).toThrow(RangeError)
    expect(() => addShifted(of(40, 2), of(32, 2), 0, of(40, 2), 0)).toThrow(RangeError)
    expect(() => addShifted(of(40, 2), of(40, 2), 0, of(40, 3), 0)).toThrow(RangeError)
    expect(() => addShifted(of(40, 2), of(40, 2), 40, of(40, 2), 0)).toThrow(RangeError)
  })
})

test('memory that is freed is gone at once', () => {
  const [one, other] = [new Uint8Array(10), new Uint8Array(20).subarray(5)]
  free(one, other)
  expect([one.length, other.length]).toEqual([0, 0])
})
