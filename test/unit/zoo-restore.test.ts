import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, test, vi, type Mock } from 'vitest'
import type { Job } from '../../core/jobs/job.ts'
import { jobStore } from '../../core/jobs/store.ts'
import { systemFiles } from '../../core/protocol/store/files.ts'
import { formatOwner, ownOwner } from '../../core/protocol/store/owner.ts'
import { backupZoo } from '../../core/zoo/backup.ts'
import { importModel } from '../../core/zoo/import.ts'
import { listModels } from '../../core/zoo/list.ts'
import { SCHEMA_VERSION } from '../../core/zoo/migrate.ts'
import { restoreBackup } from '../../core/zoo/restore-backup.ts'
import { beginUndisturbed } from '../../core/zoo/restore-state.ts'
import { purgeModels, trashModels } from '../../core/zoo/trash.ts'
import { verifyZoo } from '../../core/zoo/verify.ts'
import { openZoo, withZoo } from '../../core/zoo/zoo.ts'
import { temporaryFolder, writeTiny } from '../fixtures/zoo.ts'

const DEAD = `${formatOwner({ ...ownOwner(), pid: 2 ** 22 + 1 })}.000000000000`

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let data: string
let backup: string
/** A catalog with 'newer', a backup of it from when it had 'older'. */
beforeEach(async () => {
  folder = await temporaryFolder()
  data = join(folder.dir, 'data')
  backup = join(folder.dir, 'backup')
  await withZoo(data, async (zoo) => {
    const { id } = await importModel(zoo, await writeTiny(join(folder.dir, 'a'), 1, { name: 'older' }))
    await backupZoo(zoo, backup)
    await importModel(zoo, await writeTiny(join(folder.dir, 'b'), 2, { name: 'newer' }))
    trashModels(zoo, [id])
    purgeModels(zoo, { ids: [id] })
  })
})
afterEach(() => folder[Symbol.asyncDispose]())

/** Names of the models of a catalog in which nothing is wrong. */
async function names(dataFolder: string): Promise<string[]> {
  return await withZoo(dataFolder, async (zoo) => {
    const { ok, bad, orphans } = await verifyZoo(zoo)
    expect({ ok, bad, orphans }).toEqual({ ok: true, bad: [], orphans: [] })
    return listModels(zoo).models.map(({ name }) => name)
  })
}

/** Everything below a folder with its bytes. */
async function everything(path: string): Promise<Record<string, string>> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  return Object.fromEntries(
    await Promise.all(files.sort().map(async (file) => [file, await readFile(file, 'base64')] as const)),
  )
}

test('what ran when the backup was made does not begin again; what is paused can be resumed', async () => {
  const job = (id: string, state: Job['state']): Job => ({
    ...{ id, operation: 'train', input: {}, title: id, state, created: 1, started: null, ended: null, spentMs: 0 },
    ...{ progress: null, result: null, error: null },
  })
  await withZoo(backup, (zoo) => {
    for (const state of ['queued', 'running', 'paused', 'done'] as const) jobStore(zoo).put(job(state, state))
  })
  const untouched = await everything(backup)
  await restoreBackup(data, backup)
  const states = await withZoo(data, (zoo) =>
    jobStore(zoo)
      .all()
      .map(({ id, state }) => [id, state]),
  )
  expect(Object.fromEntries(states)).toEqual({
    ...{ queued: 'cancelled', running: 'cancelled', paused: 'paused', done: 'done' },
  })
  expect(await everything(backup)).toEqual(untouched)
})

test('the backup takes the place of the catalog, which is kept and can be restored in turn', async () => {
  const untouched = await everything(backup)
  const done = await restoreBackup(data, backup)
  expect(done).toMatchObject({ folder: join(data, 'zoo'), models: 1, files: 4 })
  expect(await everything(backup)).toEqual(untouched)
  expect(await names(data)).toEqual(['older'])
  const before = done.before as string
  expect(await names(before)).toEqual(['newer'])
  const undone = await restoreBackup(data, before)
  expect(await names(data)).toEqual(['newer'])
  expect(await names(undone.before as string)).toEqual(['older'])
})

test('without a catalog nothing is put aside', async () => {
  const fresh = join(folder.dir, 'fresh')
  expect(await restoreBackup(fresh, backup)).toMatchObject({ before: null, models: 1 })
  expect(await names(fresh)).toEqual(['older'])
  expect(await readdir(fresh)).toEqual(['zoo'])
})

test('a damaged catalog is put aside as it is', async () => {
  await writeFile(join(data, 'zoo', 'catalog.sqlite'), 'no database at all')
  const { before } = await restoreBackup(data, backup)
  expect(await readFile(join(before as string, 'zoo', 'catalog.sqlite'), 'utf8')).toBe('no database at all')
  expect(await names(data)).toEqual(['older'])
})

test('the last commits of a backup that was opened and not closed are restored', async () => {
  const zoo = await openZoo(backup)
  zoo.db.pragma('wal_autocheckpoint = 0')
  zoo.db.exec(`UPDATE models SET name = 'committed late'`)
  // As after a kill: the log is still there.
  const killed = join(folder.dir, 'killed')
  await cp(backup, killed, { recursive: true })
  zoo.close()
  await rm(join(killed, 'zoo', 'open'), { recursive: true })
  await restoreBackup(data, killed)
  expect(await names(data)).toEqual(['committed late'])
})

describe('refusals change nothing', () => {
  const changed = (action: (db: Database.Database) => void) => (): void => {
    const db = new Database(join(backup, 'zoo', 'catalog.sqlite'))
    db.unsafeMode(true)
    action(db)
    db.close()
  }
  const file = async (): Promise<string> => {
    const files = Object.keys(await everything(join(backup, 'zoo', 'files')))
    return files[files.length - 1]
  }

  test.each<[string, string, RegExp, () => unknown]>([
    [
      'a folder without a catalog',
      'file-not-found',
      /holds no catalog/,
      () => rm(join(backup, 'zoo', 'catalog.sqlite')),
    ],
    ['a missing file', 'catalog-corrupt', /is missing/, async () => rm(await file())],
    ['a file that was cut off', 'catalog-corrupt', /is damaged/, async () => truncate(await file(), 1)],
    [
      'a file with another byte',
      'catalog-corrupt',
      /is damaged/,
      async () => {
        const bytes = await readFile(await file())
        bytes[bytes.length - 1] ^= 1
        await writeFile(await file(), bytes)
      },
    ],
    [
      'a database that was cut off',
      'catalog-corrupt',
      /backup.*is damaged/,
      () => truncate(join(backup, 'zoo', 'catalog.sqlite'), 8192),
    ],
    ['an empty database', 'catalog-corrupt', /holds nothing/, () => truncate(join(backup, 'zoo', 'catalog.sqlite'), 0)],
    [
      'a database that only the check finds damaged',
      'catalog-corrupt',
      /models_by_creation/,
      changed((db) => {
        db.pragma('writable_schema = ON')
        db.exec(`UPDATE sqlite_schema SET sql = replace(sql, '(created)', '(changed + 1)')
                 WHERE name = 'models_by_creation'`)
      }),
    ],
    [
      'a newer schema',
      'catalog-newer',
      new RegExp(`backup.*has schema ${SCHEMA_VERSION + 1};`),
      changed((db) => void db.pragma(`user_version = ${SCHEMA_VERSION + 1}`)),
    ],
    [
      "another program's database",
      'catalog-corrupt',
      /another program/,
      changed((db) => void db.pragma(`application_id = 7`)),
    ],
    [
      'a catalog that may be open on another machine',
      'catalog-busy',
      /zoo is open/,
      () => writeFile(join(data, 'zoo', 'open', `${formatOwner({ ...ownOwner(), machine: '00000000' })}.0000`), ''),
    ],
    [
      'a restore that runs',
      'catalog-busy',
      /is being restored/,
      () => mkdir(join(data, `zoo.restoring.${formatOwner(ownOwner())}.0000`)),
    ],
  ])('%s', async (_, code, message, prepare) => {
    await prepare()
    const untouched = await everything(data)
    await expect(restoreBackup(data, backup)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
    })
    expect(await everything(data)).toEqual(untouched)
    expect((await readdir(data)).filter((name) => !name.startsWith('zoo.restoring'))).toEqual(['zoo'])
  })

  test('while somebody has the catalog or the backup open', async () => {
    for (const path of [data, backup]) {
      const zoo = await openZoo(path)
      await expect(restoreBackup(data, backup)).rejects.toMatchObject({
        code: 'catalog-busy',
        message: `${join(path, 'zoo')} is open in process ${process.pid}`,
      })
      zoo.close()
    }
    expect(await names(data)).toEqual(['newer'])
    await writeFile(join(data, 'zoo', 'open', DEAD), '')
    await restoreBackup(data, backup)
    expect(await names(data)).toEqual(['older'])
  })

  test('the catalog is no backup of itself', async () => {
    await expect(restoreBackup(data, data)).rejects.toMatchObject({ code: 'usage' })
  })
})

test('an opening and a restore at once: one of them waits or gives way', async () => {
  let opened = 0
  let refused = 0
  for (let i = 0; i < 5; i++) {
    const [session, restored] = await Promise.allSettled([beginUndisturbed(data), restoreBackup(data, backup)])
    if (session.status === 'rejected') throw session.reason
    // Whoever has it open has it open in its place.
    expect(
      (await readdir(join(data, 'zoo', 'open'))).filter((name) => name.startsWith(`${process.pid}-`)),
    ).toHaveLength(1)
    if (restored.status === 'rejected') {
      refused++
      expect(restored.reason).toMatchObject({ code: 'catalog-busy' })
    } else opened++
    session.value.end()
  }
  expect(opened + refused).toBe(5)
  expect(await names(data)).toEqual([opened > 0 ? 'older' : 'newer'])
})

/** Lets something happen right after a file operation on a path that a text is part of, once. */
function after(operation: 'create' | 'rename', part: string, event: () => Promise<unknown>): void {
  const real = systemFiles[operation] as (...paths: string[]) => Promise<unknown>
  const spy = vi.spyOn(systemFiles, operation) as unknown as Mock<typeof real>
  spy.mockImplementation(async (...paths) => {
    const result = await real(...paths)
    if (paths.some((path) => path.includes(part))) {
      spy.mockRestore()
      await event()
    }
    return result
  })
}

describe('whoever comes at the same moment is seen', () => {
  const lock = (): string => join(data, `zoo.restoring.${formatOwner(ownOwner())}.0000`)

  test('an opening waits for a restore that began while it made its marker', async () => {
    after('create', join('zoo', 'open'), () => mkdir(lock()))
    let open = false
    const opening = beginUndisturbed(data).then((session) => {
      open = true
      session.end()
    })
    while (!existsSync(lock())) await systemFiles.list(data)
    for (let i = 0; i < 20; i++) await systemFiles.list(data)
    expect(open).toBe(false)
    // Nor is its marker in the way of the restore.
    await expect.poll(() => readdir(join(data, 'zoo', 'open'))).toEqual([])
    await rm(lock(), { recursive: true })
    await opening
    expect(open).toBe(true)
  })

  test('a restore gives way to an opening that began while the backup was copied', async () => {
    const marker = join(data, 'zoo', 'open', `${formatOwner(ownOwner())}.0000`)
    after('rename', 'zoo.restoring.', () => writeFile(marker, ''))
    await expect(restoreBackup(data, backup)).rejects.toMatchObject({ code: 'catalog-busy', message: /is open/ })
    await rm(marker)
    expect(await readdir(data)).toEqual(['zoo'])
    expect(await names(data)).toEqual(['newer'])
  })

  test('and so do two restores', async () => {
    after('rename', 'zoo.restoring.', () => mkdir(lock()))
    await expect(restoreBackup(data, backup)).rejects.toMatchObject({
      code: 'catalog-busy',
      message: /another process/,
    })
    await rm(lock(), { recursive: true })
    expect(await readdir(data)).toEqual(['zoo'])
    expect(await names(data)).toEqual(['newer'])
  })
})

/** A process that is killed before its n-th change of the folders; without n, it says how many there are. */
function restoreAndDie(n: number | null): number {
  const from = (path: string): string => JSON.stringify(new URL(`../../core/${path}`, import.meta.url).href)
  const code = `
    import { systemFiles } from ${from('protocol/store/files.ts')}
    import { restoreBackup } from ${from('zoo/restore-backup.ts')}
    let steps = 0
    for (const name of ['rename', 'remove', 'syncFolder']) {
      const action = systemFiles[name]
      systemFiles[name] = (...given) => {
        if (++steps === ${n}) process.kill(process.pid, 'SIGKILL')
        return action(...given)
      }
    }
    await restoreBackup(${JSON.stringify(data)}, ${JSON.stringify(backup)})
    console.log(steps)`
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code])
  expect([n === null ? status : signal, stderr.toString()]).toEqual([n === null ? 0 : 'SIGKILL', ''])
  return Number(stdout.toString())
}

test('killed at any step, it leaves one or the other whole, and the other is never lost', async () => {
  const intact = join(folder.dir, 'intact')
  await cp(data, intact, { recursive: true })
  const steps = restoreAndDie(null)
  const ends = new Set<string>()
  for (let n = 1; n <= steps; n++) {
    await rm(data, { recursive: true })
    await cp(intact, data, { recursive: true })
    restoreAndDie(n)
    const [name] = await names(data)
    ends.add(name)
    const aside = (await readdir(data)).filter((one) => one !== 'zoo')
    if (name === 'newer') expect(aside).toEqual([])
    else {
      expect(aside).toEqual([expect.stringMatching(/^zoo\.before-restore-/)])
      expect(await names(join(data, aside[0]))).toEqual(['newer'])
    }
  }
  expect(ends).toEqual(new Set(['newer', 'older']))
}, 120_000)
