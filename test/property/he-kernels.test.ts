/** The HE kernels against their definitions, against each other, and against node-seal's evaluator bit for bit. */
import fc from 'fast-check'
import { randomBytes, randomFillSync } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { primesOf } from '../../core/he/parameters.ts'
import { HeContext, release } from '../../core/he/seal.ts'
import type { Level } from '../../core/he/shape.ts'
import { generateKeys, HeClient, type HeKeys } from '../../core/he/client.ts'
import { HE_PRIMES, POLY_DEGREE } from '../../core/he/parameters.ts'
import { unpackSeeded } from '../../core/he/wire.ts'
import { availableNative, heRing, loadKernels, referenceKernels, type HeRing } from '../../core/kernels/index.ts'
import { buildNative } from '../../core/setup/build-native.mjs'
import { bigints, phase } from '../fixtures/he-reference.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { built, reason } = await buildNative({ root })
if (!built) console.warn(`native kernels are not tested, only the TypeScript ones: ${reason}`)

const natives = (built ? availableNative() : []).map((set) => loadKernels({ force: `native:${set}` }))
const all = [referenceKernels, ...natives]

/** Primes of every width the code has a path for, each 1 mod 2 * 8192. */
const PRIMES = [33, 40, 49, 50, 51, 54, 60, 61].map((bits) => {
  const params = { plainBits: 20, polyDegree: POLY_DEGREE, primeBits: [bits] }
  return primesOf(params)[0]
})

function power(base: bigint, exponent: bigint, q: bigint): bigint {
  let result = 1n
  for (let b = base, e = exponent; e > 0n; e >>= 1n, b = (b * b) % q) if (e & 1n) result = (result * b) % q
  return result
}

const wordsOf = (values: readonly bigint[]): Uint32Array => new Uint32Array(BigUint64Array.from(values).buffer)

/** Residues at random, the extremes among them. */
function residues(ring: HeRing, primes: number, polys: number): Uint32Array {
  const out = randomFillSync(new BigUint64Array(polys * primes * ring.degree))
  out.forEach((v, i) => {
    const q = ring.primes[Math.floor(i / ring.degree) % primes]
    out[i] = i % 7 === 0 ? q - 1n : v % q
  })
  return new Uint32Array(out.buffer)
}

function signed(length: number, bits: number): Int32Array {
  return randomFillSync(new Int32Array(length)).map((w, i) => (i % 5 === 0 ? -(2 ** bits - 1) : w >> (31 - bits)))
}

/** A polynomial's values at the odd powers of the least primitive 2N-th root, by Horner, in bit-reversed order. */
function evaluate(poly: readonly bigint[], q: bigint): bigint[] {
  const n = poly.length
  let least = q
  for (let x = 2n; least === q; x++) {
    const candidate = power(x, (q - 1n) / BigInt(2 * n), q)
    if (power(candidate, BigInt(n), q) !== q - 1n) continue
    for (let k = 1n; k < 2 * n; k += 2n) {
      const other = power(candidate, k, q)
      if (other < least) least = other
    }
  }
  const bits = Math.log2(n)
  return Array.from({ length: n }, (_, i) => {
    let reversed = 0
    for (let b = 0; b < bits; b++) reversed = 2 * reversed + ((i >> b) & 1)
    const at = power(least, BigInt(2 * reversed + 1), q)
    return poly.reduceRight((sum, c) => (sum * at + c) % q, 0n)
  })
}

describe.each(all)('$name', ({ he }) => {
  test.each([16, 32, 64])('transforms to values at the odd powers of the least root, N = %i', (degree) => {
    const ring = heRing(degree, PRIMES)
    const words = residues(ring, PRIMES.length, 2)
    const before = bigints(words)
    const want = PRIMES.flatMap((q, i) => evaluate(before.slice(i * degree, (i + 1) * degree), q))
    he.nttForward(ring, PRIMES.length, words)
    expect(bigints(words).slice(0, want.length)).toEqual(want)
    he.nttInverse(ring, PRIMES.length, words)
    expect(bigints(words)).toEqual(before)
  })

  test('turns products of values into negacyclic products of polynomials', () => {
    const n = 16
    const ring = heRing(n, PRIMES)
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 19 }), fc.integer({ min: 1, max: 3 }), (blocks, tiles) => {
        const primes = PRIMES.length
        const first = 1
        const inputs = residues(ring, primes, 2 * (first + tiles * blocks))
        const weights = signed(blocks * n, 31)
        const sums = residues(ring, primes, 2 * tiles)
        const [x, start] = [bigints(inputs), bigints(sums)]
        he.nttForward(ring, primes, inputs)
        he.nttForward(ring, primes, sums)
        he.accumulate(ring, { primes, inputs, first, tiles, tileStride: blocks, weights, sums })
        he.nttInverse(ring, primes, sums)
        const got = bigints(sums)
        for (let at = 0; at < got.length; at += n) {
          const index = at / n
          const [prime, poly, tile] = [index % primes, Math.floor(index / primes) % 2, Math.floor(index / primes / 2)]
          const want = start.slice(at, at + n)
          for (let b = 0; b < blocks; b++) {
            const from = ((2 * (first + tile * blocks + b) + poly) * primes + prime) * n
            for (let i = 0; i < n; i++) {
              for (let j = 0; j < n; j++) {
                const term = BigInt(weights[b * n + i]) * x[from + j]
                want[(i + j) % n] += i + j < n ? term : -term
              }
            }
          }
          const q = PRIMES[prime]
          expect(got.slice(at, at + n)).toEqual(want.map((v) => ((v % q) + q) % q))
        }
      }),
      { numRuns: 6 },
    )
  })

  test('divides by the last prime and rounds', () => {
    const ring = heRing(32, PRIMES)
    for (const primes of [2, 3, PRIMES.length]) {
      const moduli = PRIMES.slice(0, primes)
      const product = moduli.reduce((a, b) => a * b)
      const last = moduli[primes - 1]
      const values = Array.from({ length: 64 }, () => BigInt(`0x${randomBytes(80).toString('hex')}`) % product)
      // Around a half, where rounding turns.
      values.splice(0, 4, last / 2n, last / 2n + 1n, 7n * last + last / 2n, 7n * last + last / 2n + 1n)
      const split = (list: readonly bigint[], count: number): Uint32Array =>
        wordsOf(
          [0, 1].flatMap((p) =>
            moduli.slice(0, count).flatMap((q) => list.slice(32 * p, 32 * p + 32).map((v) => v % q)),
          ),
        )
      const want = values.map((v) => (v + last / 2n) / last)
      expect(he.divideRound(ring, primes, split(values, primes))).toEqual(split(want, primes - 1))
    }
  })

  test('refuses residues that are not below their prime, in every argument and place', () => {
    const n = 32
    const ring = heRing(n, PRIMES)
    const primes = PRIMES.length
    const fresh = (): Uint32Array => residues(ring, primes, 2)
    const weights = signed(n, 10)
    for (const [prime, q] of PRIMES.entries()) {
      for (const value of [q, 2n ** 64n - 1n]) {
        for (const place of [0, 9, n - 1]) {
          const bad = fresh()
          new BigUint64Array(bad.buffer)[(primes + prime) * n + place] = value
          expect(() => he.nttForward(ring, primes, bad.slice())).toThrow(/not below its prime/)
          expect(() => he.nttInverse(ring, primes, bad.slice())).toThrow(/not below its prime/)
          expect(() => he.divideRound(ring, primes, bad.slice())).toThrow(/not below its prime/)
          const job = { primes, first: 0, tiles: 1, tileStride: 1, weights }
          expect(() => he.accumulate(ring, { ...job, inputs: bad, sums: fresh() })).toThrow(/not below its prime/)
          expect(() => he.accumulate(ring, { ...job, inputs: fresh(), sums: bad.slice() })).toThrow(/not below/)
          const u = new Int8Array(n).fill(1)
          const noise = new Uint8Array(12 * n)
          const to = residues(ring, primes - 1, 2)
          expect(() => he.addEncryptedZero(ring, bad, u, noise, to)).toThrow(/not below its prime/)
        }
      }
    }
  })

  test('refuses lengths, counts and addresses that do not fit', () => {
    const n = 32
    const ring = heRing(n, PRIMES.slice(0, 2))
    const words = residues(ring, 2, 2)
    const off = new Uint32Array(words.length + 1).subarray(1)
    expect(() => he.nttForward(ring, 2, words.subarray(2))).toThrow('words')
    expect(() => he.nttForward(ring, 2, new Uint32Array(0))).toThrow('words')
    expect(() => he.nttForward(ring, 2, off)).toThrow(/words.*multiple of 8/)
    expect(() => he.nttInverse(ring, 3, words)).toThrow('primes')
    expect(() => he.divideRound(ring, 1, words)).toThrow('primes')
    const job = { primes: 2, inputs: words, first: 0, tiles: 1, tileStride: 1, weights: new Int32Array(n), sums: words }
    expect(() => he.accumulate(ring, { ...job, first: 1 })).toThrow('first')
    expect(() => he.accumulate(ring, { ...job, first: -1 })).toThrow('first')
    expect(() => he.accumulate(ring, { ...job, tiles: 2, sums: residues(ring, 2, 4) })).toThrow('first')
    expect(() => he.accumulate(ring, { ...job, tiles: 2 })).toThrow()
    expect(() => he.accumulate(ring, { ...job, weights: new Int32Array(2 * n) })).toThrow('first')
    expect(() => he.accumulate(ring, { ...job, weights: new Int32Array(n + 1) })).toThrow('weights')
    expect(() => he.accumulate(ring, { ...job, sums: words.subarray(4) })).toThrow('sums')
    expect(() => he.accumulate(ring, { ...job, inputs: off })).toThrow(/inputs/)
    const [u, noise, one] = [new Int8Array(n), new Uint8Array(12 * n), residues(ring, 1, 2)]
    expect(() => he.addEncryptedZero(ring, words, u.subarray(1), noise, one)).toThrow('ternary')
    expect(() => he.addEncryptedZero(ring, words, u, noise.subarray(1), one)).toThrow('noise')
    expect(() => he.addEncryptedZero(ring, words.subarray(2), u, noise, one)).toThrow('key')
    expect(() => he.addEncryptedZero(ring, words, u, noise, words)).toThrow('words')
  })
})

test('rings are made of primes that suit the degree', () => {
  expect(() => heRing(8, PRIMES)).toThrow(RangeError)
  expect(() => heRing(48, PRIMES)).toThrow(RangeError)
  expect(() => heRing(32, [PRIMES[0] + 2n])).toThrow(RangeError)
  expect(() => heRing(32, [193n])).toThrow(RangeError)
})

test('encryptions of zero are the same from every implementation', () => {
  for (const primes of [PRIMES, PRIMES.slice(0, 2), PRIMES.toReversed()]) {
    const ring = heRing(64, primes)
    const key = residues(ring, primes.length, 2)
    const u = new Int8Array(64).map((_, i) => (i % 3) - 1)
    const noise = new Uint8Array(randomBytes(12 * 64))
    const start = residues(ring, primes.length - 1, 2)
    const [want, ...rest] = all.map(({ he }) => {
      const words = start.slice()
      he.addEncryptedZero(ring, key, u, noise, words)
      return words
    })
    for (const got of rest) expect(got).toEqual(want)
  }
})

describe.each(HE_PRIMES.map((primeBits) => ({ primeBits })))(
  'with SEAL, primes of $primeBits bits',
  ({ primeBits }) => {
    const params = { plainBits: 30, polyDegree: POLY_DEGREE, primeBits }
    const n = POLY_DEGREE
    let context!: HeContext
    let server!: HeContext
    let keys!: HeKeys
    let ring!: HeRing
    const data = primeBits.length - 1

    beforeAll(async () => {
      context = await HeContext.create(params, 'client')
      server = await HeContext.create(params, 'server')
      keys = generateKeys(context)
      ring = heRing(n, [...primesOf(params)])
    })
    afterAll(() => {
      context.delete()
      server.delete()
    })

    /** A ciphertext of SEAL's from words. */
    function load(words: Uint32Array, level: Level, ntt: boolean) {
      const buffer = server.ciphertextBuffer(level, ntt)
      buffer.words.set(words)
      const made = new server.seal.Ciphertext()
      server.load(made, buffer)
      return made
    }

    // The reference is held to the native kernels at small N; here one transform of it suffices.
    test.each(all)('$name: transforms are those of its evaluator', ({ he }) => {
      const start = residues(ring, data, 2)
      const ciphertext = load(start, 'data', false)
      server.evaluator.cipherTransformToNttInplace(ciphertext)
      const words = start.slice()
      he.nttForward(ring, data, words)
      expect(Buffer.from(words.buffer).equals(Buffer.from(server.ciphertextWords(ciphertext).buffer))).toBe(true)
      he.nttInverse(ring, data, words)
      expect(words).toEqual(start)
      ciphertext.delete()
    })

    test.each(natives)('$name: sums of products are those of its evaluator', ({ he }) => {
      const { seal, evaluator } = server
      const [tiles, blocks] = [2, 11]
      const inputs = residues(ring, data, 2 * tiles * blocks)
      const weights = signed(blocks * n, 31)
      const size = 4 * data * n
      const sums = new Uint32Array(tiles * size)
      he.accumulate(ring, { primes: data, inputs, first: 0, tiles, tileStride: blocks, weights, sums })
      for (let tile = 0; tile < tiles; tile++) {
        const total = new seal.Ciphertext()
        for (let block = 0; block < blocks; block++) {
          const buffer = server.plainBuffer()
          weights.subarray(block * n, (block + 1) * n).forEach((w, i) => {
            buffer.words[2 * i] = w
            buffer.words[2 * i + 1] = w < 0 ? 1 : 0
          })
          const plain = new seal.Plaintext()
          server.load(plain, buffer)
          evaluator.plainTransformToNttInplace(plain, server.parmsId('data'))
          const index = tile * blocks + block
          const x = load(inputs.subarray(index * size, (index + 1) * size), 'data', true)
          evaluator.multiplyPlainInplace(x, plain)
          if (block === 0) total.assign(x)
          else evaluator.addInplace(total, x)
          release(plain, x)
        }
        const want = server.ciphertextWords(total)
        expect(
          Buffer.compare(Buffer.from(want.buffer), Buffer.from(sums.slice(tile * size, (tile + 1) * size).buffer)),
        ).toBe(0)
        total.delete()
      }
    })

    test.each(all)('$name: the modulus switch is that of its evaluator', ({ he }) => {
      const start = residues(ring, data, 2)
      const ciphertext = load(start, 'data', false)
      server.evaluator.cipherModSwitchToNextInplace(ciphertext)
      expect(he.divideRound(ring, data, start)).toEqual(server.ciphertextWords(ciphertext))
      ciphertext.delete()
    })

    test.each(natives)('$name: encryptions of zero decrypt to zero with the noise of one rounding', ({ he }) => {
      const buffer = context.seededBuffer('key', true)
      unpackSeeded(context, keys.publicKey, 'key', buffer, 'key')
      const key = new context.seal.PublicKey()
      context.load(key, buffer)
      const words = context.publicKeyWords(key)
      key.delete()
      const client = new HeClient(context, keys.secretKey)
      const zero = new Uint32Array(4 * data * n)
      const u = new Int8Array(n).map(() => (randomBytes(1)[0] % 3) - 1)
      he.addEncryptedZero(ring, words, u, new Uint8Array(randomBytes(12 * n)), zero)
      const { values } = phase(
        context,
        keys.secretKey,
        zero,
        'data',
        Array.from({ length: n }, (_, i) => i),
      )
      // Rounding two polynomials: variance (1 + |s|^2) / 12, |s|^2 about 2N / 3; the noise over the key prime is nothing.
      const variance = values.reduce((sum, v) => sum + Number(v) ** 2, 0) / n
      const expected = (1 + (2 * n) / 3) / 12
      expect(variance / expected).toBeGreaterThan(0.85)
      expect(variance / expected).toBeLessThan(1.15)
      const mean = values.reduce((sum, v) => sum + Number(v), 0) / n
      expect(Math.abs(mean)).toBeLessThan(6 * Math.sqrt(expected / n) + 1)
      client.delete()
    })
  },
)
