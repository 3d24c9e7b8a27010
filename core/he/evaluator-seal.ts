/** The server's arithmetic on node-seal's evaluator: for machines without native kernels. */
import type { Ciphertext, Encryptor, Plaintext } from 'node-seal/allows'
import { encodeWeights } from './encoding.ts'
import type { HeEvaluator, TransformedUploads } from './evaluator.ts'
import { runBlocks, type Layout, type Range } from './layout.ts'
import { release, type HeContext, type Serialised } from './seal.ts'
import { unpackSeeded } from './wire.ts'

/** Holds SEAL objects: call {@link delete}. */
export class SealEvaluator implements HeEvaluator {
  readonly #context: HeContext
  readonly #encryptor: Encryptor
  readonly #seeded: Serialised
  readonly #transformed: Serialised
  readonly #weights: Serialised
  readonly #words: Serialised
  readonly #signed: Int32Array
  readonly #plain: Plaintext
  readonly #plainNtt: Plaintext
  readonly #scratch: Ciphertext
  readonly #product: Ciphertext
  readonly #zero: Ciphertext
  #batch = -1
  readonly #loaded = new Map<number, Ciphertext>()

  /** Takes a public key in wire form; throws AdytonError 'payload-invalid' where it is none. */
  constructor(context: HeContext, publicKey: Uint8Array) {
    const { seal } = context
    this.#context = context
    const buffer = context.seededBuffer('key', true)
    unpackSeeded(context, publicKey, 'key', buffer, 'HE public key')
    const key = new seal.PublicKey()
    try {
      context.load(key, buffer)
      this.#encryptor = new seal.Encryptor(context.context, key)
    } finally {
      key.delete()
    }
    this.#seeded = context.seededBuffer('data', false)
    this.#transformed = context.ciphertextBuffer('data', true)
    this.#words = context.ciphertextBuffer('data', false)
    this.#weights = context.plainBuffer()
    this.#signed = new Int32Array(context.params.polyDegree)
    this.#plain = new seal.Plaintext()
    this.#plainNtt = new seal.Plaintext()
    this.#scratch = new seal.Ciphertext()
    this.#product = new seal.Ciphertext()
    this.#zero = new seal.Ciphertext()
  }

  delete(): void {
    this.forget(this.#batch)
    release(this.#encryptor, this.#plain, this.#plainNtt, this.#scratch, this.#product, this.#zero)
  }

  forget(batch: number): void {
    if (batch !== this.#batch) return
    release(...this.#loaded.values())
    this.#loaded.clear()
    this.#batch = -1
  }

  transform(upload: Uint8Array, words: Uint32Array, what: string): void {
    unpackSeeded(this.#context, upload, 'data', this.#seeded, what)
    this.#context.load(this.#scratch, this.#seeded)
    this.#context.evaluator.cipherTransformToNttInplace(this.#scratch)
    words.set(this.#context.ciphertextWords(this.#scratch))
  }

  sums(layout: Layout, weights: Int32Array, run: number, tiles: Range, uploads: TransformedUploads): Uint32Array {
    const { seal, evaluator } = this.#context
    if (uploads.batch !== this.#batch) {
      this.forget(this.#batch)
      this.#batch = uploads.batch
    }
    const sums: Ciphertext[] = []
    try {
      const { start, end } = runBlocks(layout, run)
      for (let block = start; block < end; block++) {
        this.#encodeWeights(layout, weights, run, block)
        for (let tile = 0; tile < tiles.end - tiles.start; tile++) {
          const from = this.#upload(uploads, tile * layout.blocks + block)
          if (block === start) {
            const sum = new seal.Ciphertext()
            sums.push(sum)
            evaluator.multiplyPlain(from, this.#plainNtt, sum)
          } else {
            evaluator.multiplyPlain(from, this.#plainNtt, this.#product)
            evaluator.addInplace(sums[tile], this.#product)
          }
        }
      }
      const size = this.#words.words.length
      const out = new Uint32Array(sums.length * size)
      sums.forEach((sum, i) => {
        evaluator.cipherTransformFromNttInplace(sum)
        out.set(this.#context.ciphertextWords(sum), i * size)
      })
      return out
    } finally {
      release(...sums)
    }
  }

  addZero(ciphertext: Uint32Array): void {
    this.#load(ciphertext)
    this.#encryptor.encryptZero(this.#zero)
    this.#context.evaluator.addInplace(this.#scratch, this.#zero)
    ciphertext.set(this.#context.ciphertextWords(this.#scratch))
  }

  mask(): undefined {
    return undefined
  }

  switchDown(ciphertext: Uint32Array): Uint32Array {
    this.#load(ciphertext)
    this.#context.evaluator.cipherModSwitchToInplace(this.#scratch, this.#context.parmsId('answer'))
    return this.#context.ciphertextWords(this.#scratch)
  }

  #load(words: Uint32Array): void {
    this.#words.words.set(words)
    this.#context.load(this.#scratch, this.#words)
  }

  /** Upload `index` of the batch as a ciphertext of SEAL's. */
  #upload(uploads: TransformedUploads, index: number): Ciphertext {
    let held = this.#loaded.get(index)
    if (held === undefined) {
      const size = this.#transformed.words.length
      this.#transformed.words.set(uploads.words.subarray(index * size, (index + 1) * size))
      held = new this.#context.seal.Ciphertext()
      this.#context.load(held, this.#transformed)
      this.#loaded.set(index, held)
    }
    return held
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
    this.#context.load(this.#plain, this.#weights)
    this.#context.evaluator.plainTransformToNtt(this.#plain, this.#context.parmsId('data'), this.#plainNtt)
  }
}
