/**
 * Trees of keys of which the sender of an extension misses one leaf each: the puncturable pseudorandom functions of
 * SoftSpokenOT (Roy: SoftSpokenOT, Quieter OT Extension from Small-Field Silent VOLE in the Minicrypt Model, Crypto 2022,
 * section 6; the tree is that of Goldreich, Goldwasser, Micali, and sending sums of a level that of Boyle et al., CCS 2019).
 *
 * 128 base transfers, in groups of `bits`, give 128 / bits trees of 2^bits leaves. Bit b of a leaf's number is its side at
 * level b; transfer b of the group decides that level. The sender, whose choices are the bits of delta, ends up with every
 * leaf but the one whose number these bits are. The two seeds of a group's first transfer are its tree's first two nodes, so
 * trees of one level need no message.
 */
import { createHash } from 'node:crypto'
import type { LeafKeys } from '../kernels/interface.ts'
import { bitAt, BLOCK_BYTES, checkBytes, checkMessage, KAPPA } from './bits.ts'

/** Levels of a tree: the message of an extension has 16 / bits bytes a transfer, and work grows with 2^bits / bits. */
export type TreeBits = LeafKeys['bits']
/** Bytes of the seeds of an extension's sender: 128 of 16 bytes. */
export const SENDER_SEED_BYTES = KAPPA * BLOCK_BYTES
/** Bytes of the seeds of an extension's receiver: 128 pairs, [transfer][2][16]. */
export const RECEIVER_SEED_BYTES = 2 * SENDER_SEED_BYTES

/** Exact bytes of the receiver's message: two sums for each level of each tree but the first one. */
export function treesBytes(bits: TreeBits): number {
  return (KAPPA / bits) * (bits - 1) * 2 * BLOCK_BYTES
}

/** Bytes of all leaves. */
export function leavesBytes(bits: TreeBits): number {
  return (KAPPA / bits) * 2 ** bits * BLOCK_BYTES
}

/** Receiver: all leaves, and the message of {@link treesBytes} that gives the sender its own. */
export function growTrees(
  bits: TreeBits,
  pairs: Uint8Array,
): { readonly leaves: LeafKeys; readonly message: Uint8Array } {
  checkBytes('seeds of an OT extension', pairs, RECEIVER_SEED_BYTES)
  const keys = new Uint8Array(leavesBytes(bits))
  const message = new Uint8Array(treesBytes(bits))
  // The sender holds seed c of a transfer when its bit is c, and then lacks the nodes on side c.
  const seedFor = (transfer: number, side: number): Uint8Array => block(pairs, 2 * transfer + 1 - side)
  let sent = 0
  for (let tree = 0; tree < KAPPA / bits; tree++) {
    const first = tree * bits
    let nodes = [seedFor(first, 0), seedFor(first, 1)]
    for (let level = 1; level < bits; level++) {
      nodes = children(nodes)
      for (const side of [0, 1]) {
        block(message, sent++).set(sum([seedFor(first + level, side), ...onSide(nodes, side)]))
      }
    }
    nodes.forEach((node, x) => block(keys, tree * 2 ** bits + x).set(node))
  }
  return { leaves: { bits, keys }, message }
}

/**
 * Sender: its leaves, numbered as Kernels.cotSend takes them (leaf 0 of each tree is the missing one, left zero), from its
 * seeds, of which number i is that of bit i of `delta`. Throws 'payload-invalid' on a message of another length.
 */
export function pruneTrees(bits: TreeBits, delta: Uint8Array, seeds: Uint8Array, message: Uint8Array): LeafKeys {
  checkBytes('correlation of an OT extension', delta, BLOCK_BYTES)
  checkBytes('seeds of an OT extension', seeds, SENDER_SEED_BYTES)
  checkMessage('trees of an OT extension', message, treesBytes(bits))
  const keys = new Uint8Array(leavesBytes(bits))
  for (let tree = 0; tree < KAPPA / bits; tree++) {
    const first = tree * bits
    let missing: number = bitAt(delta, first)
    let nodes = missing === 1 ? [block(seeds, first), MISSING] : [MISSING, block(seeds, first)]
    for (let level = 1; level < bits; level++) {
      const bit = bitAt(delta, first + level)
      const side = 1 - bit
      const lacking = missing + side * 2 ** level
      missing += bit * 2 ** level
      nodes = children(nodes)
      const sent = block(message, 2 * ((bits - 1) * tree + level - 1) + side)
      // What grew from the missing node is of no use: its sibling comes out of the sum of their side.
      nodes[lacking] = MISSING
      nodes[lacking] = sum([sent, block(seeds, first + level), ...onSide(nodes, side)])
      nodes[missing] = MISSING
    }
    nodes.forEach((node, x) => block(keys, tree * 2 ** bits + (x ^ missing)).set(node))
  }
  return { bits, keys }
}

/** Stands for the node that the sender does not know. */
const MISSING = new Uint8Array(BLOCK_BYTES)

function block(bytes: Uint8Array, index: number): Uint8Array {
  return bytes.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES)
}

/**
 * The next level: side 0 of every node, then side 1 of every node, so that a node keeps its number on side 0. Its children
 * are the halves of a hash; AES with a new key for every node would take eight times as long.
 */
function children(nodes: readonly Uint8Array[]): Uint8Array[] {
  const grown = nodes.map((node) => createHash('sha256').update('adyton/1 tree').update(node).digest())
  return [...grown.map((pair) => block(pair, 0)), ...grown.map((pair) => block(pair, 1))]
}

function onSide(nodes: readonly Uint8Array[], side: number): readonly Uint8Array[] {
  const half = nodes.length / 2
  return nodes.slice(side * half, (side + 1) * half)
}

function sum(blocks: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(BLOCK_BYTES)
  for (const one of blocks) for (let i = 0; i < BLOCK_BYTES; i++) out[i] ^= one[i]
  return out
}
