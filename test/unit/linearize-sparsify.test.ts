/** The loop of algorithm 1, given the counts of each epoch. */
import { describe, expect, test } from 'vitest'
import { SparsifyHook, type SparsifyOptions } from '../../core/linearize/snl/sparsify.ts'
import type { TrainingContext } from '../../core/training/trainer/hook.ts'

const OPTIONS: SparsifyOptions = { budget: 10, lambda: 1, kappa: 2, epsilon: 0.01, requiredFall: 1 }
const EPOCHS = 5

/** A model whose count the test decides. */
const context = (kept: number, epoch: number): TrainingContext => {
  const model = { countRelus: (epsilon: number) => Promise.resolve({ kept: epsilon === 0.01 ? kept : -1 }) }
  return { model, epoch, epochs: EPOCHS } as unknown as TrainingContext
}

/** Lambda in force in each epoch, and whether the run stopped, for counts by epoch after a start of 100. */
async function run(options: Partial<SparsifyOptions>, counts: readonly number[]): Promise<[number[], boolean]> {
  const hook = new SparsifyHook({ ...OPTIONS, ...options })
  await hook.start(context(100, 0))
  let stopped = false
  for (const [epoch, count] of counts.entries()) stopped = (await hook.afterEpoch(context(count, epoch))) === 'stop'
  expect(hook.epochs.map((row) => row.relus)).toEqual(counts)
  expect(hook.reached).toBe(stopped)
  return [hook.epochs.map((row) => row.lambda), stopped]
}

describe('lambda', () => {
  test('grows by kappa after an epoch whose count is not the lowest yet, and only then', async () => {
    expect(await run({}, [100, 100, 90, 95, 91, 89])).toEqual([[1, 2, 4, 4, 8, 16], false])
  })

  test('grows when the count falls by less than asked', async () => {
    expect(await run({ requiredFall: 10 }, [95, 80, 70, 65])).toEqual([[1, 2, 2, 2], false])
  })

  test("'on-schedule' asks for an equal share of the rest in each epoch that is left", async () => {
    // From 100 to 10 in 5 epochs: 18, then (82 - 10) / 4 = 18 from 82, then (70 - 10) / 3 = 20 from 70.
    expect(await run({ requiredFall: 'on-schedule' }, [82, 70, 50, 50])).toEqual([[1, 1, 2, 2], false])
  })
})

test('the run stops at or under the budget, at once', async () => {
  expect(await run({}, [50, 10])).toEqual([[1, 1], true])
  expect(await run({}, [3])).toEqual([[1], true])
  expect(await run({}, [11])).toEqual([[1], false])
})

test('restored from JSON it goes on as if nothing had happened', async () => {
  const [whole, first] = [new SparsifyHook(OPTIONS), new SparsifyHook(OPTIONS)]
  for (const hook of [whole, first]) {
    await hook.start(context(100, 0))
    await hook.afterEpoch(context(100, 0))
    await hook.afterEpoch(context(60, 1))
  }
  const second = new SparsifyHook(OPTIONS)
  second.restore(JSON.parse(JSON.stringify(first.state())) as never)
  await second.start(context(60, 2))
  for (const hook of [whole, second]) {
    await hook.afterEpoch(context(70, 2))
    await hook.afterEpoch(context(40, 3))
  }
  expect(second.epochs).toEqual(whole.epochs)
  expect(whole.epochs.map((row) => row.lambda)).toEqual([1, 2, 2, 4])
})
