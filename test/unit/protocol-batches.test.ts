/** Circuits that a plan asks for: places in the execution, and plans that ask for more than there is. */
import { describe, expect, test } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import type { Graph } from '../../core/network/graph.ts'
import type { Plan } from '../../core/network/plan.ts'
import { checkCircuits, gcBatches, isNonLinear } from '../../core/protocol/batches.ts'
import { circuit, tinyModel } from '../fixtures/tiny-networks.ts'

const pool = (kernel: number): Graph => ({
  name: 'pool',
  nodes: [
    { id: 'image', inputs: [], op: 'input', shape: [2, 10, 10] },
    { id: 'p', inputs: ['image'], op: 'maxPool', kernel: [kernel, kernel], stride: 1, padding: 1 },
    { id: 'r', inputs: ['p'], op: 'relu', mask: 'none' },
    { id: 'f', inputs: ['r'], op: 'flatten' },
  ],
})

describe('checkCircuits', () => {
  /** What a plan is refused for. */
  function refusal(plan: Plan): string | undefined {
    try {
      checkCircuits(plan)
      return undefined
    } catch (error) {
      return error instanceof AdytonError ? `${error.code}: ${error.message}` : String(error)
    }
  }

  test('accepts what can be built', () => {
    for (const { plan } of [tinyModel(pool(8)), tinyModel(circuit(2), 1, { reveal: 'label' })]) {
      expect(refusal(plan)).toBeUndefined()
      for (const step of plan.steps) if (isNonLinear(step)) gcBatches(plan, step)
    }
  })

  test('refuses windows and classes that no circuit is built for, by name of the step', () => {
    expect(refusal(tinyModel(pool(9)).plan)).toMatch(/^plan-invalid: step 'p'/)
    const { plan } = tinyModel(circuit(2), 1, { reveal: 'label' })
    for (const classes of [1, 4097, 65_536])
      expect(refusal({ ...plan, classes })).toMatch(/^plan-invalid: step 'output'/)
    // Logits of as many classes take no circuit.
    expect(refusal({ ...tinyModel(circuit(2)).plan, classes: 65_536 })).toBeUndefined()
  })
})

test('one execution: tweaks and label blocks of all batches follow each other without gap or overlap', () => {
  const { plan } = tinyModel(pool(3))
  const batches = plan.steps.filter(isNonLinear).flatMap((step) => gcBatches(plan, step))
  // Corners, edges and inner windows have circuits of their own.
  expect(batches.length).toBeGreaterThan(2)
  let [tweak, block] = [0, 0]
  for (const { circuit: one, chunks, instances } of batches) {
    expect(chunks.reduce((sum, chunk) => sum + chunk.instances, 0)).toBe(instances)
    for (const chunk of chunks) {
      expect([chunk.firstTweak, chunk.firstBlock]).toEqual([tweak, block])
      tweak += 2 * one.andGates * chunk.instances
      block += one.garblerInputs * chunk.instances
    }
  }
})

test('every element of a pooled image is produced once', () => {
  const { plan } = tinyModel(pool(3))
  const [step] = plan.steps.filter(isNonLinear)
  const outputs = gcBatches(plan, step).flatMap((batch) => [...batch.outputs])
  expect(outputs.sort((a, b) => a - b)).toEqual(Array.from({ length: plan.values[1].length }, (_, i) => i))
})
