/** Correlated OT extension: the correlation, the place in the keystreams, and what the message hides. */
import { describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { referenceKernels } from '../../core/kernels/index.ts'
import { bitAt } from '../../core/ot/bits.ts'
import { CotReceiver, CotSender, extensionBytes } from '../../core/ot/extension.ts'
import { Prg } from '../../core/ring/prg.ts'
import { everyKernels, testSeeds, testStream, wrongTransfers } from '../fixtures/transfers.ts'

const patterns: readonly [string, (n: number) => Uint8Array][] = [
  ['zeros', (n) => new Uint8Array(Math.ceil(n / 8))],
  ['ones', (n) => new Uint8Array(Math.ceil(n / 8)).fill(0xff)],
  ['alternating', (n) => new Uint8Array(Math.ceil(n / 8)).fill(0x55)],
  ['random', (n) => testStream(`choices ${n}`).bytes(Math.ceil(n / 8))],
]

describe.each(everyKernels())('OT extension, %s kernels', (_, kernels) => {
  it.each(patterns)('t = q xor b * delta for choices %s, over chunks of many sizes', (_name, choicesOf) => {
    const seeds = testSeeds(testStream('extension'))
    const sender = new CotSender(kernels, seeds.delta, seeds.chosen)
    const receiver = new CotReceiver(kernels, seeds.pairs)
    for (const n of [1, 7, 8, 127, 128, 129, 1000, 4096]) {
      const choices = choicesOf(n)
      const { message, labels } = receiver.extend(choices, n)
      expect(message.length).toBe(extensionBytes(n))
      const q = sender.extend(n, message)
      expect([q.length, labels.length]).toEqual([16 * n, 16 * n])
      expect(wrongTransfers(q, labels, choices, seeds.delta)).toEqual([])
      // Labels are pseudorandom: none twice.
      expect(
        new Set(Array.from({ length: n }, (_v, j) => Buffer.from(q).toString('hex', 16 * j, 16 * j + 16))).size,
      ).toBe(n)
    }
  })
})

describe('OT extension', () => {
  const seeds = testSeeds(testStream('one'))
  const make = () => ({
    sender: new CotSender(referenceKernels, seeds.delta, seeds.chosen),
    receiver: new CotReceiver(referenceKernels, seeds.pairs),
  })
  /** G(seed) from its definition: core/ring's PRG, for column i and side c. */
  const column = (i: number, c: 0 | 1, bytes: number): Uint8Array =>
    new Prg(seeds.pairs.slice((2 * i + c) * 16, (2 * i + c + 1) * 16)).bytes(bytes)

  it('sends 16 bytes a transfer, in multiples of 128', () => {
    expect([1, 128, 129, 1000].map(extensionBytes)).toEqual([2048, 2048, 4096, 16384])
    for (const n of [0, -1, 1.5, 2 ** 24 + 1]) expect(() => extensionBytes(n)).toThrow(RangeError)
  })

  it("is the paper's matrix, column by column", () => {
    const n = 256
    const choices = testStream('matrix').bytes(n / 8)
    const { message, labels } = make().receiver.extend(choices, n)
    for (const i of [0, 1, 8, 63, 127]) {
      const t0 = column(i, 0, n / 8)
      const t1 = column(i, 1, n / 8)
      const u = message.subarray((i * n) / 8, ((i + 1) * n) / 8)
      expect(u).toEqual(t0.map((v, at) => v ^ t1[at] ^ choices[at]))
      for (let j = 0; j < n; j++) expect(bitAt(labels, 128 * j + i)).toBe(bitAt(t0, j))
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
    const choices = testStream('twice').bytes(128)
    const [a, b] = [receiver.extend(choices, 1024).message, receiver.extend(choices, 1024).message]
    const equal = a.filter((v, at) => v === b[at]).length
    // Equal bytes by chance: 1 in 256, 64 of 16384; reuse would make all of them equal.
    expect(equal).toBeLessThan(200)
  })

  it('hides the choices from a sender that knows one seed of each column', () => {
    const n = 8192
    for (const fill of [0x00, 0xff, 0x0f]) {
      const choices = new Uint8Array(n / 8).fill(fill)
      const { message } = make().receiver.extend(choices, n)
      expect(chiSquare(message)).toBeLessThan(255 + 8 * Math.sqrt(510))
      for (let i = 0; i < 128; i++) {
        const known = column(i, bitAt(seeds.delta, i), n / 8)
        const unmasked = message.slice((i * n) / 8, ((i + 1) * n) / 8).map((v, at) => v ^ known[at])
        const z = agreement(unmasked, choices)
        expect(Math.abs(z)).toBeLessThan(6)
        // The control: with the stream that the sender lacks taken off as well, the choices lie open.
        const other = column(i, (1 - bitAt(seeds.delta, i)) as 0 | 1, n / 8)
        expect(
          agreement(
            unmasked.map((v, at) => v ^ other[at]),
            choices,
          ),
        ).toBeGreaterThan(50)
      }
    }
    // The control of the first statistic: bare choices are far from uniform bytes.
    expect(chiSquare(new Uint8Array(16 * n).fill(0x0f))).toBeGreaterThan(1e6)
  })

  it('is changed by a flipped bit exactly where delta has a one', () => {
    const n = 128
    const choices = testStream('flip').bytes(16)
    for (const i of [0, 5, 6, 7, 64, 127]) {
      const { sender, receiver } = make()
      const { message, labels } = receiver.extend(choices, n)
      message[16 * i + 2] ^= 0x10 // transfer 20, column i
      const wrong = wrongTransfers(sender.extend(n, message), labels, choices, seeds.delta)
      expect(wrong).toEqual(bitAt(seeds.delta, i) === 1 ? [20] : [])
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

  it('refuses seeds, correlations and choices of another length', () => {
    expect(() => new CotSender(referenceKernels, new Uint8Array(15), seeds.chosen)).toThrow(RangeError)
    expect(() => new CotSender(referenceKernels, seeds.delta, seeds.pairs)).toThrow(RangeError)
    expect(() => new CotReceiver(referenceKernels, seeds.chosen)).toThrow(RangeError)
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
