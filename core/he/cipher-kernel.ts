/** The client's encryption and decryption on our own kernels: SEAL's distributions and rounding, our randomness. */
import { randomBytes } from 'node:crypto'
import { heKey } from '../kernels/index.ts'
import type { HeKernels, HeKey } from '../kernels/interface.ts'
import { Prg } from '../ring/prg.ts'
import type { HeCipher } from './cipher.ts'
import { badSecretKey, SEED_BYTES, type HeShape } from './shape.ts'
import { packSeededWords, unpackAnswer } from './wire.ts'

/** Holds the secret key until {@link delete}. */
export class KernelCipher implements HeCipher {
  readonly #shape: HeShape
  readonly #kernels: HeKernels
  readonly #key: HeKey
  readonly #answerKey: HeKey
  readonly #answer: Uint32Array
  /** Of the last upload, and of the last plaintext, which is secret. */
  readonly #upload: Uint32Array
  readonly #plain: Uint32Array

  /** Throws AdytonError 'package-corrupt' for bytes that are no secret key of the parameters. */
  constructor(shape: HeShape, kernels: HeKernels, secretKey: Uint8Array) {
    this.#shape = shape
    this.#kernels = kernels
    if (secretKey.length !== shape.secretKeyLength) throw badSecretKey()
    const residues = new Uint32Array(shape.polynomialBytes('data') / 4)
    const bytes = new Uint8Array(residues.buffer)
    bytes.set(secretKey.subarray(0, bytes.length))
    try {
      this.#key = heKey(shape.ring, shape.primes('data'), residues)
    } catch (cause) {
      throw badSecretKey(cause)
    } finally {
      bytes.fill(0)
    }
    const primes = shape.primes('answer')
    this.#answerKey = { primes, words: this.#key.words.subarray(0, shape.polynomialBytes('answer') / 2) }
    this.#answer = new Uint32Array(shape.polynomialBytes('answer') / 2)
    this.#upload = new Uint32Array(shape.polynomialBytes('data') / 4)
    this.#plain = new Uint32Array(2 * shape.params.polyDegree)
  }

  delete(): void {
    this.#key.words.fill(0)
    this.#plain.fill(0)
  }

  encrypt(plain: Uint32Array): Uint8Array {
    const { params, ring } = this.#shape
    // The seed is sent; the noise comes from another that is not kept.
    const seed = new Uint8Array(randomBytes(SEED_BYTES))
    const noise = new Prg(randomBytes(16)).bytes(6 * params.polyDegree)
    const job = { key: this.#key, bits: params.plainBits, seed, noise, plain }
    const words = this.#kernels.encryptSeeded(ring, job, this.#upload)
    noise.fill(0)
    return packSeededWords(this.#shape, words, seed, 'data')
  }

  decrypt(answer: Uint8Array, coefficients: Uint32Array, what: string): Uint32Array {
    unpackAnswer(this.#shape, answer, coefficients, this.#answer, what)
    const { params, ring } = this.#shape
    return this.#kernels.decrypt(ring, params.plainBits, this.#answerKey, this.#answer, coefficients, this.#plain)
  }
}
