/** What both parties know of a set of HE parameters, without SEAL: primes and sizes at each level of the modulus chain. */
import { AdytonError } from '../errors/errors.ts'
import { heRing } from '../kernels/index.ts'
import type { HeKernels, HeRing } from '../kernels/interface.ts'
import { answerPrimes, checkParameters, dataPrimes, primesOf } from './parameters.ts'
import { modulusOf, type Modulus } from './residues.ts'
import type { HeParameters } from './types.ts'

/** Bytes of the seed that stands for the second polynomial of a fresh ciphertext or key. */
export const SEED_BYTES = 64

/** Level of the modulus chain: all primes (keys), the data primes (fresh ciphertexts), or an answer's. */
export type Level = 'key' | 'data' | 'answer'

export class HeShape {
  readonly params: HeParameters
  /** All primes, the key prime last. */
  readonly moduli: readonly Modulus[]
  #ring: HeRing | undefined

  /** What packs and unpacks residues quickly; undefined where node-seal does all other work. */
  readonly kernels: HeKernels | undefined

  /** Throws AdytonError 'plan-invalid' for parameters that this program would not choose. */
  constructor(params: HeParameters, kernels?: HeKernels) {
    checkParameters(params)
    this.params = params
    this.kernels = kernels
    this.moduli = Array.from(primesOf(params), modulusOf)
  }

  /** All primes' tables for the kernels; made at the first use, which takes some milliseconds a prime. */
  get ring(): HeRing {
    this.#ring ??= heRing(this.params.polyDegree, [...primesOf(this.params)])
    return this.#ring
  }

  /** Primes of a level. */
  primes(level: Level): number {
    if (level === 'key') return this.moduli.length
    return level === 'data' ? dataPrimes(this.params) : answerPrimes(this.params)
  }

  /** Bytes of one polynomial in memory. */
  polynomialBytes(level: Level): number {
    return this.primes(level) * this.params.polyDegree * 8
  }

  /** Bytes of a secret key: its residues at all primes in NTT form, [primes][N]. */
  get secretKeyLength(): number {
    return this.polynomialBytes('key')
  }
}

/** The error for bytes that are no secret key of the parameters. */
export function badSecretKey(cause?: unknown): AdytonError {
  return new AdytonError('package-corrupt', 'the stored HE secret key does not fit its parameters', {
    advice: 'Delete the stored keys; new ones are made at the next pairing.',
    cause,
  })
}
