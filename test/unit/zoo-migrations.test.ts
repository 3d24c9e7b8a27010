import { readdirSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { describe, expect, test } from 'vitest'
import { configure, connect } from '../../core/zoo/database.ts'
import { listModels } from '../../core/zoo/list.ts'
import { migrate, SCHEMA_VERSION } from '../../core/zoo/migrate.ts'
import { ownOwner, formatOwner } from '../../core/protocol/store/owner.ts'
import { openZoo } from '../../core/zoo/zoo.ts'
import { insertRow, temporaryFolder } from '../fixtures/zoo.ts'

/** A catalog of an older schema with what could be in it then. */
async function older(dir: string, version: number): Promise<void> {
  await mkdir(join(dir, 'zoo'))
  const db = connect(join(dir, 'zoo', 'catalog.sqlite'))
  configure(db)
  await migrate(db, join(dir, 'zoo', 'backups'), version)
  db.exec(`INSERT INTO models VALUES (7, 'oldmodel', 'Élan', 1, 2, NULL);
           INSERT INTO versions VALUES (70, 7, 1, 'candidate', 1)`)
  if (version >= 3) db.exec(`INSERT INTO datasets VALUES (5, 'CIFAR-10', 'cifar10')`)
  if (version >= 4) {
    db.exec(`INSERT INTO cards VALUES (70, '{"name":"Élan","dataset":"CIFAR-10","description":"winged words"}', 'MIT', 5,
             NULL, NULL, NULL)`)
  }
  if (version >= 5) db.exec(`INSERT INTO tags VALUES (7, 'demo')`)
  db.close()
}

describe('migrations', () => {
  test('are numbered without gaps, one file each', () => {
    const files = readdirSync(new URL('../../core/zoo/migrations', import.meta.url)).sort()
    const numbers = files.filter((name) => name !== 'index.ts').map((name) => Number(name.slice(0, 3)))
    expect(numbers).toEqual(Array.from({ length: SCHEMA_VERSION }, (_, i) => i + 1))
  })

  test.each(Array.from({ length: SCHEMA_VERSION }, (_, i) => i + 1))(
    'go forward from schema %i and keep the data',
    async (version) => {
      await using folder = await temporaryFolder()
      await older(folder.dir, version)
      const zoo = await openZoo(folder.dir)
      try {
        expect(zoo.db.pragma('user_version', { simple: true })).toBe(SCHEMA_VERSION)
        expect(zoo.db.prepare('SELECT id, name FROM models').all()).toEqual([{ id: 'oldmodel', name: 'Élan' }])
        expect(zoo.db.prepare('SELECT stage FROM versions').pluck().all()).toEqual(['candidate'])
        if (version >= 4 && version < 10) {
          // The search index is built of what was there before it.
          expect(listModels(zoo, { query: 'wing elan' }).models.map(({ id }) => id)).toEqual(['oldmodel'])
        }
        if (version >= 5) expect(listModels(zoo, { query: 'tag:demo' }).total).toBe(1)
        insertRow(zoo, { name: 'new one' })
      } finally {
        zoo.close()
      }
      const backups = await readdir(join(folder.dir, 'zoo', 'backups')).catch(() => [])
      if (version === SCHEMA_VERSION) expect(backups).toEqual([])
      else {
        expect(backups).toEqual([expect.stringMatching(new RegExp(`^catalog-v${version}-.*\\.sqlite$`))])
        const copy = new Database(join(folder.dir, 'zoo', 'backups', backups[0]), { readonly: true })
        expect(copy.pragma('user_version', { simple: true })).toBe(version)
        expect(copy.prepare('SELECT name FROM models').pluck().all()).toEqual(['Élan'])
        copy.close()
      }
    },
  )

  test('every table is STRICT', async () => {
    await using folder = await temporaryFolder()
    const zoo = await openZoo(folder.dir)
    const tables = zoo.db.prepare(`SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'`)
    const loose = (tables.all() as { name: string; strict: number }[]).filter((t) => t.strict === 0)
    zoo.close()
    expect(loose.map(({ name }) => name)).toEqual(['sqlite_schema'])
  })
})

describe('opening', () => {
  test('refuses a newer database by name and leaves it as it is', async () => {
    await using folder = await temporaryFolder()
    const zoo = await openZoo(folder.dir)
    insertRow(zoo, { name: 'kept' })
    zoo.db.pragma(`user_version = ${SCHEMA_VERSION + 3}`)
    zoo.close()
    const file = join(folder.dir, 'zoo', 'catalog.sqlite')
    const before = await readFile(file)
    await expect(openZoo(folder.dir)).rejects.toMatchObject({
      code: 'catalog-newer',
      message: `${file} has schema ${SCHEMA_VERSION + 3}; this version of Adyton knows schemas up to ${SCHEMA_VERSION}`,
      advice: expect.stringContaining('backups') as string,
    })
    expect(await readFile(file)).toEqual(before)
    expect(await readdir(join(folder.dir, 'zoo', 'open'))).toEqual([])
  })

  test('refuses what is no database, and the database of another program', async () => {
    await using folder = await temporaryFolder()
    await mkdir(join(folder.dir, 'zoo'))
    const file = join(folder.dir, 'zoo', 'catalog.sqlite')
    await writeFile(file, 'not a database, though long enough to be read as one '.repeat(100))
    await expect(openZoo(folder.dir)).rejects.toMatchObject({ code: 'catalog-corrupt' })
    await writeFile(file, '')
    const db = new Database(file)
    db.exec('CREATE TABLE theirs (a)')
    db.close()
    await expect(openZoo(folder.dir)).rejects.toMatchObject({ code: 'catalog-corrupt', message: /another program/ })
  })

  test('says so when the folder cannot be made', async () => {
    await using folder = await temporaryFolder()
    await writeFile(join(folder.dir, 'file'), '')
    await expect(openZoo(join(folder.dir, 'file'))).rejects.toMatchObject({ code: 'catalog-failed' })
  })

  test('sets what durability needs', async () => {
    await using folder = await temporaryFolder()
    const zoo = await openZoo(folder.dir)
    const value = (name: string): unknown => zoo.db.pragma(name, { simple: true })
    expect([value('journal_mode'), value('synchronous'), value('foreign_keys')]).toEqual(['wal', 2, 1])
    expect([value('secure_delete'), value('auto_vacuum')]).toEqual([1, 2])
    zoo.close()
  })

  test('checks the database after a process that did not close it', async () => {
    await using folder = await temporaryFolder()
    const zoo = await openZoo(folder.dir)
    const names = Array.from({ length: 200 }, (_, i) => `model ${i} ${'x'.repeat(80)}`)
    for (const name of names) insertRow(zoo, { name })
    zoo.close()
    // An index that disagrees with its table: only the check sees it.
    const file = join(folder.dir, 'zoo', 'catalog.sqlite')
    const db = new Database(file)
    db.unsafeMode(true)
    db.pragma('writable_schema = ON')
    db.exec(
      `UPDATE sqlite_schema SET sql = replace(sql, '(created)', '(changed + 1)') WHERE name = 'models_by_creation'`,
    )
    db.close()
    ;(await openZoo(folder.dir)).close()
    const gone = formatOwner({ ...ownOwner(), pid: 2 ** 22 + 1 })
    await writeFile(join(folder.dir, 'zoo', 'open', `${gone}.000000000000`), '')
    await expect(openZoo(folder.dir)).rejects.toMatchObject({ code: 'catalog-corrupt', message: /models_by_creation/ })
    // It is looked at again until somebody mended it.
    await expect(openZoo(folder.dir)).rejects.toMatchObject({ code: 'catalog-corrupt' })
  })
})
