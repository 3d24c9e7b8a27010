/**
 * Runs a circuit in the clear, bit-sliced over many instances: what garbling must agree with, and what the
 * simulator uses in its place.
 */
import { GATE_AND, GATE_XOR, type Circuit } from '../../kernels/interface.ts'

/**
 * Output bits, packed [outputs][ceil(instances / 8)], from inputs packed the same way
 * ([garblerInputs][...] and [evaluatorInputs][...]).
 */
export function evaluatePlain(
  circuit: Circuit,
  instances: number,
  garblerBits: Uint8Array,
  evaluatorBits: Uint8Array,
): Uint8Array {
  const row = Math.ceil(instances / 8)
  if (garblerBits.length !== circuit.garblerInputs * row || evaluatorBits.length !== circuit.evaluatorInputs * row) {
    throw new RangeError(
      `inputs take ${circuit.garblerInputs * row} and ${circuit.evaluatorInputs * row} bytes, ` +
        `got ${garblerBits.length} and ${evaluatorBits.length}`,
    )
  }
  const wires = new Uint8Array(circuit.wires * row)
  wires.set(garblerBits)
  wires.set(evaluatorBits, garblerBits.length)
  const { gates, outputs } = circuit
  for (let g = 0; g < gates.length; g += 4) {
    const a = gates[g + 1] * row
    const b = gates[g + 2] * row
    const out = gates[g + 3] * row
    if (gates[g] === GATE_AND) for (let i = 0; i < row; i++) wires[out + i] = wires[a + i] & wires[b + i]
    else if (gates[g] === GATE_XOR) for (let i = 0; i < row; i++) wires[out + i] = wires[a + i] ^ wires[b + i]
    else for (let i = 0; i < row; i++) wires[out + i] = ~wires[a + i]
  }
  const result = new Uint8Array(outputs.length * row)
  // NOT sets the unused bits of a row; the format says they are zero.
  const lastMask = instances % 8 === 0 ? 0xff : (1 << (instances % 8)) - 1
  for (let o = 0; o < outputs.length; o++) {
    result.set(wires.subarray(outputs[o] * row, (outputs[o] + 1) * row), o * row)
    if (row > 0) result[(o + 1) * row - 1] &= lastMask
  }
  return result
}
