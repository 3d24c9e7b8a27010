/** Looks at everything: the database, every file's checksum, and what lies around. */
import { basename } from 'node:path'
import { systemFiles } from '../protocol/store/files.ts'
import { collectFiles, removeCollected } from './collect.ts'
import { integrityProblems } from './database.ts'
import { tryHashFile } from './files.ts'
import { reindexAll } from './search.ts'
import type { Zoo } from './zoo.ts'

export interface BadFile {
  readonly sha256: string
  readonly problem: 'missing' | 'damaged'
  /** Ids of the models that use it. */
  readonly models: readonly string[]
}

export interface Verification {
  /** Nothing is wrong, or nothing is left wrong after the repair. */
  readonly ok: boolean
  /** What SQLite finds wrong in the database. */
  readonly database: readonly string[]
  readonly files: number
  readonly bytes: number
  /** They cannot be repaired here; importing the model again does it, and so does a backup. */
  readonly bad: readonly BadFile[]
  /** Files that no model uses, leftovers of processes that were killed, and what does not belong in the folder. */
  readonly orphans: readonly string[]
  readonly repaired: boolean
}

export interface VerifyOptions {
  readonly repair?: boolean
  readonly onFile?: (done: number, of: number) => void
}

export async function verifyZoo(zoo: Zoo, { repair = false, onFile }: VerifyOptions = {}): Promise<Verification> {
  const { db } = zoo
  const database = integrityProblems(db)
  if (repair && database.length === 0) {
    const unused = zoo.write(() => {
      reindexAll(db)
      return collectFiles(db)
    })
    removeCollected(zoo, unused)
  }
  const rows = db.prepare('SELECT sha256, size FROM files ORDER BY sha256').all() as { sha256: string; size: number }[]
  const bad: BadFile[] = []
  let bytes = 0
  for (const [i, { sha256, size }] of rows.entries()) {
    onFile?.(i, rows.length)
    const found = await tryHashFile(zoo.files.path(sha256))
    if (found?.sha256 === sha256 && found.size === size) bytes += size
    // It may have been purged since the rows were read.
    else if (isNamed(zoo, sha256))
      bad.push({ sha256, problem: found ? 'damaged' : 'missing', models: users(zoo, sha256) })
  }
  const orphans = await findOrphans(zoo)
  if (repair) await removeOrphans(zoo, orphans)
  const left = repair ? await findOrphans(zoo) : orphans
  const ok = database.length === 0 && bad.length === 0 && left.length === 0
  return { ok, database, files: rows.length, bytes, bad, orphans, repaired: repair }
}

function isNamed({ db }: Zoo, sha256: string): boolean {
  return db.prepare('SELECT 1 FROM files WHERE sha256 = ?').get(sha256) !== undefined
}

function users({ db }: Zoo, sha256: string): string[] {
  return db
    .prepare(
      `SELECT DISTINCT m.id FROM version_files f JOIN versions v ON v.key = f.version JOIN models m ON m.key = v.model
       WHERE f.sha256 = ? ORDER BY m.key`,
    )
    .pluck()
    .all(sha256) as string[]
}

/** Paths. Taken under the write lock, so that a file between its renaming and its commit is not mistaken for one. */
async function findOrphans(zoo: Zoo): Promise<string[]> {
  const { files, strays } = await zoo.files.inventory()
  const unnamed = zoo.write(() => files.filter((sha256) => !isNamed(zoo, sha256)))
  return [...unnamed.map((sha256) => zoo.files.path(sha256)), ...strays]
}

async function removeOrphans(zoo: Zoo, orphans: readonly string[]): Promise<void> {
  for (const path of orphans) {
    const name = basename(path)
    if (/^[0-9a-f]{64}$/.test(name) && path === zoo.files.path(name)) removeCollected(zoo, [name])
    else await systemFiles.remove(path)
  }
}
