/** The client's encryption and decryption by node-seal: for machines without native kernels, and the tests' reference. */
import type { Ciphertext, Decryptor, Encryptor, Plaintext } from 'node-seal/allows'
import type { HeCipher } from './cipher.ts'
import { release, type HeContext, type Serialised } from './seal.ts'
import { packSeeded, unpackAnswer } from './wire.ts'

/** Holds SEAL objects: call {@link delete}. */
export class SealCipher implements HeCipher {
  readonly #context: HeContext
  readonly #encryptor: Encryptor
  readonly #decryptor: Decryptor
  readonly #plain: Plaintext
  readonly #answer: Ciphertext
  readonly #plainBuffer: Serialised
  readonly #answerBuffer: Serialised

  constructor(context: HeContext, secretKey: Uint8Array) {
    const { seal } = context
    this.#context = context
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

  encrypt(plain: Uint32Array): Uint8Array {
    this.#plainBuffer.words.set(plain)
    this.#context.load(this.#plain, this.#plainBuffer)
    const made = this.#encryptor.encryptSymmetricSerializable(this.#plain)
    try {
      return packSeeded(this.#context, made.saveToArray(this.#context.seal.ComprModeType.none) as Uint8Array, 'data')
    } finally {
      made.delete()
    }
  }

  decrypt(answer: Uint8Array, coefficients: Uint32Array, what: string): Uint32Array {
    unpackAnswer(this.#context, answer, coefficients, this.#answerBuffer.words, what)
    this.#context.load(this.#answer, this.#answerBuffer)
    this.#decryptor.decrypt(this.#answer, this.#plain)
    return this.#context.plainWords(this.#plain)
  }
}
