/** Brings a database to the schema of this program, one migration a transaction, after a copy was put aside. */
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { AdytonError } from '../errors/errors.ts'
import { systemFiles } from '../protocol/store/files.ts'
import { beside } from './beside.ts'
import { MIGRATIONS } from './migrations/index.ts'

/** In the header of the file (PRAGMA application_id), 'Adyt'. */
const APPLICATION_ID = 0x41647974

/** The schema that this program writes. */
export const SCHEMA_VERSION = MIGRATIONS.length

const versionOf = (db: Database): number => db.pragma('user_version', { simple: true }) as number

/** Refuses a database that is not ours or is newer than this program, before anything in it is changed. */
export function checkVersion(db: Database, file: string, backups: string): void {
  const version = versionOf(db)
  const application = db.pragma('application_id', { simple: true }) as number
  const tables = db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get() as number
  if (tables > 0 && application !== APPLICATION_ID) {
    throw new AdytonError('catalog-corrupt', `${file} is a database of another program`, {
      advice: 'Use another data folder.',
    })
  }
  if (version <= SCHEMA_VERSION) return
  throw new AdytonError(
    'catalog-newer',
    `${file} has schema ${version}; this version of Adyton knows schemas up to ${SCHEMA_VERSION}`,
    { advice: `Update Adyton, or go back to a copy that was made before the update: see ${backups}.` },
  )
}

/** `upTo` is for tests, which make databases of older versions by it. */
export async function migrate(db: Database, backups: string, upTo: number = SCHEMA_VERSION): Promise<void> {
  const before = versionOf(db)
  if (before >= upTo) return
  if (before > 0) await putAside(db, backups, before)
  const step = db.transaction((version: number) => {
    // Another process may have been faster.
    if (versionOf(db) >= version) return
    if (version === 1) db.pragma(`application_id = ${APPLICATION_ID}`)
    db.exec(MIGRATIONS[version - 1])
    db.pragma(`user_version = ${version}`)
  })
  for (let version = before + 1; version <= upTo; version++) step.immediate(version)
}

/** A copy, named by its schema and the time, that is on the disk before the first migration begins. */
async function putAside(db: Database, backups: string, version: number): Promise<void> {
  await systemFiles.makeFolder(backups)
  const time = new Date().toISOString().replaceAll(':', '-')
  await beside(join(backups, `catalog-v${version}-${time}-${process.pid}.sqlite`), async (building) => {
    db.prepare('VACUUM INTO ?').run(building)
    const file = openSync(building, 'r+')
    try {
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  })
}
