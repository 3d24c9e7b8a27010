/**
 * Our processes as Electron starts them, over a stand-in for its utility processes that is made of real ones: a worker
 * that may start none itself gets its party processes from the main process.
 */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nodeForker, setForker } from '../../core/api/processes/child.ts'
import type { InferResult } from '../../core/api/operations/infer.ts'
import type { EnginesResult } from '../../core/api/operations/engines.ts'
import { WorkerProcess, type WorkerRun } from '../../core/api/worker/worker.ts'
import { utilityForker } from '../../electron/processes/utility.ts'
import { fakeProcesses, FakeUtilityProcess } from '../fixtures/electron/utility.ts'
import { ROOT } from '../fixtures/command.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

const SEVEN = fileURLToPath(new URL('../../resources/samples/seven.png', import.meta.url))
const INPUT = { source: { model: 'digits' }, picture: SEVEN, threads: { client: 1, server: 1 }, record: false }

const PATIENT = { timeout: 20_000 }
const SILENT = { onProgress: () => undefined, onNotice: () => undefined }

const entries = (): string[] => FakeUtilityProcess.all.map(({ entry }) => entry.slice(ROOT.length).replace(/^\//, ''))
const party = (role: string): FakeUtilityProcess | undefined =>
  FakeUtilityProcess.all.findLast(({ entry }) => entry.endsWith(`party/${role}.ts`))
const allEnded = (): boolean => FakeUtilityProcess.all.every(({ running }) => !running)

beforeAll(() => setForker(utilityForker(fakeProcesses)))
afterAll(() => setForker(nodeForker))

/** Starts an inference; `told` is called with every progress. */
function infer(worker: WorkerProcess, told: (text: string) => void = () => undefined): WorkerRun {
  return worker.run('infer', INPUT, { onProgress: ({ text }) => told(text), onNotice: () => undefined })
}

test('a private inference of a drawn seven, its processes started by the main one; none is left', async () => {
  await using folder = await temporaryFolder()
  const worker = new WorkerProcess(folder.dir)
  const said: string[] = []
  const result = (await infer(worker, (text) => said.push(text)).done) as InferResult
  expect(result.predictions[0]).toMatchObject({ label: 7, clear: 7 })
  expect(result.bytes).not.toEqual({})
  expect(said.length).toBeGreaterThan(3)
  expect(entries()).toEqual(['core/api/worker/process.ts', 'core/api/party/server.ts', 'core/api/party/client.ts'])
  worker.kill()
  await expect.poll(allEnded, PATIENT).toBe(true)
})

test('stopped, it says so and its parties end; a party that is killed is an error that names it', async () => {
  await using folder = await temporaryFolder()
  const worker = new WorkerProcess(folder.dir)
  const cancelled = infer(worker, () => cancelled.stop())
  await expect(cancelled.done).rejects.toMatchObject({ code: 'cancelled' })
  await expect.poll(() => [party('client')?.running, party('server')?.running], PATIENT).toEqual([false, false])

  const before = party('server')
  const broken = infer(worker, () => {
    const { pid } = party('server') ?? {}
    if (party('server') !== before && pid !== undefined) process.kill(pid, 'SIGKILL')
  })
  await expect(broken.done).rejects.toMatchObject({ code: expect.stringMatching(/peer-closed|connection/) as string })
  // The worker lives on and does the next.
  expect(await worker.run('models', {}, SILENT).done).toContainEqual(expect.objectContaining({ id: 'digits' }))
  worker.kill()
  await expect.poll(allEnded, PATIENT).toBe(true)
})

test('a worker that is killed takes its parties along, and says how it ended', async () => {
  await using folder = await temporaryFolder()
  const worker = new WorkerProcess(folder.dir)
  const before = party('server')
  const run = infer(worker, () => {
    if (party('server') !== before) worker.kill()
  })
  await expect(run.done).rejects.toMatchObject({
    code: 'internal',
    message: expect.stringContaining('the worker process ended with exit code 9') as string,
  })
  expect(party('server')).not.toBe(before)
  await expect.poll(allEnded, PATIENT).toBe(true)
})

test('killed before it has a number, a process does not live', async () => {
  const worker = new WorkerProcess()
  worker.kill()
  const run = worker.run('models', {}, SILENT)
  await expect(run.done).rejects.toMatchObject({ code: 'internal' })
  await expect.poll(allEnded, PATIENT).toBe(true)
})

test('the training engine is looked at in a process of its own', async () => {
  await using folder = await temporaryFolder()
  const worker = new WorkerProcess(folder.dir)
  const run = worker.run('engines', {}, SILENT)
  const { engines } = (await run.done) as EnginesResult
  expect(engines.filter(({ state }) => state === 'runs')).toHaveLength(1)
  expect(entries().at(-1)).toBe('core/api/processes/program.ts')
  worker.kill()
  await expect.poll(allEnded, PATIENT).toBe(true)
}, 120_000)
