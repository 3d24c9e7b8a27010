/**
 * Correlated OT extension against semi-honest parties: SoftSpokenOT (Roy, Crypto 2022) without its consistency check,
 * which is against a receiver that deviates. With trees of one level it is IKNP (Ishai, Kilian, Nissim, Petrank, Crypto
 * 2003) in the correlated form of Asharov, Lindell, Schneider, Zohner (CCS 2013).
 *
 * The sender holds delta (128 bits) and of each tree (trees.ts) all leaves but one; the receiver holds all leaves. Let r_x
 * be the keystream of leaf x, as a column of bits, one a transfer. Of each tree the receiver computes u = sum of r_x and the
 * columns v_b = sum of the r_x of which x has bit b, and sends d = u + choices. With D, the tree's bits of delta, the
 * number of the missing leaf, the sender computes w_b = sum of the r_x of which x xor D has bit b, for which the missing leaf
 * does not count. As w_b = v_b + D_b u, the columns q_b = w_b + D_b d are v_b + D_b choices. Row by row
 * t_j = q_j xor b_j * delta: with delta the free-XOR offset, q_j is the zero label of a wire and t_j the active one, and
 * nothing else is sent.
 *
 * Column i is bit i of a 16-byte row, least significant first. Both ends keep their place in the keystreams (AES-128 in
 * counter mode), so they extend any number of times in the same order, and no keystream is used twice.
 */
import type { Kernels, LeafKeys } from '../kernels/interface.ts'
import type { Scratch } from '../ring/scratch.ts'
import { BLOCK_BYTES, checkBytes, checkMessage, KAPPA } from './bits.ts'
import { leavesBytes, type TreeBits } from './trees.ts'

/** Levels of the trees of a package: 4 bytes a transfer. */
export const TREE_BITS = 4
/** Most transfers in one call; keeps every byte count far below what one buffer holds. */
export const MAX_EXTENSION = 2 ** 24

/** Transfers are made in multiples of 128, one block of every keystream at a time. */
function padded(n: number): number {
  if (!Number.isInteger(n) || n < 1 || n > MAX_EXTENSION) {
    throw new RangeError(`an extension makes from 1 to ${MAX_EXTENSION} transfers, got ${n}`)
  }
  return Math.ceil(n / KAPPA) * KAPPA
}

/** Exact bytes of the receiver's message for `n` transfers: 16 / bits a transfer, n rounded up to a multiple of 128. */
export function extensionBytes(n: number, bits: TreeBits = TREE_BITS): number {
  return (padded(n) * BLOCK_BYTES) / bits
}

/** The sender of one extension: the garbler, whose delta is the correlation. */
export class CotSender {
  readonly #kernels: Kernels
  readonly #delta: Uint8Array
  readonly #leaves: LeafKeys
  #block = 0

  /** `delta`: 16 bytes. `leaves`: of pruneTrees. */
  constructor(kernels: Kernels, delta: Uint8Array, leaves: LeafKeys) {
    checkBytes('correlation of an OT extension', delta, BLOCK_BYTES)
    checkBytes('leaves of an OT extension', leaves.keys, leavesBytes(leaves.bits))
    this.#kernels = kernels
    this.#delta = delta.slice()
    this.#leaves = leaves
  }

  /**
   * The zero labels q of the next `n` transfers, n x 16 bytes, from the receiver's message. Throws
   * 'payload-invalid' on a wrong length, before any keystream is spent. With `scratch` they lie there.
   */
  extend(n: number, message: Uint8Array, scratch?: Scratch): Uint8Array {
    checkMessage(`OT extension of ${n}`, message, extensionBytes(n, this.#leaves.bits))
    const count = padded(n)
    const memory = scratch?.take(count * BLOCK_BYTES)
    const labels = this.#kernels.cotSend(this.#leaves, this.#block, count, this.#delta, message, memory)
    this.#block += count / KAPPA
    return labels.subarray(0, n * BLOCK_BYTES)
  }
}

/** The receiver of one extension: the evaluator, whose input bits are the choices. */
export class CotReceiver {
  readonly #kernels: Kernels
  readonly #leaves: LeafKeys
  #block = 0

  /** `leaves`: of growTrees. */
  constructor(kernels: Kernels, leaves: LeafKeys) {
    checkBytes('leaves of an OT extension', leaves.keys, leavesBytes(leaves.bits))
    this.#kernels = kernels
    this.#leaves = leaves
  }

  /**
   * The message for the next `n` transfers, of {@link extensionBytes}. `choices` are ceil(n / 8) bytes of packed bits;
   * unused bits are ignored.
   */
  choose(choices: Uint8Array, n: number): Uint8Array {
    const count = padded(n)
    checkBytes('choices of an OT extension', choices, Math.ceil(n / 8))
    const bits = new Uint8Array(count / 8)
    bits.set(choices)
    if (n % 8 !== 0) bits[choices.length - 1] &= (1 << (n % 8)) - 1
    const message = this.#kernels.cotChoose(this.#leaves, this.#block, count, bits)
    this.#block += count / KAPPA
    return message
  }

  /**
   * The labels t = q xor b * delta of the next `n` transfers, n x 16 bytes, of a receiver that sent its message long ago:
   * they follow from the leaves, the choices are in the message. With `scratch` they lie there.
   */
  labels(n: number, scratch?: Scratch): Uint8Array {
    const count = padded(n)
    const memory = scratch?.take(count * BLOCK_BYTES)
    const labels = this.#kernels.cotLabels(this.#leaves, this.#block, count, memory)
    this.#block += count / KAPPA
    return labels.subarray(0, n * BLOCK_BYTES)
  }

  /** Both at once, for the same transfers. */
  extend(choices: Uint8Array, n: number): { readonly message: Uint8Array; readonly labels: Uint8Array } {
    const first = this.#block
    const message = this.choose(choices, n)
    this.#block = first
    return { message, labels: this.labels(n) }
  }
}
