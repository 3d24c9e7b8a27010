/** SIGKILL at random moments of imports, edits, purges, backups and migrations. ADYTON_SOAK sets the number of kills. */
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { expect, test } from 'vitest'
import { configure, connect, integrityProblems } from '../../core/zoo/database.ts'
import { listModels } from '../../core/zoo/list.ts'
import { migrate, SCHEMA_VERSION } from '../../core/zoo/migrate.ts'
import { showModel } from '../../core/zoo/show.ts'
import { verifyZoo } from '../../core/zoo/verify.ts'
import { withZoo } from '../../core/zoo/zoo.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

const CHILD = fileURLToPath(new URL('zoo-child.ts', import.meta.url))
const MIGRATING = fileURLToPath(new URL('zoo-migrating-child.ts', import.meta.url))
const KILLS = Number(process.env.ADYTON_SOAK ?? 12)

/** Runs a program that says when it begins, and kills it within so many milliseconds from then on. */
async function killed(program: string, args: readonly string[], within: number): Promise<void> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  const ended = once(child, 'close')
  await Promise.race([once(child.stdout, 'data'), ended])
  await new Promise((resolve) => setTimeout(resolve, randomInt(within)))
  child.kill('SIGKILL')
  await ended
  expect([errors, child.signalCode]).toEqual(['', 'SIGKILL'])
}

test(
  `after ${KILLS} kills no committed model is lost, nothing is left over, and the catalog opens`,
  async () => {
    await using folder = await temporaryFolder()
    const { dir } = folder
    const [data, log] = [join(dir, 'data'), join(dir, 'log')]
    await writeFile(log, '')
    // A slow machine may take more kills until each kind of work has been seen.
    const worked = async () => /imported[^]*backed-up/.test(await readFile(log, 'utf8'))
    for (let kills = 0; kills < KILLS || (kills < 10 * KILLS && !(await worked())); kills += 2) {
      // Two processes on one catalog.
      await Promise.all([killed(CHILD, [data, dir, log], 500), killed(CHILD, [data, dir, log], 500)])
      const lines = (await readFile(log, 'utf8')).trim().split('\n')
      const ids = (what: string) =>
        new Set(lines.filter((line) => line.startsWith(`${what} `)).map((line) => line.split(' ')[1]))
      const [imported, purging, purged] = [ids('imported'), ids('purging'), ids('purged')]
      await withZoo(data, async (zoo) => {
        const left = [false, true].flatMap((trash) => listModels(zoo, { trash, limit: 1000 }).models)
        const present = new Set(left.map(({ id }) => id))
        for (const id of imported) if (!purging.has(id)) expect(present).toContain(id)
        for (const id of purged) expect(present).not.toContain(id)
        // No row without its file, whatever was going on.
        const before = await verifyZoo(zoo)
        expect([before.database, before.bad]).toEqual([[], []])
        expect(await verifyZoo(zoo, { repair: true })).toMatchObject({ ok: true })
        const after = await verifyZoo(zoo)
        expect(after).toMatchObject({ ok: true, orphans: [] })
        for (const id of present) expect(showModel(zoo, id).files).toHaveLength(4)
      })
      await checkBackups(dir, ids('backed-up'))
    }
    // The children did get to work.
    expect(await worked()).toBe(true)
  },
  KILLS * 20_000,
)

/** A backup is there whole, or not at all; those that were reported are there. */
async function checkBackups(dir: string, reported: ReadonlySet<string>): Promise<void> {
  const there = (await readdir(dir)).filter((name) => name.startsWith('backup-'))
  for (const path of reported) if (!existsSync(`${path}.checked`)) expect(there).toContain(basename(path))
  for (const name of there.filter((one) => !one.endsWith('.checked'))) {
    await withZoo(join(dir, name), async (zoo) => expect(await verifyZoo(zoo)).toMatchObject({ ok: true, orphans: [] }))
    await rm(join(dir, name), { recursive: true })
    await writeFile(join(dir, `${name}.checked`), '')
  }
}

const MODELS = 300
const ROUNDS = Math.ceil(KILLS / 3)

test(
  `after ${ROUNDS} kills in migrations every model is there, every copy is whole, and the catalog opens`,
  async () => {
    await using folder = await temporaryFolder()
    const { dir } = folder
    const template = join(dir, 'old.sqlite')
    await oldDatabase(template)
    let unfinished = 0
    for (let round = 0; round < ROUNDS; round++) {
      const data = join(dir, `data-${round}`)
      await mkdir(join(data, 'zoo'), { recursive: true })
      await copyFile(template, join(data, 'zoo', 'catalog.sqlite'))
      await killed(MIGRATING, [data], 40)
      const raw = new Database(join(data, 'zoo', 'catalog.sqlite'))
      if (raw.pragma('user_version', { simple: true }) !== SCHEMA_VERSION) unfinished++
      raw.close()
      await withZoo(data, (zoo) => {
        expect(zoo.db.pragma('user_version', { simple: true })).toBe(SCHEMA_VERSION)
        expect(integrityProblems(zoo.db)).toEqual([])
        expect(listModels(zoo, { query: 'heron', limit: 1 }).total).toBe(MODELS)
      })
      const copies = join(data, 'zoo', 'backups')
      const whole = (await readdir(copies)).filter((name) => name.startsWith('catalog-'))
      expect(whole).not.toEqual([])
      for (const name of whole) {
        const copy = new Database(join(copies, name), { readonly: true })
        expect(integrityProblems(copy)).toEqual([])
        expect(copy.prepare('SELECT count(*) FROM models').pluck().get()).toBe(MODELS)
        copy.close()
      }
      await rm(data, { recursive: true })
    }
    // Some of the kills struck before the last migration was done.
    expect(unfinished).toBeGreaterThan(0)
  },
  ROUNDS * 20_000,
)

/** A catalog of the schema before there was a search index. */
async function oldDatabase(file: string): Promise<void> {
  const db = connect(file)
  configure(db)
  await migrate(db, join(file, '..', 'backups'), 4)
  const text = 'a heron by the water '.repeat(50)
  db.transaction(() => {
    db.exec(`INSERT INTO datasets VALUES (1, 'CIFAR-10', 'cifar10')`)
    for (let i = 1; i <= MODELS; i++) {
      db.prepare('INSERT INTO models VALUES (?, ?, ?, 1, 1, NULL)').run(i, `old-${i}`, `old ${i}`)
      db.prepare(`INSERT INTO versions VALUES (?, ?, 1, 'draft', 1)`).run(i, i)
      const card = JSON.stringify({ name: `old ${i}`, dataset: 'CIFAR-10', description: text })
      db.prepare(`INSERT INTO cards VALUES (?, ?, 'MIT', 1, NULL, NULL, NULL)`).run(i, card)
    }
  })()
  db.pragma('journal_mode = DELETE')
  db.close()
}
