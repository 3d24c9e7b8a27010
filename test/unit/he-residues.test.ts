import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addResidues, modulusOf, packResidues, residueBytes, unpackResidues } from '../../core/he/residues.ts'
import { bigints } from '../fixtures/he-reference.ts'

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
