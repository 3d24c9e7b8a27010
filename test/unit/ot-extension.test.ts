/** Correlated OT extension: the correlation, the place in the keystreams, and what the message hides. */
import { describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { referenceKernels } from '../../core/kernels/index.ts'
import { bitAt } from '../../core/ot/bits.ts'
import { CotReceiver, CotSender, extensionBytes } from '../../core/ot/extension.ts'
import { growTrees, leavesBytes, type TreeBits } from '../../core/ot/trees.ts'
import { Prg } from '../../core/ring/prg.ts'
import { everyKernels, testEnds, testSeeds, testStream, wrongTransfers } from '../fixtures/transfers.ts'

const LEVELS: readonly TreeBits[] = [1, 2, 4]
const patterns: readonly [string, (n: number) => Uint8Array][] = [
  ['zeros', (n) => new Uint8Array(Math.ceil(n / 8))],
  ['ones', (n) => new Uint8Array(Math.ceil(n / 8)).fill(0xff)],
  ['alternating', (n) => new Uint8Array(Math.ceil(n / 8)).fill(0x55)],
  ['random', (n) => testStream(`choices ${n}`).bytes(Math.ceil(n / 8))],
]

describe.each(everyKernels())('OT extension, %s kernels', (_, kernels) => {
  it.each(patterns)('t = q xor b * delta for choices %s, over chunks of many sizes', (_name, choicesOf) => {
    const seeds = testSeeds(testStream('extension'))
    for (const bits of LEVELS) {
      const { sender, receiver } = testEnds(kernels, seeds, bits)
      const later = testEnds(kernels, seeds, bits).receiver
      for (const n of [1, 7, 8, 127, 128, 129, 1000, 4096]) {
        const choices = choicesOf(n)
        const { message, labels } = receiver.extend(choices, n)
        expect(message.length).toBe(extensionBytes(n, bits))
        const q = sender.extend(n, message)
        expect([q.length, labels.length]).toEqual([16 * n, 16 * n])
        expect(wrongTransfers(q, labels, choices, seeds.delta)).toEqual([])
        expect(later.labels(n), 'made again without the choices').toEqual(labels)
        // Labels are pseudorandom: none twice.
        expect(
          new Set(Array.from({ length: n }, (_v, j) => Buffer.from(q).toString('hex', 16 * j, 16 * j + 16))).size,
        ).toBe(n)
      }
    }
  })
})

describe('OT extension', () => {
  const seeds = testSeeds(testStream('one'))
  const make = (bits?: TreeBits) => testEnds(referenceKernels, seeds, bits)
  const grown = new Map(LEVELS.map((bits) => [bits, growTrees(bits, seeds.pairs).leaves.keys]))
  /** The keystream of leaf x of a tree from its definition: core/ring's PRG. */
  const stream = (bits: TreeBits, tree: number, x: number, bytes: number): Uint8Array => {
    const at = (tree * 2 ** bits + x) * 16
    return new Prg((grown.get(bits) as Uint8Array).slice(at, at + 16)).bytes(bytes)
  }
  /** Delta's bits of a tree: the number of the leaf that the sender lacks. */
  const lacking = (bits: TreeBits, tree: number): number =>
    Array.from({ length: bits }, (_, b) => bitAt(seeds.delta, tree * bits + b) << b).reduce((sum, one) => sum + one)

  it('sends 4 bytes a transfer, in multiples of 128; 8 and 16 with smaller trees', () => {
    expect([1, 128, 129, 1000].map((n) => extensionBytes(n))).toEqual([512, 512, 1024, 4096])
    expect(LEVELS.map((bits) => extensionBytes(256, bits))).toEqual([4096, 2048, 1024])
    for (const n of [0, -1, 1.5, 2 ** 24 + 1]) expect(() => extensionBytes(n)).toThrow(RangeError)
  })

  it('with trees of one level is IKNP, column by column', () => {
    const n = 256
    const choices = testStream('matrix').bytes(n / 8)
    const { message, labels } = make(1).receiver.extend(choices, n)
    for (const i of [0, 1, 8, 63, 127]) {
      const [t0, t1] = [0, 1].map((c) => new Prg(seeds.pairs.slice((2 * i + c) * 16).slice(0, 16)).bytes(n / 8))
      const u = message.subarray((i * n) / 8, ((i + 1) * n) / 8)
      expect(u).toEqual(t0.map((v, at) => v ^ t1[at] ^ choices[at]))
      for (let j = 0; j < n; j++) expect(bitAt(labels, 128 * j + i)).toBe(bitAt(t0, j))
    }
  })

  it.each([2, 4] as const)("with trees of %i levels is the paper's small-field VOLE, tree by tree", (bits) => {
    const n = 128
    const choices = testStream('matrix').bytes(n / 8)
    const { sender, receiver } = make(bits)
    const { message, labels } = receiver.extend(choices, n)
    const q = sender.extend(n, message)
    for (const tree of [0, 1, 128 / bits - 1]) {
      const r = Array.from({ length: 2 ** bits }, (_, x) => stream(bits, tree, x, n / 8))
      for (let j = 0; j < n; j++) {
        const element = (rows: Uint8Array): number =>
          Array.from({ length: bits }, (_, b) => bitAt(rows, 128 * j + tree * bits + b) << b).reduce((a, b) => a + b)
        // Over GF(2^bits): u = sum of r_x, v = sum of x r_x, w = sum of (D - x) r_x without x = D.
        let [u, v, w] = [0, 0, 0]
        const d = lacking(bits, tree)
        for (const [x, column] of r.entries()) {
          if (bitAt(column, j) === 0) continue
          u ^= 1
          v ^= x
          if (x !== d) w ^= d ^ x
        }
        expect(w).toBe(u === 1 ? v ^ d : v)
        expect(element(labels)).toBe(v)
        const sent = bitAt(message, tree * n + j)
        expect(sent).toBe(u ^ bitAt(choices, j))
        expect(element(q)).toBe(sent === 1 ? w ^ d : w)
      }
    }
  })

  it('goes on in the keystream from chunk to chunk', () => {
    const choices = testStream('chunks').bytes(48)
    const parts = make().receiver
    const whole = make().receiver.extend(choices, 384)
    const labels = [parts.extend(choices.slice(0, 16), 128).labels, parts.extend(choices.slice(16), 256).labels]
    expect(Buffer.concat(labels).equals(whole.labels)).toBe(true)
  })

  it('never masks two chunks alike', () => {
    const { receiver } = make()
    const choices = testStream('twice').bytes(512)
    const [a, b] = [receiver.extend(choices, 4096).message, receiver.extend(choices, 4096).message]
    const equal = a.filter((v, at) => v === b[at]).length
    // Equal bytes by chance: 1 in 256, 64 of 16384; reuse would make all of them equal.
    expect(equal).toBeLessThan(200)
  })

  it.each(LEVELS)('hides the choices from a sender that knows all leaves but one of each tree of %i levels', (bits) => {
    const n = 16384
    const trees = 128 / bits
    for (const fill of [0x00, 0xff, 0x0f]) {
      const choices = new Uint8Array(n / 8).fill(fill)
      const { message } = make(bits).receiver.extend(choices, n)
      expect(chiSquare(message)).toBeLessThan(255 + 8 * Math.sqrt(510))
      for (let tree = 0; tree < trees; tree += trees / 8) {
        const unmasked = message.slice((tree * n) / 8, ((tree + 1) * n) / 8)
        for (let x = 0; x < 2 ** bits; x++) {
          if (x === lacking(bits, tree)) continue
          const known = stream(bits, tree, x, n / 8)
          for (let at = 0; at < unmasked.length; at++) unmasked[at] ^= known[at]
        }
        expect(Math.abs(agreement(unmasked, choices))).toBeLessThan(6)
        // The control: with the stream that the sender lacks taken off as well, the choices lie open.
        const other = stream(bits, tree, lacking(bits, tree), n / 8)
        expect(
          agreement(
            unmasked.map((v, at) => v ^ other[at]),
            choices,
          ),
        ).toBeGreaterThan(50)
      }
    }
    // The control of the first statistic: bare choices are far from uniform bytes.
    expect(chiSquare(new Uint8Array(4 * n).fill(0x0f))).toBeGreaterThan(1e6)
  })

  it('is changed by a flipped bit exactly where delta has a one among the bits of its tree', () => {
    const n = 128
    const choices = testStream('flip').bytes(16)
    for (const tree of [0, 1, 2, 17, 31]) {
      const { sender, receiver } = make(4)
      const { message, labels } = receiver.extend(choices, n)
      message[16 * tree + 2] ^= 0x10 // transfer 20
      const q = sender.extend(n, message)
      expect(wrongTransfers(q, labels, choices, seeds.delta)).toEqual(lacking(4, tree) === 0 ? [] : [20])
      const bits = Array.from({ length: 128 }, (_, i) => {
        const off = bitAt(q, 128 * 20 + i) ^ bitAt(labels, 128 * 20 + i) ^ (bitAt(choices, 20) & bitAt(seeds.delta, i))
        return off === 1 ? i : -1
      }).filter((i) => i >= 0)
      expect(bits).toEqual([0, 1, 2, 3].map((b) => 4 * tree + b).filter((i) => bitAt(seeds.delta, i) === 1))
    }
  })

  it('gives useless labels for messages out of order', () => {
    const { sender, receiver } = make()
    const choices = testStream('order').bytes(16)
    const first = receiver.extend(choices, 128)
    const second = receiver.extend(choices, 128)
    expect(wrongTransfers(sender.extend(128, second.message), first.labels, choices, seeds.delta).length).toBe(128)
    expect(wrongTransfers(sender.extend(128, first.message), second.labels, choices, seeds.delta).length).toBe(128)
  })

  it('refuses a message of another length and then still works', () => {
    const { sender, receiver } = make()
    const choices = testStream('length').bytes(25)
    const { message, labels } = receiver.extend(choices, 200)
    for (const bad of [message.subarray(1), new Uint8Array(0), new Uint8Array(message.length + 1)]) {
      expect(() => sender.extend(200, bad)).toThrow(AdytonError)
    }
    expect(wrongTransfers(sender.extend(200, message), labels, choices, seeds.delta)).toEqual([])
  })

  it('refuses leaves, correlations and choices of another length', () => {
    const leaves = { bits: 4, keys: new Uint8Array(leavesBytes(4)) } as const
    const short = { bits: 4, keys: new Uint8Array(leavesBytes(2)) } as const
    expect(() => new CotSender(referenceKernels, new Uint8Array(15), leaves)).toThrow(RangeError)
    expect(() => new CotSender(referenceKernels, seeds.delta, short)).toThrow(RangeError)
    expect(() => new CotReceiver(referenceKernels, short)).toThrow(RangeError)
    expect(() => make().receiver.extend(new Uint8Array(15), 128)).toThrow(RangeError)
  })
})

/** Pearson's statistic of the byte counts against the uniform distribution: 255 degrees of freedom. */
function chiSquare(bytes: Uint8Array): number {
  const counts = new Float64Array(256)
  for (const b of bytes) counts[b]++
  const expected = bytes.length / 256
  return counts.reduce((sum, c) => sum + (c - expected) ** 2 / expected, 0)
}

/** How many standard deviations the number of equal bits is above that of independent strings. */
function agreement(a: Uint8Array, b: Uint8Array): number {
  let equal = 0
  const bits = 8 * a.length
  for (let j = 0; j < bits; j++) if (bitAt(a, j) === bitAt(b, j)) equal++
  return (equal - bits / 2) / Math.sqrt(bits / 4)
}
