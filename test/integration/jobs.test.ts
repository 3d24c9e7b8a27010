/** Jobs in processes of their own, over the real operations. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { jobKind } from '../../core/api/jobs/kinds.ts'
import { processRunner } from '../../core/api/jobs/runner.ts'
import { JobQueue, type QueueEvent } from '../../core/jobs/queue.ts'
import { jobStore } from '../../core/jobs/store.ts'
import type { Job } from '../../core/jobs/job.ts'
import { openZoo } from '../../core/zoo/zoo.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

/** Until a job is in one of these states. */
function until(queue: JobQueue, id: string, ...states: Job['state'][]): Promise<Job> {
  return new Promise((resolve) => {
    const look = (): boolean => {
      const job = queue.get(id)
      if (states.includes(job.state)) resolve(job)
      return states.includes(job.state)
    }
    if (look()) return
    const end = queue.listen(() => {
      if (look()) end()
    })
  })
}

/** Until something that fits is told. */
function told(queue: JobQueue, fits: (event: QueueEvent) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const end = queue.listen((event) => {
      if (!fits(event)) return
      end()
      resolve()
    })
  })
}

test('a training is paused and goes on after a restart to the same weights; another is cancelled', async () => {
  await using folder = await temporaryFolder()
  const { dir } = folder
  const zoo = await openZoo(dir)
  const open = (): JobQueue => {
    const queue = new JobQueue({ store: jobStore(zoo), runner: processRunner(), kindOf: jobKind })
    queue.start()
    return queue
  }
  const first = open()
  const input = { arch: 'lenet-tiny', dataset: 'generated', epochs: 3, batch: 32, rate: 0.05 }
  const { id } = first.submit('train', { ...input, out: join(dir, 'stopped') }, 'train')
  const other = first.submit('train', { ...input, out: join(dir, 'other') }, 'other')
  await told(first, (event) => event.kind === 'notice' && /^train epoch 1 of 3/.test(event.line))
  first.pause(id)
  const paused = await until(first, id, 'paused', 'failed', 'done')
  expect(paused).toMatchObject({ state: 'paused', error: null })
  // The lane is free for the next one.
  await until(first, other.id, 'running')
  first.cancel(other.id)
  expect(await until(first, other.id, 'cancelled', 'done')).toMatchObject({ state: 'cancelled' })
  await first.close()

  const second = open()
  expect(second.get(id).state).toBe('paused')
  second.resume(id)
  const whole = second.submit('train', { ...input, out: join(dir, 'whole') }, 'whole')
  expect(await until(second, id, 'done', 'failed')).toMatchObject({ state: 'done', error: null, result: { epochs: 3 } })
  expect(await until(second, whole.id, 'done', 'failed')).toMatchObject({ state: 'done' })
  const weights = (name: string): Promise<Buffer> => readFile(join(dir, name, 'weights.safetensors'))
  expect(await weights('stopped')).toEqual(await weights('whole'))

  const bad = second.submit('train', { ...input, arch: 'no-such', out: join(dir, 'bad') }, 'bad')
  const failed = await until(second, bad.id, 'failed', 'done')
  expect(failed.error?.message).toContain('no-such')
  await second.close()
  zoo.close()
}, 240_000)
