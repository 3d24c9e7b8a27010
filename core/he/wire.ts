/**
 * The wire forms: raw coefficients, bit-packed at their prime's width, in an order both parties know. No header of
 * SEAL's is ever sent, every length is known beforehand, and every coefficient received is below its prime.
 *
 *   upload      first polynomial, prime by prime; 64-byte seed of the second
 *   public key  the same at all primes, in NTT form
 *   answer      second polynomial, prime by prime; then the result coefficients of the first, prime by prime
 */
import { AdytonError } from '../errors/errors.ts'
import { answerPrimes, dataPrimes } from './parameters.ts'
import { packResidues, residueBytes, unpackResidues, type Modulus } from './residues.ts'
import { SEED_BYTES, type HeContext, type Level, type Serialised } from './seal.ts'
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
  moduli: readonly Modulus[],
  words: Uint32Array,
  out: Uint8Array,
  at: number,
  pick?: Uint32Array,
): number {
  const size = words.length / moduli.length
  moduli.forEach(({ bits }, i) => {
    const part = words.subarray(i * size, (i + 1) * size)
    at = packResidues(part, pick?.length ?? size / 2, bits, out, at, pick)
  })
  return at
}

function unpackPolynomial(
  moduli: readonly Modulus[],
  bytes: Uint8Array,
  at: number,
  words: Uint32Array,
  what: string,
  pick?: Uint32Array,
): number {
  const size = words.length / moduli.length
  moduli.forEach((modulus, i) => {
    const part = words.subarray(i * size, (i + 1) * size)
    at = unpackResidues(bytes, at, pick?.length ?? size / 2, modulus, part, what, pick)
  })
  return at
}

/** Wire form of a seeded ciphertext ('data') or public key ('key') as SEAL saved it. */
export function packSeeded(context: HeContext, saved: Uint8Array, level: 'data' | 'key'): Uint8Array {
  const { words, seed } = context.seededParts(saved, level)
  const out = new Uint8Array(level === 'data' ? uploadBytes(context.params) : publicKeyBytes(context.params))
  out.set(seed, packPolynomial(context.moduli.slice(0, context.primes(level)), words, out, 0))
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
  checkLength(bytes, level === 'data' ? uploadBytes(context.params) : publicKeyBytes(context.params), what)
  const at = unpackPolynomial(context.moduli.slice(0, context.primes(level)), bytes, 0, into.words, what)
  context.setSeed(into, bytes.subarray(at))
}

const ANSWER: Level = 'answer'

/** Wire form of an answer, [2][primes][N] words, whose results are at `coefficients`. */
export function packAnswer(context: HeContext, words: Uint32Array, coefficients: Uint32Array): Uint8Array {
  const moduli = context.moduli.slice(0, context.primes(ANSWER))
  const out = new Uint8Array(answerBytes(context.params, coefficients.length))
  const half = words.length / 2
  const at = packPolynomial(moduli, words.subarray(half), out, 0)
  packPolynomial(moduli, words.subarray(0, half), out, at, coefficients)
  return out
}

/** Fills a ciphertext buffer of level 'answer': coefficients that were not sent are zero. */
export function unpackAnswer(
  context: HeContext,
  bytes: Uint8Array,
  coefficients: Uint32Array,
  into: Serialised,
  what: string,
): void {
  checkLength(bytes, answerBytes(context.params, coefficients.length), what)
  const moduli = context.moduli.slice(0, context.primes(ANSWER))
  const half = into.words.length / 2
  const at = unpackPolynomial(moduli, bytes, 0, into.words.subarray(half), what)
  into.words.fill(0, 0, half)
  unpackPolynomial(moduli, bytes, at, into.words.subarray(0, half), what, coefficients)
}
