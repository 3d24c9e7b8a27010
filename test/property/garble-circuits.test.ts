/** Circuits of every width against integers, on random shares. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  argmaxAndGates,
  argmaxCircuit,
  evaluatePlain,
  maxPoolAndGates,
  maxPoolCircuit,
  reluAndGates,
  reluCircuit,
} from '../../core/garble/circuits/index.ts'
import type { Circuit } from '../../core/kernels/interface.ts'

/** Bits of one instance: a byte a wire. */
function bitsOf(values: readonly bigint[], widths: readonly number[]): Uint8Array {
  return Uint8Array.from(
    values.flatMap((v, i) => Array.from({ length: widths[i] }, (_, k) => Number((v >> BigInt(k)) & 1n))),
  )
}

function run(circuit: Circuit, garbler: Uint8Array, evaluator: Uint8Array): bigint {
  const out = evaluatePlain(circuit, 1, garbler, evaluator)
  return out.reduceRight((sum, bit) => 2n * sum + BigInt(bit), 0n)
}

const element = (bits: number): fc.Arbitrary<bigint> => fc.bigInt({ min: 0n, max: 2n ** BigInt(bits) - 1n })
const width = fc.integer({ min: 2, max: 59 })
/** A value near zero, near the extremes or anywhere, as two shares. */
const sharedValue = (l: number): fc.Arbitrary<{ x: bigint; c: bigint; s: bigint }> => {
  const half = 2n ** BigInt(l - 1)
  const value = fc.oneof(
    fc.bigInt({ min: -half, max: half - 1n }),
    fc.constantFrom(0n, 1n, -1n, half - 1n, -half).filter((v) => v >= -half && v < half),
  )
  return fc.tuple(value, element(l)).map(([x, c]) => ({ x, c, s: BigInt.asUintN(l, x - c) }))
}
const max = (values: readonly bigint[]): bigint => values.reduce((a, b) => (a > b ? a : b))

describe('circuits', () => {
  it('ReLU: value and AND gates', () => {
    const cases = fc
      .record({ l: width, shift: fc.integer({ min: 0, max: 59 }), outBits: width })
      .chain((p) => fc.record({ p: fc.constant(p), v: sharedValue(p.l), n: element(p.outBits) }))
    fc.assert(
      fc.property(cases, ({ p, v, n }) => {
        const circuit = reluCircuit(p)
        expect(circuit.andGates).toBe(reluAndGates(p))
        const got = run(circuit, bitsOf([v.s], [p.l]), bitsOf([v.c, n], [p.l, p.outBits]))
        const want = max([v.x, 0n]) >> BigInt(p.shift)
        expect(got).toBe(BigInt.asUintN(p.outBits, want + n))
      }),
      { numRuns: 500 },
    )
  })

  it('max-pool: value and AND gates', () => {
    const cases = fc
      .record({
        l: width,
        shift: fc.integer({ min: 0, max: 59 }),
        outBits: width,
        windows: fc.integer({ min: 1, max: 9 }),
        relu: fc.boolean(),
      })
      .chain((p) =>
        fc.record({
          p: fc.constant(p),
          v: fc.array(sharedValue(p.l), { minLength: p.windows, maxLength: p.windows }),
          n: element(p.outBits),
        }),
      )
    fc.assert(
      fc.property(cases, ({ p, v, n }) => {
        const circuit = maxPoolCircuit(p)
        expect(circuit.andGates).toBe(maxPoolAndGates(p))
        const widths = v.map(() => p.l)
        const evaluator = bitsOf([...v.map((e) => e.c), n], [...widths, p.outBits])
        const got = run(
          circuit,
          bitsOf(
            v.map((e) => e.s),
            widths,
          ),
          evaluator,
        )
        const best = max([...v.map((e) => e.x), ...(p.relu ? [0n] : [])])
        expect(got).toBe(BigInt.asUintN(p.outBits, (best >> BigInt(p.shift)) + n))
      }),
      { numRuns: 300 },
    )
  })

  it('argmax: lowest index of the largest, and AND gates', () => {
    const cases = fc.record({ l: width, classes: fc.integer({ min: 2, max: 40 }) }).chain((p) =>
      fc.record({
        p: fc.constant(p),
        v: fc.array(sharedValue(p.l), { minLength: p.classes, maxLength: p.classes }),
      }),
    )
    fc.assert(
      fc.property(cases, ({ p, v }) => {
        const circuit = argmaxCircuit(p)
        expect(circuit.andGates).toBe(argmaxAndGates(p))
        const widths = v.map(() => p.l)
        const got = run(
          circuit,
          bitsOf(
            v.map((e) => e.s),
            widths,
          ),
          bitsOf(
            v.map((e) => e.c),
            widths,
          ),
        )
        const x = v.map((e) => e.x)
        expect(Number(got)).toBe(x.indexOf(max(x)))
      }),
      { numRuns: 200 },
    )
  })
})
