/** The C++ kernels as {@link Kernels}: checks arguments with the reference's words, then calls the addon. */
import {
  checkConv,
  checkEvaluate,
  checkExpandLabels,
  checkGarble,
  checkJoinBits,
  checkMatvec,
  checkSelectLabels,
  checkSliceBits,
  checkTranspose,
} from './check.ts'
import type { GarbleOutput, Kernels } from './interface.ts'

/** Instruction sets of the addon, best last; each is its own translation unit. */
export const INSTRUCTION_SETS = ['portable', 'avx2', 'vaes512'] as const
export type InstructionSet = (typeof INSTRUCTION_SETS)[number]

/** The addon's exports. Every call takes the number of an instruction set first and checks all lengths itself. */
export interface NativeAddon {
  /** Raised when the calls below change, so that a stale build is not used. */
  readonly abi: number
  /** Numbers of the instruction sets that were compiled and that this processor and system can run. */
  readonly supported: readonly number[]
  garble(
    set: number,
    garblerInputs: number,
    evaluatorInputs: number,
    gates: Int32Array,
    outputs: Int32Array,
    instances: number,
    start: Uint8Array,
    firstTweak: number,
    delta: Uint8Array,
    garblerZero: Uint8Array,
    evaluatorZero: Uint8Array,
  ): GarbleOutput
  evaluate(
    set: number,
    garblerInputs: number,
    evaluatorInputs: number,
    gates: Int32Array,
    outputs: Int32Array,
    instances: number,
    start: Uint8Array,
    firstTweak: number,
    garblerLabels: Uint8Array,
    evaluatorLabels: Uint8Array,
    tables: Uint8Array,
  ): Uint8Array
  expandLabels(set: number, key: Uint8Array, firstBlock: number, count: number): Uint8Array
  selectLabels(
    set: number,
    zero: Uint8Array,
    bits: Uint8Array,
    wires: number,
    instances: number,
    delta: Uint8Array,
  ): Uint8Array
  transpose128(set: number, matrix: Uint8Array, n: number): Uint8Array
  sliceBits(set: number, words: Uint32Array, stride: number, n: number, bits: number): Uint8Array
  joinBits(set: number, sliced: Uint8Array, stride: number, n: number, bits: number): Uint32Array
  conv2d(
    set: number,
    words: Uint32Array,
    stride: number,
    weights: Int32Array,
    inChannels: number,
    inHeight: number,
    inWidth: number,
    outChannels: number,
    kernelHeight: number,
    kernelWidth: number,
    convStride: number,
    padding: number,
    groups: number,
  ): Uint32Array
  matvec(
    set: number,
    words: Uint32Array,
    stride: number,
    weights: Int32Array,
    rows: number,
    cols: number,
  ): Uint32Array
}

/** What people read in place of the addon's own short names. */
const TITLES: Record<InstructionSet, string> = { portable: 'portable', avx2: 'aesni-avx2', vaes512: 'vaes-avx512' }

/** Wraps the addon for one of its instruction sets. */
export function nativeKernels(addon: NativeAddon, instructionSet: InstructionSet): Kernels {
  const set = INSTRUCTION_SETS.indexOf(instructionSet)
  return Object.freeze<Kernels>({
    name: `native ${TITLES[instructionSet]}`,
    garble(input) {
      checkGarble(input)
      const { circuit: c } = input
      return addon.garble(
        set,
        c.garblerInputs,
        c.evaluatorInputs,
        c.gates,
        c.outputs,
        input.instances,
        input.start,
        input.firstTweak,
        input.delta,
        input.garblerZero,
        input.evaluatorZero,
      )
    },
    evaluate(input) {
      checkEvaluate(input)
      const { circuit: c } = input
      return addon.evaluate(
        set,
        c.garblerInputs,
        c.evaluatorInputs,
        c.gates,
        c.outputs,
        input.instances,
        input.start,
        input.firstTweak,
        input.garblerLabels,
        input.evaluatorLabels,
        input.tables,
      )
    },
    expandLabels(key, firstBlock, count) {
      checkExpandLabels(key, firstBlock, count)
      return addon.expandLabels(set, key, firstBlock, count)
    },
    selectLabels(zero, bits, wires, instances, delta) {
      checkSelectLabels(zero, bits, wires, instances, delta)
      return addon.selectLabels(set, zero, bits, wires, instances, delta)
    },
    transpose128(matrix, n) {
      checkTranspose(matrix, n)
      return addon.transpose128(set, matrix, n)
    },
    sliceBits(words, stride, n, bits) {
      checkSliceBits(words, stride, n, bits)
      return addon.sliceBits(set, words, stride, n, bits)
    },
    joinBits(sliced, stride, n, bits) {
      checkJoinBits(sliced, stride, n, bits)
      return addon.joinBits(set, sliced, stride, n, bits)
    },
    conv2d(words, stride, weights, g) {
      checkConv(words, stride, weights, g)
      return addon.conv2d(
        set,
        words,
        stride,
        weights,
        g.inChannels,
        g.inHeight,
        g.inWidth,
        g.outChannels,
        g.kernelHeight,
        g.kernelWidth,
        g.stride,
        g.padding,
        g.groups,
      )
    },
    matvec(words, stride, weights, rows, cols) {
      checkMatvec(words, stride, weights, rows, cols)
      return addon.matvec(set, words, stride, weights, rows, cols)
    },
  })
}
