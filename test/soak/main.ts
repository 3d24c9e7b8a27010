/**
 * The robustness campaigns in full: `npm run soak [-- --kills N --mutations N --sessions N --store N --catalog N --report FILE]`.
 * Writes docs/soak-report.md and fails when anything failed.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { runKills, type KillReport } from '../campaigns/kills.ts'
import type { MutationReport } from '../campaigns/mutations.ts'
import { runSessions, type SessionReport } from '../campaigns/sessions.ts'
import type { FromWorker } from './mutations-worker.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

const { values } = parseArgs({
  options: {
    /** Kills of each party. */
    kills: { type: 'string', default: '100' },
    /** Mutations in each state. */
    mutations: { type: 'string', default: '10000' },
    /** Whole sessions with a mutated frame. */
    sessions: { type: 'string', default: '300' },
    /** Kills of processes that churn a store. */
    store: { type: 'string', default: '100' },
    /** Kills of processes that work on a catalog; a third as many on top while they migrate one. */
    catalog: { type: 'string', default: '200' },
    report: { type: 'string', default: `${ROOT}docs/soak-report.md` },
  },
})

function count(name: 'kills' | 'mutations' | 'sessions' | 'store' | 'catalog'): number {
  const n = Number(values[name])
  if (!Number.isInteger(n) || n < 0) throw new RangeError(`--${name} takes a whole number, not ${values[name]}`)
  return n
}

const kills = count('kills')
const mutations = count('mutations')
const sessions = count('sessions')
const store = count('store')
const catalog = count('catalog')

/** Prints how far a campaign is and when it will be done, at most every ten seconds. */
function progress(what: string): (done: number, total: number, note?: string) => void {
  const begun = performance.now()
  let last = 0
  return (done, total, note = '') => {
    const now = performance.now()
    if (now - last < 10_000 && done < total) return
    last = now
    const left = ((now - begun) / done) * (total - done)
    console.log(`${what}: ${done} of ${total}${note === '' ? '' : ` (${note})`}, ${minutes(left / 1000)} to go`)
  }
}

function minutes(seconds: number): string {
  return seconds < 100 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`
}

interface TestReport {
  readonly ok: boolean
  readonly output: string
  readonly seconds: number
}

/** Tests of this repository with more kills than they have by themselves. */
async function runTests(test: string, n: number, what: string): Promise<TestReport> {
  const begun = performance.now()
  console.log(`${what}: ${n} kills`)
  const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
  const child = spawn(process.execPath, [vitest, 'run', `test/integration/${test}`], {
    cwd: ROOT,
    env: { ...process.env, ADYTON_SOAK: String(n), NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number | null]
  return { ok: code === 0, output, seconds: (performance.now() - begun) / 1000 }
}

/** The mutations in a thread of their own, while the other campaigns go on. */
async function runMutationsAside(): Promise<MutationReport> {
  const worker = new Worker(new URL('mutations-worker.ts', import.meta.url), { workerData: { mutations } })
  const report = progress('mutations')
  return await new Promise((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      if ('report' in message) resolve(message.report)
      else report(message.done, message.total, message.name)
    })
    worker.on('error', reject)
    worker.on('exit', (code) => reject(new Error(`the mutations ended early, with exit code ${code}`)))
  })
}

const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0)
const list = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .sort(([, a], [, b]) => b - a)
    .map(([code, n]) => `${code} ${n}`)
    .join(', ') || 'none'
const failed = (failures: readonly string[]): string[] =>
  failures.length === 0
    ? ['No failures.']
    : [`**${failures.length} failures:**`, '', ...failures.map((f) => `- ${anonymous(f)}`)]

/** Messages and stacks without the folder that this copy lies in. */
function anonymous(text: string): string {
  return text.replaceAll(ROOT, '').split('\n').slice(0, 4).join(' ')
}

function killLines(report: KillReport): string[] {
  const { struck, burned, refused } = report
  return [
    `## Kills (${sum(struck.client) + sum(struck.server)}, ${minutes(report.seconds)})`,
    '',
    '| Killed | offline | online |',
    '| --- | ---: | ---: |',
    `| client | ${struck.client.offline} | ${struck.client.online} |`,
    `| server | ${struck.server.offline} | ${struck.server.online} |`,
    '',
    `Each struck a running phase at a uniformly random moment; ${report.missed} more fell before or after one and are not`,
    `counted. The survivors reported ${list(report.codes)}; the slowest took ${Math.round(report.slowestReport)} ms.`,
    'After each kill both stores opened, held nothing half and offered nothing that was burned, the log that is kept beside',
    'the store names no package twice, and the restarted pair ran another inference with the right answer',
    `(${report.answered} in all).`,
    '',
    `Online kills found the package burned by neither party ${burned.neither} times, by the client alone ${burned.client}`,
    `times, by both ${burned.both} times. Second uses refused: ${refused.client} by the client's own store, ${refused.server}`,
    `by the server. Packages that only the client was left with, each refused by name: ${report.oneSided.client}. Packages that`,
    `only the server was left with, which nobody can ask for: ${report.oneSided.server}.`,
    '',
    ...failed(report.failures),
  ]
}

function mutationLines(report: MutationReport): string[] {
  const total = report.states.reduce((n, state) => n + state.mutations, 0)
  return [
    `## Mutated frames (${total.toLocaleString('en')} in ${report.states.length} states, ${minutes(report.seconds)})`,
    '',
    'In each state the frames before are genuine and one is mutated: bits of header or payload flipped, cut, extended,',
    'another type, step, number or version, false lengths up to 4 GiB, doubled, reordered, left out, the connection cut,',
    'random bytes, rewritten JSON. "Parsed" came through the framing to what reads the payload; "accepted" are valid',
    'encodings of something else. Everything else was refused with a typed error. No read was larger than its state allows.',
    '',
    '| State | mutations | parsed | accepted | refused with |',
    '| --- | ---: | ---: | ---: | --- |',
    ...report.states.map((s) => `| ${s.name} | ${s.mutations} | ${s.parsed} | ${s.accepted} | ${list(s.codes)} |`),
    '',
    `Seed ${report.seed}. The process grew by ${Math.round(report.growth / 2 ** 20)} MiB.`,
    '',
    ...failed(report.failures),
  ]
}

function sessionLines(report: SessionReport): string[] {
  return [
    `## Whole sessions with a mutated frame (${report.sessions}, ${minutes(report.seconds)})`,
    '',
    `${report.completed} came to their end at both parties; the others ended with ${list(report.codes)}. Seed ${report.seed}.`,
    '',
    ...failed(report.failures),
  ]
}

const testResult = ({ ok, output }: TestReport): string =>
  ok ? 'No failures.' : `**Failed:** ${anonymous(output.slice(-2000))}`

function storeLines(report: TestReport): string[] {
  return [`## Store (${store} kills of processes that share one, ${minutes(report.seconds)})`, '', testResult(report)]
}

function catalogLines(report: TestReport): string[] {
  const migrating = Math.ceil(catalog / 3)
  return [
    `## Catalog (${catalog + migrating} kills, ${minutes(report.seconds)})`,
    '',
    `${catalog} in imports, edits, purges and backups, two processes at a time on one catalog; ${migrating} in migrations of a`,
    'catalog of an older schema. After each the catalog opened and the database was whole; every model whose import had',
    'been reported was there unless its purge had begun, none whose purge had been reported; no row was without its file,',
    'and `verify --repair` left no orphan; backups and copies from before a migration were whole or not there.',
    '',
    testResult(report),
  ]
}

const begun = performance.now()
const { version } = JSON.parse(await readFile(`${ROOT}package.json`, 'utf8')) as { version: string }
const storeReport = await runTests('store-crash.test.ts', store, 'store')
const catalogReport = await runTests('zoo-kills.test.ts', catalog, 'catalog')
const mutating = runMutationsAside()
const killReport = await runKills({ kills: { client: kills, server: kills }, onProgress: progress('kills') })
const sessionReport = await runSessions(sessions, { onProgress: progress('sessions') })
const mutationReport = await mutating
const failures =
  killReport.failures.length +
  sessionReport.failures.length +
  mutationReport.failures.length +
  [storeReport, catalogReport].filter(({ ok }) => !ok).length
const lines = [
  '# Soak report',
  '',
  `${new Date().toISOString().slice(0, 10)}, Adyton ${version}, Node ${process.version}, ${process.platform} ${process.arch},`,
  `${minutes((performance.now() - begun) / 1000)}: **${failures === 0 ? 'no failures' : `${failures} failures`}**.`,
  '',
  'Written by `npm run soak`.',
  '',
  ...killLines(killReport),
  '',
  ...mutationLines(mutationReport),
  '',
  ...sessionLines(sessionReport),
  '',
  ...storeLines(storeReport),
  '',
  ...catalogLines(catalogReport),
  '',
]
await writeFile(values.report, lines.join('\n'))
console.log(`${failures === 0 ? 'no failures' : `${failures} failures`}; the report is in ${values.report}`)
process.exitCode = failures === 0 ? 0 : 1
