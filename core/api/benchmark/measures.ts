/**
 * What is measured of the primitives: each says how much work a run does and does it. Inputs are drawn at random; only
 * the time matters.
 */
import { randomFillSync } from 'node:crypto'
import type { Kernels } from '../../kernels/index.ts'
import { bitAt, BLOCK_BYTES, KAPPA } from '../../ot/bits.ts'
import { CotReceiver, CotSender, TREE_BITS } from '../../ot/extension.ts'
import { growTrees, pruneTrees, RECEIVER_SEED_BYTES, SENDER_SEED_BYTES } from '../../ot/trees.ts'
import { benchCircuit } from './circuit.ts'

/** Of 16 bytes: 2 MiB, as chunks of the protocol are. */
const LABELS = 2 ** 17

export interface Measure {
  readonly id: string
  readonly label: string
  /** Of `amount` in a second, with a prefix in front: 'M AND/s'. */
  readonly unit: string
  /** `slow`: for kernels that would take seconds for the usual amount. */
  readonly prepare: (kernels: Kernels, slow: boolean) => Prepared
}

export interface Prepared {
  /** Of one run, in the unit. */
  readonly amount: number
  readonly run: () => unknown
}

const random = (bytes: number): Uint8Array => randomFillSync(new Uint8Array(bytes))
const words = (count: number): Uint32Array => randomFillSync(new Uint32Array(count))
/** Of 13 bits. */
const weights = (count: number): Int32Array => randomFillSync(new Int32Array(count)).map((w) => w >> 19)

function garbling(kernels: Kernels, slow: boolean) {
  const circuit = benchCircuit()
  const instances = slow ? 256 : 16_384
  const delta = random(BLOCK_BYTES)
  delta[0] |= 1
  const context = { circuit, instances, start: random(BLOCK_BYTES), firstTweak: 0 }
  const garblerZero = kernels.expandLabels(random(BLOCK_BYTES), 0, circuit.garblerInputs * instances)
  const evaluatorZero = kernels.expandLabels(random(BLOCK_BYTES), 0, circuit.evaluatorInputs * instances)
  const fresh = { ...context, delta, garblerZero, evaluatorZero }
  const { tables } = kernels.garble(fresh)
  return {
    amount: (circuit.andGates * instances) / 1e6,
    garble: () => kernels.garble({ ...fresh, tables }),
    evaluate: () =>
      kernels.evaluate({ ...context, garblerLabels: garblerZero, evaluatorLabels: evaluatorZero, tables }),
  }
}

/** A layer of ResNet-18 at 32 x 32: 128 channels, 16 x 16, 3 x 3; `stride` words a value. */
function convolution(kernels: Kernels, stride: 1 | 2, slow: boolean): Prepared {
  const channels = slow ? 16 : 128
  const side = 16
  const geometry = {
    ...{ inChannels: channels, inHeight: side, inWidth: side, outChannels: channels },
    ...{ kernelHeight: 3, kernelWidth: 3, stride: 1, padding: 1, groups: 1 },
  }
  const input = words(channels * side * side * stride)
  const filters = weights(channels * channels * 9)
  const run = (): unknown => kernels.conv2d(input, stride, filters, geometry)
  return { amount: (filters.length * side * side) / 1e9, run }
}

/** Both ends of an extension under `delta` (16 bytes, bit 0 set), without the base transfers. */
export function transferEnds(kernels: Kernels, delta: Uint8Array): { sender: CotSender; receiver: CotReceiver } {
  const pairs = random(RECEIVER_SEED_BYTES)
  const chosen = new Uint8Array(SENDER_SEED_BYTES)
  for (let i = 0; i < KAPPA; i++) {
    const from = (2 * i + bitAt(delta, i)) * BLOCK_BYTES
    chosen.set(pairs.subarray(from, from + BLOCK_BYTES), i * BLOCK_BYTES)
  }
  const { leaves, message } = growTrees(TREE_BITS, pairs)
  const sender = new CotSender(kernels, delta, pruneTrees(TREE_BITS, delta, chosen, message))
  return { sender, receiver: new CotReceiver(kernels, leaves) }
}

function transfers(kernels: Kernels): Prepared {
  const n = LABELS
  const delta = random(BLOCK_BYTES)
  delta[0] |= 1
  const { sender, receiver } = transferEnds(kernels, delta)
  const choices = random(n / 8)
  return { amount: n / 1e6, run: () => sender.extend(n, receiver.extend(choices, n).message) }
}

export const KERNEL_MEASURES: readonly Measure[] = [
  {
    ...{ id: 'garble', label: 'Garbling ReLU circuits', unit: 'M AND/s' },
    prepare: (kernels, slow) => {
      const { amount, garble } = garbling(kernels, slow)
      return { amount, run: garble }
    },
  },
  {
    ...{ id: 'evaluate', label: 'Evaluating garbled circuits', unit: 'M AND/s' },
    prepare: (kernels, slow) => {
      const { amount, evaluate } = garbling(kernels, slow)
      return { amount, run: evaluate }
    },
  },
  {
    ...{ id: 'transfers', label: 'Oblivious transfers, both ends', unit: 'M/s' },
    prepare: transfers,
  },
  {
    ...{ id: 'conv-32', label: 'Convolutions of shares, up to 32 bits', unit: 'GMAC/s' },
    prepare: (kernels, slow) => convolution(kernels, 1, slow),
  },
  {
    ...{ id: 'conv-64', label: 'Convolutions of shares, 33 to 64 bits', unit: 'GMAC/s' },
    prepare: (kernels, slow) => convolution(kernels, 2, slow),
  },
  {
    ...{ id: 'matvec-32', label: 'Dense layers of shares, up to 32 bits', unit: 'GMAC/s' },
    prepare: (kernels, slow) => {
      const side = slow ? 512 : 2048
      const [input, matrix] = [words(side), weights(side * side)]
      return { amount: matrix.length / 1e9, run: () => kernels.matvec(input, 1, matrix, side, side) }
    },
  },
  {
    ...{ id: 'transpose', label: 'Transposing bits', unit: 'GB/s' },
    prepare: (kernels) => {
      const n = LABELS
      const matrix = random(n * BLOCK_BYTES)
      return { amount: matrix.length / 1e9, run: () => kernels.transpose128(matrix, n) }
    },
  },
  {
    ...{ id: 'labels', label: 'Drawing wire labels', unit: 'GB/s' },
    prepare: (kernels) => {
      const n = LABELS
      const key = random(BLOCK_BYTES)
      return { amount: (n * BLOCK_BYTES) / 1e9, run: () => kernels.expandLabels(key, 0, n) }
    },
  },
  {
    ...{ id: 'select', label: 'Choosing labels by bits', unit: 'GB/s' },
    prepare: (kernels) => {
      const n = LABELS
      const [labels, bits, delta] = [random(n * BLOCK_BYTES), random(n / 8), random(BLOCK_BYTES)]
      return { amount: labels.length / 1e9, run: () => kernels.selectLabels(labels, bits, 1, n, delta) }
    },
  },
  {
    ...{ id: 'slice', label: 'Taking words apart into bits', unit: 'GB/s' },
    prepare: (kernels) => {
      const n = LABELS
      const values = words(n)
      return { amount: (4 * n) / 1e9, run: () => kernels.sliceBits(values, 1, n, 32) }
    },
  },
  {
    ...{ id: 'join', label: 'Joining bits into words', unit: 'GB/s' },
    prepare: (kernels) => {
      const n = LABELS
      const bits = kernels.sliceBits(words(n), 1, n, 32)
      return { amount: (4 * n) / 1e9, run: () => kernels.joinBits(bits, 1, n, 32) }
    },
  },
]
