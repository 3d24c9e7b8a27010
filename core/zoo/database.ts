/** The connection to the catalog's database: its settings, its errors in our words, and the check after a crash. */
import Database from 'better-sqlite3'
import { AdytonError } from '../errors/errors.ts'
import { codeOf } from '../protocol/store/files.ts'

/** How long a statement waits for another process's transaction; ours take milliseconds. */
const BUSY_MS = 20_000

export function connect(file: string): Database.Database {
  const db = new Database(file, { timeout: BUSY_MS })
  try {
    // The first statement that reads the file: it fails for one that is no database.
    db.pragma('schema_version')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/** For a database that was found to be ours. Freed pages go back to the disk, and deleted rows are overwritten. */
export function configure(db: Database.Database): void {
  const fresh = db.pragma('page_count', { simple: true }) === 0
  if (fresh) db.pragma('auto_vacuum = INCREMENTAL')
  patiently(() => {
    if (db.pragma('journal_mode', { simple: true }) !== 'wal') db.pragma('journal_mode = WAL')
  })
  db.pragma('synchronous = FULL')
  db.pragma('foreign_keys = ON')
  db.pragma('secure_delete = ON')
}

/** Changing the journal mode does not wait for other processes by itself. */
function patiently(action: () => void): void {
  const end = performance.now() + BUSY_MS
  for (;;) {
    try {
      return action()
    } catch (error) {
      if (!(error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY') && performance.now() < end)) {
        throw error
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
}

/** What is wrong inside the database, [] when nothing is. */
export function integrityProblems(db: Database.Database): string[] {
  const rows = db.prepare('PRAGMA integrity_check(20)').pluck().all() as string[]
  const problems = rows.length === 1 && rows[0] === 'ok' ? [] : rows
  const foreign = db.pragma('foreign_key_check') as { table: string; rowid: number | null; parent: string }[]
  const dangling = foreign
    .slice(0, 20)
    .map(({ table, rowid, parent }) => `row ${rowid ?? '?'} of ${table} refers to a row of ${parent} that is not there`)
  return [...problems, ...dangling]
}

const FILE_ERRORS = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENOTDIR', 'EEXIST'])
const DISK_ADVICE = "Check the disk's free space and the permissions of the folder."

/** Errors of SQLite and of the file system in words for people; others as they are. */
export function catalogError(error: unknown, file: string, backups: string): unknown {
  if (!(error instanceof Database.SqliteError)) {
    const failed = error instanceof Error && FILE_ERRORS.has(codeOf(error) ?? '')
    return failed ? new AdytonError('catalog-failed', error.message, { advice: DISK_ADVICE, cause: error }) : error
  }
  const { code, message } = error
  if (code.startsWith('SQLITE_BUSY') || code.startsWith('SQLITE_LOCKED')) {
    return new AdytonError('catalog-busy', `${file} has been in use by another process for ${BUSY_MS / 1000} s`, {
      advice: 'Wait for its long operation (a vacuum, perhaps) to end, and try again.',
      cause: error,
    })
  }
  if (code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_CORRUPT')) {
    return new AdytonError('catalog-corrupt', `${file} is damaged: ${message}`, {
      advice: adviceFor(backups),
      cause: error,
    })
  }
  if (/^SQLITE_(FULL|IOERR|READONLY|CANTOPEN|PERM)/.test(code)) {
    return new AdytonError('catalog-failed', `${file} cannot be read or written: ${message} (${code})`, {
      advice: DISK_ADVICE,
      cause: error,
    })
  }
  return error
}

export function adviceFor(backups: string): string {
  return `Restore a backup, or put a copy of the database from ${backups} in its place; the files of the models are not touched.`
}
