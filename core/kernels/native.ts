/** The C++ kernels as {@link Kernels}: checks arguments with the reference's words, then calls the addon. */
import { INSTRUCTION_SETS, type InstructionSet, type NativeAddon } from './addon.ts'
import {
  checkChoices,
  checkConv,
  checkCorrelation,
  checkEvaluate,
  checkGarble,
  checkJoinBits,
  checkLabelMemory,
  checkLeafKeys,
  checkMatvec,
  checkSelectLabels,
  checkSliceBits,
  checkTranspose,
} from './check.ts'
import type { Kernels } from './interface.ts'
import { nativeHe } from './native-he.ts'
import { expandLabels } from './reference/labels.ts'
import { transferKernels } from './reference/transfers.ts'

/** What people read in place of the addon's own short names. */
const TITLES: Record<InstructionSet, string> = {
  portable: 'portable',
  armv8: 'armv8-aes-neon',
  avx2: 'aesni-avx2',
  vaes256: 'vaes-avx2',
  vaes512: 'vaes-avx512',
}

function nativeTransfers(addon: NativeAddon, set: number): Pick<Kernels, 'cotChoose' | 'cotLabels' | 'cotSend'> {
  return {
    cotChoose(leaves, firstBlock, n, choices) {
      checkLeafKeys(leaves, firstBlock, n)
      checkChoices(choices, n)
      return addon.cotChoose(set, leaves.bits, leaves.keys, firstBlock, n, choices)
    },
    cotLabels(leaves, firstBlock, n, memory) {
      checkLeafKeys(leaves, firstBlock, n)
      checkLabelMemory(n, memory)
      return addon.cotLabels(set, leaves.bits, leaves.keys, firstBlock, n, memory)
    },
    cotSend(leaves, firstBlock, n, delta, message, memory) {
      checkLeafKeys(leaves, firstBlock, n)
      checkCorrelation(leaves, n, delta, message)
      checkLabelMemory(n, memory)
      return addon.cotSend(set, leaves.bits, leaves.keys, firstBlock, n, delta, message, memory)
    },
  }
}

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
        input.tables,
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
    // AES-CTR under one key is what node:crypto is fast at already.
    expandLabels,
    selectLabels(zero, bits, wires, instances, delta) {
      checkSelectLabels(zero, bits, wires, instances, delta)
      return addon.selectLabels(wires, instances, zero, bits, delta)
    },
    ...(addon.transfers.includes(set)
      ? nativeTransfers(addon, set)
      : transferKernels((matrix, n) => addon.transpose128(n, matrix))),
    transpose128(matrix, n) {
      checkTranspose(matrix, n)
      return addon.transpose128(n, matrix)
    },
    sliceBits(words, stride, n, bits) {
      checkSliceBits(words, stride, n, bits)
      return addon.sliceBits(stride, n, bits, words)
    },
    joinBits(sliced, stride, n, bits) {
      checkJoinBits(sliced, stride, n, bits)
      return addon.joinBits(stride, n, bits, sliced)
    },
    conv2d(words, stride, weights, g) {
      checkConv(words, stride, weights, g)
      return addon.conv2d(
        set,
        stride,
        g.inChannels,
        g.inHeight,
        g.inWidth,
        g.outChannels,
        g.kernelHeight,
        g.kernelWidth,
        g.stride,
        g.padding,
        g.groups,
        words,
        weights,
      )
    },
    matvec(words, stride, weights, rows, cols) {
      checkMatvec(words, stride, weights, rows, cols)
      return addon.matvec(set, stride, rows, cols, words, weights)
    },
    he: nativeHe(addon, set),
  })
}
