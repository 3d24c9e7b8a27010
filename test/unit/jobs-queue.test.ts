import { describe, expect, test, vi } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { type Job, type JobEvents, type JobStore } from '../../core/jobs/job.ts'
import { JobQueue, type QueueEvent } from '../../core/jobs/queue.ts'
import { jobStore } from '../../core/jobs/store.ts'
import { withZoo } from '../../core/zoo/zoo.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

/** A runner whose jobs end when the test says so. */
class Bench {
  readonly running = new Map<
    string,
    { job: Job; events: JobEvents; resolve: (r: unknown) => void; fail: (e: unknown) => void }
  >()
  readonly stopped: string[] = []
  readonly told: [string, unknown][] = []
  readonly saved = new Map<string, Job>()
  readonly events: QueueEvent[] = []
  readonly logged: string[] = []
  time = 1000
  /** Jobs notice a stop only when the test lets them. */
  deaf = false

  readonly store: JobStore = {
    all: () => [...this.saved.values()],
    // As the catalog does.
    put: (job) => void this.saved.set(job.id, JSON.parse(JSON.stringify(job)) as Job),
    remove: (id) => void this.saved.delete(id),
    replace: (jobs) => {
      this.saved.clear()
      jobs.forEach(this.store.put)
    },
  }

  queue(): JobQueue {
    const queue = new JobQueue({
      store: this.store,
      kindOf: (operation) => {
        if (operation === 'train' || operation === 'linearize') return { lane: 'training', resumes: true }
        if (operation === 'serve') return { lane: 'hosting', resumes: false, endless: true }
        return operation === 'infer' ? { lane: 'inference', resumes: false } : undefined
      },
      now: () => this.time,
      log: (line) => void this.logged.push(line),
      runner: (job, events) => {
        let end: () => void = () => undefined
        const done = new Promise<unknown>((resolve, reject) => {
          // A server that is stopped ends well.
          end = () => (job.operation === 'serve' ? resolve('served') : reject(new AdytonError('cancelled', 'stopped')))
          this.running.set(job.id, { job, events, resolve, fail: reject })
        })
        return {
          done: done.finally(() => this.running.delete(job.id)),
          stop: () => {
            this.stopped.push(job.id)
            if (!this.deaf) end()
          },
          ...(job.operation === 'infer' ? { tell: (command) => void this.told.push([job.id, command]) } : {}),
        }
      },
    })
    queue.listen((event) => this.events.push(event))
    return queue
  }
}

/** Until everything that was settled has been heard of. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const states = (queue: JobQueue): string[] => queue.list().map((job) => job.state)

describe('the queue', () => {
  test('runs one job of a lane at a time, in order, and lanes beside each other', async () => {
    const bench = new Bench()
    const queue = bench.queue()
    const a = queue.submit('train', { n: 1 }, 'first')
    queue.submit('linearize', { n: 2 }, 'second')
    queue.submit('infer', {}, 'third')
    expect(states(queue)).toEqual(['running', 'queued', 'running'])
    expect(bench.running.get(a.id)?.job).toMatchObject({ operation: 'train', input: { n: 1 } })
    bench.time = 4000
    bench.running.get(a.id)?.resolve({ accuracy: 0.5 })
    await settle()
    expect(states(queue)).toEqual(['done', 'running', 'running'])
    expect(queue.get(a.id)).toMatchObject({ result: { accuracy: 0.5 }, created: 1000, ended: 4000, spentMs: 3000 })
    expect(() => queue.submit('zooList', {}, 'no job')).toThrow(/no job/)
  })

  test('a job that fails says why, lets the next one run, and can be tried again', async () => {
    const bench = new Bench()
    const queue = bench.queue()
    const a = queue.submit('train', {}, 'a')
    const b = queue.submit('train', {}, 'b')
    bench.running.get(a.id)?.fail(new AdytonError('file-not-found', 'no data', { advice: 'Fetch it.' }))
    await settle()
    expect(states(queue)).toEqual(['failed', 'running'])
    expect(queue.get(a.id).error).toEqual({ code: 'file-not-found', message: 'no data', advice: 'Fetch it.' })
    queue.resume(a.id)
    expect(queue.get(a.id)).toMatchObject({ state: 'queued', error: null })
    bench.running.get(b.id)?.resolve(1)
    await settle()
    expect(states(queue)).toEqual(['running', 'done'])
  })

  test('pause keeps the time that was spent, resume goes on; a waiting job is held back', async () => {
    const bench = new Bench()
    const queue = bench.queue()
    const a = queue.submit('train', {}, 'a')
    const b = queue.submit('train', {}, 'b')
    queue.pause(b.id)
    bench.time += 500
    queue.pause(a.id)
    await settle()
    expect(states(queue)).toEqual(['paused', 'paused'])
    expect(queue.busy).toBe(false)
    bench.time += 10_000
    queue.resume(a.id)
    bench.time += 250
    bench.running.get(a.id)?.resolve(null)
    await settle()
    expect(queue.get(a.id)).toMatchObject({ state: 'done', spentMs: 750, started: 1000 })
    expect(queue.get(b.id).state).toBe('paused')
    expect(() => queue.pause(a.id)).toThrow(/'a' is done/)
  })

  test('a running job is told commands, in order; others cannot be', async () => {
    const bench = new Bench()
    const queue = bench.queue()
    const [a, b] = [queue.submit('infer', {}, 'a'), queue.submit('infer', {}, 'b')]
    const deaf = queue.submit('train', {}, 'c')
    queue.tell(a.id, { do: 'one' })
    queue.tell(a.id, { do: 'two' })
    expect(bench.told).toEqual([
      [a.id, { do: 'one' }],
      [a.id, { do: 'two' }],
    ])
    expect(() => queue.tell(b.id, {})).toThrow(/'b' is queued and cannot be told/)
    expect(() => queue.tell(deaf.id, {})).toThrow(/cannot be told/)
    expect(() => queue.tell('0'.repeat(16), {})).toThrow(/there is no job/)
    bench.running.get(a.id)?.resolve(null)
    await settle()
    expect(() => queue.tell(a.id, {})).toThrow(/'a' is done/)
  })

  test('a cancelled job ends as cancelled, unless it was done before it heard of it', async () => {
    const bench = new Bench()
    bench.deaf = true
    const queue = bench.queue()
    const [a, b] = [queue.submit('train', {}, 'a'), queue.submit('infer', {}, 'b')]
    queue.pause(a.id)
    queue.cancel(a.id)
    queue.cancel(b.id)
    expect(states(queue)).toEqual(['running', 'running'])
    bench.running.get(a.id)?.fail(new AdytonError('cancelled', 'stopped'))
    bench.running.get(b.id)?.resolve('in time')
    await settle()
    expect(states(queue)).toEqual(['cancelled', 'done'])
    queue.remove(a.id)
    expect(states(queue)).toEqual(['done'])
    expect([...bench.saved.keys()]).toEqual([b.id])
    expect(() => queue.get(a.id)).toThrow(AdytonError)
  })

  test('progress is told at once and not written; states are written before they are told', async () => {
    const bench = new Bench()
    const queue = bench.queue()
    const seen: (string | undefined)[] = []
    queue.listen((event) => {
      if (event.kind === 'job') seen.push(bench.saved.get(event.job.id)?.state)
    })
    const { id } = queue.submit('train', {}, 'a')
    bench.running.get(id)?.events.onProgress({ text: 'step 1', fraction: 0.5 })
    expect(queue.get(id).progress).toEqual({ text: 'step 1', fraction: 0.5 })
    expect(bench.saved.get(id)?.progress).toBeNull()
    expect(bench.events.at(-1)).toEqual({ kind: 'progress', id, progress: { text: 'step 1', fraction: 0.5 } })
    bench.running.get(id)?.resolve(1)
    await settle()
    expect(seen).toEqual(['queued', 'running', 'done'])
    expect(bench.saved.get(id)?.progress).toEqual({ text: 'step 1', fraction: 0.5 })
  })

  test('a listener that throws is dropped, with a line, and costs neither the job nor the other listeners', async () => {
    const bench = new Bench()
    const queue = bench.queue()
    let calls = 0
    queue.listen(() => {
      calls++
      throw new Error('the window is gone')
    })
    const after: string[] = []
    queue.listen(({ kind }) => void after.push(kind))
    const { id } = queue.submit('train', {}, 'a')
    bench.running.get(id)?.events.onProgress({ text: 'step 1' })
    bench.running.get(id)?.resolve(1)
    await settle()
    expect(queue.get(id)).toMatchObject({ state: 'done', result: 1 })
    expect(calls).toBe(1)
    expect(after).toEqual(['job', 'job', 'progress', 'job'])
    expect(bench.logged).toEqual([expect.stringMatching(/hears no more: the window is gone/)])
  })

  test('what is no plain data reaches nobody: progress is left out, a job with such a result has failed', async () => {
    const bench = new Bench()
    const queue = bench.queue()
    const circle: Record<string, unknown> = {}
    circle.self = circle
    for (const [odd, why] of [
      [{ n: 1n }, /BigInt/],
      [circle, /circular/],
    ] as const) {
      const { id } = queue.submit('train', {}, 'a')
      const next = queue.submit('train', {}, 'b')
      bench.events.length = 0
      bench.running.get(id)?.events.onProgress({ text: 'step', detail: odd })
      bench.running.get(id)?.events.onProgress({ text: 'step', transient: odd })
      expect(bench.events).toEqual([])
      expect(bench.logged.splice(0)).toEqual([expect.stringMatching(why), expect.stringMatching(why)])
      bench.running.get(id)?.resolve(odd)
      await settle()
      expect(queue.get(id)).toMatchObject({ state: 'failed', result: null, error: { code: 'internal' } })
      expect(queue.get(id).error?.message).toMatch(why)
      // The lane goes on, and windows can be told of all of it.
      expect(queue.get(next.id).state).toBe('running')
      expect(() => JSON.stringify([queue.list(), bench.events])).not.toThrow()
      bench.running.get(next.id)?.resolve(null)
      await settle()
      expect(() => queue.submit('train', odd, 'c')).toThrow(why)
      expect(queue.list().map(({ title }) => title)).not.toContain('c')
    }
  })

  test('a catalog that cannot be written to fails who asked, and ends nothing else', async () => {
    const bench = new Bench()
    const queue = bench.queue()
    const { id } = queue.submit('train', {}, 'a')
    const put = vi.spyOn(bench.store, 'put').mockImplementation(() => {
      throw new Error('the disk is full')
    })
    expect(() => queue.submit('infer', {}, 'b')).toThrow('the disk is full')
    bench.running.get(id)?.resolve(1)
    await settle()
    expect(bench.logged).toEqual([expect.stringContaining('the disk is full')])
    put.mockRestore()
    // What could not be kept has not happened.
    expect(queue.list().map(({ title, state }) => [title, state])).toEqual([['a', 'running']])
    expect(queue.busy).toBe(false)
    queue.cancel(id)
    expect(queue.get(id).state).toBe('cancelled')
  })

  test('what ran when the program ended goes on when it starts again, killed or closed', async () => {
    const bench = new Bench()
    const first = bench.queue()
    first.submit('train', {}, 'a')
    first.submit('train', {}, 'b')
    // Killed: nobody said goodbye.
    const second = bench.queue()
    expect(states(second)).toEqual(['queued', 'queued'])
    second.start()
    expect(states(second)).toEqual(['running', 'queued'])
    await second.close()
    expect([...bench.saved.values()].map((job) => job.state)).toEqual(['queued', 'queued'])
    // A closed queue starts nothing more.
    expect(bench.running.size).toBe(0)
  })
})

test('what runs until it is stopped is done when somebody stops it, and goes on when the program ended', async () => {
  const bench = new Bench()
  const first = bench.queue()
  const { id } = first.submit('serve', {}, 'a server')
  await first.close()
  await settle()
  expect(bench.saved.get(id)).toMatchObject({ state: 'queued', result: null, ended: null })
  const second = bench.queue()
  second.start()
  expect(states(second)).toEqual(['running'])
  second.cancel(id)
  await settle()
  expect(second.get(id)).toMatchObject({ state: 'done', result: 'served' })
})

describe('while what is behind the store is replaced', () => {
  test('nothing may run, nothing is changed, and the jobs of the queue stay', async () => {
    const bench = new Bench()
    const queue = bench.queue()
    const running = queue.submit('train', {}, 'a training')
    const work = vi.fn(() => Promise.resolve('restored'))
    await expect(queue.hold(work)).rejects.toMatchObject({ code: 'catalog-busy' })
    await expect(queue.hold(work)).rejects.toThrow('a training')
    expect(work).not.toHaveBeenCalled()
    queue.pause(running.id)
    await vi.waitFor(() => expect(queue.get(running.id).state).toBe('paused'))

    await queue.hold(async () => {
      for (const change of [
        () => queue.submit('train', {}, 'another'),
        () => queue.resume(running.id),
        () => queue.cancel(running.id),
      ]) {
        expect(change).toThrow('a backup is being restored')
      }
      await expect(queue.hold(work)).rejects.toMatchObject({ code: 'catalog-busy' })
      bench.saved.clear()
      bench.saved.set('ff', { ...running, id: 'ff', title: 'of the backup' })
    })
    expect([...bench.saved.values()].map(({ id, state }) => ({ id, state }))).toEqual([
      { id: running.id, state: 'paused' },
    ])
    queue.resume(running.id)
    expect(bench.running.size).toBe(1)
  })
})

test('jobs lie in the catalog', async () => {
  await using folder = await temporaryFolder()
  const job: Job = {
    ...{ id: 'a1', operation: 'train', input: { arch: 'x' }, title: 't', state: 'queued', created: 1, started: null },
    ...{ ended: null, spentMs: 0, progress: null, result: null, error: null },
  }
  await withZoo(folder.dir, (zoo) => {
    const store = jobStore(zoo)
    store.put(job)
    store.put({ ...job, id: 'a2' })
    store.put({ ...job, state: 'done', result: [1] })
    store.remove('a2')
  })
  await withZoo(folder.dir, (zoo) => expect(jobStore(zoo).all()).toEqual([{ ...job, state: 'done', result: [1] }]))
})
