import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { answerKey, answerMask } from '../../core/he/mask.ts'
import { availableNative, heRing, loadKernels, referenceKernels } from '../../core/kernels/index.ts'
import type { HeMask } from '../../core/kernels/interface.ts'
import { dataPrimes, heParameters, POLY_DEGREE, primesOf } from '../../core/he/parameters.ts'
import { elementAt, equal } from '../../core/ring/vector.ts'
import { bigints, crt } from '../fixtures/he-reference.ts'

const kernels = [referenceKernels, ...availableNative().map((set) => loadKernels({ force: `native:${set}` }))]
const sets = [
  heParameters(20),
  heParameters(32),
  heParameters(48),
  heParameters(59),
  { plainBits: 59, polyDegree: POLY_DEGREE, primeBits: [60, 60, 60] },
]

describe('answerMask', () => {
  test.each(sets)('is -round(t r / q) for r of its residues, k = $plainBits, primes $primeBits', (params) => {
    const primes = [...primesOf(params).subarray(0, dataPrimes(params))]
    const { q, join } = crt(primes)
    const t = 1n << BigInt(params.plainBits)
    const mask = answerMask(params, new Uint8Array(randomBytes(16)), 500)
    const residues = mask.residues.map(bigints)
    expect(residues).toHaveLength(primes.length)
    for (let j = 0; j < 500; j++) {
      residues.forEach((list, i) => expect(list[j] < primes[i]).toBe(true))
      const r = join(residues.map((list) => list[j]))
      const rounded = (2n * t * r + q) / (2n * q)
      expect(elementAt(mask.serverShare, j)).toBe((t - (rounded % t)) % t)
    }
  })

  test.each(sets)('is the same from every kernel, k = $plainBits, primes $primeBits', (params) => {
    const ring = heRing(32, [...primesOf(params)])
    const key = new Uint8Array(randomBytes(16))
    const want = answerMask(params, key, 300)
    for (const { he } of kernels) {
      let used = 0
      const mask = (stream: Uint32Array): HeMask | undefined => {
        used++
        return he.maskShares(ring, dataPrimes(params), params.plainBits, stream)
      }
      expect(answerMask(params, key, 300, { mask })).toEqual(want)
      expect(used).toBe(1)
      expect(answerMask(params, key, 0, { mask })).toEqual(answerMask(params, key, 0))
    }
    // A word that must be drawn again leaves it to the slow path.
    expect(answerMask(params, key, 300, { mask: () => undefined })).toEqual(want)
  })

  test('words that are not below their prime are refused by every kernel', () => {
    const primes = [...primesOf(heParameters(59))]
    const ring = heRing(32, primes)
    for (const { he } of kernels) {
      const stream = new BigUint64Array(primes.length * 5)
      const mask = (): HeMask | undefined => he.maskShares(ring, primes.length, 59, new Uint32Array(stream.buffer))
      expect(mask()).toBeDefined()
      // Bits above the prime's width are cut off.
      stream[7] = 1n << 60n
      expect(mask()).toBeDefined()
      stream[primes.length * 4] = primes[0] - 1n
      expect(mask()).toBeDefined()
      stream[primes.length * 4] = primes[0]
      expect(mask()).toBeUndefined()
    }
  })

  test('is uniform mod q: the top bits of r and each residue spread evenly', () => {
    const params = heParameters(32)
    const primes = [...primesOf(params).subarray(0, 2)]
    const { q, join } = crt(primes)
    const count = 20_000
    const mask = answerMask(params, new Uint8Array(randomBytes(16)), count)
    const residues = mask.residues.map(bigints)
    const bins = [0, 1, 2].map(() => new Array<number>(64).fill(0))
    for (let j = 0; j < count; j++) {
      bins[0][Number((64n * join(residues.map((list) => list[j]))) / q)]++
      bins[1][Number((64n * residues[0][j]) / primes[0])]++
      bins[2][Number((64n * residues[1][j]) / primes[1])]++
    }
    // 63 degrees of freedom: mean 63, standard deviation 11.2; 150 is passed once in 10^8.
    for (const bin of bins)
      expect(bin.reduce((sum, n) => sum + (n - count / 64) ** 2 / (count / 64), 0)).toBeLessThan(150)
  })

  test('repeats from its key, starts alike for every count, and differs by key and answer', () => {
    const params = heParameters(59)
    const key = new Uint8Array(randomBytes(16))
    const mask = answerMask(params, key, 300)
    expect(equal(answerMask(params, key, 300).serverShare, mask.serverShare)).toBe(true)
    expect(answerMask(params, key, 10).residues[0]).toEqual(mask.residues[0].subarray(0, 20))
    expect(answerKey(key, 0)).not.toEqual(answerKey(key, 1))
    expect(equal(answerMask(params, answerKey(key, 0), 300).serverShare, mask.serverShare)).toBe(false)
  })
})
