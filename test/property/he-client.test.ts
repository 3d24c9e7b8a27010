/** The client's HE kernels and the expansion of seeds: against node-seal bit for bit, and against each other. */
import fc from 'fast-check'
import { checkPrimeSync, randomBytes, randomFillSync } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HE_PRIMES, POLY_DEGREE, primesOf } from '../../core/he/parameters.ts'
import { generateKeys } from '../../core/he/client.ts'
import { HeContext, loadSeal, release } from '../../core/he/seal.ts'
import { availableNative, heKey, heRing, loadKernels, referenceKernels } from '../../core/kernels/index.ts'
import type { HeEncryption, HeKey, HeRing } from '../../core/kernels/interface.ts'
import { buildNative } from '../../core/setup/build-native.mjs'
import { bigints, phase } from '../fixtures/he-reference.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { built, reason } = await buildNative({ root })
if (!built) console.warn(`native kernels are not tested, only the TypeScript ones: ${reason}`)

const natives = (built ? availableNative() : []).map((set) => loadKernels({ force: `native:${set}` }))
const all = [referenceKernels, ...natives]

const wordsOf = (values: Iterable<bigint>): Uint32Array => new Uint32Array(BigUint64Array.from(values).buffer)
const hex = (words: Uint32Array): string =>
  Buffer.from(words.buffer, words.byteOffset, words.byteLength).toString('hex')
const bytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length))
const joined = (a: Uint32Array, b: Uint32Array): Uint32Array => {
  const out = new Uint32Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

/** 0, 1, ..., n - 1. */
const upTo = (n: number): Uint32Array => new Uint32Array(n).map((_, i) => i)

/** Uniform enough, and below 2^60 or `below`. */
function randoms(count: number, below: bigint): bigint[] {
  return Array.from(randomFillSync(new BigUint64Array(count)), (v) => (v >> 4n) % below)
}

/** Polynomials with the given residues, [primes][N]. */
function polynomial(degree: number, primes: readonly bigint[], values: readonly bigint[]): Uint32Array {
  return wordsOf(primes.flatMap((p) => values.slice(0, degree).map((v) => ((v % p) + p) % p)))
}

const uniform = (degree: number, primes: readonly bigint[]): Uint32Array =>
  wordsOf(primes.flatMap((p) => randoms(degree, p)))

/** Bytes whose errors are e, |e| <= 21. */
function noiseOf(errors: readonly bigint[]): Uint8Array {
  const out = new Uint8Array(6 * errors.length)
  errors.forEach((e, i) => {
    const bits = 2 ** Math.abs(Number(e)) - 1
    for (let byte = 0; byte < 3; byte++) out[6 * i + (e < 0n ? 3 : 0) + byte] = bits >>> (8 * byte)
  })
  return out
}

const CASES = HE_PRIMES.map((primeBits, i) => ({ primeBits, plainBits: [20, 33, 53, 59][i] }))

describe.each(CASES)('primes of $primeBits bits, Z_2^$plainBits', ({ primeBits, plainBits }) => {
  const n = POLY_DEGREE
  const params = { plainBits, polyDegree: n, primeBits }
  const primes = [...primesOf(params)].slice(0, -1)
  const t = 1n << BigInt(plainBits)
  const q = primes.reduce((a, b) => a * b, 1n)
  const places = upTo(n)
  let context!: HeContext
  let secretKey!: Uint8Array
  let ring!: HeRing
  let key!: HeKey

  beforeAll(async () => {
    context = await HeContext.create(params, 'client')
    secretKey = generateKeys(context).secretKey
    ring = heRing(n, [...primesOf(params)])
    key = heKey(ring, primes.length, new Uint32Array(secretKey.slice(0, 8 * primes.length * n).buffer))
  })
  afterAll(() => context.delete())

  /** SEAL's own symmetric encryption: the first polynomial, and the seed of the second. */
  function sealEncryption(plain: Uint32Array): { words: Uint32Array; seed: Uint8Array } {
    const { seal } = context
    const secret = context.loadSecretKey(secretKey)
    const generator = new seal.KeyGenerator(context.context, secret)
    const open = generator.createPublicKey()
    const encryptor = new seal.Encryptor(context.context, open, secret)
    const buffer = context.plainBuffer()
    buffer.words.set(plain)
    const message = new seal.Plaintext()
    context.load(message, buffer)
    const made = encryptor.encryptSymmetricSerializable(message)
    const saved = made.saveToArray(seal.ComprModeType.none) as Uint8Array
    release(secret, generator, open, encryptor, message, made)
    return context.seededParts(saved, 'data')
  }

  function sealExpansion(seed: Uint8Array): Uint32Array {
    const buffer = context.seededBuffer('data', false)
    context.setSeed(buffer, seed)
    const loaded = new context.seal.Ciphertext()
    context.load(loaded, buffer)
    const words = context.ciphertextWords(loaded)
    loaded.delete()
    return words.slice(words.length / 2)
  }

  function sealDecryption(words: Uint32Array): Uint32Array {
    const { seal } = context
    const secret = context.loadSecretKey(secretKey)
    const decryptor = new seal.Decryptor(context.context, secret)
    const buffer = context.ciphertextBuffer('data', false)
    buffer.words.set(words)
    const [ciphertext, plain] = [new seal.Ciphertext(), new seal.Plaintext()]
    context.load(ciphertext, buffer)
    decryptor.decrypt(ciphertext, plain)
    const out = new Uint32Array(2 * n)
    out.set(context.plainWords(plain))
    release(secret, decryptor, ciphertext, plain)
    return out
  }

  const plaintext = (): Uint32Array => wordsOf([0n, 1n, t - 1n, t / 2n, ...randoms(n - 4, t)])

  /** round(q m / t) less the phase, centred: what SEAL calls e. */
  function errorsOf(words: Uint32Array, plain: Uint32Array): bigint[] {
    const { values } = phase(context, secretKey, words, 'data', places)
    return bigints(plain).map((m, i) => {
      const e = ((q * m + t / 2n) / t - values[i]) % q
      return e > q / 2n ? e - q : e < -q / 2n ? e + q : e
    })
  }

  test('seeds expand as in SEAL', () => {
    for (const seed of [new Uint8Array(64), bytes(64)]) {
      const want = hex(sealExpansion(seed))
      // The reference is held to the native kernels below; here one expansion suffices.
      for (const { name, he } of primeBits === HE_PRIMES[0] ? all : natives) {
        const words = new Uint32Array(2 * primes.length * n)
        he.expandSeed(ring, primes.length, seed, words)
        expect(hex(words) === want, name).toBe(true)
      }
    }
  })

  test("encryption is SEAL's, from the same seed and errors", () => {
    const plain = plaintext()
    const { words, seed } = sealEncryption(plain)
    const noise = noiseOf(errorsOf(joined(words, sealExpansion(seed)), plain))
    for (const { name, he } of natives) {
      const made = he.encryptSeeded(ring, { key, bits: plainBits, seed, noise, plain })
      expect(hex(made) === hex(words), name).toBe(true)
    }
  })

  test('encryptions decrypt in SEAL, and their noise is that of SEAL: centred binomial of 42 bits', () => {
    const plain = plaintext()
    const { words, seed } = sealEncryption(plain)
    const theirs = errorsOf(joined(words, sealExpansion(seed)), plain)
    const job = { key, bits: plainBits, seed: bytes(64), noise: bytes(6 * n), plain }
    const { he } = natives.at(-1) ?? referenceKernels
    const made = he.encryptSeeded(ring, job)
    expect(hex(he.encryptSeeded(ring, job)) === hex(made)).toBe(true)
    const whole = joined(made, sealExpansion(job.seed))
    expect(hex(sealDecryption(whole)) === hex(plain)).toBe(true)
    const ours = errorsOf(whole, plain)
    for (const errors of [theirs, ours].map((list) => list.map(Number))) {
      const mean = (value: (e: number, i: number) => number): number =>
        errors.reduce((sum, e, i) => sum + value(e, i), 0) / n
      expect(errors.every((e) => Math.abs(e) <= 21)).toBe(true)
      // Six deviations of the mean, of the variance and of the covariance of neighbours in N samples.
      expect(Math.abs(mean((e) => e))).toBeLessThan(6 * Math.sqrt(10.5 / n))
      expect(Math.abs(mean((e) => e * e) - 10.5)).toBeLessThan(6 * 10.5 * Math.sqrt(2 / n))
      expect(Math.abs(mean((e, i) => e * errors[(i + 1) % n]))).toBeLessThan((6 * 10.5) / Math.sqrt(n))
    }
    expect(ours).not.toEqual(theirs)
  })

  test('decryption is that of SEAL for any ciphertext', () => {
    const zero = new Uint32Array(2 * primes.length * n)
    // With c1 = 0 the phase is ours to choose; halves lie where rounding turns.
    const phases = (value: (m: bigint) => bigint): Uint32Array =>
      joined(polynomial(n, primes, randoms(n, t).map(value)), zero)
    const any: fc.Arbitrary<() => Uint32Array> = fc.oneof(
      fc.constant(() => joined(uniform(n, primes), uniform(n, primes))),
      fc.bigInt({ min: -2n, max: 2n }).map((d) => () => phases((m) => (q * (2n * m + 1n)) / (2n * t) + d)),
      fc.bigInt({ min: 0n, max: q }).map((e) => () => phases((m) => (q * m) / t + e)),
    )
    const halves = (): Uint32Array => phases((m) => (q * (2n * m + 1n)) / (2n * t))
    const largest = (): Uint32Array =>
      joined(...([0, 0].map(() => polynomial(n, primes, new Array(n).fill(-1n))) as [Uint32Array, Uint32Array]))
    fc.assert(
      fc.property(any, (make) => {
        const words = make()
        const want = hex(sealDecryption(words))
        for (const { name, he } of natives) {
          expect(hex(he.decrypt(ring, plainBits, key, words, places)) === want, name).toBe(true)
        }
      }),
      { numRuns: 4, examples: [[halves], [largest]] },
    )
  })
})

/** The least prime from `from` that is 1 mod 2N. */
function primeFrom(degree: number, from: bigint): bigint {
  const step = 2n * BigInt(degree)
  let value = (from / step) * step + 1n
  while (!checkPrimeSync(value)) value += step
  return value
}

/** 2^64 lies half way between two multiples: one word in 35 would bias the residue and is drawn again. */
const UNEVEN = (degree: number): bigint => primeFrom(degree, 2n ** 65n / 35n)

test('words that would bias residues are drawn again, as SEAL does', async () => {
  const degree = 1024
  const prime = UNEVEN(degree)
  const seal = await loadSeal()
  const parms = new seal.EncryptionParameters(seal.SchemeType.bfv)
  const [modulus, plainModulus] = [new seal.Modulus(prime), new seal.Modulus(1n << 20n)]
  const moduli = seal.vecFromArrayModulus([modulus])
  parms.setPolyModulusDegree(degree)
  parms.setCoeffModulus(moduli)
  parms.setPlainModulus(plainModulus)
  const context = new seal.SEALContext(parms, false, seal.SecLevelType.none)
  expect(context.parametersSet()).toBe(true)
  const generator = new seal.KeyGenerator(context)
  const secret = generator.secretKey()
  const open = generator.createPublicKey()
  const encryptor = new seal.Encryptor(context, open, secret)
  const plain = new seal.Plaintext(degree)
  const made = encryptor.encryptSymmetricSerializable(plain)
  const saved = made.saveToArray(seal.ComprModeType.none) as Uint8Array
  const loaded = new seal.Ciphertext()
  loaded.loadFromArray(context, saved)
  const whole = loaded.saveToArray(seal.ComprModeType.none) as Uint8Array
  const want = Buffer.from(whole.slice(-8 * degree)).toString('hex')
  for (const { name, he } of all) {
    const words = new Uint32Array(2 * degree)
    he.expandSeed(heRing(degree, [prime]), 1, saved.slice(-64), words)
    expect(hex(words) === want, name).toBe(true)
  }
  release(parms, modulus, plainModulus, moduli, context, generator, secret, open, encryptor, plain, made, loaded)
})

describe('with primes of every width', () => {
  const widths = [33, 40, 49, 50, 51, 54, 60, 61]
  const ringOf = (degree: number): HeRing =>
    heRing(degree, [UNEVEN(degree), ...widths.map((bits) => primeFrom(degree, (1n << BigInt(bits)) - (1n << 28n)))])
  const keyOf = (ring: HeRing, primes: number): HeKey =>
    heKey(ring, primes, uniform(ring.degree, ring.primes.slice(0, primes)))
  const encryption = (ring: HeRing, primes: number, bits: number): HeEncryption => ({
    key: keyOf(ring, primes),
    bits,
    seed: bytes(64),
    noise: bytes(6 * ring.degree),
    plain: wordsOf(randoms(ring.degree, 1n << BigInt(bits))),
  })

  test('all implementations agree, and what is encrypted decrypts', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(16, 64, 256),
        fc.integer({ min: 1, max: widths.length + 1 }),
        fc.integer({ min: 1, max: 20 }),
        (degree, primes, bits) => {
          const ring = ringOf(degree)
          const job = encryption(ring, primes, bits)
          const [second, ...others] = all.map(({ he }) => {
            const words = new Uint32Array(2 * primes * degree)
            he.expandSeed(ring, primes, job.seed, words)
            return hex(words)
          })
          const [first, ...more] = all.map(({ he }) => he.encryptSeeded(ring, job))
          const words = joined(first, new Uint32Array(Uint8Array.from(Buffer.from(second, 'hex')).buffer))
          const [plain, ...rest] = all.map(({ he }) => hex(he.decrypt(ring, bits, job.key, words, upTo(degree))))
          expect(plain).toBe(hex(job.plain))
          const some = upTo(degree).filter((place) => place % 3 === 1)
          const picked = job.plain.map((word, i) => ((i >> 1) % 3 === 1 ? word : 0))
          for (const { he } of all) expect(hex(he.decrypt(ring, bits, job.key, words, some))).toBe(hex(picked))
          // Memory that was used before: all of it is written, or what was asked for.
          for (const { he } of all) {
            const memory = uniform(degree, ring.primes.slice(0, primes))
            expect(he.encryptSeeded(ring, job, memory)).toBe(memory)
            expect(hex(memory)).toBe(hex(first))
            const used = new Uint32Array(2 * degree).fill(7)
            const kept = job.plain.map((word, i) => ((i >> 1) % 3 === 1 ? word : 7))
            expect(hex(he.decrypt(ring, bits, job.key, words, some, used))).toBe(hex(kept))
            expect(hex(used)).toBe(hex(kept))
          }
          for (const other of others) expect(other === second).toBe(true)
          for (const other of more) expect(hex(other)).toBe(hex(first))
          for (const other of rest) expect(other).toBe(plain)
        },
      ),
      { numRuns: 12 },
    )
  })

  test.each(all)('$name: refuses what is not reduced and what does not fit', ({ he }) => {
    const ring = ringOf(32)
    const primes = ring.primes.length
    const job = encryption(ring, primes, 20)
    const places = upTo(32)
    const words = joined(uniform(32, ring.primes), uniform(32, ring.primes))
    const seal = (change: Partial<HeEncryption>) => () => he.encryptSeeded(ring, { ...job, ...change })
    for (const [prime, q] of ring.primes.entries()) {
      const bad = job.key.words.slice()
      bad.set(wordsOf([q]), (2 * prime * 32 + 31) * 2)
      const key = { primes, words: bad }
      expect(seal({ key })).toThrow(/not below its prime/)
      expect(() => he.decrypt(ring, 20, key, words, places)).toThrow(/not below its prime/)
      for (const half of [0, 1]) {
        const wrong = words.slice()
        wrong.set(wordsOf([q]), 2 * ((half * primes + prime) * 32 + 5))
        expect(() => he.decrypt(ring, 20, job.key, wrong, places)).toThrow(/not below its prime/)
      }
    }
    const large = job.plain.slice()
    large[63] = 1
    expect(seal({ plain: large })).toThrow(/not below its modulus/)
    const off = new Uint32Array(job.plain.length + 1).subarray(1)
    expect(seal({ plain: off })).toThrow(/plain.*multiple of 8/)
    expect(seal({ plain: job.plain.subarray(2) })).toThrow('plain')
    expect(seal({ seed: job.seed.subarray(1) })).toThrow('seed')
    expect(seal({ noise: job.noise.subarray(1) })).toThrow('noise')
    expect(seal({ bits: 0 })).toThrow('bits')
    expect(seal({ bits: 61 })).toThrow('bits')
    expect(seal({ key: { primes, words: job.key.words.subarray(2) } })).toThrow('key')
    expect(() => he.encryptSeeded(ring, job, words)).toThrow('memory')
    expect(() => he.decrypt(ring, 20, job.key, words, places, words)).toThrow('memory')
    expect(seal({ key: { ...job.key, primes: primes + 1 } })).toThrow('primes')
    expect(() => he.decrypt(ring, 20, job.key, words.subarray(2), places)).toThrow('words')
    expect(() => he.decrypt(ring, 20, job.key, words, Uint32Array.of(32))).toThrow('places')
    expect(() => he.decrypt(ring, 20, job.key, words, upTo(33))).toThrow('places')
    expect(() => he.decrypt(ring, 61, job.key, words, places)).toThrow('bits')
    expect(() => he.expandSeed(ring, primes, job.seed, words)).toThrow('words')
    expect(() => he.expandSeed(ring, primes, bytes(65), words.subarray(0, words.length / 2))).toThrow('seed')
  })
})
