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
import type { Ciphertext, Encryptor, Plaintext } from 'node-seal/allows'
import type { RingVector } from '../ring/ring.ts'
import { encodeWeights, resultCoefficients } from './encoding.ts'
import { runBlocks, type Layout, type Range } from './layout.ts'
import { answerKey, answerMask } from './mask.ts'
import { addResidues } from './residues.ts'
import { release, type HeContext, type Serialised } from './seal.ts'
import { packAnswer, unpackSeeded } from './wire.ts'

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
  readonly context: HeContext
  readonly #encryptor: Encryptor
  readonly #upload: Serialised
  readonly #transformed: Serialised
  readonly #weights: Serialised
  readonly #masked: Serialised
  readonly #signed: Int32Array
  readonly #plain: Plaintext
  readonly #plainNtt: Plaintext
  readonly #scratch: Ciphertext
  readonly #product: Ciphertext
  readonly #zero: Ciphertext

  /** Throws AdytonError 'payload-invalid' for a public key that is no such thing. */
  constructor(context: HeContext, publicKey: Uint8Array) {
    const { seal } = context
    this.context = context
    const buffer = context.seededBuffer('key', true)
    unpackSeeded(context, publicKey, 'key', buffer, 'HE public key')
    const key = new seal.PublicKey()
    try {
      context.load(key, buffer)
      this.#encryptor = new seal.Encryptor(context.context, key)
    } finally {
      key.delete()
    }
    this.#upload = context.seededBuffer('data', false)
    this.#transformed = context.ciphertextBuffer('data', true)
    this.#masked = context.ciphertextBuffer('data', false)
    this.#weights = context.plainBuffer()
    this.#signed = new Int32Array(context.params.polyDegree)
    this.#plain = new seal.Plaintext()
    this.#plainNtt = new seal.Plaintext()
    this.#scratch = new seal.Ciphertext()
    this.#product = new seal.Ciphertext()
    this.#zero = new seal.Ciphertext()
  }

  delete(): void {
    release(this.#encryptor, this.#plain, this.#plainNtt, this.#scratch, this.#product, this.#zero)
  }

  /** Words of a transformed upload. */
  get transformedWords(): number {
    return this.#transformed.words.length
  }

  /** Checks an upload, expands its seed and transforms it to NTT form: [2][primes][N] words for {@link load}. */
  transform(upload: Uint8Array, index: number): Uint32Array {
    unpackSeeded(this.context, upload, 'data', this.#upload, `HE upload ${index}`)
    this.context.load(this.#scratch, this.#upload)
    this.context.evaluator.cipherTransformToNttInplace(this.#scratch)
    return this.context.ciphertextWords(this.#scratch)
  }

  /** A ciphertext from the words of {@link transform}; the caller deletes it. */
  load(words: Uint32Array): Ciphertext {
    this.#transformed.words.set(words)
    const made = new this.context.seal.Ciphertext()
    this.context.load(made, this.#transformed)
    return made
  }

  /**
   * Answers run `run` of output channels over tiles `tiles`. `input(index)` gives transformed uploads by number;
   * `weights` are [outChannels][inChannels / groups][kh][kw]; `maskKey` is the step's 16-byte key, used once.
   */
  answer(
    layout: Layout,
    weights: Int32Array,
    run: number,
    tiles: Range,
    input: (index: number) => Ciphertext,
    maskKey: Uint8Array,
    unsafe: UnsafeOptions = {},
  ): Answer[] {
    const { seal, evaluator } = this.context
    const sums: Ciphertext[] = []
    try {
      const { start, end } = runBlocks(layout, run)
      for (let block = start; block < end; block++) {
        this.#encodeWeights(layout, weights, run, block)
        for (let tile = tiles.start; tile < tiles.end; tile++) {
          const from = input(tile * layout.blocks + block)
          if (block === start) {
            const sum = new seal.Ciphertext()
            sums.push(sum)
            evaluator.multiplyPlain(from, this.#plainNtt, sum)
          } else {
            evaluator.multiplyPlain(from, this.#plainNtt, this.#product)
            evaluator.addInplace(sums[tile - tiles.start], this.#product)
          }
        }
      }
      return sums.map((sum, i) => this.#finish(layout, (tiles.start + i) * layout.runs + run, sum, maskKey, unsafe))
    } finally {
      release(...sums)
    }
  }

  /** Leaves the NTT form of a weight plaintext in #plainNtt. */
  #encodeWeights(layout: Layout, weights: Int32Array, run: number, block: number): void {
    encodeWeights(layout, weights, run, block, this.#signed)
    const { words } = this.#weights
    for (let i = 0; i < this.#signed.length; i++) {
      const w = this.#signed[i]
      words[2 * i] = w
      words[2 * i + 1] = w < 0 ? 1 : 0 // mod 2^33
    }
    this.context.load(this.#plain, this.#weights)
    this.context.evaluator.plainTransformToNtt(this.#plain, this.context.parmsId('data'), this.#plainNtt)
  }

  /** Re-randomises, masks, switches down and packs one sum of products. */
  #finish(layout: Layout, index: number, sum: Ciphertext, maskKey: Uint8Array, unsafe: UnsafeOptions): Answer {
    const { context } = this
    const { evaluator } = context
    evaluator.cipherTransformFromNttInplace(sum)
    if (unsafe.skipRerandomise !== true) {
      this.#encryptor.encryptZero(this.#zero)
      evaluator.addInplace(sum, this.#zero)
    }
    const coefficients = resultCoefficients(layout, index)
    const mask = answerMask(context.params, answerKey(maskKey, index), coefficients.length)
    let words = context.ciphertextWords(sum)
    const primes = context.primes('data')
    if (unsafe.skipMask !== true) {
      const size = words.length / 2 / primes
      for (let i = 0; i < primes; i++) {
        addResidues(words.subarray(i * size, (i + 1) * size), mask.residues[i], coefficients, context.moduli[i])
      }
    }
    if (context.primes('answer') < primes) {
      this.#masked.words.set(words)
      context.load(this.#scratch, this.#masked)
      evaluator.cipherModSwitchToInplace(this.#scratch, context.parmsId('answer'))
      words = context.ciphertextWords(this.#scratch)
    }
    return { index, bytes: packAnswer(context, words, coefficients), share: mask.serverShare }
  }
}
