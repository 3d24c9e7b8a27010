/** The evaluator's side of half gates; see garble.ts. NOT is free: the active label stays. */
import { checkEvaluate, packedRow } from '../check.ts'
import { GATE_AND, GATE_XOR, type EvaluateInput } from '../interface.ts'
import { Mitccr } from './mitccr.ts'
import { BLOCK, loadInputs, storeColours } from './wires.ts'
import { asWords } from './words.ts'

export function evaluate(input: EvaluateInput): Uint8Array {
  checkEvaluate(input)
  const { circuit, instances } = input
  const { gates } = circuit
  const hash = new Mitccr(input.start)
  const garblerLabels = asWords(input.garblerLabels)
  const evaluatorLabels = asWords(input.evaluatorLabels)
  const tables = asWords(input.tables)
  const colours = new Uint8Array(circuit.outputs.length * packedRow(instances))
  const wires = new Int32Array(circuit.wires * BLOCK * 4)
  const h = new Int32Array(8) // H(a), H(b)

  for (let from = 0; from < instances; from += BLOCK) {
    const size = Math.min(BLOCK, instances - from)
    loadInputs(wires, garblerLabels, 0, circuit.garblerInputs, instances, from, size)
    loadInputs(wires, evaluatorLabels, circuit.garblerInputs, circuit.evaluatorInputs, instances, from, size)
    let and = 0
    for (let g = 0; g < gates.length; g += 4) {
      let a = gates[g + 1] * BLOCK * 4
      let b = gates[g + 2] * BLOCK * 4
      let o = gates[g + 3] * BLOCK * 4
      if (gates[g] === GATE_XOR) {
        for (let i = 0; i < size * 4; i++) wires[o + i] = wires[a + i] ^ wires[b + i]
        continue
      }
      if (gates[g] !== GATE_AND) {
        wires.copyWithin(o, a, a + size * 4)
        continue
      }
      const generatorTweak = input.firstTweak + 2 * and * instances + from
      let row = (and * instances + from) * 8
      for (let j = 0; j < size; j++) {
        hash.rekey(generatorTweak + j)
        hash.hash(wires[a], wires[a + 1], wires[a + 2], wires[a + 3], h, 0)
        hash.rekey(generatorTweak + instances + j)
        hash.hash(wires[b], wires[b + 1], wires[b + 2], wires[b + 3], h, 4)
        const sa = -(wires[a] & 1)
        const sb = -(wires[b] & 1)
        for (let i = 0; i < 4; i++) {
          wires[o + i] = h[i] ^ (sa & tables[row + i]) ^ h[4 + i] ^ (sb & (tables[row + 4 + i] ^ wires[a + i]))
        }
        a += 4
        b += 4
        o += 4
        row += 8
      }
      and++
    }
    storeColours(colours, wires, circuit, instances, from, size)
  }
  return colours
}
