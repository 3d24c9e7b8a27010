/**
 * The garbler's side of half gates with free XOR and point-and-permute ("Two Halves Make a Whole", Zahur, Rosulek,
 * Evans 2015, figure 2). NOT is free: its zero label is the input's one label.
 */
import { checkGarble, packedRow } from '../check.ts'
import { GATE_AND, GATE_XOR, type GarbleInput, type GarbleOutput } from '../interface.ts'
import { Mitccr } from './mitccr.ts'
import { BLOCK, loadInputs, storeColours } from './wires.ts'
import { asBytes, asWords } from './words.ts'

export function garble(input: GarbleInput): GarbleOutput {
  checkGarble(input)
  const { circuit, instances } = input
  const { gates } = circuit
  const hash = new Mitccr(input.start)
  const delta = asWords(input.delta)
  const garblerZero = asWords(input.garblerZero)
  const evaluatorZero = asWords(input.evaluatorZero)
  const tables = new Int32Array(circuit.andGates * instances * 8)
  const decode = new Uint8Array(circuit.outputs.length * packedRow(instances))
  const wires = new Int32Array(circuit.wires * BLOCK * 4)
  const h = new Int32Array(16) // H(a0), H(a1), H(b0), H(b1)

  for (let from = 0; from < instances; from += BLOCK) {
    const size = Math.min(BLOCK, instances - from)
    loadInputs(wires, garblerZero, 0, circuit.garblerInputs, instances, from, size)
    loadInputs(wires, evaluatorZero, circuit.garblerInputs, circuit.evaluatorInputs, instances, from, size)
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
        for (let i = 0; i < size * 4; i++) wires[o + i] = wires[a + i] ^ delta[i & 3]
        continue
      }
      const generatorTweak = input.firstTweak + 2 * and * instances + from
      let row = (and * instances + from) * 8
      for (let j = 0; j < size; j++) {
        const [a0, a1, a2, a3] = [wires[a], wires[a + 1], wires[a + 2], wires[a + 3]]
        const [b0, b1, b2, b3] = [wires[b], wires[b + 1], wires[b + 2], wires[b + 3]]
        hash.rekey(generatorTweak + j)
        hash.hash(a0, a1, a2, a3, h, 0)
        hash.hash(a0 ^ delta[0], a1 ^ delta[1], a2 ^ delta[2], a3 ^ delta[3], h, 4)
        hash.rekey(generatorTweak + instances + j)
        hash.hash(b0, b1, b2, b3, h, 8)
        hash.hash(b0 ^ delta[0], b1 ^ delta[1], b2 ^ delta[2], b3 ^ delta[3], h, 12)
        const pa = -(a0 & 1) // all ones when the colour is set
        const pb = -(b0 & 1)
        for (let i = 0; i < 4; i++) {
          const generator = h[i] ^ h[4 + i] ^ (pb & delta[i])
          const evaluator = h[8 + i] ^ h[12 + i] ^ wires[a + i]
          tables[row + i] = generator
          tables[row + 4 + i] = evaluator
          // h[8 + i] xor h[12 + i] is the evaluator row xor a0.
          wires[o + i] = h[i] ^ (pa & generator) ^ h[8 + i] ^ (pb & (h[8 + i] ^ h[12 + i]))
        }
        a += 4
        b += 4
        o += 4
        row += 8
      }
      and++
    }
    storeColours(decode, wires, circuit, instances, from, size)
  }
  if (input.tables === undefined) return { tables: asBytes(tables), decode }
  input.tables.set(asBytes(tables))
  return { tables: input.tables, decode }
}
