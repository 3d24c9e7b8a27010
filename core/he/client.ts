/** The client's side of a linear step under HE, in one thread: keys, uploads, reading answers. */
import type { HeKernels } from '../kernels/interface.ts'
import type { RingVector } from '../ring/ring.ts'
import { KernelCipher } from './cipher-kernel.ts'
import { SealCipher } from './cipher-seal.ts'
import type { HeCipher } from './cipher.ts'
import { decodeResults, encodeInput, resultCoefficients } from './encoding.ts'
import type { Layout } from './layout.ts'
import { release, sealContext, type HeContext } from './seal.ts'
import type { HeShape } from './shape.ts'
import { packSeeded } from './wire.ts'

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

/** Encrypts shares and reads answers with one secret key. Holds it: call {@link delete}. */
export class HeClient {
  readonly context: HeShape
  readonly #cipher: HeCipher
  readonly #plain: Uint32Array

  /**
   * Works on `kernels`, or on node-seal without, which takes an HeContext. Throws AdytonError 'package-corrupt' for bytes
   * that are no secret key of the parameters.
   */
  constructor(context: HeShape, secretKey: Uint8Array, kernels?: HeKernels) {
    this.context = context
    this.#cipher =
      kernels === undefined
        ? new SealCipher(sealContext(context), secretKey)
        : new KernelCipher(context, kernels, secretKey)
    this.#plain = new Uint32Array(2 * context.params.polyDegree)
  }

  delete(): void {
    this.#plain.fill(0)
    this.#cipher.delete()
  }

  /** Wire form of upload `index` of a share over Z_2^plainBits, [C][H][W]. */
  encrypt(layout: Layout, share: RingVector, index: number): Uint8Array {
    encodeInput(layout, share, index, this.#plain)
    return this.#cipher.encrypt(this.#plain)
  }

  /** Reads answer `index` into the elements of the client's output share that it carries. */
  decrypt(layout: Layout, answer: Uint8Array, index: number, output: RingVector): void {
    const plain = this.#cipher.decrypt(answer, resultCoefficients(layout, index), `HE answer ${index}`)
    decodeResults(layout, index, plain, output)
  }
}
