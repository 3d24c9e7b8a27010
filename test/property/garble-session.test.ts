/** Garbling with transferred labels agrees with the circuit in the clear, for random circuits' worth of parameters. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { evaluatePlain, maxPoolCircuit } from '../../core/garble/circuits/index.ts'
import { choiceBits, evaluatorBits, shareBits } from '../../core/garble/inputs.ts'
import {
  CURSOR_START,
  decodeOutputs,
  evaluateChunk,
  garbleChunk,
  garblerLabels,
  layOutStep,
  transferCount,
} from '../../core/garble/session.ts'
import { ring } from '../../core/ring/ring.ts'
import { everyKernels, testEnds, testSeeds, testStream } from '../fixtures/transfers.ts'

const cases = fc
  .record({
    k: fc.integer({ min: 2, max: 59 }),
    narrower: fc.integer({ min: 0, max: 20 }),
    shift: fc.integer({ min: 0, max: 30 }),
    outBits: fc.integer({ min: 2, max: 59 }),
    windows: fc.integer({ min: 1, max: 4 }),
    relu: fc.boolean(),
    instances: fc.integer({ min: 1, max: 40 }),
    maxBytes: fc.integer({ min: 1, max: 200_000 }),
    seed: fc.integer(),
  })
  .map((c) => ({ ...c, l: Math.max(2, c.k - c.narrower) }))

describe.each(everyKernels())('garbled evaluation, %s kernels', (_, kernels) => {
  it('equals plain evaluation, chunk by chunk', () => {
    fc.assert(
      fc.property(cases, ({ k, l, shift, outBits, windows, relu, instances, maxBytes, seed }) => {
        const stream = testStream(`session ${seed}`)
        const seeds = testSeeds(stream)
        const garbler = { delta: seeds.delta, start: stream.bytes(16), labelKey: stream.bytes(16) }
        const { sender, receiver } = testEnds(kernels, seeds)
        const circuit = maxPoolCircuit({ l, shift, outBits, windows, relu })
        const values = () => Array.from({ length: windows }, () => stream.vector(ring(k), instances))
        const [server, client, next] = [values(), values(), stream.vector(ring(outBits), instances)]
        for (const chunk of layOutStep(circuit, instances, CURSOR_START, maxBytes).chunks) {
          const n = transferCount(circuit, chunk)
          const own = evaluatorBits(kernels, client, l, next, chunk)
          const theirs = shareBits(kernels, server, l, chunk)
          const cot = receiver.extend(choiceBits(own, circuit.evaluatorInputs, chunk.instances), n)
          const { tables, decode } = garbleChunk(kernels, garbler, circuit, chunk, sender.extend(n, cot.message))
          const colours = evaluateChunk(kernels, circuit, chunk, {
            start: garbler.start,
            tables,
            evaluatorLabels: cot.labels,
            garblerLabels: garblerLabels(kernels, garbler, circuit, chunk, theirs),
          })
          const got = decodeOutputs(circuit, chunk, decode, colours)
          expect(got).toEqual(evaluatePlain(circuit, chunk.instances, theirs, own))
        }
      }),
      { numRuns: 25 },
    )
  })
})
