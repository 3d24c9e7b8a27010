/**
 * The wire forms: raw coefficients, bit-packed at their prime's width, in an order both parties know. No header of
 * SEAL's is ever sent, every length is known beforehand, and every coefficient received is below its prime.
 *
 *   upload      first polynomial, prime by prime; 64-byte seed of the second
 *   public key  the same at all primes, in NTT form
 *   answer      second polynomial, prime by prime; then the result coefficients of the first, prime by prime
 */
import { AdytonError } from '../errors/errors.ts'
import { answerPrimes, dataPrimes, primesOf } from './parameters.ts'
import { packResidues, residueBytes, unpackResidues } from './residues.ts'
import type { HeContext, Serialised } from './seal.ts'
import { SEED_BYTES, type HeShape, type Level } from './shape.ts'
import type { HeParameters } from './types.ts'

function polynomialWire(params: HeParameters, primes: number, count: number): number {
  return params.primeBits.slice(0, primes).reduce((sum, bits) => sum + residueBytes(count, bits), 0)
}

/** Exact wire bytes of one upload. */
export function uploadBytes(params: HeParameters): number {
  return polynomialWire(params, dataPrimes(params), params.polyDegree) + SEED_BYTES
}

/** Exact wire bytes of the public key; sent once per context. */
export function publicKeyBytes(params: HeParameters): number {
  return polynomialWire(params, params.primeBits.length, params.polyDegree) + SEED_BYTES
}

/** Exact wire bytes of an answer that carries `resultCount` results. */
export function answerBytes(params: HeParameters, resultCount: number): number {
  const primes = answerPrimes(params)
  return polynomialWire(params, primes, params.polyDegree) + polynomialWire(params, primes, resultCount)
}

function checkLength(bytes: Uint8Array, expected: number, what: string): void {
  if (bytes.length !== expected) {
    throw new AdytonError('payload-invalid', `${what}: ${bytes.length} bytes, expected ${expected}`, {
      advice: 'The peer is faulty or runs another version.',
    })
  }
}

/** Packs a polynomial [primes][N], or its coefficients `pick`; returns the byte after it. */
function packPolynomial(
  shape: HeShape,
  level: Level,
  words: Uint32Array,
  out: Uint8Array,
  at: number,
  pick?: Uint32Array,
): number {
  const size = 2 * shape.params.polyDegree
  const count = pick?.length ?? size / 2
  for (let i = 0; i < shape.primes(level); i++) {
    const { bits } = shape.moduli[i]
    const part = words.subarray(i * size, (i + 1) * size)
    const end = at + residueBytes(count, bits)
    if (shape.kernels === undefined) packResidues(part, count, bits, out, at, pick)
    else shape.kernels.packResidues(part, bits, out.subarray(at, end), pick)
    at = end
  }
  return at
}

function unpackPolynomial(
  shape: HeShape,
  level: Level,
  bytes: Uint8Array,
  at: number,
  words: Uint32Array,
  what: string,
  pick?: Uint32Array,
): number {
  const size = 2 * shape.params.polyDegree
  const count = pick?.length ?? size / 2
  for (let i = 0; i < shape.primes(level); i++) {
    const modulus = shape.moduli[i]
    const part = words.subarray(i * size, (i + 1) * size)
    const end = at + residueBytes(count, modulus.bits)
    // Where the kernel refuses, the slower code says why.
    if (shape.kernels?.unpackResidues(bytes.subarray(at, end), primesOf(shape.params)[i], part, pick) !== true) {
      unpackResidues(bytes, at, count, modulus, part, what, pick)
    }
    at = end
  }
  return at
}

/** Wire form of a seeded ciphertext ('data') or public key ('key') as SEAL saved it. */
export function packSeeded(context: HeContext, saved: Uint8Array, level: 'data' | 'key'): Uint8Array {
  const { words, seed } = context.seededParts(saved, level)
  return packSeededWords(context, words, seed, level)
}

/** Wire form of a first polynomial and the seed of the second. */
export function packSeededWords(
  shape: HeShape,
  words: Uint32Array,
  seed: Uint8Array,
  level: 'data' | 'key',
): Uint8Array {
  const out = new Uint8Array(level === 'data' ? uploadBytes(shape.params) : publicKeyBytes(shape.params))
  out.set(seed, packPolynomial(shape, level, words, out, 0))
  return out
}

/** Fills a seeded buffer of the same level from the wire; throws AdytonError 'payload-invalid'. */
export function unpackSeeded(
  context: HeContext,
  bytes: Uint8Array,
  level: 'data' | 'key',
  into: Serialised,
  what: string,
): void {
  context.setSeed(into, unpackSeededWords(context, bytes, level, into.words, what))
}

/** Fills the first polynomial, [primes][N], and returns the seed of the second; throws AdytonError 'payload-invalid'. */
export function unpackSeededWords(
  shape: HeShape,
  bytes: Uint8Array,
  level: 'data' | 'key',
  words: Uint32Array,
  what: string,
): Uint8Array {
  checkLength(bytes, level === 'data' ? uploadBytes(shape.params) : publicKeyBytes(shape.params), what)
  return bytes.subarray(unpackPolynomial(shape, level, bytes, 0, words, what))
}

/** Wire form of an answer, [2][primes][N] words, whose results are at `coefficients`. */
export function packAnswer(context: HeShape, words: Uint32Array, coefficients: Uint32Array): Uint8Array {
  const out = new Uint8Array(answerBytes(context.params, coefficients.length))
  const half = words.length / 2
  const at = packPolynomial(context, 'answer', words.subarray(half), out, 0)
  packPolynomial(context, 'answer', words.subarray(0, half), out, at, coefficients)
  return out
}

/** Fills the words of an answer, [2][primes][N]: coefficients that were not sent are zero. */
export function unpackAnswer(
  context: HeShape,
  bytes: Uint8Array,
  coefficients: Uint32Array,
  words: Uint32Array,
  what: string,
): void {
  checkLength(bytes, answerBytes(context.params, coefficients.length), what)
  const half = words.length / 2
  const at = unpackPolynomial(context, 'answer', bytes, 0, words.subarray(half), what)
  words.fill(0, 0, half)
  unpackPolynomial(context, 'answer', bytes, at, words.subarray(0, half), what, coefficients)
}
