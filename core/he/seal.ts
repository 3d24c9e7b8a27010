/**
 * node-seal (Microsoft SEAL in WebAssembly): loading it, contexts, and raw access to coefficients.
 *
 * SEAL's objects are read and written through its own serialisation without compression. The headers never come
 * from a peer: they are rebuilt here around words that were received and checked, because a header could ask for
 * decompression, another size or another context. Layout (SEAL 4, native/src/seal/ciphertext.cpp, plaintext.cpp,
 * dynarray.h, serialization.h), all little-endian:
 *
 *   header      16  magic a15e, 16, version major, minor, compression, 2 reserved; u64 size of the whole object
 *   plaintext   32  parms id, u64 coefficients, f64 scale, then an array
 *   ciphertext  32  parms id, u8 NTT form, u64 polynomials, u64 N, u64 primes, f64 scale, u64 correction factor, array
 *   array       16  header, u64 words, the words
 *   seed        16  header, u8 generator (1: BLAKE2xb), 64 bytes; follows an array that lacks the last polynomial
 *
 * Every object of SEAL lives on the WebAssembly heap until `delete()`; JavaScript's collector does not see it.
 */
import type {
  Ciphertext,
  ClassHandle,
  Evaluator,
  MainModule,
  ParmsIdType,
  Plaintext,
  PublicKey,
  SEALContext,
  SecretKey,
} from 'node-seal/allows'
import { AdytonError } from '../errors/errors.ts'
import { answerPrimes, checkParameters, dataPrimes, primesOf } from './parameters.ts'
import { badSecretKey, HeShape, SEED_BYTES, type Level } from './shape.ts'
import type { HeParameters } from './types.ts'

const HEADER = 16
const PLAINTEXT_DATA = HEADER + 32 + 8 + 8 + HEADER + 8
const CIPHERTEXT_DATA = HEADER + 32 + 1 + 8 + 8 + 8 + 8 + 8 + HEADER + 8
const NTT_FLAG = HEADER + 32
const SEED_TAIL = HEADER + 1 + SEED_BYTES

let loading: Promise<MainModule> | undefined

/** SEAL's module, loaded once per thread. */
export function loadSeal(): Promise<MainModule> {
  // The 'allows' build: products with an all-zero weight tile are transparent, and must look like any other.
  loading ??= import('node-seal/allows').then((entry) => entry.initialize())
  return loading
}

/** A serialised object whose data is aligned for word access. */
export interface Serialised {
  /** As SEAL reads it. */
  readonly bytes: Uint8Array
  /** The coefficients in it, two words each, low before high. */
  readonly words: Uint32Array
}

function serialised(header: Uint8Array, dataBytes: number, tail = 0): Serialised {
  const pad = (8 - (header.length % 8)) % 8
  const buffer = new ArrayBuffer(pad + header.length + dataBytes + tail)
  const bytes = new Uint8Array(buffer, pad)
  bytes.set(header)
  return { bytes, words: new Uint32Array(buffer, pad + header.length, dataBytes / 4) }
}

function setUint64(bytes: Uint8Array, at: number, value: number): void {
  new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(at, BigInt(value), true)
}

/**
 * A SEAL context with what this program needs around it. A client's context has t = 2^plainBits. The server's
 * operations do not depend on t, so its context has t = 2^33, room for signed 32-bit weights: SEAL lifts small
 * plaintexts into the NTT several times faster.
 */
export class HeContext extends HeShape {
  readonly seal: MainModule
  readonly context: SEALContext
  readonly evaluator: Evaluator
  readonly #headers = new Map<Level, Uint8Array>()
  readonly #parms: Readonly<Record<Level, ParmsIdType>>
  readonly #plainHeader: Uint8Array

  private constructor(seal: MainModule, params: HeParameters, context: SEALContext) {
    super(params)
    this.seal = seal
    this.context = context
    this.evaluator = new seal.Evaluator(context)
    const chain = [context.firstContextData()]
    for (let drop = dataPrimes(params) - answerPrimes(params); drop > 0; drop--)
      chain.push(chain.at(-1)!.nextContextData())
    this.#parms = { key: context.keyParmsId(), data: context.firstParmsId(), answer: chain.at(-1)!.parmsId() }
    release(...chain)
    for (const level of ['key', 'data', 'answer'] as const) {
      const empty = new seal.Ciphertext(context, this.#parms[level], 2)
      empty.resize(2)
      const saved = empty.saveToArray(seal.ComprModeType.none) as Uint8Array
      empty.delete()
      if (saved.length !== CIPHERTEXT_DATA + this.polynomialBytes(level) * 2) throw layoutError('ciphertext')
      this.#headers.set(level, saved.slice(0, CIPHERTEXT_DATA))
    }
    const plain = new seal.Plaintext(params.polyDegree)
    const saved = plain.saveToArray(seal.ComprModeType.none) as Uint8Array
    plain.delete()
    if (saved.length !== PLAINTEXT_DATA + 8 * params.polyDegree) throw layoutError('plaintext')
    this.#plainHeader = saved.slice(0, PLAINTEXT_DATA)
  }

  /** Builds and checks a context; `role` says whose. Throws AdytonError 'plan-invalid' when SEAL refuses it. */
  static async create(params: HeParameters, role: 'client' | 'server'): Promise<HeContext> {
    checkParameters(params)
    const seal = await loadSeal()
    const parms = new seal.EncryptionParameters(seal.SchemeType.bfv)
    const primes = seal.CoeffModulus.Create(params.polyDegree, Int32Array.from(params.primeBits))
    const plain = new seal.Modulus(1n << BigInt(role === 'client' ? params.plainBits : 33))
    try {
      const expected = primesOf(params)
      for (let i = 0; i < expected.length; i++) {
        const prime = primes.get(i)
        if (prime?.value() !== expected[i]) throw layoutError('modulus chain')
        prime.delete()
      }
      parms.setPolyModulusDegree(params.polyDegree)
      parms.setCoeffModulus(primes)
      parms.setPlainModulus(plain)
      const context = new seal.SEALContext(parms, true, seal.SecLevelType.tc128)
      if (!context.parametersSet()) {
        context.delete()
        throw new AdytonError(
          'plan-invalid',
          `SEAL refuses the HE parameters: primes of ${params.primeBits.join(', ')} bits`,
        )
      }
      return new HeContext(seal, params, context)
    } finally {
      plain.delete()
      primes.delete()
      parms.delete()
    }
  }

  delete(): void {
    this.evaluator.delete()
    for (const id of Object.values(this.#parms)) id.delete()
    this.context.delete()
  }

  parmsId(level: Level): ParmsIdType {
    return this.#parms[level]
  }

  /** An all-zero plaintext to be filled and given to {@link loadPlain}; reusable. */
  plainBuffer(): Serialised {
    return serialised(this.#plainHeader, 8 * this.params.polyDegree)
  }

  /** An all-zero ciphertext of two polynomials, [2][primes][N], to be filled and loaded; reusable. */
  ciphertextBuffer(level: Level, ntt: boolean): Serialised {
    const made = serialised(this.#headers.get(level)!, 2 * this.polynomialBytes(level))
    made.bytes[NTT_FLAG] = ntt ? 1 : 0
    return made
  }

  /** The same with a seed in place of the second polynomial: `words` is the first, the seed goes to {@link setSeed}. */
  seededBuffer(level: Level, ntt: boolean): Serialised {
    const data = this.polynomialBytes(level)
    const made = serialised(this.#headers.get(level)!, data, SEED_TAIL)
    const { bytes } = made
    bytes[NTT_FLAG] = ntt ? 1 : 0
    const tail = bytes.length - SEED_TAIL
    setUint64(bytes, 8, bytes.length)
    setUint64(bytes, CIPHERTEXT_DATA - 16, HEADER + 8 + data)
    setUint64(bytes, CIPHERTEXT_DATA - 8, data / 8)
    bytes.copyWithin(tail, 0, HEADER)
    setUint64(bytes, tail + 8, SEED_TAIL)
    bytes[tail + HEADER] = 1
    return made
  }

  setSeed(buffer: Serialised, seed: Uint8Array): void {
    if (seed.length !== SEED_BYTES) throw new RangeError(`a seed has ${SEED_BYTES} bytes, got ${seed.length}`)
    buffer.bytes.set(seed, buffer.bytes.length - SEED_BYTES)
  }

  /** Loads a buffer of this context into a SEAL object; the caller deletes the object. */
  load(target: Plaintext | Ciphertext | PublicKey | SecretKey, buffer: Serialised): void {
    try {
      target.loadFromArray(this.context, buffer.bytes)
    } catch (cause) {
      throw new AdytonError('payload-invalid', 'SEAL refuses the data of a ciphertext or key', { cause })
    }
  }

  /** The words of a saved ciphertext: [2][primes][N], two words a coefficient. */
  ciphertextWords(ciphertext: Ciphertext): Uint32Array {
    return this.#words(ciphertext.saveToArray(this.seal.ComprModeType.none) as Uint8Array, CIPHERTEXT_DATA)
  }

  /** The words of a plaintext, two a coefficient; SEAL drops leading zero coefficients, so fewer than 2N may come. */
  plainWords(plain: Plaintext): Uint32Array {
    return this.#words(plain.saveToArray(this.seal.ComprModeType.none) as Uint8Array, PLAINTEXT_DATA)
  }

  /** The words of a public key, [2][all primes][N] in NTT form. */
  publicKeyWords(key: PublicKey): Uint32Array {
    const saved = key.saveToArray(this.seal.ComprModeType.none) as Uint8Array
    if (saved.length !== CIPHERTEXT_DATA + 2 * this.polynomialBytes('key')) throw layoutError('public key')
    return this.#words(saved, CIPHERTEXT_DATA)
  }

  #words(saved: Uint8Array, at: number): Uint32Array {
    const words = new Uint32Array((saved.length - at) / 4)
    new Uint8Array(words.buffer).set(saved.subarray(at))
    return words
  }

  /** First polynomial and seed of a seeded ciphertext or key that SEAL has just made. */
  seededParts(saved: Uint8Array, level: Level): { readonly words: Uint32Array; readonly seed: Uint8Array } {
    const data = this.polynomialBytes(level)
    if (saved.length !== CIPHERTEXT_DATA + data + SEED_TAIL || saved[saved.length - SEED_BYTES - 1] !== 1) {
      throw layoutError('seeded ciphertext')
    }
    return {
      words: this.#words(saved.subarray(0, CIPHERTEXT_DATA + data), CIPHERTEXT_DATA),
      seed: saved.slice(saved.length - SEED_BYTES),
    }
  }

  /** The words of a secret key without a header, secretKeyLength bytes. */
  secretKeyBytes(key: SecretKey): Uint8Array {
    const saved = key.saveToArray(this.seal.ComprModeType.none) as Uint8Array
    if (saved.length !== PLAINTEXT_DATA + this.secretKeyLength) throw layoutError('secret key')
    return saved.slice(PLAINTEXT_DATA)
  }

  /** Throws AdytonError 'package-corrupt' for bytes that are no secret key of these parameters. */
  loadSecretKey(bytes: Uint8Array): SecretKey {
    if (bytes.length !== this.secretKeyLength) throw badSecretKey()
    const buffer = serialised(this.#plainHeader, this.secretKeyLength)
    // A key is a plaintext in NTT form at the key level: its parms id and counts differ from a message's.
    buffer.bytes.set(this.#headers.get('key')!.subarray(HEADER, HEADER + 32), HEADER)
    setUint64(buffer.bytes, 8, buffer.bytes.length)
    setUint64(buffer.bytes, HEADER + 32, this.secretKeyLength / 8)
    setUint64(buffer.bytes, PLAINTEXT_DATA - 16, HEADER + 8 + this.secretKeyLength)
    setUint64(buffer.bytes, PLAINTEXT_DATA - 8, this.secretKeyLength / 8)
    buffer.bytes.set(bytes, PLAINTEXT_DATA)
    const key = new this.seal.SecretKey()
    try {
      key.loadFromArray(this.context, buffer.bytes)
      return key
    } catch (cause) {
      key.delete()
      throw badSecretKey(cause)
    } finally {
      buffer.bytes.fill(0)
    }
  }
}

function layoutError(what: string): AdytonError {
  return new AdytonError('internal', `node-seal's ${what} is not laid out as this program expects`, {
    advice: 'Install the version of node-seal that package-lock.json names.',
  })
}

/** The context that node-seal's half of a choice needs; throws TypeError for a mere shape. */
export function sealContext(shape: HeShape): HeContext {
  if (shape instanceof HeContext) return shape
  throw new TypeError("without kernels, node-seal's context is needed")
}

/** Deletes SEAL objects, newest first. */
export function release(...objects: ClassHandle[]): void {
  for (const object of objects.reverse()) if (!object.isDeleted()) object.delete()
}
