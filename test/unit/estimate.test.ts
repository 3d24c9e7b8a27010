/** What is said before an inference runs: bytes on disk exactly, and times as sums of the costs of its operations. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CostsSchema, type Costs } from '../../core/api/calibration/costs.ts'
import { DEFAULT_COSTS } from '../../core/api/calibration/defaults.ts'
import { estimate } from '../../core/api/estimate.ts'
import { MESSAGES } from '../../core/channel/messages.ts'
import type { Graph } from '../../core/network/graph.ts'
import type { LoweredModel } from '../../core/network/plan.ts'
import { frameGroups } from '../../core/protocol/sizes.ts'
import * as v from 'valibot'
import { startParties } from '../fixtures/parties.ts'
import { tinyModel } from '../fixtures/tiny-networks.ts'

/** A convolution, ReLUs of which some are linearised, pooling, and a label to be found in a circuit. */
const graph: Graph = {
  name: 'small',
  nodes: [
    { id: 'image', inputs: [], op: 'input', shape: [1, 6, 6] },
    {
      ...{ id: 'conv', inputs: ['image'], op: 'conv2d', outChannels: 3, kernel: [3, 3], stride: 1, padding: 1 },
      ...{ groups: 1, bias: true },
    },
    { id: 'relu', inputs: ['conv'], op: 'relu', mask: 'none' },
    { id: 'pool', inputs: ['relu'], op: 'maxPool', kernel: [2, 2], stride: 2, padding: 0 },
    { id: 'flat', inputs: ['pool'], op: 'flatten' },
    { id: 'fc', inputs: ['flat'], op: 'dense', outFeatures: 4, bias: true },
  ],
}

const models: readonly (readonly [string, LoweredModel])[] = [
  ['all ReLUs, logits', tinyModel(graph)],
  ['half of the ReLUs, label', tinyModel(graph, 0.5, { reveal: 'label' })],
]

/** The same factor for both kinds of operations offline. */
const busy = (offline: number, online: number): Costs['whole']['busy'] => ({
  ...{ linear: offline, circuits: offline },
  online,
})

describe.each(models)('%s', (_, model) => {
  const { plan } = model
  const folder = mkdtempSync(join(tmpdir(), 'adyton-estimate-'))
  let parties: Awaited<ReturnType<typeof startParties>>
  beforeAll(async () => (parties = await startParties(model, { folder })))
  afterAll(async () => {
    await parties.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('packages take as many bytes as was said', async () => {
    await parties.client.prepare()
    const stored = await Promise.all([parties.stores.client.list(), parties.stores.server.list()])
    const { disk } = estimate(plan)
    expect(stored.map((packages) => packages.map(({ bytes }) => bytes))).toEqual([[disk.client], [disk.server]])
  })

  /** Costs that are zero but for one. */
  const only = (change: (costs: Costs) => void): Costs => {
    const zero = (figures: object): object =>
      Object.fromEntries(
        Object.entries(figures).map(([name, value]: [string, number | object]) => [
          name,
          typeof value === 'number' ? 0 : zero(value),
        ]),
      )
    const costs = zero(DEFAULT_COSTS) as Costs
    costs.whole.busy = busy(1, 1)
    change(costs)
    return costs
  }
  const frames = (type: number): number =>
    frameGroups(plan)
      .filter((group) => group.type === type)
      .reduce((sum, group) => sum + group.count, 0)
  const threads = { client: 1, server: 1 }

  test('each upload and each answer that is sent costs the client once', () => {
    const encrypt = only(({ he }) => Object.values(he).forEach((one) => (one.encrypt = 1)))
    expect(estimate(plan, encrypt, threads).offline.wallMs).toBeCloseTo(frames(MESSAGES.heUpload))
    const decrypt = only(({ he }) => Object.values(he).forEach((one) => (one.decrypt = 1)))
    expect(estimate(plan, decrypt, threads).offline.wallMs).toBeCloseTo(frames(MESSAGES.heAnswer))
  })

  test('AND gates cost what their tables of 32 bytes say', () => {
    const tables = frameGroups(plan)
      .filter((group) => group.type === MESSAGES.tables)
      .reduce((sum, group) => sum + group.count * group.bytes, 0)
    const both = only(({ garbling }) => {
      garbling.garble = 1e6
      garbling.evaluate = 2e6
    })
    const { offline, online } = estimate(plan, both, threads)
    expect([offline.wallMs, online.wallMs]).toEqual([tables / 32, tables / 16])
  })

  test('inferences and layers are counted', () => {
    const whole = only(({ whole }) => {
      whole.start = { offline: 1000, online: 2000 }
      whole.inference = { offline: 100, online: 200 }
      whole.layer = { offline: 10, online: 1 }
    })
    const { offline, online } = estimate(plan, whole, threads)
    // Two layers under HE. ReLU and max-pool become one circuit unless ReLUs are linearised; finding the label is another.
    const circuits = frames(MESSAGES.tables)
    expect(circuits).toBe(plan.steps.some((step) => step.op === 'reveal' && step.kind === 'label') ? 3 : 1)
    expect([offline.wallMs, online.wallMs]).toEqual([1120, 2200 + circuits])
  })

  test('operations take longer beside each other by a factor', () => {
    const slow = only((costs) => {
      costs.garbling = { garble: 1, evaluate: 1, labels: 1, outputs: 1 }
      costs.whole.busy = busy(3, 2)
    })
    const { offline, online } = estimate(plan, slow, threads)
    slow.whole.busy = busy(1, 1)
    const alone = estimate(plan, slow, threads)
    expect(offline.wallMs).toBeCloseTo(3 * alone.offline.wallMs)
    expect(online.wallMs).toBeCloseTo(2 * alone.online.wallMs)
  })
})

test('layers under HE and circuits take longer offline by factors of their own', () => {
  const [[, { plan }]] = models
  const wall = (factors: Costs['whole']['busy']): number =>
    estimate(plan, { ...DEFAULT_COSTS, whole: { ...DEFAULT_COSTS.whole, busy: factors } }).offline.wallMs
  const alone = wall({ linear: 1, circuits: 1, online: 1 })
  const linear = wall({ linear: 2, circuits: 1, online: 1 }) - alone
  const circuits = wall({ linear: 1, circuits: 2, online: 1 }) - alone
  expect(linear).toBeGreaterThan(0)
  expect(circuits).toBeGreaterThan(0)
  expect(wall({ linear: 2, circuits: 2, online: 1 }) - alone).toBeCloseTo(linear + circuits)
  expect(wall({ linear: 3, circuits: 1, online: 9 }) - alone).toBeCloseTo(2 * linear)
})

test('more threads of a party never take longer', () => {
  const [[, { plan }]] = models
  const wall = (client: number, server: number): number =>
    estimate(plan, DEFAULT_COSTS, { client, server }).offline.wallMs
  expect(wall(2, 2)).toBeLessThanOrEqual(wall(1, 2))
  expect(wall(1, 2)).toBeLessThanOrEqual(wall(1, 1))
})

test('the costs that come with the program are of the kind that is measured', () => {
  expect(v.safeParse(CostsSchema, DEFAULT_COSTS).issues).toBeUndefined()
})
