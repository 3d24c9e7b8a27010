/** Training as jobs: what they tell while they run, what they leave, and what they say when something is gone. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isTrainingDetail, type TrainingDetail, type TrainingPoint } from '../../core/api/data/training.ts'
import { jobKind } from '../../core/api/jobs/kinds.ts'
import { processRunner } from '../../core/api/jobs/runner.ts'
import type { LinearizeOutcome } from '../../core/api/operations/linearize.ts'
import type { SweepOutcome } from '../../core/api/operations/sweep.ts'
import type { TrainOutcome } from '../../core/api/operations/train.ts'
import { JobQueue, type QueueEvent } from '../../core/jobs/queue.ts'
import type { Job, JobProgress } from '../../core/jobs/job.ts'
import { jobStore } from '../../core/jobs/store.ts'
import { listModels } from '../../core/zoo/list.ts'
import { openZoo } from '../../core/zoo/zoo.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

function ended(queue: JobQueue, id: string): Promise<Job> {
  return new Promise((resolve) => {
    const look = (): boolean => {
      const job = queue.get(id)
      const over = ['done', 'failed', 'paused'].includes(job.state)
      if (over) resolve(job)
      return over
    }
    if (look()) return
    const end = queue.listen(() => {
      if (look()) end()
    })
  })
}

const details = (told: readonly JobProgress[]): TrainingDetail[] =>
  told.map(({ detail }) => {
    if (!isTrainingDetail(detail)) throw new Error('a progress without its detail')
    return detail
  })

const places = (points: readonly TrainingPoint[]): string[] =>
  points.map(({ part, stage, epoch }) => `${part} ${stage} ${epoch}`)

test('train, linearise and sweep: curves, catalog, going on after a pause', async () => {
  await using folder = await temporaryFolder()
  const { dir } = folder
  const zoo = await openZoo(dir)
  const told = new Map<string, JobProgress[]>()
  const queue = new JobQueue({ store: jobStore(zoo), runner: processRunner(dir), kindOf: jobKind })
  queue.listen((event: QueueEvent) => {
    if (event.kind === 'progress') told.set(event.id, [...(told.get(event.id) ?? []), event.progress])
  })
  queue.start()
  const common = { dataset: 'generated', keep: true }

  const input = { ...common, arch: 'lenet-tiny', epochs: 3, batch: 64, rate: 0.05, out: join(dir, 'full') }
  const { id } = queue.submit('train', input, 'train')
  await new Promise<void>((resolve) => {
    queue.listen((event) => {
      if (event.kind === 'notice' && event.line.startsWith('train epoch 1 of 3')) resolve()
    })
  })
  queue.pause(id)
  const paused = await ended(queue, id)
  const before = paused.progress?.detail as TrainingDetail
  expect(places(before.history)[0]).toBe('0 train 1')
  told.delete(id)
  queue.resume(id)
  const trained = (await ended(queue, id)).result as TrainOutcome
  const first = details(told.get(id) ?? [])[0]
  expect(first.history.slice(0, before.history.length)).toEqual(before.history)
  expect(places(trained.history)).toEqual(['0 train 1', '0 train 2', '0 train 3'])
  expect(trained.history.at(-1)?.test).toBeCloseTo(trained.accuracy, 5)
  expect(trained.history.every(({ relus }) => relus === trained.relus)).toBe(true)
  const fractions = (told.get(id) ?? []).map(({ fraction }) => fraction as number)
  expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
  expect(fractions[0]).toBeGreaterThan(0.3)
  const timed = details(told.get(id) ?? []).filter(({ secondsLeft }) => secondsLeft !== null)
  expect(timed.length).toBeGreaterThan(0)
  expect(timed.every(({ secondsLeft }) => (secondsLeft as number) >= 0)).toBe(true)

  const model = `zoo:${trained.id ?? ''}`
  const fewer = { ...common, model, budget: 500, epochs: 2, finetune: 1, out: join(dir, 'fewer') }
  const made = queue.submit('linearize', fewer, 'linearise')
  const { result, error } = await ended(queue, made.id)
  expect(error).toBeNull()
  const linearised = result as LinearizeOutcome
  expect(linearised.plan.map(({ stage, epochs }) => `${stage} ${epochs}`)).toEqual(['sparsify 2', 'finetune 1'])
  expect(places(linearised.history).at(-1)).toBe('1 finetune 1')
  expect(linearised.history.at(-1)).toMatchObject({ relus: 500 })
  expect(details(told.get(made.id) ?? []).at(-1)).toMatchObject({ budget: 500, relus: 500, part: 2 })
  expect(listModels(zoo).models.map((row) => row.id)).toEqual(expect.arrayContaining([trained.id, linearised.id]))

  const steps = [
    { step: 'random-masks', budget: 'sweep' },
    { step: 'finetune', epochs: 1, loss: { kind: 'cross-entropy' } },
  ]
  const recipe = { version: 1, name: 'random', batches: { size: 256 }, steps }
  const sweep = { version: 1, name: 'random', budgets: [200, 900], recipe }
  const swept = queue.submit('sweep', { model, dataset: 'generated', sweep, out: join(dir, 'front') }, 'sweep')
  const outcome = (await ended(queue, swept.id)).result as SweepOutcome
  expect(outcome.points.map(({ budget, relus }) => [budget, relus])).toEqual([
    [200, 200],
    [900, 900],
  ])
  // The one with the fewest ReLUs is always on the front.
  expect(outcome.points[0].front).toBe(true)
  expect(outcome.start).toEqual({ relus: trained.relus, accuracy: trained.accuracy })
  expect(outcome.plan.map(({ budget, seed }) => [budget, seed])).toEqual([
    [200, 1],
    [900, 1],
  ])
  expect(outcome.history.map(({ part, relus }) => [part, relus])).toEqual([
    [0, 200],
    [1, 900],
  ])
  await queue.close()
  zoo.close()
}, 240_000)

test('a data set, a model or a place that is gone fails the job in words', async () => {
  await using folder = await temporaryFolder()
  const { dir } = folder
  const zoo = await openZoo(dir)
  const queue = new JobQueue({ store: jobStore(zoo), runner: processRunner(dir), kindOf: jobKind })
  queue.start()
  const gone = join(dir, 'gone')
  await mkdir(join(dir, 'in'))
  await writeFile(join(dir, 'in', 'the-way'), '')
  const failing = [
    ['train', { arch: 'lenet-tiny', dataset: gone, out: join(dir, 'a') }, 'file-not-found', gone],
    [
      'linearize',
      { model: 'zoo:abcdefghjk', dataset: 'generated', budget: 5, out: join(dir, 'b') },
      null,
      'abcdefghjk',
    ],
    ['linearize', { model: gone, dataset: 'generated', budget: 5, out: join(dir, 'b') }, 'model-not-found', gone],
    ['train', { arch: 'lenet-tiny', dataset: 'generated', out: join(dir, 'in', 'the-way') }, 'usage', 'the-way'],
  ] as const
  for (const [operation, input, code, words] of failing) {
    const { id } = queue.submit(operation, input, operation)
    const { state, error } = await ended(queue, id)
    expect(state).toBe('failed')
    expect(error?.code).not.toBe('internal')
    if (code !== null) expect(error?.code).toBe(code)
    expect(error?.message).toContain(words)
  }
  await queue.close()
  zoo.close()
}, 120_000)
