import fc from 'fast-check'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { addResidues, modulusOf, packResidues, residueBytes, unpackResidues } from '../../core/he/residues.ts'
import { availableNative, loadKernels, referenceKernels } from '../../core/kernels/index.ts'
import { buildNative } from '../../core/setup/build-native.mjs'
import { bigints } from '../fixtures/he-reference.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { built, reason } = await buildNative({ root })
if (!built) console.warn(`native kernels are not tested, only the TypeScript ones: ${reason}`)
const natives = (built ? availableNative() : []).map((set) => loadKernels({ force: `native:${set}` }))
const kernels = [referenceKernels, ...natives]

const primes = [0x3fffffffe7c001n, 0xffffffffffd8001n, (1n << 41n) - 21n]

function wordsOf(values: readonly bigint[]): Uint32Array {
  return new Uint32Array(BigUint64Array.from(values).buffer)
}

/** The packed form as one big integer, least significant bit first. */
function packedReference(values: readonly bigint[], bits: number): bigint {
  return values.reduce((sum, value, i) => sum | (value << BigInt(i * bits)), 0n)
}

const residues = fc.constantFrom(...primes).chain((q) =>
  fc.record({
    q: fc.constant(q),
    values: fc.array(fc.oneof(fc.bigInt(0n, q - 1n), fc.constantFrom(0n, 1n, q - 1n, 0xffffffffn)), {
      minLength: 1,
      maxLength: 20,
    }),
  }),
)

describe('packed residues', () => {
  test('are the bits of the residues one after another', () => {
    fc.assert(
      fc.property(residues, fc.nat({ max: 5 }), ({ q, values }, at) => {
        const modulus = modulusOf(q)
        const out = new Uint8Array(at + residueBytes(values.length, modulus.bits))
        expect(packResidues(wordsOf(values), values.length, modulus.bits, out, at)).toBe(out.length)
        const got = out.subarray(at).reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
        expect(got).toBe(packedReference(values, modulus.bits))
        const back = new Uint32Array(2 * values.length)
        expect(unpackResidues(out, at, values.length, modulus, back, 'test')).toBe(out.length)
        expect(bigints(back)).toEqual(values)
      }),
    )
  })

  test('can be picked from and put into places', () => {
    const values = [11n, 22n, 33n, 44n, 55n]
    const modulus = modulusOf(primes[0])
    const pick = Uint32Array.of(4, 1, 2)
    const out = new Uint8Array(residueBytes(3, modulus.bits))
    packResidues(wordsOf(values), 3, modulus.bits, out, 0, pick)
    const back = new Uint32Array(10)
    unpackResidues(out, 0, 3, modulus, back, 'test', pick)
    expect(bigints(back)).toEqual([0n, 22n, 33n, 0n, 55n])
  })

  test('are refused when not below the prime', () => {
    for (const q of primes) {
      const modulus = modulusOf(q)
      for (const bad of [q, q + 1n, (1n << BigInt(modulus.bits)) - 1n]) {
        const out = new Uint8Array(residueBytes(3, modulus.bits))
        packResidues(wordsOf([1n, bad, 2n]), 3, modulus.bits, out, 0)
        expect(() => unpackResidues(out, 0, 3, modulus, new Uint32Array(6), 'thing')).toThrow(
          /thing: coefficient 1 is not below its prime/,
        )
      }
    }
  })

  test('are refused when padding bits are set', () => {
    const modulus = modulusOf(primes[0])
    const out = new Uint8Array(residueBytes(1, modulus.bits))
    out[out.length - 1] = 0x80
    expect(() => unpackResidues(out, 0, 1, modulus, new Uint32Array(2), 'thing')).toThrow(/padding/)
  })
})

/** Of 33 and 63 bits, which no network uses. */
const extremes = [0x1fffffff1n, (1n << 63n) - 25n]

describe.each(kernels)('packed residues on kernels: $name', ({ he }) => {
  const cases = fc.constantFrom(...primes, ...extremes).chain((q) =>
    fc.record({
      q: fc.constant(q),
      values: fc.array(fc.oneof(fc.bigInt(0n, q - 1n), fc.constantFrom(0n, q - 1n)), { maxLength: 40 }),
      pick: fc.option(fc.array(fc.nat({ max: 39 }), { maxLength: 20 }), { nil: undefined }),
    }),
  )

  test('are the same', () => {
    fc.assert(
      fc.property(cases, ({ q, values, pick }) => {
        const modulus = modulusOf(q)
        const places = pick && Uint32Array.from(new Set(pick.filter((place) => place < values.length)))
        const count = places?.length ?? values.length
        const want = new Uint8Array(residueBytes(count, modulus.bits))
        packResidues(wordsOf(values), count, modulus.bits, want, 0, places)
        const out = new Uint8Array(want.length)
        he.packResidues(wordsOf(values), modulus.bits, out, places)
        expect(out).toEqual(want)
        const [ours, theirs] = [0, 0].map(() => new Uint32Array(2 * values.length).fill(5))
        expect(he.unpackResidues(out, q, ours, places)).toBe(true)
        unpackResidues(out, 0, count, modulus, theirs, 'test', places)
        expect(ours).toEqual(theirs)
      }),
    )
  })

  test('are refused when not below the prime, or with padding bits, and lengths that do not fit throw', () => {
    for (const q of [...primes, ...extremes]) {
      const { bits } = modulusOf(q)
      for (const place of [0, 1, 2]) {
        for (const bad of [q, (1n << BigInt(bits)) - 1n]) {
          const values = [1n, q - 1n, 3n]
          values[place] = bad
          const out = new Uint8Array(residueBytes(3, bits))
          he.packResidues(wordsOf(values), bits, out)
          expect(he.unpackResidues(out, q, new Uint32Array(6))).toBe(false)
        }
      }
      const padded = new Uint8Array(residueBytes(3, bits))
      expect(he.unpackResidues(padded, q, new Uint32Array(6))).toBe(true)
      padded[padded.length - 1] = 0x80
      expect(he.unpackResidues(padded, q, new Uint32Array(6))).toBe(false)
      expect(() => he.unpackResidues(padded, q, new Uint32Array(8))).toThrow('packed residues')
      expect(() => he.unpackResidues(padded, q, new Uint32Array(6), Uint32Array.of(0, 1, 3))).toThrow('places')
      expect(() => he.packResidues(new Uint32Array(6), bits, padded.subarray(1))).toThrow('packed residues')
      expect(() => he.packResidues(new Uint32Array(6), 32, padded)).toThrow('bits')
      expect(() => he.packResidues(new Uint32Array(7).subarray(1), bits, padded)).toThrow('words')
    }
  })
})

test('addResidues adds modulo the prime at the picked places', () => {
  fc.assert(
    fc.property(residues, ({ q, values }) => {
      const words = wordsOf(values)
      const addend = values.map((value) => (value * 7n + q - 1n) % q).reverse()
      const pick = Uint32Array.from(values.keys()).reverse()
      addResidues(words, wordsOf(addend), pick, modulusOf(q))
      expect(bigints(words)).toEqual(values.map((value, i) => (value + addend[values.length - 1 - i]) % q))
    }),
  )
})
