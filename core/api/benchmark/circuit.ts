/** The circuit that garbling is measured on. */
import { GATE_AND, GATE_XOR, type Circuit } from '../../kernels/index.ts'

/** Add, mask by the sign, subtract: the shape of a 32-bit ReLU with truncation by 12, 81 AND gates. */
export function benchCircuit(): Circuit {
  const [l, f] = [32, 12]
  const gates: number[] = []
  let wires = 3 * l
  const gate = (op: number, a: number, b: number): number => {
    gates.push(op, a, b, wires)
    return wires++
  }
  const xor = (a: number, b: number): number => gate(GATE_XOR, a, b)
  // Ripple-carry addition with one AND a bit: carry' = ((x ^ c) & (y ^ c)) ^ c.
  const add = (x: number[], y: number[]): number[] => {
    const out = [xor(x[0], y[0])]
    let carry = gate(GATE_AND, x[0], y[0])
    for (let i = 1; i < x.length; i++) {
      out.push(xor(xor(x[i], y[i]), carry))
      if (i < x.length - 1) carry = xor(gate(GATE_AND, xor(x[i], carry), xor(y[i], carry)), carry)
    }
    return out
  }
  const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i)
  const sum = add(range(0, l), range(l, l))
  const kept = sum.slice(f, l - 1).map((bit) => gate(GATE_AND, bit, sum[l - 1]))
  const outputs = add([...kept, ...range(2 * l + kept.length, l - kept.length)], range(2 * l, l))
  const andGates = gates.filter((op, i) => i % 4 === 0 && op === GATE_AND).length
  return {
    garblerInputs: l,
    evaluatorInputs: 2 * l,
    gates: Int32Array.from(gates),
    andGates,
    wires,
    outputs: Int32Array.from(outputs),
  }
}
