/** The client's side of BFV in BigInt: seeds, symmetric encryption, decryption as SEAL rounds it. */
import { checkPrimeSync } from 'node:crypto'
import { checkDecryption, checkEncryption, checkMemory, checkSeed } from '../check.ts'
import type { HeEncryption, HeKey, HeKernels, HeRing } from '../interface.ts'
import { seededWords } from './blake2xb.ts'
import { centredError, checkReduced, forward, inverse, modulo, wide } from './he.ts'
import { power } from './ntt-tables.ts'

/** A secret key, [primes][N] residues in NTT form, as the kernels read it; holds the key, so the caller wipes it. */
export function heKey(ring: HeRing, primes: number, residues: Uint32Array): HeKey {
  const n = ring.degree
  const from = wide(residues)
  checkReduced(ring, primes, from)
  const out = new BigUint64Array(2 * primes * n)
  for (let i = 0; i < primes; i++) {
    const q = ring.primes[i]
    for (let j = 0; j < n; j++) {
      const s = from[i * n + j]
      out[2 * i * n + j] = s
      out[(2 * i + 1) * n + j] = (s << 64n) / q
    }
  }
  return { primes, words: new Uint32Array(out.buffer) }
}

/** SEAL's auxiliary prime of decryption (RNSTool): the second largest of 61 bits that is 1 mod 2N. */
function auxiliaryPrime(degree: number): bigint {
  const step = 2n * BigInt(degree)
  let found = 0
  for (let value = (1n << 61n) - step + 1n; ; value -= step) {
    if (checkPrimeSync(value) && ++found === 2) return value
  }
}

/** Of {@link decryptionConstants}. */
interface Constants {
  readonly gamma: bigint
  /** 1 / gamma mod t. */
  readonly inverse: bigint
  readonly primes: readonly {
    /** t gamma / (q / q_i) mod q_i. */
    readonly factor: bigint
    /** -(q / q_i) / q modulo gamma and modulo t. */
    readonly toGamma: bigint
    readonly toPlain: bigint
  }[]
}

const known = new WeakMap<HeRing, Map<string, Constants>>()

/**
 * Constants of SEAL's decrypt_scale_and_round (Bajard, Eynard, Hasan, Zucca 2016, section 3.4): it converts
 * t gamma c from q to t and gamma, inexactly, and takes the error off by what is left modulo gamma.
 */
function decryptionConstants(ring: HeRing, primes: number, bits: number): Constants {
  const held = known.get(ring) ?? new Map<string, Constants>()
  known.set(ring, held)
  let made = held.get(`${primes} ${bits}`)
  if (made === undefined) {
    const t = 1n << BigInt(bits)
    const gamma = auxiliaryPrime(ring.degree)
    const used = ring.primes.slice(0, primes)
    const product = used.reduce((a, b) => a * b, 1n)
    // Odd numbers modulo a power of two: t / 2 is a multiple of their order.
    const invert = (x: bigint, m: bigint): bigint => power(x % m, m === t ? t / 2n - 1n : m - 2n, m)
    made = {
      gamma,
      inverse: invert(gamma, t),
      primes: used.map((q) => {
        const rest = product / q
        return {
          factor: (t * gamma * invert(rest, q)) % q,
          toGamma: modulo(-rest * invert(product, gamma), gamma),
          toPlain: modulo(-rest * invert(product, t), t),
        }
      }),
    }
    held.set(`${primes} ${bits}`, made)
  }
  return made
}

/** The same as words for native code: gamma, floor(2^128 / gamma), 1 / gamma; each prime's factor, its quotient, and the others. */
export function decryptionWords(ring: HeRing, primes: number, bits: number): Uint32Array {
  const c = decryptionConstants(ring, primes, bits)
  const ratio = (1n << 128n) / c.gamma
  const words = [c.gamma, BigInt.asUintN(64, ratio), ratio >> 64n, c.inverse]
  c.primes.forEach(({ factor, toGamma, toPlain }, i) => {
    words.push(factor, (factor << 64n) / ring.primes[i], toGamma, toPlain)
  })
  return new Uint32Array(BigUint64Array.from(words).buffer)
}

const expandSeed: HeKernels['expandSeed'] = (ring, primes, seed, words) => {
  checkSeed(ring, primes, seed, words)
  const out = wide(words)
  const n = ring.degree
  const random = seededWords(seed)
  const draw = (): bigint => random.next().value
  for (let i = 0; i < out.length; i++) out[i] = draw()
  for (let prime = 0; prime < primes; prime++) {
    const q = ring.primes[prime]
    const most = 2n ** 64n - 1n
    const bound = most - (most % q) - 1n
    for (let j = prime * n; j < (prime + 1) * n; j++) {
      let value = out[j]
      while (value >= bound) value = draw()
      out[j] = value % q
    }
  }
}

/** x = x s at one prime, from NTT form into coefficients. */
function timesKey(ring: HeRing, prime: number, key: HeKey, x: BigUint64Array): void {
  const n = ring.degree
  const s = wide(key.words).subarray(2 * prime * n, (2 * prime + 1) * n)
  for (let j = 0; j < n; j++) x[j] = (x[j] * s[j]) % ring.primes[prime]
  inverse(ring, prime, x)
}

/** Checks the residues of a key, whose quotients are not looked at here. */
function checkKeyReduced(ring: HeRing, key: HeKey): void {
  const n = ring.degree
  const words = wide(key.words)
  for (let i = 0; i < key.primes; i++) {
    const residues = words.subarray(2 * i * n, (2 * i + 1) * n)
    if (residues.some((s) => s >= ring.primes[i])) throw new RangeError('a residue is not below its prime')
  }
}

function encryptSeeded(ring: HeRing, job: HeEncryption, memory?: Uint32Array): Uint32Array {
  checkEncryption(ring, job)
  checkMemory(ring, job.key.primes, memory)
  checkKeyReduced(ring, job.key)
  const { primes } = job.key
  const n = ring.degree
  const t = 1n << BigInt(job.bits)
  const q = ring.primes.slice(0, primes).reduce((a, b) => a * b, 1n)
  const plain = wide(job.plain)
  if (plain.some((m) => m >= t)) throw new RangeError('a coefficient is not below its modulus')
  const out = memory ?? new Uint32Array(2 * primes * n)
  expandSeed(ring, primes, job.seed, out)
  const words = wide(out)
  for (let i = 0; i < primes; i++) {
    const x = words.subarray(i * n, (i + 1) * n)
    forward(ring, i, x)
    timesKey(ring, i, job.key, x)
    for (let j = 0; j < n; j++) {
      const message = (q * plain[j] + t / 2n) / t
      x[j] = modulo(message - x[j] - centredError(job.noise, 6 * j), ring.primes[i])
    }
  }
  return out
}

const decrypt: HeKernels['decrypt'] = (ring, bits, key, words, places, memory) => {
  checkDecryption(ring, bits, key, words, places)
  checkMemory(ring, 1, memory)
  checkKeyReduced(ring, key)
  const { primes } = key
  const n = ring.degree
  const [c0, c1] = [0, 1].map((half) => wide(words.slice(half * 2 * primes * n, (half + 1) * 2 * primes * n)))
  checkReduced(ring, primes, c0)
  checkReduced(ring, primes, c1)
  const constants = decryptionConstants(ring, primes, bits)
  const { gamma } = constants
  const [modGamma, modPlain] = [0, 1].map(() => new Array<bigint>(n).fill(0n))
  for (let i = 0; i < primes; i++) {
    const x = c1.subarray(i * n, (i + 1) * n)
    forward(ring, i, x)
    timesKey(ring, i, key, x)
    const { factor, toGamma, toPlain } = constants.primes[i]
    for (let j = 0; j < n; j++) {
      const y = ((x[j] + c0[i * n + j]) * factor) % ring.primes[i]
      modGamma[j] += y * toGamma
      modPlain[j] += y * toPlain
    }
  }
  const out = wide(memory ?? new Uint32Array(2 * n))
  for (const j of places) {
    const rest = modGamma[j] % gamma
    const centred = rest > gamma / 2n ? rest - gamma : rest
    out[j] = BigInt.asUintN(bits, (modPlain[j] - centred) * constants.inverse)
  }
  return new Uint32Array(out.buffer, out.byteOffset, 2 * n)
}

export const referenceHeClient: Pick<HeKernels, 'expandSeed' | 'encryptSeeded' | 'decrypt'> = {
  expandSeed,
  encryptSeeded,
  decrypt,
}
