/** Predicted costs over ReLU budgets, against the costs of networks that have these budgets. */
import { describe, expect, test } from 'vitest'
import { budgetFor, costsAt, timesAt, type BudgetModel } from '../../core/api/data/budget.ts'
import { budgetCosts } from '../../core/api/operations/budget-costs.ts'
import { describe as describeNetwork } from '../../core/api/operations/describe.ts'

const context = { signal: new AbortController().signal, onNotice: () => undefined, onProgress: () => undefined }
const predicted = (model: string, budgets?: number[]): Promise<BudgetModel> =>
  budgetCosts.run({ source: { model }, reveal: 'logits', ...(budgets === undefined ? {} : { budgets }) }, context)
const actual = async (model: string) => {
  const { relus, costs } = await describeNetwork.run({ source: { model }, costs: true, reveal: 'logits' }, context)
  if (costs === undefined) throw new Error('no costs')
  return { relus, bytes: costs.bytes, estimate: costs.estimate }
}

const digits = await predicted('digits')

describe('the digits network', () => {
  test('with all of its ReLUs costs what describe says', async () => {
    const { relus, bytes, estimate } = await actual('digits')
    expect(digits.relus).toBe(relus)
    expect(costsAt(digits, relus)).toEqual({
      offlineBytes: bytes.offline,
      onlineBytes: bytes.online,
      offlineSeconds: estimate.offline.wallMs / 1000,
      onlineSeconds: estimate.online.wallMs / 1000,
    })
  })

  // Which were linearised from it by SNL, with other masks and other ranges.
  test.each(['digits-1k', 'digits-2k', 'digits-5k'])('predicts the bytes of %s within 5%%', async (model) => {
    const { relus, bytes } = await actual(model)
    const { offlineBytes, onlineBytes } = costsAt(digits, relus)
    const near = (a: number, b: number): void => expect(Math.abs(a / b - 1)).toBeLessThan(0.05)
    near(offlineBytes.clientToServer, bytes.offline.clientToServer)
    near(offlineBytes.serverToClient, bytes.offline.serverToClient)
    near(onlineBytes.clientToServer, bytes.online.clientToServer)
    near(onlineBytes.serverToClient, bytes.online.serverToClient)
  })

  test('is the same every time, and has the budgets that are asked for', async () => {
    const some = await predicted('digits', [1234])
    expect(some.points.map(({ relus }) => relus)).toContain(1234)
    expect(await predicted('digits', [1234])).toEqual(some)
  })

  test('has no more ReLUs than it has', async () => {
    await expect(predicted('digits', [digits.relus + 1])).rejects.toMatchObject({ code: 'usage' })
  })
})

test('a network that has masks already can only lose more', async () => {
  const { relus, points } = await predicted('digits-1k', [500])
  expect(relus).toBe(1034)
  const [half, whole] = [500, relus].map((budget) => points.find((point) => point.relus === budget))
  expect(half?.onlineBytes.serverToClient).toBeLessThan(whole?.onlineBytes.serverToClient ?? 0)
})

describe('between points', () => {
  const point = (relus: number, bytes: number, seconds: number) => ({
    relus,
    offlineBytes: { clientToServer: bytes, serverToClient: 2 * bytes },
    onlineBytes: { clientToServer: 0, serverToClient: bytes },
    ...{ offlineSeconds: 2 * seconds, onlineSeconds: seconds },
  })
  // The last one is cheaper than the one before, as a network without masks is.
  const rounds = { offline: 4, online: 5 }
  const model: BudgetModel = {
    relus: 201,
    rounds,
    points: [point(100, 1000, 1), point(200, 3000, 3), point(201, 2500, 2)],
  }

  test.each([
    [50, 1000, 1],
    [100, 1000, 1],
    [150, 2000, 2],
    [175, 2500, 2.5],
    [201, 2500, 2],
    [999, 2500, 2],
  ])('%i ReLUs cost %i bytes and %f s', (budget, bytes, seconds) => {
    const costs = costsAt(model, budget)
    expect(costs.onlineBytes.serverToClient).toBe(bytes)
    expect(costs.offlineBytes).toEqual({ clientToServer: bytes, serverToClient: 2 * bytes })
    expect([costs.onlineSeconds, costs.offlineSeconds]).toEqual([seconds, 2 * seconds])
  })

  test.each([
    [0.5, null],
    [1, 100],
    [1.5, 125],
    [2, 201],
    [5, 201],
  ])('in %f s there is time for %j ReLUs', (seconds, relus) => {
    expect(budgetFor(model, seconds)).toBe(relus)
  })

  test('over a link, work and wire overlap offline and add up online', () => {
    // At 150 ReLUs: 2 s of work and 2000 bytes down online; 4 s, 2000 bytes up and 4000 down offline.
    const slow = { up: 8000, down: 1000, rttMs: 100 }
    const times = timesAt(model, 150, slow)
    expect(times.offline).toBeCloseTo(2 + 32 + 0.4)
    expect(times.online).toBeCloseTo(2 + 16 + 0.5)
    expect(timesAt(model, 150, { ...slow, down: 1e9, up: 1e9 }).offline).toBeCloseTo(4 + 0.4)
  })
})
