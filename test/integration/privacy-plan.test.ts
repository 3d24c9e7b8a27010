/**
 * What a client learns before any protocol runs: the plan and the commitment. The plan depends on the weights only
 * through the fields that docs/threat-model.md declares; the commitment hides them.
 */
import fc from 'fast-check'
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { HE_PLANNER } from '../../core/api/he-planner.ts'
import { makeOffer } from '../../core/api/offer.ts'
import type { Graph, Tensors } from '../../core/network/graph.ts'
import { calibrateNetwork, lowerCalibrated } from '../../core/network/lower/lower.ts'
import { planToJson } from '../../core/network/plan-json.ts'
import type { LoweredModel } from '../../core/network/plan.ts'
import { randomMasks, randomTensors } from '../../core/network/tensors.ts'
import { commitWeights, encodeHello } from '../../core/protocol/hello.ts'
import { prgFor } from '../../core/ring/prg.ts'
import { CARD, noise } from '../fixtures/parties.ts'
import { CHI_SQUARE_LIMIT, chiSquare, concat } from '../fixtures/statistics.ts'

const seed = (n: number): Uint8Array => new Uint8Array(32).fill(n)
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const graph: Graph = {
  name: 'plan',
  nodes: [
    { id: 'image', inputs: [], op: 'input', shape: [2, 6, 6] },
    {
      id: 'c1',
      inputs: ['image'],
      op: 'conv2d',
      outChannels: 4,
      kernel: [3, 3],
      stride: 1,
      padding: 1,
      groups: 1,
      bias: true,
    },
    { id: 'r1', inputs: ['c1'], op: 'relu', mask: 'none' },
    { id: 'n1', inputs: ['r1'], op: 'batchNorm', epsilon: 1e-5 },
    { id: 'r2', inputs: ['n1'], op: 'relu', mask: 'none' },
    { id: 'f', inputs: ['r2'], op: 'flatten' },
    { id: 'fc', inputs: ['f'], op: 'dense', outFeatures: 3, bias: true },
  ],
}
const { graph: masked, masks } = randomMasks(graph, 0.5, prgFor(seed(1), 'masks'))
const weightsOf = (n: number): Tensors => new Map([...randomTensors(graph, prgFor(seed(n), 'weights')), ...masks])
/** Ranges are declared public; taking them from one set of weights shows what else the others change. */
const calibration = calibrateNetwork(masked, weightsOf(1), [noise(72, 'a'), noise(72, 'b')])
const lowerTo = (tensors: Tensors): LoweredModel => lowerCalibrated(masked, tensors, calibration, HE_PLANNER)

/** Moves every weight of a layer to the size of its largest, or to none, without changing the largest. */
function reshuffled(tensors: Tensors, salt: number): Tensors {
  const random = prgFor(seed(salt), 'shuffle')
  return new Map(
    [...tensors].map(([name, tensor]) => {
      if (!name.endsWith('.weight')) return [name, tensor]
      const largest = Math.max(...Array.from(tensor.data, Math.abs))
      const bytes = random.bytes(tensor.data.length)
      const data = Float32Array.from(bytes, (byte, i) => (i === 0 ? largest : largest * (byte / 127.5 - 1)))
      return [name, { ...tensor, data }]
    }),
  )
}

/** Every weight of the convolutions and dense layers times a factor. */
const scaled = (tensors: Tensors, factor: number): Tensors =>
  new Map(
    [...tensors].map(([name, tensor]) =>
      name.endsWith('.weight')
        ? [name, { ...tensor, data: Float32Array.from(tensor.data, (w) => w * factor) }]
        : [name, tensor],
    ),
  )

/** Paths at which two JSON values differ, indices left out. */
function differing(a: unknown, b: unknown, path = ''): Set<string> {
  if (Object.is(a, b)) return new Set()
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return new Set([path])
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  const found = new Set<string>()
  for (const key of keys) {
    const step = Array.isArray(a) ? `${path}[]` : path === '' ? key : `${path}.${key}`
    const [x, y] = [a, b].map((one) => (one as Record<string, unknown>)[key])
    for (const one of differing(x, y, step)) found.add(one)
  }
  return found
}

/** The fields of a plan that weights and calibration images decide: docs/threat-model.md names each of them. */
const DECLARED = [
  'values[].bits',
  'values[].scale',
  'steps[].weightBits',
  'steps[].weightScale',
  'steps[].circuitBits',
  'steps[].shift',
  'steps[].shifts[]',
  'he[].plainBits',
  'he[].primeBits[]',
  'failure.truncation',
  'failure.rounding',
  'failure.total',
]

describe('the plan that clients see', () => {
  test('is the same for all weights of the same largest magnitude and the same ranges', () => {
    const base = makeOffer(lowerTo(reshuffled(weightsOf(1), 1)), CARD, seed(0))
    for (const salt of [2, 3, 4]) {
      const other = makeOffer(lowerTo(reshuffled(weightsOf(1), salt)), CARD, seed(0))
      expect(hex(other.planBytes)).toBe(hex(base.planBytes))
      // The weights are others.
      expect(other.commitment).not.toBe(base.commitment)
    }
  })

  test('depends on weights and ranges in the declared fields only', () => {
    const base = planToJson(lowerTo(weightsOf(1)).plan)
    const seen = new Set<string>()
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 250 }), fc.integer({ min: -4, max: 4 }), fc.boolean(), (n, power, own) => {
        const tensors = scaled(weightsOf(n), 2 ** power)
        const ranges = own ? calibrateNetwork(masked, tensors, [noise(72, 'c')]) : calibration
        const found = differing(base, planToJson(lowerCalibrated(masked, tensors, ranges, HE_PLANNER).plan))
        for (const path of found) seen.add(path)
        expect(DECLARED).toEqual(expect.arrayContaining([...found]))
      }),
      { numRuns: 25 },
    )
    // The comparison does see differences.
    expect([...seen]).toEqual(expect.arrayContaining(['steps[].weightScale', 'steps[].shift']))
  })
})

describe('the commitment to the weights', () => {
  const { secret } = lowerTo(weightsOf(1))

  test('has no relation between two salts, and changes with any weight', () => {
    const salt = seed(5)
    const commitment = commitWeights(salt, secret)
    expect(commitWeights(salt, secret)).toBe(commitment)
    expect(commitWeights(seed(6), secret)).not.toBe(commitment)
    for (const [id, weights] of secret.weights) {
      const changed = weights.slice()
      changed[changed.length - 1] ^= 1
      expect(commitWeights(salt, { ...secret, weights: new Map([...secret.weights, [id, changed]]) })).not.toBe(
        commitment,
      )
    }
    for (const [id, biases] of secret.biases) {
      const changed = biases.slice()
      changed[0] += 1
      expect(commitWeights(salt, { ...secret, biases: new Map([...secret.biases, [id, changed]]) })).not.toBe(
        commitment,
      )
    }
  })

  test('is uniform over salts for one set of weights, and repeats without one', () => {
    const commitments = (salt: () => Uint8Array): Uint8Array[] =>
      Array.from({ length: 256 }, () => new Uint8Array(Buffer.from(commitWeights(salt(), secret), 'hex')))
    expect(chiSquare(concat(commitments(() => new Uint8Array(randomBytes(32)))))).toBeLessThan(CHI_SQUARE_LIMIT)
    expect(new Set(commitments(() => new Uint8Array(32)).map(hex)).size).toBe(1)
  })

  test('is all of the weights that a greeting carries', () => {
    const greeting = (model: LoweredModel): Record<string, unknown> => {
      const { planDigest, planBytes, commitment, card, software } = makeOffer(model, CARD, seed(0))
      const hello = {
        protocol: 1,
        software,
        nonce: '0'.repeat(32),
        models: [{ id: card.id, name: card.name, dataset: card.dataset }],
        planDigest,
        planBytes: planBytes.length,
        commitment,
        card,
      }
      return JSON.parse(new TextDecoder().decode(encodeHello(hello))) as Record<string, unknown>
    }
    const [a, b] = [1, 2].map((salt) => greeting(lowerTo(reshuffled(weightsOf(1), salt))))
    expect([...differing(a, b)]).toEqual(['commitment'])
  })
})
