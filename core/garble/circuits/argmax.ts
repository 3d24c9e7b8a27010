/** Index of the largest of several shared logits, for output that reveals the label and nothing else. */
import { MAX_BITS } from '../../ring/ring.ts'
import type { Circuit } from '../../kernels/interface.ts'
import { CircuitBuilder, ZERO, type Wire, type Word } from './builder.ts'
import { cached, checkRange } from './cache.ts'

/** Largest number of classes. */
export const MAX_CLASSES = 4096

export interface ArgmaxParameters {
  /** l: width of the shares of the logits, 2..59. */
  readonly l: number
  /** Number of logits, 2..4096. */
  readonly classes: number
}

/** Bits of the index of one of `classes` classes: ceil(log2 classes). */
export function labelBits(classes: number): number {
  return 32 - Math.clz32(classes - 1)
}

/** Largest power of two below n >= 2. */
function split(n: number): number {
  return 2 ** (labelBits(n) - 1)
}

/**
 * Index of the largest logit (c_j + s_j) mod 2^l in two's complement, the lowest index on ties, in
 * {@link labelBits} bits.
 *
 * Garbler inputs: l bits of s_0, then of s_1, ... Evaluator inputs: the same of c_0, c_1, ... Least significant
 * bit first.
 *
 * A knock-out whose left half is the largest power of two: the winner's index gets each new top bit for free.
 */
export function argmaxCircuit({ l, classes }: ArgmaxParameters): Circuit {
  checkRange('l', l, 2, MAX_BITS)
  checkRange('classes', classes, 2, MAX_CLASSES)
  return cached(`argmax ${l} ${classes}`, () => {
    const b = new CircuitBuilder(classes * l, classes * l)
    const best = (first: number, count: number): { readonly value: Word; readonly index: Word } => {
      if (count === 1) return { value: b.add(b.evaluatorWord(first * l, l), b.garblerWord(first * l, l)), index: [] }
      const half = split(count)
      const left = best(first, half)
      const right = best(first + half, count - half)
      // Strictly greater: on a tie the lower index stays.
      const later = b.greaterSigned(right.value, left.value)
      const low: Wire[] = left.index.map((w, i) => b.select(later, right.index[i] ?? ZERO, w))
      return { value: b.selectWord(later, right.value, left.value), index: [...low, later] }
    }
    return b.build(best(0, classes).index)
  })
}

/** AND gates of {@link argmaxCircuit}: additions, comparisons, winners' values (but the last), winners' indices. */
export function argmaxAndGates({ l, classes }: ArgmaxParameters): number {
  const indices = (n: number): number => (n === 1 ? 0 : indices(split(n)) + indices(n - split(n)) + Math.log2(split(n)))
  return classes * (l - 1) + (classes - 1) * l + (classes - 2) * l + indices(classes)
}
