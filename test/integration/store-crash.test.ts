/** The package store across processes that race, are traced, or are killed. ADYTON_SOAK sets the number of kills. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { PackageStore } from '../../core/protocol/store/store.ts'
import { build, check } from './store-child.ts'

const CHILD = fileURLToPath(new URL('store-child.ts', import.meta.url))
const KILLS = Number(process.env.ADYTON_SOAK ?? 20)

let dir: string
const children = new Set<ChildProcess>()
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'adyton-crash-'))
})
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL')
  children.clear()
  await rm(dir, { recursive: true })
})

const at = (...parts: string[]): string => join(dir, 'client', ...parts)
const open = (): Promise<PackageStore> => PackageStore.open(dir, { role: 'client' })

/** Starts a task of store-child.ts and waits until it says that it is ready. */
async function start(what: string, ...args: string[]) {
  const child = spawn(process.execPath, [CHILD, what, dir, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  children.add(child)
  const printed = { out: '', err: '' }
  const ended = once(child, 'close')
  child.stderr.on('data', (chunk: Buffer) => (printed.err += chunk.toString()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      printed.out += chunk.toString()
      if (printed.out.startsWith('ready\n')) resolve()
    })
    child.once('close', () => reject(new Error(`the child ended early: ${printed.err}`)))
  })
  return { child, printed, ended }
}

test('of two processes that take the same packages at once, exactly one gets each', async () => {
  const store = await open()
  const ids: string[] = []
  for (let i = 0; i < 40; i++) ids.push(await build(store))
  const racers = await Promise.all([start('race', ...ids), start('race', ...ids)])
  for (const { child } of racers) child.stdin.write('go\n')
  await Promise.all(racers.map(({ ended }) => ended))
  const lines = racers.map(({ printed }) => printed.out.trim().split('\n').slice(1))
  for (const [i, id] of ids.entries()) {
    expect([lines[0][i], lines[1][i]].sort()).toEqual([`package-used ${id}`, `won ${id}`])
  }
})

test('what a process has open stays while it lives and goes when it is dead', async () => {
  const { child, ended } = await start('hold')
  const store = await open()
  expect(await store.list()).toEqual([])
  expect(await readdir(at('building'))).toHaveLength(1)
  expect(await readdir(at('using'))).toHaveLength(1)
  child.kill('SIGKILL')
  await ended
  await open()
  expect(await readdir(at('building'))).toEqual([])
  expect(await readdir(at('using'))).toEqual([])
  expect(await readdir(at('burned'))).toHaveLength(1)
})

test(
  `after ${KILLS} kills at random moments nothing is half, and nothing was used twice`,
  async () => {
    const log = join(dir, 'used.log')
    await writeFile(log, '')
    for (let kills = 0; kills < KILLS; kills += 2) {
      const pair = await Promise.all([start('churn', log), start('churn', log)])
      for (const { child, ended, printed } of pair) {
        await new Promise((resolve) => setTimeout(resolve, randomInt(120)))
        // A child that found a damaged or half-built package has ended by itself, with a message.
        expect(printed.err).toBe('')
        child.kill('SIGKILL')
        await ended
        expect(child.signalCode, printed.err).toBe('SIGKILL')
      }
      const store = await open()
      expect(await readdir(at('building'))).toEqual([])
      expect(await readdir(at('using'))).toEqual([])
      const used = (await readFile(log, 'utf8')).trim().split('\n').filter(Boolean)
      expect(new Set(used).size).toBe(used.length)
      const burned = new Set(await readdir(at('burned')))
      for (const id of used) expect(burned).toContain(id)
      const listed = (await store.list()).map(({ id }) => id)
      expect(listed.filter((id) => burned.has(id))).toEqual([])
      // Material of a used package can stay for a minute if its process was killed before it signed the record.
      for (const id of await readdir(at('ready'))) {
        if (burned.has(id)) expect(await readFile(at('burned', id), 'utf8')).toBe('')
        else expect(listed).toContain(id)
      }
      // Some stay for the next pair.
      for (const id of listed.slice(0, -2)) {
        const reader = await store.take(id)
        await check(reader)
        await reader.close()
        await expect(store.take(id)).rejects.toMatchObject({ code: 'package-used' })
      }
    }
    expect((await readFile(log, 'utf8')).length).toBeGreaterThan(0)
  },
  60_000 + KILLS * 5_000,
)

test('the record of a use is on the disk before the first byte leaves', async ({ skip }) => {
  const probe = spawnSync('strace', ['-f', '-o', join(dir, 'probe'), process.execPath, '--version'])
  if (probe.status !== 0) skip('strace is missing or may not trace here')
  const id = await build(await open())
  const trace = join(dir, 'trace')
  const args = ['-f', '-y', '-s', '64', '-e', 'trace=openat,write,fsync,fdatasync', '-o', trace]
  const run = spawnSync('strace', [...args, process.execPath, CHILD, 'use', dir, id], { encoding: 'utf8' })
  expect(run.stdout, run.stderr).toBe('first byte\n')

  const calls = readTrace(await readFile(trace, 'utf8'))
  const find = (pattern: RegExp) => calls.find(({ text }) => pattern.test(text))
  const record = `/burned/${id}`
  const created = find(new RegExp(`^openat\\(.*${record}", O_WRONLY\\|O_CREAT\\|O_EXCL.*, 0600\\) += [0-9]+`))
  const fileSynced = find(new RegExp(`^fsync\\([0-9]+<[^>]*${record}>\\) += 0$`))
  const folderSynced = find(/^fsync\([0-9]+<[^>]*\/burned>\) += 0$/)
  const firstByte = find(/^write\(1<.*first byte/)
  expect(created!.end).toBeLessThan(fileSynced!.start)
  expect(fileSynced!.end).toBeLessThan(folderSynced!.start)
  expect(folderSynced!.end).toBeLessThan(firstByte!.start)
})

/** The calls of a trace with the lines at which they start and end: those of several threads lie between each other. */
function readTrace(text: string): { text: string; start: number; end: number }[] {
  const calls: { text: string; start: number; end: number }[] = []
  const open = new Map<string, { text: string; start: number }>()
  for (const [index, line] of text.split('\n').entries()) {
    const [, pid, body] = /^([0-9]+) +(.*)$/.exec(line) ?? []
    if (body === undefined) continue
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(body)
    if (body.endsWith('<unfinished ...>')) {
      open.set(pid, { text: body.slice(0, body.indexOf(' <unfinished')), start: index })
    } else if (resumed !== null) {
      const begun = open.get(pid)
      if (begun !== undefined) calls.push({ text: begun.text + resumed[1], start: begun.start, end: index })
      open.delete(pid)
    } else calls.push({ text: body, start: index, end: index })
  }
  return calls.sort((a, b) => a.start - b.start)
}
