import { describe, expect, test } from 'vitest'
import { loadSeal } from '../../core/he/seal.ts'
import {
  answerPrimes,
  checkParameters,
  heParameters,
  MAX_MODULUS_BITS,
  POLY_DEGREE,
  primesOf,
  ROUNDING_BUDGET,
  roundingFailure,
} from '../../core/he/parameters.ts'

describe('heParameters', () => {
  test('are ones that SEAL accepts at 128 bits, with the primes we computed', async () => {
    const seal = await loadSeal()
    for (const bits of [20, 34, 37, 50, 59]) {
      const params = heParameters(bits)
      expect(() => checkParameters(params)).not.toThrow()
      const parms = new seal.EncryptionParameters(seal.SchemeType.bfv)
      parms.setPolyModulusDegree(params.polyDegree)
      parms.setCoeffModulus(seal.CoeffModulus.Create(params.polyDegree, Int32Array.from(params.primeBits)))
      parms.setPlainModulus(new seal.Modulus(1n << BigInt(bits)))
      expect(new seal.SEALContext(parms, true, seal.SecLevelType.tc128).parametersSet()).toBe(true)
      const chain = parms.coeffModulus()
      expect(Array.from({ length: chain.size() }, (_, i) => chain.get(i)!.value())).toEqual([...primesOf(params)])
    }
    expect(seal.CoeffModulus.MaxBitCount(POLY_DEGREE, seal.SecLevelType.tc128)).toBe(MAX_MODULUS_BITS)
  })

  test('grow with the ring and the demand', () => {
    const width = (bits: number, weightBits: number): number =>
      heParameters(bits, [{ weightBits, taps: 576, outputs: 4, elements: 2 ** 19 }])
        .primeBits.slice(0, -1)
        .reduce((a, b) => a + b)
    expect(width(32, 10)).toBe(100)
    expect(width(42, 10)).toBe(108)
    expect(width(59, 10)).toBe(120)
    expect(width(59, 24)).toBe(162)
    for (let bits = 3; bits <= 59; bits++) expect(width(bits, 12)).toBeGreaterThanOrEqual(width(bits - 1, 12))
  })

  test('keep the whole network within the budget', () => {
    const demand = [
      { weightBits: 12, taps: 27, outputs: 7, elements: 65536 },
      { weightBits: 14, taps: 4608, outputs: 16, elements: 8192 },
    ]
    for (let bits = 2; bits <= 59; bits++) {
      const params = heParameters(bits, demand)
      const total = demand.reduce((sum, d) => sum + d.elements * roundingFailure(params, d), 0)
      expect(total).toBeLessThanOrEqual(ROUNDING_BUDGET)
    }
  })

  test('refuse what no 128-bit parameters carry', () => {
    expect(() => heParameters(60)).toThrow(RangeError)
    expect(() => heParameters(59, [{ weightBits: 90, taps: 9, outputs: 1, elements: 1 }])).toThrow(/no HE parameters/)
  })
})

test('checkParameters refuses what a peer might send', () => {
  const good = heParameters(32)
  for (const change of [
    { polyDegree: 4096 },
    { plainBits: 60 },
    { plainBits: 3.5 },
    { primeBits: [] },
    { primeBits: [54] },
    { primeBits: [54, 54, 54, 54, 54] },
    { primeBits: [60, 54, 54] },
  ]) {
    expect(() => checkParameters({ ...good, ...change })).toThrow(/HE parameters/)
  }
})

describe('roundingFailure', () => {
  test('doubles with every bit of the plaintext and grows with the weights it packs', () => {
    const params = { plainBits: 50, polyDegree: POLY_DEGREE, primeBits: [60, 60, 60] }
    const demand = { weightBits: 20, taps: 576, outputs: 4 }
    const base = roundingFailure(params, demand)
    expect(roundingFailure({ ...params, plainBits: 51 }, demand) / base).toBeCloseTo(2, 2)
    expect(roundingFailure(params, { ...demand, weightBits: 21 }) / base).toBeCloseTo(2, 2)
    expect(roundingFailure(params, { ...demand, outputs: 16 }) / base).toBeCloseTo(2, 2)
  })

  test('counts the modulus switch where one is used', () => {
    const params = { plainBits: 57, polyDegree: POLY_DEGREE, primeBits: [54, 54, 54, 54] }
    expect(answerPrimes(params)).toBe(2)
    expect(Math.log2(roundingFailure(params, { weightBits: 8, taps: 9, outputs: 1 }))).toBeCloseTo(
      57 + 1 + 4.76 - 108,
      1,
    )
    expect(answerPrimes({ ...params, plainBits: 59 })).toBe(3)
  })
})
