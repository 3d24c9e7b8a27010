/** Trees of an OT extension: which leaves each end holds, and what the sums of levels hide. */
import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { bitAt } from '../../core/ot/bits.ts'
import { growTrees, leavesBytes, pruneTrees, treesBytes, type TreeBits } from '../../core/ot/trees.ts'
import { testSeeds, testStream } from '../fixtures/transfers.ts'

const LEVELS: readonly TreeBits[] = [1, 2, 4]
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const blocks = (bytes: Uint8Array): string[] =>
  Array.from({ length: bytes.length / 16 }, (_, i) => hex(bytes.subarray(16 * i, 16 * i + 16)))
const ZERO = '0'.repeat(32)

/** Delta's bits of a tree as a number. */
const lacking = (delta: Uint8Array, bits: number, tree: number): number =>
  Array.from({ length: bits }, (_, b) => bitAt(delta, tree * bits + b) << b).reduce((sum, one) => sum + one)

describe.each(LEVELS)('trees of %i levels', (bits) => {
  const seeds = testSeeds(testStream('trees'))
  const { leaves, message } = growTrees(bits, seeds.pairs)

  it('give the sender every leaf but the one that delta numbers', () => {
    expect([leaves.keys.length, message.length]).toEqual([leavesBytes(bits), treesBytes(bits)])
    const all = blocks(leaves.keys)
    expect(new Set(all).size).toBe((128 / bits) * 2 ** bits)
    const own = blocks(pruneTrees(bits, seeds.delta, seeds.chosen, message).keys)
    for (let tree = 0; tree < 128 / bits; tree++) {
      const missing = lacking(seeds.delta, bits, tree)
      for (let x = 0; x < 2 ** bits; x++) {
        const found = own[tree * 2 ** bits + (x ^ missing)]
        expect(found).toBe(x === missing ? ZERO : all[tree * 2 ** bits + x])
      }
    }
    // Not the missing leaf under another number either.
    const missing = Array.from({ length: 128 / bits }, (_, t) => all[t * 2 ** bits + lacking(seeds.delta, bits, t)])
    expect(missing.filter((leaf) => own.includes(leaf))).toEqual([])
  })

  it('are other ones for a changed message, where the sender needs the changed sum', () => {
    if (bits === 1) return expect(message.length).toBe(0)
    const right = blocks(pruneTrees(bits, seeds.delta, seeds.chosen, message).keys)
    for (let sum = 0; sum < message.length / 16; sum += 5) {
      const changed = message.slice()
      changed[16 * sum + 3] ^= 4
      const wrong = blocks(pruneTrees(bits, seeds.delta, seeds.chosen, changed).keys)
      const tree = Math.floor(sum / 2 / (bits - 1))
      const level = 1 + (Math.floor(sum / 2) % (bits - 1))
      const needed = bitAt(seeds.delta, tree * bits + level) !== sum % 2
      const differing = right
        .map((leaf, i) => (leaf === wrong[i] ? -1 : Math.floor(i / 2 ** bits)))
        .filter((t) => t >= 0)
      // The sibling of the missing node is off, with it all that grows from it, and so the siblings that later sums give.
      expect(differing).toEqual(needed ? new Array<number>(2 ** (bits - level) - 1).fill(tree) : [])
    }
  })

  it('refuse messages and seeds of another length', () => {
    for (const bad of [
      new Uint8Array(message.length + 1),
      ...(bits === 1 ? [] : [message.subarray(1), message.subarray(16)]),
    ]) {
      expect(() => pruneTrees(bits, seeds.delta, seeds.chosen, bad)).toThrow(AdytonError)
    }
    expect(() => pruneTrees(bits, seeds.delta, seeds.pairs, message)).toThrow(RangeError)
    expect(() => pruneTrees(bits, new Uint8Array(15), seeds.chosen, message)).toThrow(RangeError)
    expect(() => growTrees(bits, seeds.chosen)).toThrow(RangeError)
  })
})

describe('the message of trees', () => {
  it('hides the missing leaves: each sum is under a seed of its own, and the sender has one of two', () => {
    const seeds = testSeeds(testStream('sums'))
    const { leaves, message } = growTrees(2, seeds.pairs)
    const own = pruneTrees(2, seeds.delta, seeds.chosen, message).keys
    const seed = (transfer: number, side: number): Uint8Array =>
      seeds.pairs.subarray((2 * transfer + 1 - side) * 16, (2 * transfer + 2 - side) * 16)
    let opened = 0
    for (let tree = 0; tree < 64; tree++) {
      const missing = lacking(seeds.delta, 2, tree)
      const leaf = (x: number): Uint8Array => leaves.keys.subarray((4 * tree + x) * 16, (4 * tree + x + 1) * 16)
      const side = missing >> 1
      const sum = message.slice((2 * tree + side) * 16, (2 * tree + side + 1) * 16)
      // What the sender can take off the sum of the missing leaf's side: the other leaf of that side.
      const rest = sum.map((v, i) => v ^ leaf(missing ^ 1)[i])
      expect(blocks(own)).not.toContain(hex(rest))
      expect(hex(rest)).not.toBe(hex(leaf(missing)))
      // The control: with the seed that it was not given, the missing leaf lies open.
      const pad = seed(2 * tree + 1, side)
      expect(blocks(seeds.chosen)).not.toContain(hex(pad))
      if (hex(rest.map((v, i) => v ^ pad[i])) === hex(leaf(missing))) opened++
    }
    expect(opened).toBe(64)
  })

  it('is unrelated for unrelated seeds, and uniform', () => {
    const messages = Array.from(
      { length: 24 },
      (_, i) => growTrees(4, testSeeds(testStream(`fresh ${i}`)).pairs).message,
    )
    expect(new Set(messages.flatMap(blocks)).size).toBe(24 * 192)
    const counts = new Float64Array(256)
    for (const one of messages) for (const byte of one) counts[byte]++
    const expected = (24 * treesBytes(4)) / 256
    const chiSquare = counts.reduce((sum, c) => sum + (c - expected) ** 2 / expected, 0)
    expect(chiSquare).toBeLessThan(255 + 8 * Math.sqrt(510))
  })

  it('comes from trees that grow by SHA-256: the halves of a node are its children', () => {
    const seeds = testSeeds(testStream('children'))
    const { leaves } = growTrees(2, seeds.pairs)
    for (const tree of [0, 63]) {
      for (const x of [0, 1]) {
        // Side c of the first level is seed 1 - c of the tree's first transfer.
        const node = seeds.pairs.slice((4 * tree + 1 - x) * 16, (4 * tree + 2 - x) * 16)
        const grown = blocks(
          createHash('sha256')
            .update(Buffer.concat([Buffer.from('adyton/1 tree'), node]))
            .digest(),
        )
        expect([x, x + 2].map((leaf) => blocks(leaves.keys)[4 * tree + leaf])).toEqual(grown)
      }
    }
  })
})
