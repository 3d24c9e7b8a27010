/**
 * Correlated OT extension against semi-honest parties: IKNP (Ishai, Kilian, Nissim, Petrank: Extending Oblivious
 * Transfers Efficiently, Crypto 2003) in the correlated form of Asharov, Lindell, Schneider, Zohner (CCS 2013).
 *
 * The sender holds delta (128 bits) and, for each bit i, the seed k_i^(delta_i); the receiver holds both seeds of each
 * i. For n choice bits b the receiver sends the columns u_i = G(k_i^0) xor G(k_i^1) xor b; the sender takes the columns
 * q_i = G(k_i^(delta_i)) xor delta_i * u_i, the receiver t_i = G(k_i^0). Row by row t_j = q_j xor b_j * delta: with
 * delta the free-XOR offset, q_j is the zero label of a wire and t_j the active one, and nothing else is sent.
 *
 * Column i is bit i of a 16-byte row, least significant first; G is AES-128 in counter mode. Both ends keep their place
 * in the keystreams, so they extend any number of times in the same order, and no keystream is used twice.
 */
import { createCipheriv, type Cipheriv } from 'node:crypto'
import type { Kernels } from '../kernels/interface.ts'
import { bitAt, BLOCK_BYTES, checkBytes, checkMessage, KAPPA } from './bits.ts'

/** Bytes of the seeds of an extension's sender: 128 of 16 bytes. */
export const SENDER_SEED_BYTES = KAPPA * BLOCK_BYTES
/** Bytes of the seeds of an extension's receiver: 128 pairs, [column][2][16]. */
export const RECEIVER_SEED_BYTES = 2 * SENDER_SEED_BYTES
/** Most transfers in one call; keeps every byte count far below what one buffer holds. */
export const MAX_EXTENSION = 2 ** 24

/** Transfers are made in multiples of 128, one row of the transposed matrix a time. */
function padded(n: number): number {
  if (!Number.isInteger(n) || n < 1 || n > MAX_EXTENSION) {
    throw new RangeError(`an extension makes from 1 to ${MAX_EXTENSION} transfers, got ${n}`)
  }
  return Math.ceil(n / KAPPA) * KAPPA
}

/** Exact bytes of the receiver's message for `n` transfers: 16 a transfer, n rounded up to a multiple of 128. */
export function extensionBytes(n: number): number {
  return padded(n) * BLOCK_BYTES
}

/** The sender of one extension: the garbler, whose delta is the correlation. */
export class CotSender {
  readonly #kernels: Kernels
  readonly #delta: Uint8Array
  readonly #columns: readonly Cipheriv[]

  /** `delta`: 16 bytes. `seeds`: {@link SENDER_SEED_BYTES}, seed i that of bit i of delta. */
  constructor(kernels: Kernels, delta: Uint8Array, seeds: Uint8Array) {
    checkBytes('correlation of an OT extension', delta, BLOCK_BYTES)
    checkBytes('seeds of an OT extension', seeds, SENDER_SEED_BYTES)
    this.#kernels = kernels
    this.#delta = delta.slice()
    this.#columns = Array.from({ length: KAPPA }, (_, i) => keystream(seeds, i))
  }

  /**
   * The zero labels q of the next `n` transfers, n x 16 bytes, from the receiver's message. Throws
   * 'payload-invalid' on a wrong length, before any keystream is spent.
   */
  extend(n: number, message: Uint8Array): Uint8Array {
    checkMessage(`OT extension of ${n}`, message, extensionBytes(n))
    const row = padded(n) / 8
    const matrix = new Uint8Array(KAPPA * row)
    const zeros = new Uint8Array(row)
    for (let i = 0; i < KAPPA; i++) {
      // Counter mode XORs the keystream onto what it is given; both cases cost the same.
      const given = bitAt(this.#delta, i) === 1 ? message.subarray(i * row, (i + 1) * row) : zeros
      matrix.set(this.#columns[i].update(given), i * row)
    }
    return this.#kernels.transpose128(matrix, padded(n)).subarray(0, n * BLOCK_BYTES)
  }
}

/** The receiver of one extension: the evaluator, whose input bits are the choices. */
export class CotReceiver {
  readonly #kernels: Kernels
  readonly #zero: readonly Cipheriv[]
  readonly #one: readonly Cipheriv[]

  /** `seeds`: {@link RECEIVER_SEED_BYTES}, [column][2][16]. */
  constructor(kernels: Kernels, seeds: Uint8Array) {
    checkBytes('seeds of an OT extension', seeds, RECEIVER_SEED_BYTES)
    this.#kernels = kernels
    this.#zero = Array.from({ length: KAPPA }, (_, i) => keystream(seeds, 2 * i))
    this.#one = Array.from({ length: KAPPA }, (_, i) => keystream(seeds, 2 * i + 1))
  }

  /**
   * The message for the next `n` transfers and their labels t = q xor b * delta, n x 16 bytes.
   * `choices` are ceil(n / 8) bytes of packed bits; unused bits are ignored.
   */
  extend(choices: Uint8Array, n: number): { readonly message: Uint8Array; readonly labels: Uint8Array } {
    const row = padded(n) / 8
    checkBytes('choices of an OT extension', choices, Math.ceil(n / 8))
    const bits = new Uint8Array(row)
    bits.set(choices)
    if (n % 8 !== 0) bits[choices.length - 1] &= (1 << (n % 8)) - 1
    const zeros = new Uint8Array(row)
    const matrix = new Uint8Array(KAPPA * row)
    const message = new Uint8Array(KAPPA * row)
    const words = row / 4
    const t = new Uint32Array(matrix.buffer)
    const u = new Uint32Array(message.buffer)
    const b = new Uint32Array(bits.buffer)
    for (let i = 0; i < KAPPA; i++) {
      matrix.set(this.#zero[i].update(zeros), i * row)
      const at = i * words
      for (let w = 0; w < words; w++) u[at + w] = t[at + w] ^ b[w]
      message.set(this.#one[i].update(message.subarray(i * row, (i + 1) * row)), i * row)
    }
    const labels = this.#kernels.transpose128(matrix, padded(n)).subarray(0, n * BLOCK_BYTES)
    return { message, labels }
  }
}

/** AES-128 counter mode under seed number `index`, from counter zero: the stream of core/ring's Prg. */
function keystream(seeds: Uint8Array, index: number): Cipheriv {
  const key = seeds.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES)
  return createCipheriv('aes-128-ctr', key, new Uint8Array(16))
}
