/** Ring arithmetic against BigInt, exhaustively where small and by property elsewhere. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { pack, packedBytes, unpack } from '../../core/ring/packing.ts'
import { derive, Prg, prgFor } from '../../core/ring/prg.ts'
import { ring, type RingVector } from '../../core/ring/ring.ts'
import {
  add,
  elementAt,
  equal,
  fromSigned,
  fromWords,
  gather,
  negate,
  reduce,
  reduceWords,
  scatter,
  shiftLeft,
  sub,
  toSigned,
  truncateClient,
  truncateServer,
  zeros,
} from '../../core/ring/vector.ts'

const WIDTHS = [2, 7, 8, 25, 31, 32, 33, 40, 47, 53, 54, 58, 59]

/** A vector from BigInts, by another way than the code under test. */
function vector(bits: number, values: readonly bigint[]): RingVector {
  const r = ring(bits)
  const words = new Uint32Array(values.length * r.stride)
  values.forEach((value, i) => {
    const v = BigInt.asUintN(bits, value)
    words[i * r.stride] = Number(v & 0xffffffffn)
    if (r.stride === 2) words[2 * i + 1] = Number(v >> 32n)
  })
  return fromWords(r, values.length, words)
}
const all = (v: RingVector): bigint[] => Array.from({ length: v.length }, (_, i) => elementAt(v, i))

const width = fc.constantFrom(...WIDTHS)
const big = fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n })
const pairs = fc.tuple(width, fc.array(fc.tuple(big, big), { minLength: 1, maxLength: 20 }))

describe('arithmetic modulo 2^k', () => {
  test('add, sub, negate', () => {
    fc.assert(
      fc.property(pairs, ([bits, values]) => {
        const a = vector(
          bits,
          values.map(([x]) => x),
        )
        const b = vector(
          bits,
          values.map(([, y]) => y),
        )
        expect(all(add(a, b))).toEqual(values.map(([x, y]) => BigInt.asUintN(bits, x + y)))
        expect(all(sub(a, b))).toEqual(values.map(([x, y]) => BigInt.asUintN(bits, x - y)))
        expect(all(negate(a))).toEqual(values.map(([x]) => BigInt.asUintN(bits, -x)))
      }),
    )
  })

  test('shiftLeft and reduce', () => {
    fc.assert(
      fc.property(pairs, fc.nat(58), width, ([bits, values], shift, to) => {
        const a = vector(
          bits,
          values.map(([x]) => x),
        )
        if (shift < bits) {
          expect(all(shiftLeft(a, shift))).toEqual(values.map(([x]) => BigInt.asUintN(bits, x << BigInt(shift))))
        } else expect(() => shiftLeft(a, shift)).toThrow(RangeError)
        if (to <= bits) expect(all(reduce(a, ring(to)))).toEqual(values.map(([x]) => BigInt.asUintN(to, x)))
        else expect(() => reduce(a, ring(to))).toThrow(RangeError)
      }),
    )
  })

  test('signed integers go in and come out', () => {
    fc.assert(
      fc.property(width, fc.array(fc.maxSafeInteger(), { minLength: 1, maxLength: 20 }), (bits, values) => {
        const v = fromSigned(ring(bits), values)
        expect(all(v)).toEqual(values.map((x) => BigInt.asUintN(bits, BigInt(x))))
        const back = values.map((x) => Number(BigInt.asIntN(bits, BigInt(x))))
        expect([...toSigned(v)]).toEqual(back)
      }),
    )
  })

  test('reduceWords keeps the low k bits', () => {
    fc.assert(
      fc.property(width, fc.array(fc.nat(0xffffffff), { minLength: 2, maxLength: 20 }), (bits, raw) => {
        const r = ring(bits)
        const length = Math.floor(raw.length / r.stride)
        const words = Uint32Array.from(raw.slice(0, length * r.stride))
        const wide = fromWords(ring(r.stride === 1 ? 32 : 59), length, words.slice())
        const kept = all(wide).map((_, i) => {
          const low = BigInt(words[i * r.stride])
          return BigInt.asUintN(bits, r.stride === 1 ? low : low | (BigInt(words[2 * i + 1]) << 32n))
        })
        expect(all(reduceWords(r, length, words.slice()))).toEqual(kept)
      }),
    )
  })

  test('refuses other widths, counts and rings', () => {
    for (const bits of [0, 1, 60, 2.5]) expect(() => ring(bits)).toThrow(RangeError)
    expect(() => fromWords(ring(40), 3, new Uint32Array(3))).toThrow(RangeError)
    expect(() => add(zeros(ring(8), 2), zeros(ring(9), 2))).toThrow(RangeError)
    expect(() => sub(zeros(ring(8), 2), zeros(ring(8), 3))).toThrow(RangeError)
  })

  test('gather and scatter are inverse on distinct indices', () => {
    for (const bits of [20, 50]) {
      const v = prgFor(new Uint8Array(32), 'gather').vector(ring(bits), 10)
      const indices = Uint32Array.of(7, 0, 3)
      const target = zeros(v.ring, 10)
      scatter(target, indices, gather(v, indices))
      for (let i = 0; i < 10; i++) expect(elementAt(target, i)).toBe([7, 0, 3].includes(i) ? elementAt(v, i) : 0n)
    }
  })
})

describe('local truncation of shares', () => {
  test('gives floor(x / 2^f) or one more, whatever the share, for every small x', () => {
    const bits = 10
    for (let x = -15; x <= 15; x++) {
      for (let c = 0; c < 2 ** bits; c++) {
        const s = BigInt.asUintN(bits, BigInt(x - c))
        const wraps = x >= 0 ? c < x : c >= 2 ** bits + x
        if (wraps) continue // the failure that the plan's bound counts
        const client = truncateClient(vector(bits, [BigInt(c)]), 3, ring(12))
        const server = truncateServer(vector(bits, [s]), 3, ring(12))
        const [y] = toSigned(add(client, server))
        expect([Math.floor(x / 8), Math.floor(x / 8) + 1]).toContain(y)
      }
    }
  })

  test('fails for exactly |x| of the 2^k shares and has no bias', () => {
    const bits = 12
    for (const x of [-37, -8, 0, 5, 16, 61]) {
      let failures = 0
      let sum = 0
      for (let c = 0; c < 2 ** bits; c++) {
        const s = vector(bits, [BigInt(x - c)])
        const y = toSigned(
          add(truncateClient(vector(bits, [BigInt(c)]), 4, ring(bits)), truncateServer(s, 4, ring(bits))),
        )[0]
        if (Math.abs(y - x / 16) < 1) sum += y - x / 16
        else failures++
      }
      expect(failures).toBe(Math.abs(x))
      // Failures cost the sum at most their own number.
      expect(Math.abs(sum)).toBeLessThanOrEqual(Math.abs(x) + 1)
    }
  })

  test('agrees with BigInt on wide rings, also into another ring', () => {
    fc.assert(
      fc.property(width, fc.nat(40), width, big, (bits, shift, to, value) => {
        fc.pre(shift < bits)
        const c = BigInt.asUintN(bits, value)
        expect(all(truncateClient(vector(bits, [c]), shift, ring(to)))).toEqual([
          BigInt.asUintN(to, c >> BigInt(shift)),
        ])
        const mirrored = BigInt.asUintN(bits, -c) >> BigInt(shift)
        expect(all(truncateServer(vector(bits, [c]), shift, ring(to)))).toEqual([BigInt.asUintN(to, -mirrored)])
      }),
    )
  })
})

describe('packing', () => {
  test('is the little-endian bit string of the elements, and comes back', () => {
    fc.assert(
      fc.property(pairs, ([bits, values]) => {
        const v = vector(
          bits,
          values.map(([x]) => x),
        )
        const bytes = pack(v)
        expect(bytes.length).toBe(packedBytes(v.ring, v.length))
        const whole = all(v).reduce((sum, x, i) => sum | (x << BigInt(i * bits)), 0n)
        const read = bytes.reduce((sum, byte, i) => sum | (BigInt(byte) << BigInt(8 * i)), 0n)
        expect(read).toBe(whole)
        expect(equal(unpack(v.ring, v.length, bytes), v)).toBe(true)
      }),
    )
  })

  test('refuses another length and padding that is not zero', () => {
    const bytes = pack(vector(7, [1n, 2n, 3n]))
    expect(() => unpack(ring(7), 3, bytes.subarray(1))).toThrow(RangeError)
    expect(() => unpack(ring(7), 4, bytes)).toThrow(RangeError)
    bytes[2] |= 0x80
    expect(() => unpack(ring(7), 3, bytes)).toThrow(/padding/)
  })
})

describe('seeds', () => {
  test('labels and seeds give unrelated streams; the same give the same', () => {
    const seed = new Uint8Array(32).fill(1)
    const other = new Uint8Array(32).fill(2)
    const streams = [prgFor(seed, 'a'), prgFor(seed, 'b'), prgFor(other, 'a')].map((prg) => prg.bytes(64))
    expect(new Set(streams.map((s) => Buffer.from(s).toString('hex'))).size).toBe(3)
    expect(prgFor(seed, 'a').bytes(64)).toEqual(streams[0])
    expect(derive(seed, 'a', 16)).not.toEqual(derive(seed, 'a ', 16))
  })

  test('the stream is AES-128 in counter mode (NIST SP 800-38A block function, counter from zero)', () => {
    // AES-128 of the zero block under the zero key, FIPS 197 by way of the GCM specification, test case 1 (H).
    expect(Buffer.from(new Prg(new Uint8Array(16)).bytes(16)).toString('hex')).toBe('66e94bd4ef8a2c3b884cfa59ca342b2e')
  })

  test('elements are reduced and every bit moves', () => {
    for (const bits of WIDTHS) {
      const v = prgFor(new Uint8Array(32), `bits ${bits}`).vector(ring(bits), 4000)
      for (let bit = 0; bit < bits; bit++) {
        const ones = all(v).filter((x) => ((x >> BigInt(bit)) & 1n) === 1n).length
        // 4000 fair coins: more than 8 standard deviations (31.6 each) away has probability below 1e-14.
        expect(Math.abs(ones - 2000)).toBeLessThan(260)
      }
      for (const x of all(v)) expect(x < 1n << BigInt(bits)).toBe(true)
    }
  })
})
