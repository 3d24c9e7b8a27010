/**
 * The ReLU of DELPHI (Mishra et al. 2020, section 5.1) over Z_2^l with exact truncation and a fresh mask, in one circuit.
 */
import { MAX_BITS } from '../../ring/ring.ts'
import type { Circuit } from '../../kernels/interface.ts'
import { CircuitBuilder } from './builder.ts'
import { cached, checkRange } from './cache.ts'

export interface ReluParameters {
  /** l: width of the shares that go in, 2..59. */
  readonly l: number
  /** f: fractional bits dropped after the ReLU; from l - 1 on nothing is left of the value. */
  readonly shift: number
  /** Width of the result: shares of it live in Z_2^outBits. */
  readonly outBits: number
}

/**
 * (relu(x) >> shift) + n mod 2^outBits, with x = (c + s) mod 2^l in two's complement.
 *
 * Garbler inputs: l bits of the server's share s. Evaluator inputs: l bits of the client's share c, then outBits bits
 * of n = -r_next mod 2^outBits. All least significant bit first.
 *
 * {@link reluAndGates} ANDs: the addition needs every carry but the last, the sign masks the bits that are kept,
 * and the sum with n needs every carry but the last.
 */
export function reluCircuit({ l, shift, outBits }: ReluParameters): Circuit {
  checkRange('l', l, 2, MAX_BITS)
  checkRange('shift', shift, 0, MAX_BITS)
  checkRange('outBits', outBits, 1, MAX_BITS)
  return cached(`relu ${l} ${shift} ${outBits}`, () => {
    const b = new CircuitBuilder(l, l + outBits)
    const x = b.add(b.evaluatorWord(0, l), b.garblerWord(0, l))
    const y = b.maskWord(b.not(x[l - 1]), x.slice(shift, l - 1))
    return b.build(b.add(b.evaluatorWord(l, outBits), y))
  })
}

/** AND gates of {@link reluCircuit}. */
export function reluAndGates({ l, shift, outBits }: ReluParameters): number {
  const kept = Math.min(l - 1 - shift, outBits)
  return kept <= 0 ? 0 : l - 1 + kept + outBits - 1
}
