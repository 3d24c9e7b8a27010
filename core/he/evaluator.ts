/** The server's arithmetic on ciphertexts, of which there are two: our kernels' and node-seal's. */
import type { HeMask } from '../kernels/interface.ts'
import type { Layout, Range } from './layout.ts'

/** Uploads of some tiles in NTT form: [uploads][2][data primes][N] words. */
export interface TransformedUploads {
  /** A number of its own for each batch of uploads, so that an evaluator prepares each of them once. */
  readonly batch: number
  readonly words: Uint32Array
}

/**
 * Ciphertexts are words out of NTT form, [2][primes][N], but for the uploads that {@link transform} makes. Both
 * evaluators give the same words, encryptions of zero apart.
 */
export interface HeEvaluator {
  /** Checks an upload in wire form, expands its seed and transforms it to NTT form, [2][data primes][N], into `words`. */
  transform(upload: Uint8Array, words: Uint32Array, what: string): void
  /**
   * Sums of products of run `run` of output channels for each of `tiles`, [tiles][2][data primes][N], good until the next call.
   */
  sums(layout: Layout, weights: Int32Array, run: number, tiles: Range, uploads: TransformedUploads): Uint32Array
  /** Adds a fresh public-key encryption of zero, in place. */
  addZero(ciphertext: Uint32Array): void
  /** An answer's mask by HeKernels.maskShares; undefined where that does not apply or nothing does it. */
  mask(stream: Uint32Array): HeMask | undefined
  /** Switches a ciphertext from the data primes down to an answer's. */
  switchDown(ciphertext: Uint32Array): Uint32Array
  /** Drops what is held of a batch. */
  forget(batch: number): void
  delete(): void
}
