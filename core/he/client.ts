/** The client's side of a linear step under HE, in one thread: keys, uploads, reading answers. */
import type { Ciphertext, Decryptor, Encryptor, Plaintext } from 'node-seal/allows'
import type { RingVector } from '../ring/ring.ts'
import { decodeResults, encodeInput, resultCoefficients } from './encoding.ts'
import type { Layout } from './layout.ts'
import { release, type HeContext, type Serialised } from './seal.ts'
import { packSeeded, unpackAnswer } from './wire.ts'

/** Keys of one context. They may serve many inferences. */
export interface HeKeys {
  /** Secret: words of SEAL's key without a header; see HeContext.loadSecretKey. */
  readonly secretKey: Uint8Array
  /** Wire form, publicKeyBytes(params) long. */
  readonly publicKey: Uint8Array
}

/** Fresh keys from the operating system's randomness. */
export function generateKeys(context: HeContext): HeKeys {
  const { seal } = context
  const generator = new seal.KeyGenerator(context.context)
  const secret = generator.secretKey()
  const open = generator.createPublicKeySerializable()
  try {
    return {
      secretKey: context.secretKeyBytes(secret),
      publicKey: packSeeded(context, open.saveToArray(seal.ComprModeType.none) as Uint8Array, 'key'),
    }
  } finally {
    release(generator, secret, open)
  }
}

/** Encrypts shares and reads answers with one secret key. Holds SEAL objects: call {@link delete}. */
export class HeClient {
  readonly context: HeContext
  readonly #encryptor: Encryptor
  readonly #decryptor: Decryptor
  readonly #plain: Plaintext
  readonly #answer: Ciphertext
  readonly #plainBuffer: Serialised
  readonly #answerBuffer: Serialised

  constructor(context: HeContext, secretKey: Uint8Array) {
    const { seal } = context
    this.context = context
    const secret = context.loadSecretKey(secretKey)
    // SEAL's encryptor wants a public key even when it only ever encrypts under the secret one.
    const generator = new seal.KeyGenerator(context.context, secret)
    const open = generator.createPublicKey()
    this.#encryptor = new seal.Encryptor(context.context, open, secret)
    this.#decryptor = new seal.Decryptor(context.context, secret)
    release(secret, generator, open)
    this.#plain = new seal.Plaintext()
    this.#answer = new seal.Ciphertext()
    this.#plainBuffer = context.plainBuffer()
    this.#answerBuffer = context.ciphertextBuffer('answer', false)
  }

  delete(): void {
    this.#plainBuffer.bytes.fill(0)
    release(this.#encryptor, this.#decryptor, this.#plain, this.#answer)
  }

  /** Wire form of upload `index` of a share over Z_2^plainBits, [C][H][W]. */
  encrypt(layout: Layout, share: RingVector, index: number): Uint8Array {
    encodeInput(layout, share, index, this.#plainBuffer.words)
    this.context.load(this.#plain, this.#plainBuffer)
    const made = this.#encryptor.encryptSymmetricSerializable(this.#plain)
    try {
      return packSeeded(this.context, made.saveToArray(this.context.seal.ComprModeType.none) as Uint8Array, 'data')
    } finally {
      made.delete()
    }
  }

  /** Reads answer `index` into the elements of the client's output share that it carries. */
  decrypt(layout: Layout, answer: Uint8Array, index: number, output: RingVector): void {
    unpackAnswer(this.context, answer, resultCoefficients(layout, index), this.#answerBuffer, `HE answer ${index}`)
    this.context.load(this.#answer, this.#answerBuffer)
    this.#decryptor.decrypt(this.#answer, this.#plain)
    decodeResults(layout, index, this.context.plainWords(this.#plain), output)
  }
}
