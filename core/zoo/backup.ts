/**
 * A copy of the whole catalog while it is in use: a data folder of its own, which any command opens with --data, and which
 * restore-backup.ts puts in the place of a catalog.
 */
import { constants } from 'node:fs'
import { copyFile, mkdir, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import Database from 'better-sqlite3'
import { AdytonError } from '../errors/errors.ts'
import { codeOf, systemFiles } from '../protocol/store/files.ts'
import { beside } from './beside.ts'
import { refuseFull } from './export.ts'
import { FileStore, hashFile } from './files.ts'
import { DATABASE, type Zoo } from './zoo.ts'

export interface BackedUp {
  readonly folder: string
  readonly models: number
  readonly files: number
  readonly bytes: number
}

/** A purge while the files are copied makes the database's copy stale; then all is done again, at most so often. */
const ATTEMPTS = 5

/** The folder appears whole or not at all; every file is compared with its checksum. */
export async function backupZoo(zoo: Zoo, path: string): Promise<BackedUp> {
  const folder = resolve(path)
  await refuseFull(folder)
  return await beside(folder, async (building) => {
    for (let attempt = 1; ; attempt++) {
      await rm(building, { recursive: true, force: true })
      await mkdir(join(building, 'zoo'), { recursive: true, mode: 0o700 })
      const done = await copyAll(zoo, join(building, 'zoo'))
      if (done !== 'stale') return { folder, ...done }
      if (attempt < ATTEMPTS) continue
      throw new AdytonError('catalog-corrupt', 'files of the catalog are missing', {
        advice: 'Verify the catalog: that names them and the models that use them.',
      })
    }
  })
}

async function copyAll(zoo: Zoo, to: string): Promise<Omit<BackedUp, 'folder'> | 'stale'> {
  await zoo.db.backup(join(to, DATABASE))
  await syncFile(join(to, DATABASE))
  const copy = new Database(join(to, DATABASE), { fileMustExist: true })
  try {
    const models = copy.prepare('SELECT count(*) FROM models').pluck().get() as number
    const rows = copy.prepare('SELECT sha256 FROM files').pluck().all() as string[]
    const store = new FileStore(join(to, 'files'))
    let bytes = 0
    for (const sha256 of rows) {
      const target = store.path(sha256)
      await systemFiles.makeFolder(dirname(target))
      try {
        await copyFile(zoo.files.path(sha256), target, constants.COPYFILE_FICLONE)
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return 'stale'
        throw error
      }
      const { sha256: found, size } = await hashFile(target)
      if (found !== sha256) {
        throw new AdytonError('catalog-corrupt', `the stored file ${sha256} is damaged`, {
          advice: 'Verify the catalog: that names the models that use it.',
        })
      }
      await syncFile(target)
      bytes += size
    }
    for (const shard of new Set(rows.map((sha256) => dirname(store.path(sha256))))) await systemFiles.syncFolder(shard)
    return { models, files: rows.length, bytes }
  } finally {
    copy.close()
  }
}

async function syncFile(path: string): Promise<void> {
  const file = await systemFiles.open(path)
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
