/** Circuits against integer arithmetic: every input for small widths, gate counts against the formulas. */
import { describe, expect, it } from 'vitest'
import {
  argmaxAndGates,
  argmaxCircuit,
  CircuitBuilder,
  evaluatePlain,
  labelBits,
  maxPoolAndGates,
  maxPoolCircuit,
  ONE,
  reluAndGates,
  reluCircuit,
  ZERO,
  type Word,
} from '../../core/garble/circuits/index.ts'
import { GATE_AND, GATE_XOR, type Circuit } from '../../core/kernels/interface.ts'

const signed = (v: number, bits: number): number => (v >= 2 ** (bits - 1) ? v - 2 ** bits : v)
const mod = (v: number, bits: number): number => ((v % 2 ** bits) + 2 ** bits) % 2 ** bits

/** Packs numbers, one list per instance, each number `bits[i]` wide, into a bit array. */
function packInputs(instances: readonly (readonly number[])[], bits: readonly number[]): Uint8Array {
  const row = Math.ceil(instances.length / 8)
  const out = new Uint8Array(bits.reduce((a, b) => a + b, 0) * row)
  instances.forEach((values, j) => {
    let wire = 0
    values.forEach((value, i) => {
      for (let k = 0; k < bits[i]; k++, wire++) {
        if (Math.floor(value / 2 ** k) % 2 === 1) out[wire * row + (j >> 3)] |= 1 << (j & 7)
      }
    })
  })
  return out
}

function unpackOutputs(sliced: Uint8Array, instances: number, bits: number): number[] {
  const row = Math.ceil(instances / 8)
  return Array.from({ length: instances }, (_, j) => {
    let v = 0
    for (let k = 0; k < bits; k++) v += ((sliced[k * row + (j >> 3)] >> (j & 7)) & 1) * 2 ** k
    return v
  })
}

/** Every combination of `count` numbers of `bits` bits. */
function everyTuple(count: number, bits: number): number[][] {
  let tuples: number[][] = [[]]
  for (let i = 0; i < count; i++) {
    tuples = tuples.flatMap((t) => Array.from({ length: 2 ** bits }, (_, v) => [...t, v]))
  }
  return tuples
}

function wellFormed(circuit: Circuit): void {
  const inputs = circuit.garblerInputs + circuit.evaluatorInputs
  const read = new Set<number>(circuit.outputs)
  let ands = 0
  for (let g = 0; g < circuit.gates.length / 4; g++) {
    const [op, a, b, out] = circuit.gates.subarray(4 * g, 4 * g + 4)
    expect(out).toBe(inputs + g)
    expect(a).toBeLessThan(out)
    expect(b).toBeLessThan(out)
    expect(Math.min(a, b)).toBeGreaterThanOrEqual(0)
    read.add(a)
    if (op === GATE_AND || op === GATE_XOR) read.add(b)
    if (op === GATE_AND) ands++
  }
  expect(circuit.wires).toBe(inputs + circuit.gates.length / 4)
  expect(circuit.andGates).toBe(ands)
  for (let w = inputs; w < circuit.wires; w++) expect(read.has(w)).toBe(true)
}

/** Checks output numbers on all given instances of (garbler numbers, evaluator numbers). */
function check(
  circuit: Circuit,
  widths: { readonly garbler: readonly number[]; readonly evaluator: readonly number[] },
  cases: readonly {
    readonly garbler: readonly number[]
    readonly evaluator: readonly number[]
    readonly want: number
  }[],
): void {
  const out = evaluatePlain(
    circuit,
    cases.length,
    packInputs(
      cases.map((c) => c.garbler),
      widths.garbler,
    ),
    packInputs(
      cases.map((c) => c.evaluator),
      widths.evaluator,
    ),
  )
  const got = unpackOutputs(out, cases.length, circuit.outputs.length)
  expect(got).toEqual(cases.map((c) => c.want))
}

describe('circuit builder', () => {
  const two = (op: (b: CircuitBuilder, x: Word, y: Word) => Word, width: number): Circuit => {
    const b = new CircuitBuilder(width, width)
    return b.build(op(b, b.garblerWord(0, width), b.evaluatorWord(0, width)))
  }

  it.each([1, 2, 3, 4])('adds, subtracts, compares and selects all pairs of %i bits', (w) => {
    const pairs = everyTuple(2, w)
    const cases = (want: (x: number, y: number) => number) =>
      pairs.map(([x, y]) => ({ garbler: [x], evaluator: [y], want: want(x, y) }))
    const widths = { garbler: [w], evaluator: [w] }
    const blocks: readonly [Circuit, number, (x: number, y: number) => number][] = [
      [two((b, x, y) => b.add(x, y), w), w - 1, (x, y) => mod(x + y, w)],
      [two((b, x, y) => b.sub(x, y), w), w - 1, (x, y) => mod(x - y, w)],
      [two((b, x, y) => [b.greaterUnsigned(x, y)], w), w, (x, y) => Number(x > y)],
      [two((b, x, y) => [b.greaterSigned(x, y)], w), w, (x, y) => Number(signed(x, w) > signed(y, w))],
      [two((b, x, y) => b.selectWord(x[0], x, y), w), w, (x, y) => (x % 2 === 1 ? x : y)],
      [two((b, x, y) => b.maskWord(b.not(y[w - 1]), x), w), w, (x, y) => (signed(y, w) < 0 ? 0 : x)],
    ]
    for (const [circuit, ands, want] of blocks) {
      wellFormed(circuit)
      expect(circuit.andGates).toBe(ands)
      check(circuit, widths, cases(want))
    }
  })

  it('folds constants and keeps only gates that reach an output', () => {
    const b = new CircuitBuilder(1, 1)
    const [x] = b.garblerWord(0, 1)
    const [y] = b.evaluatorWord(0, 1)
    expect([b.xor(x, x), b.xor(x, ZERO), b.and(x, ONE), b.and(x, ZERO), b.and(x, x)]).toEqual([ZERO, x, x, ZERO, x])
    expect(b.not(b.not(x))).toBe(x)
    expect([b.not(ONE), b.not(ZERO), b.xor(ONE, ONE), b.xor(ONE, ZERO)]).toEqual([ZERO, ONE, ZERO, ONE])
    b.and(x, b.xor(x, y))
    const circuit = b.build([b.xor(x, y), y])
    expect(circuit.gates).toEqual(Int32Array.from([GATE_XOR, 0, 1, 2]))
    expect(circuit.andGates).toBe(0)
    expect(() => b.build([ONE])).toThrow(TypeError)
  })
})

describe('ReLU circuit', () => {
  it.each([2, 3, 4])('is exact on every pair of shares of %i bits, every shift, several output widths', (l) => {
    for (let shift = 0; shift <= l + 1; shift++) {
      for (const outBits of [1, 2, l, l + 2]) {
        const circuit = reluCircuit({ l, shift, outBits })
        wellFormed(circuit)
        expect(circuit.andGates).toBe(reluAndGates({ l, shift, outBits }))
        const cases = everyTuple(2, l).flatMap(([s, c]) =>
          [0, 1, 2 ** outBits - 1, (5 * s + 3 * c) % 2 ** outBits].map((n) => {
            const x = signed(mod(c + s, l), l)
            return { garbler: [s], evaluator: [c, n], want: mod(Math.floor(Math.max(0, x) / 2 ** shift) + n, outBits) }
          }),
        )
        check(circuit, { garbler: [l], evaluator: [l, outBits] }, cases)
      }
    }
  })

  it('takes (l - 1) + (l - 1 - f) + (k - 1) ANDs when the result fits', () => {
    for (const [l, f, k] of [
      [32, 12, 32],
      [32, 12, 59],
      [24, 8, 24],
      [59, 20, 59],
      [20, 0, 37],
    ]) {
      expect(reluCircuit({ l, shift: f, outBits: k }).andGates).toBe(l - 1 + (l - 1 - f) + (k - 1))
    }
    // The figure of the protocol notes.
    expect(reluCircuit({ l: 32, shift: 12, outBits: 32 }).andGates).toBe(81)
    expect(reluCircuit({ l: 32, shift: 4, outBits: 8 }).andGates).toBe(31 + 8 + 7)
  })

  it('costs nothing when the shift leaves no bit', () => {
    const circuit = reluCircuit({ l: 8, shift: 7, outBits: 8 })
    expect([circuit.andGates, circuit.gates.length]).toEqual([0, 0])
  })

  it('is built once per parameters', () => {
    expect(reluCircuit({ l: 9, shift: 2, outBits: 9 })).toBe(reluCircuit({ l: 9, shift: 2, outBits: 9 }))
    expect(reluCircuit({ l: 9, shift: 2, outBits: 9 })).not.toBe(reluCircuit({ l: 9, shift: 3, outBits: 9 }))
  })

  it('refuses parameters outside their ranges', () => {
    expect(() => reluCircuit({ l: 1, shift: 0, outBits: 4 })).toThrow(RangeError)
    expect(() => reluCircuit({ l: 8, shift: -1, outBits: 4 })).toThrow(RangeError)
    expect(() => reluCircuit({ l: 8, shift: 0, outBits: 60 })).toThrow(RangeError)
  })
})

describe('max-pool circuit', () => {
  it.each([
    [1, 4],
    [2, 3],
    [3, 2],
  ])('is exact on all shares: windows of %i, %i bits', (windows, l) => {
    for (const relu of [false, true]) {
      for (let shift = 0; shift <= l; shift++) {
        for (const outBits of [1, l, l + 2]) {
          const parameters = { l, shift, outBits, windows, relu }
          const circuit = maxPoolCircuit(parameters)
          wellFormed(circuit)
          expect(circuit.andGates).toBe(maxPoolAndGates(parameters))
          const cases = everyTuple(2 * windows, l).map((shares, j) => {
            const s = shares.slice(0, windows)
            const c = shares.slice(windows)
            const n = (7 * j) % 2 ** outBits
            const x = s.map((v, i) => signed(mod(v + c[i], l), l))
            const best = Math.max(...x, ...(relu ? [0] : []))
            return { garbler: s, evaluator: [...c, n], want: mod(Math.floor(best / 2 ** shift) + n, outBits) }
          })
          check(circuit, { garbler: s(windows, l), evaluator: [...s(windows, l), outBits] }, cases)
        }
      }
    }
  })

  it('counts ANDs for real windows', () => {
    for (const windows of [1, 4, 9, 64]) {
      for (const relu of [false, true]) {
        const parameters = { l: 24, shift: 8, outBits: 24, windows, relu }
        expect(maxPoolCircuit(parameters).andGates).toBe(maxPoolAndGates(parameters))
      }
    }
  })
})

describe('argmax circuit', () => {
  it.each([
    [2, 3],
    [3, 2],
  ])('gives the lowest index of the largest on all shares: %i classes, %i bits', (classes, l) => {
    const circuit = argmaxCircuit({ l, classes })
    wellFormed(circuit)
    expect(circuit.outputs.length).toBe(labelBits(classes))
    const cases = everyTuple(2 * classes, l).map((shares) => {
      const x = shares.slice(0, classes).map((v, i) => signed(mod(v + shares[classes + i], l), l))
      return { garbler: shares.slice(0, classes), evaluator: shares.slice(classes), want: x.indexOf(Math.max(...x)) }
    })
    check(circuit, { garbler: s(classes, l), evaluator: s(classes, l) }, cases)
  })

  it.each([4, 5, 6, 7])('finds every tie among %i classes of 2 bits', (classes) => {
    const l = 2
    const cases = everyTuple(classes, l).map((c, j) => {
      const x = c.map((v, i) => signed(mod(v + ((j + i) % 4), l), l))
      return { garbler: c.map((_, i) => (j + i) % 4), evaluator: c, want: x.indexOf(Math.max(...x)) }
    })
    check(argmaxCircuit({ l, classes }), { garbler: s(classes, l), evaluator: s(classes, l) }, cases)
  })

  it('counts ANDs and label bits', () => {
    for (const classes of [2, 3, 5, 10, 64, 100, 1000]) {
      expect(argmaxCircuit({ l: 20, classes }).andGates).toBe(argmaxAndGates({ l: 20, classes }))
    }
    // Two additions of 2 ANDs, one comparison of 3.
    expect(argmaxCircuit({ l: 3, classes: 2 }).andGates).toBe(7)
    expect(labelBits(2)).toBe(1)
    expect(labelBits(10)).toBe(4)
    expect(labelBits(1000)).toBe(10)
  })
})

function s(count: number, width: number): number[] {
  return new Array<number>(count).fill(width)
}
