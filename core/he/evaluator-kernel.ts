/** The server's arithmetic on our own kernels. */
import { randomBytes } from 'node:crypto'
import type { HeKernels, HeMask, HeRing } from '../kernels/interface.ts'
import { Prg } from '../ring/prg.ts'
import { encodeWeights } from './encoding.ts'
import type { HeEvaluator, TransformedUploads } from './evaluator.ts'
import { runBlocks, type Layout, type Range } from './layout.ts'
import type { HeShape } from './shape.ts'
import { unpackSeededWords } from './wire.ts'

/** Weight plaintexts of one call: what the kernels sum up before they reduce. */
const BLOCKS = 8

export class KernelEvaluator implements HeEvaluator {
  readonly #shape: HeShape
  readonly #kernels: HeKernels
  readonly #ring: HeRing
  readonly #primes: number
  /** Signed coefficients, [BLOCKS][N]. */
  readonly #plain: Int32Array
  /** [2][all primes][N] in NTT form. */
  readonly #publicKey: Uint32Array
  /** Of the last call, or part of it. */
  #sums = new Uint32Array(0)

  /** Takes a public key in wire form; throws AdytonError 'payload-invalid' where it is none. */
  constructor(shape: HeShape, kernels: HeKernels, publicKey: Uint8Array) {
    this.#shape = shape
    this.#kernels = kernels
    this.#ring = shape.ring
    this.#primes = shape.primes('data')
    this.#plain = new Int32Array(BLOCKS * this.#ring.degree)
    this.#publicKey = new Uint32Array(shape.polynomialBytes('key') / 2)
    this.#unpack(publicKey, 'key', this.#publicKey, 'HE public key')
  }

  transform(upload: Uint8Array, words: Uint32Array, what: string): void {
    this.#unpack(upload, 'data', words, what)
    this.#kernels.nttForward(this.#ring, this.#primes, words)
  }

  /** Both polynomials of a seeded ciphertext or key. */
  #unpack(bytes: Uint8Array, level: 'data' | 'key', words: Uint32Array, what: string): void {
    const half = words.length / 2
    const seed = unpackSeededWords(this.#shape, bytes, level, words.subarray(0, half), what)
    this.#kernels.expandSeed(this.#ring, this.#shape.primes(level), seed, words.subarray(half))
  }

  sums(layout: Layout, weights: Int32Array, run: number, tiles: Range, uploads: TransformedUploads): Uint32Array {
    const { degree } = this.#ring
    const primes = this.#primes
    const count = tiles.end - tiles.start
    const size = count * 4 * primes * degree
    if (this.#sums.length < size) this.#sums = new Uint32Array(size)
    const sums = this.#sums.subarray(0, size).fill(0)
    const { start, end } = runBlocks(layout, run)
    for (let first = start; first < end; first += BLOCKS) {
      const blocks = Math.min(BLOCKS, end - first)
      for (let i = 0; i < blocks; i++) {
        encodeWeights(layout, weights, run, first + i, this.#plain.subarray(i * degree, (i + 1) * degree))
      }
      this.#kernels.accumulate(this.#ring, {
        primes,
        inputs: uploads.words,
        first,
        tiles: count,
        tileStride: layout.blocks,
        weights: this.#plain.subarray(0, blocks * degree),
        sums,
      })
    }
    this.#kernels.nttInverse(this.#ring, primes, sums)
    return sums
  }

  addZero(ciphertext: Uint32Array): void {
    const { degree } = this.#ring
    const random = new Prg(randomBytes(16))
    const noise = random.bytes(12 * degree)
    this.#kernels.addEncryptedZero(this.#ring, this.#publicKey, ternary(random, degree), noise, ciphertext)
  }

  mask(stream: Uint32Array): HeMask | undefined {
    return this.#kernels.maskShares(this.#ring, this.#primes, this.#shape.params.plainBits, stream)
  }

  switchDown(ciphertext: Uint32Array): Uint32Array {
    let words = ciphertext
    for (let primes = this.#primes; primes > this.#shape.primes('answer'); primes--) {
      words = this.#kernels.divideRound(this.#ring, primes, words)
    }
    return words
  }

  forget(): void {
    // Nothing is held between calls.
  }

  delete(): void {
    // No memory outside JavaScript's.
  }
}

/** Coefficients uniform in -1, 0, 1: SEAL's distribution of secrets. */
export function ternary(random: Prg, count: number): Int8Array {
  const out = new Int8Array(count)
  for (let at = 0; at < count;) {
    const bytes = random.bytes(count - at)
    // 255 is a multiple of three: bytes below it are uniform modulo three.
    for (const byte of bytes) if (byte < 255) out[at++] = (byte % 3) - 1
  }
  return out
}
