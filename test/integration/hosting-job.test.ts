/** A server as a job of the queue: what it tells, what it can be told, and how it ends. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import * as v from 'valibot'
import { HostingDetailSchema, type HostingDetail } from '../../core/api/data/hosting.ts'
import { jobKind } from '../../core/api/jobs/kinds.ts'
import { processRunner } from '../../core/api/jobs/runner.ts'
import { pair } from '../../core/api/operations/peers.ts'
import { JobQueue } from '../../core/jobs/queue.ts'
import { jobStore } from '../../core/jobs/store.ts'
import { openZoo } from '../../core/zoo/zoo.ts'
import { quiet, TINY } from '../fixtures/hosting.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

test('a server in a process of its own is told to show another code, pairs by it, and ends with a result', async () => {
  await using folder = await temporaryFolder()
  const zoo = await openZoo(folder.dir)
  const queue = new JobQueue({ store: jobStore(zoo), runner: processRunner(join(folder.dir, 'host')), kindOf: jobKind })
  const job = queue.submit('serve', { source: TINY, pairing: true, threads: 1 }, 'Host')
  const until = (fits: (detail: HostingDetail) => boolean): Promise<HostingDetail> =>
    new Promise((resolve) => {
      const end = queue.listen((event) => {
        if (event.kind !== 'progress') return
        const detail = v.parse(HostingDetailSchema, event.progress.detail)
        if (!fits(detail)) return
        end()
        resolve(detail)
      })
    })
  // Told before it listens: it hears of it once it does.
  queue.tell(job.id, { do: 'stopPairing' })
  await until(({ state, pairing }) => state === 'listening' && pairing === null)
  const opened = until(({ pairing }) => pairing !== null)
  queue.tell(job.id, { do: 'newCode' })
  const { pairing, address } = await opened
  const port = Number(/:(\d+)$/.exec(address ?? '')?.[1])
  const used = until((detail) => detail.pairing === null)
  const data = join(folder.dir, 'guest')
  const server = await pair.run({ host: '127.0.0.1', port, code: pairing?.code ?? '', data }, quiet())
  expect(server.fingerprint).toBe((await used).fingerprint)
  const ended = new Promise<void>((resolve) => {
    queue.listen((event) => {
      if (event.kind === 'job' && event.job.state === 'done') resolve()
    })
  })
  queue.cancel(job.id)
  await ended
  expect(queue.get(job.id)).toMatchObject({ state: 'done', result: { port, prepared: 0, inferences: 0 } })
  // No code is left in what is stored.
  expect((queue.get(job.id).progress?.detail as HostingDetail).pairing).toBeNull()
  await queue.close()
  zoo.close()
}, 60_000)
