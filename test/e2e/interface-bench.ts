/**
 * How smoothly the zoo scrolls while the machine works: 10,000 models, a ResNet-18 inference with every ReLU, the program on one core,
 * a real Chromium, and a trace of its main thread. The limit of the product: tasks under 50 ms at the 99th percentile.
 *   npm run bench -- --only interface
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { findProgram } from '../../core/setup/setup.mjs'
import { NO_CHROMIUM, openApp } from './app.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

const [models = '10000', seconds = '20'] = process.argv.slice(2)
/** A page may draw in between; shorter tasks hold nothing up. */
const FRAME_MS = 1000 / 60

interface TraceEvent {
  readonly name: string
  readonly ph: string
  readonly dur?: number
  readonly tid: number
  readonly pid: number
  readonly args?: { readonly name?: string }
}

if (NO_CHROMIUM) process.exit()
await using folder = await temporaryFolder()
spawnSync(process.execPath, [join(import.meta.dirname, '../bench/zoo.ts'), models, folder.dir], { stdio: 'inherit' })
const taskset = findProgram(['taskset'])
if (taskset === undefined) console.error('there is no taskset: the program runs on every core')
await using app = await openApp({ data: folder.dir, ...(taskset === undefined ? {} : { under: [taskset, '-c', '0'] }) })
const { page } = app

// Through the window's own socket, as a person's click would.
await app.go('/inference')
await page.getByRole('heading', { level: 1 }).first().waitFor()
const started = await app.ask({
  type: 'jobs.submit',
  operation: 'infer',
  input: { source: { arch: 'resnet18', classes: 100, reluKeep: 1 }, threads: { client: 1, server: 1 } },
  title: 'ResNet-18',
})
await app.go('/zoo')
const table = page.getByRole('grid').or(page.getByRole('table')).first()
await table.waitFor()

const trace: TraceEvent[] = []
const session = await page.context().newCDPSession(page)
session.on('Tracing.dataCollected', ({ value }) => trace.push(...(value as unknown as TraceEvent[])))
const ended = new Promise((resolve) => session.once('Tracing.tracingComplete', resolve))
await session.send('Tracing.start', {
  transferMode: 'ReportEvents',
  traceConfig: { includedCategories: ['toplevel', 'disabled-by-default-devtools.timeline', '__metadata'] },
})
await table.hover()
const until = performance.now() + Number(seconds) * 1000
let direction = 1
let furthest = 0
for (let i = 0; performance.now() < until; i++) {
  if (i % 60 === 59) {
    direction = -direction
    const row = await table.getByRole('row').last().getAttribute('aria-rowindex')
    furthest = Math.max(furthest, Number(row))
  }
  await page.mouse.wheel(0, direction * 900)
  await page.waitForTimeout(30)
}
await session.send('Tracing.end')
await ended

const job = (await app.ask({ type: 'jobs.list' })) as readonly { id: string; state: string }[]
const state = job.find(({ id }) => id === (started as { id: string }).id)?.state
const main = trace.find(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain')
const tasks = trace
  .filter(
    ({ name, ph, tid, pid }) =>
      /^(ThreadControllerImpl::)?RunTask$/.test(name) && ph === 'X' && tid === main?.tid && pid === main.pid,
  )
  .map(({ dur = 0 }) => dur / 1000)
  .sort((a, b) => a - b)
if (tasks.length === 0) throw new Error('the trace has no task of the main thread')
const long = tasks.filter((ms) => ms > FRAME_MS)
const at = (list: readonly number[], share: number): string =>
  list.length === 0 ? '–' : list[Math.min(list.length - 1, Math.floor(share * list.length))].toFixed(1)
console.log(
  `${models} models, ${seconds} s of scrolling to row ${furthest} and back; the inference was ${state ?? 'gone'}`,
)
console.log(
  `${tasks.length} tasks of the page's main thread; 99th percentile ${at(tasks, 0.99)} ms, longest ${at(tasks, 1)} ms`,
)
console.log(`${long.length} longer than a frame; their 99th percentile ${at(long, 0.99)} ms`)
