/**
 * The server's side of a linear step under HE, in one thread.
 *
 * Function privacy: what the client can decrypt must depend on the weights only through the masked results.
 * - Every answer gets a public-key encryption of zero of its own. Without it the answer's second polynomial is a
 *   known linear function of the weights (the client made the uploads' second polynomials).
 * - Every coefficient of the first polynomial that is sent is masked by r uniform mod q before anything is
 *   rounded, so the phase that the client computes, noise included, is uniform. The server's share is -round(t r / q).
 * - Coefficients of the first polynomial that carry no result are not sent: they are other sums of weights.
 * - No product is skipped because a weight is zero; only structure that is public decides what is computed.
 */
import type { HeKernels } from '../kernels/interface.ts'
import type { RingVector } from '../ring/ring.ts'
import { resultCoefficients } from './encoding.ts'
import { KernelEvaluator } from './evaluator-kernel.ts'
import { SealEvaluator } from './evaluator-seal.ts'
import type { HeEvaluator, TransformedUploads } from './evaluator.ts'
import type { Layout, Range } from './layout.ts'
import { answerKey, answerMask } from './mask.ts'
import { addResidues } from './residues.ts'
import { sealContext } from './seal.ts'
import type { HeShape } from './shape.ts'
import { packAnswer } from './wire.ts'

/** Turns defences off so that tests can show that something breaks. Nothing but a test may pass it. */
export interface UnsafeOptions {
  readonly skipRerandomise?: boolean
  readonly skipMask?: boolean
}

/** One finished answer. */
export interface Answer {
  readonly index: number
  /** Wire form. */
  readonly bytes: Uint8Array
  /** The server's share of its results, in the order of resultElements. */
  readonly share: RingVector
}

/** Evaluates linear steps on one client's ciphertexts. Holds SEAL objects: call {@link delete}. */
export class HeServer {
  readonly context: HeShape
  readonly #evaluator: HeEvaluator

  /**
   * Evaluates on `kernels`, or on node-seal's evaluator without, which takes an HeContext. Throws AdytonError
   * 'payload-invalid' for a public key that is no such thing.
   */
  constructor(context: HeShape, publicKey: Uint8Array, kernels: HeKernels | undefined) {
    this.context = context
    this.#evaluator =
      kernels === undefined
        ? new SealEvaluator(sealContext(context), publicKey)
        : new KernelEvaluator(context, kernels, publicKey)
  }

  delete(): void {
    this.#evaluator.delete()
  }

  /** Checks an upload, expands its seed and transforms it to NTT form: [2][data primes][N] words, into `words` if given. */
  transform(upload: Uint8Array, index: number, words?: Uint32Array): Uint32Array {
    const out = words ?? new Uint32Array(this.context.polynomialBytes('data') / 2)
    this.#evaluator.transform(upload, out, `HE upload ${index}`)
    return out
  }

  /** Drops what is held of a batch of uploads. */
  forget(batch: number): void {
    this.#evaluator.forget(batch)
  }

  /**
   * Answers run `run` of output channels over tiles `tiles`, of which `uploads` has all blocks, tile by tile;
   * `weights` are [outChannels][inChannels / groups][kh][kw]; `maskKey` is the step's 16-byte key, used once.
   */
  answer(
    layout: Layout,
    weights: Int32Array,
    run: number,
    tiles: Range,
    uploads: TransformedUploads,
    maskKey: Uint8Array,
    unsafe: UnsafeOptions = {},
  ): Answer[] {
    const sums = this.#evaluator.sums(layout, weights, run, tiles, uploads)
    const count = tiles.end - tiles.start
    const size = sums.length / count
    return Array.from({ length: count }, (_, i) => {
      const index = (tiles.start + i) * layout.runs + run
      return this.#finish(layout, index, sums.subarray(i * size, (i + 1) * size), maskKey, unsafe)
    })
  }

  /** Re-randomises, masks, switches down and packs one sum of products, which is overwritten. */
  #finish(layout: Layout, index: number, sum: Uint32Array, maskKey: Uint8Array, unsafe: UnsafeOptions): Answer {
    const { context } = this
    if (unsafe.skipRerandomise !== true) this.#evaluator.addZero(sum)
    const coefficients = resultCoefficients(layout, index)
    const mask = answerMask(context.params, answerKey(maskKey, index), coefficients.length, this.#evaluator)
    const primes = context.primes('data')
    if (unsafe.skipMask !== true) {
      const size = sum.length / 2 / primes
      for (let i = 0; i < primes; i++) {
        addResidues(sum.subarray(i * size, (i + 1) * size), mask.residues[i], coefficients, context.moduli[i])
      }
    }
    const words = context.primes('answer') < primes ? this.#evaluator.switchDown(sum) : sum
    return { index, bytes: packAnswer(context, words, coefficients), share: mask.serverShare }
  }
}
