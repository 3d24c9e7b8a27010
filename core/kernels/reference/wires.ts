/** What garbling and evaluating share: blocks of instances, input loading, colour bits. */
import { packedRow } from '../check.ts'
import type { Circuit } from '../interface.ts'

/** Instances handled side by side; keeps one block's wires in a second-level cache. A multiple of 8. */
export const BLOCK = 32

/** Copies one block of the input labels into `wires`, [wire][BLOCK][4 words]. */
export function loadInputs(
  wires: Int32Array,
  inputs: Int32Array,
  firstWire: number,
  count: number,
  instances: number,
  from: number,
  size: number,
): void {
  for (let w = 0; w < count; w++) {
    const at = (w * instances + from) * 4
    wires.set(inputs.subarray(at, at + size * 4), (firstWire + w) * BLOCK * 4)
  }
}

/** Writes the colour bits of one block's outputs to the packed array `out`, [outputs][ceil(instances / 8)]. */
export function storeColours(
  out: Uint8Array,
  wires: Int32Array,
  circuit: Circuit,
  instances: number,
  from: number,
  size: number,
): void {
  const row = packedRow(instances)
  for (let o = 0; o < circuit.outputs.length; o++) {
    const at = circuit.outputs[o] * BLOCK * 4
    for (let j = 0; j < size; j++) {
      const i = from + j
      out[o * row + (i >>> 3)] |= (wires[at + j * 4] & 1) << (i & 7)
    }
  }
}
