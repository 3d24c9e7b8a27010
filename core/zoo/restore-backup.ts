/**
 * Puts a backup in the place of the catalog. The backup itself is only read: a copy of it is checked and takes the place, so
 * what was checked is what is used. The catalog as it was is kept beside, whole.
 */
import { constants } from 'node:fs'
import { chmod, copyFile, mkdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import Database from 'better-sqlite3'
import { AdytonError } from '../errors/errors.ts'
import { codeOf, systemFiles } from '../protocol/store/files.ts'
import { catalogError, connect, integrityProblems } from './database.ts'
import { FileStore, hashFile } from './files.ts'
import { checkVersion } from './migrate.ts'
import { BEFORE, INCOMING, isVacant, putInPlace, removeEmpty, RESTORING, settleRestore } from './restore-state.ts'
import { isLeftover, ownedName } from './sessions.ts'
import { DATABASE } from './zoo.ts'

export interface RestoredBackup {
  /** The catalog, now the backup's. */
  readonly folder: string
  /**
   * A data folder with the catalog that was in the place before; null when there was none. Nothing removes it but people:
   * it takes as much of the disk as the catalog did.
   */
  readonly before: string | null
  readonly models: number
  readonly files: number
  readonly bytes: number
}

const OTHER_BACKUP = 'Nothing was changed. Take another backup.'

/**
 * Restores what 'zoo backup' wrote, or any data folder with a catalog that nobody has open; so the folder `before` of a
 * result undoes it. Throws 'file-not-found', 'catalog-corrupt' naming what is wrong with the backup, 'catalog-newer', or
 * 'catalog-busy' while somebody has one of the two open; then nothing was changed.
 */
export async function restoreBackup(
  dataFolder: string,
  backupFolder: string,
  onFile?: (done: number, of: number) => void,
): Promise<RestoredBackup> {
  const data = resolve(dataFolder)
  const folder = join(data, 'zoo')
  const backup = join(resolve(backupFolder), 'zoo')
  if (backup === folder) throw new AdytonError('usage', `${folder} is the catalog itself, no backup of it`)
  if ((await systemFiles.stat(join(backup, DATABASE))) === undefined) {
    throw new AdytonError('file-not-found', `${resolve(backupFolder)} holds no catalog (zoo/${DATABASE})`, {
      advice: 'Name the folder that a backup was written to.',
    })
  }
  await systemFiles.makeFolder(data)
  await settleRestore(data)
  const owner = ownedName()
  const copy = join(data, `${INCOMING}${owner}`)
  try {
    await refuseOpen(backup)
    await refuseOpen(folder)
    const counts = await copyChecked(backup, copy, onFile)
    const before = await swap(copy, join(data, `${RESTORING}${owner}`), data)
    return { folder, before, ...counts }
  } catch (error) {
    throw catalogError(error, join(backup, DATABASE), join(folder, 'backups'))
  } finally {
    await systemFiles.remove(copy)
  }
}

/** Puts a copy in the place of the catalog; returns where that one is now. */
async function swap(copy: string, ready: string, data: string): Promise<string | null> {
  const folder = join(data, 'zoo')
  const before = join(data, `${BEFORE}${new Date().toISOString().replaceAll(':', '-')}`)
  try {
    await systemFiles.rename(copy, ready)
    await systemFiles.syncFolder(data)
    // From here on nobody opens the catalog; see restore-state.ts.
    await refuseOthers(data, basename(ready))
    await refuseOpen(folder)
    const vacant = await isVacant(folder)
    if (!vacant) {
      await mkdir(before, { mode: 0o700 })
      await systemFiles.rename(folder, join(before, 'zoo'))
      await systemFiles.syncFolder(before)
    }
    await putInPlace(ready, data)
    return vacant ? null : before
  } catch (error) {
    // If this fails as well, the next opening finishes the restore.
    if ((await systemFiles.stat(join(before, 'zoo'))) !== undefined) await putInPlace(join(before, 'zoo'), data)
    await systemFiles.remove(ready)
    await removeEmpty(before)
    throw error
  }
}

/** Refuses while a process that is not certainly gone has the catalog in a folder open. */
async function refuseOpen(zoo: string): Promise<void> {
  const open = join(zoo, 'open')
  const marker = (await systemFiles.list(open)).find((name) => !isLeftover(name))
  if (marker === undefined) return
  const process = /^[0-9]+/.exec(marker)?.[0] ?? 'another'
  throw new AdytonError('catalog-busy', `${zoo} is open in process ${process}`, {
    advice: `End that process and try again. If it ran on another machine and is gone, remove ${join(open, marker)}.`,
  })
}

async function refuseOthers(data: string, own: string): Promise<void> {
  const names = await systemFiles.list(data)
  if (!names.some((name) => name.startsWith(RESTORING) && name !== own)) return
  throw new AdytonError('catalog-busy', `another process is restoring a backup in ${data}`, {
    advice: 'Wait for it, and try again if its backup is not the one.',
  })
}

async function copyChecked(
  backup: string,
  copy: string,
  onFile: (done: number, of: number) => void = () => {},
): Promise<{ models: number; files: number; bytes: number }> {
  await systemFiles.makeFolder(copy)
  const file = join(copy, DATABASE)
  await copyPrivate(join(backup, DATABASE), file)
  // A catalog that was not closed has its last commits here.
  if ((await systemFiles.stat(join(backup, `${DATABASE}-wal`))) !== undefined) {
    await copyPrivate(join(backup, `${DATABASE}-wal`), `${file}-wal`)
  }
  const { models, rows } = contents(file, join(backup, DATABASE))
  await syncFile(file)
  const from = new FileStore(join(backup, 'files'))
  const to = new FileStore(join(copy, 'files'))
  const shards = new Set<string>()
  let bytes = 0
  for (const [i, { sha256, size }] of rows.entries()) {
    onFile(i, rows.length)
    const target = to.path(sha256)
    await systemFiles.makeFolder(dirname(target))
    shards.add(dirname(target))
    await copyStored(from.path(sha256), target)
    const found = await hashFile(target)
    if (found.sha256 !== sha256 || found.size !== size) {
      throw new AdytonError('catalog-corrupt', `${from.path(sha256)} is damaged`, { advice: OTHER_BACKUP })
    }
    await syncFile(target)
    bytes += size
  }
  for (const shard of shards) await systemFiles.syncFolder(shard)
  await systemFiles.syncFolder(copy)
  return { models, files: rows.length, bytes }
}

interface Row {
  readonly sha256: string
  readonly size: number
}

/** Checks the database of a copy; errors name the original. */
function contents(file: string, original: string): { models: number; rows: Row[] } {
  const damaged = (why: string, cause?: unknown): never => {
    throw new AdytonError('catalog-corrupt', `${original} is damaged: ${why}`, { advice: OTHER_BACKUP, cause })
  }
  let db: Database.Database | undefined
  try {
    db = connect(file)
    checkVersion(db, original, join(dirname(original), 'backups'))
    // What SQLite takes for an empty database: a file that was cut off at its beginning.
    if (db.pragma('user_version', { simple: true }) === 0) return damaged('it holds nothing')
    const [problem] = integrityProblems(db)
    if (problem !== undefined) return damaged(problem)
    const models = db.prepare('SELECT count(*) FROM models').pluck().get() as number
    // The first schema had no files.
    const hasFiles = db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'files'`).get() !== undefined
    const rows = hasFiles ? (db.prepare('SELECT sha256, size FROM files ORDER BY sha256').all() as Row[]) : []
    settleJobs(db)
    db.pragma('wal_checkpoint(TRUNCATE)')
    return { models, rows }
  } catch (error) {
    if (!(error instanceof Database.SqliteError) || !/^SQLITE_(NOTADB|CORRUPT)/.test(error.code)) throw error
    return damaged(error.message, error)
  } finally {
    db?.close()
  }
}

/** What ran or waited when the backup was made does not begin again; the job that made it is always one of those. */
function settleJobs(db: Database.Database): void {
  if (db.prepare(`SELECT 1 FROM sqlite_schema WHERE name = 'jobs'`).get() === undefined) return
  db.prepare(
    `UPDATE jobs SET json = json_set(json, '$.state', 'cancelled', '$.ended', ?)
     WHERE json_extract(json, '$.state') IN ('queued', 'running')`,
  ).run(Date.now())
}

async function copyStored(from: string, to: string): Promise<void> {
  try {
    await copyPrivate(from, to)
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') throw cause
    throw new AdytonError('catalog-corrupt', `${from} is missing`, { advice: OTHER_BACKUP, cause })
  }
}

/** A backup may lie on a disk that says nothing about permissions, or be write-protected. */
async function copyPrivate(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_FICLONE)
  await chmod(to, 0o600)
}

async function syncFile(path: string): Promise<void> {
  const file = await systemFiles.open(path)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
