/** Maximum over a pooling window of shared values, with optional ReLU, exact truncation and a fresh mask. */
import { MAX_BITS } from '../../ring/ring.ts'
import type { Circuit } from '../../kernels/interface.ts'
import { CircuitBuilder, resizeSigned, type Word } from './builder.ts'
import { cached, checkRange } from './cache.ts'

/** Largest number of values in one window. */
export const MAX_WINDOWS = 64

export interface MaxPoolParameters {
  /** l: width of the shares that go in, 2..59. */
  readonly l: number
  /** f: fractional bits dropped (arithmetic floor). */
  readonly shift: number
  /** Width of the result: shares of it live in Z_2^outBits. */
  readonly outBits: number
  /** Values per window, 1..64. Windows cut by an edge have fewer and use a circuit of their own. */
  readonly windows: number
  /** ReLU of the maximum. */
  readonly relu: boolean
}

/**
 * (max_w x_w >> shift) + n mod 2^outBits, or with relu(max_w x_w), where x_w = (c_w + s_w) mod 2^l in two's
 * complement. Without ReLU the shifted value is sign-extended to outBits.
 *
 * Garbler inputs: l bits of s_0, then of s_1, ... Evaluator inputs: the same of c_0, c_1, ..., then outBits bits of
 * n = -r_next mod 2^outBits. All least significant bit first.
 *
 * The floor is monotone, so it commutes with the maximum and only the bits that survive it are compared. With ReLU
 * the running maximum starts at relu(x_0): it needs no sign bit then, which saves an AND a comparison.
 */
export function maxPoolCircuit(parameters: MaxPoolParameters): Circuit {
  const { l, shift, outBits, windows, relu } = parameters
  checkRange('l', l, 2, MAX_BITS)
  checkRange('shift', shift, 0, MAX_BITS)
  checkRange('outBits', outBits, 1, MAX_BITS)
  checkRange('windows', windows, 1, MAX_WINDOWS)
  return cached(`maxPool ${l} ${shift} ${outBits} ${windows} ${relu}`, () => {
    const b = new CircuitBuilder(windows * l, windows * l + outBits)
    // x_w >> shift: at least the sign is left of it.
    const value = (w: number): Word =>
      b.add(b.evaluatorWord(w * l, l), b.garblerWord(w * l, l)).slice(Math.min(shift, l - 1))
    const first = value(0)
    const top = first.length - 1
    let best: Word
    if (relu) {
      best = b.maskWord(b.not(first[top]), first.slice(0, top))
      for (let w = 1; w < windows; w++) {
        const x = value(w)
        const rest = x.slice(0, top)
        best = b.selectWord(b.and(b.not(x[top]), b.greaterUnsigned(rest, best)), rest, best)
      }
    } else {
      best = first
      for (let w = 1; w < windows; w++) {
        const x = value(w)
        best = b.selectWord(b.greaterSigned(x, best), x, best)
      }
      best = resizeSigned(best, outBits)
    }
    return b.build(b.add(b.evaluatorWord(windows * l, outBits), best))
  })
}

/** AND gates of {@link maxPoolCircuit}. */
export function maxPoolAndGates({ l, shift, outBits, windows, relu }: MaxPoolParameters): number {
  const low = Math.max(0, l - 1 - shift)
  if (relu && low === 0) return 0
  const perValue = relu ? low : low + 1
  // Compare all bits (with ReLU, one more AND for the sign); only the last selection may be cut to outBits.
  const compare = low + 1
  const full = Math.max(0, windows - 2) * (compare + perValue)
  const last = windows > 1 ? compare + Math.min(perValue, outBits) : 0
  const mask = relu ? (windows > 1 ? low : Math.min(low, outBits)) : 0
  // A single value without ReLU is only truncated, so bits above the result need no carry.
  const sum = windows === 1 && !relu ? Math.min(l - 1, shift + outBits - 1) : l - 1
  return windows * sum + mask + full + last + outBits - 1
}
