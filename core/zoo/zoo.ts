/**
 * The catalog of models: a SQLite database and a content-addressed folder beside it.
 *
 *   zoo/catalog.sqlite   everything but the models' files
 *   zoo/files/           see files.ts
 *   zoo/open/            see sessions.ts
 *   zoo/backups/         copies of the database from before each migration
 *
 * Operations are functions over a {@link Zoo}, one file for each idea. Every one that writes does so in one IMMEDIATE
 * transaction, so that several processes can work on one catalog.
 */
import { join } from 'node:path'
import type { Database } from 'better-sqlite3'
import { AdytonError } from '../errors/errors.ts'
import { adviceFor, catalogError, configure, connect, integrityProblems } from './database.ts'
import { FileStore } from './files.ts'
import { checkVersion, migrate } from './migrate.ts'
import { beginUndisturbed } from './restore-state.ts'
import type { Session } from './sessions.ts'

export const DATABASE = 'catalog.sqlite'

export interface Zoo {
  readonly folder: string
  readonly db: Database
  readonly files: FileStore
  /** Runs an action in one transaction that holds the write lock from its start; all of it happens, or nothing. */
  readonly write: <T>(action: () => T) => T
  readonly close: () => void
}

/** Opens the catalog `zoo` in a data folder, making it if need be. */
export async function openZoo(dataFolder: string): Promise<Zoo> {
  const folder = join(dataFolder, 'zoo')
  const file = join(folder, DATABASE)
  const backups = join(folder, 'backups')
  let session: Session | undefined
  let db: Database | undefined
  try {
    session = await beginUndisturbed(dataFolder)
    db = connect(file)
    checkVersion(db, file, backups)
    configure(db)
    if (session.unclean.length > 0) {
      const problems = integrityProblems(db)
      if (problems.length > 0) {
        throw new AdytonError('catalog-corrupt', `${file} is damaged: ${problems[0]}`, { advice: adviceFor(backups) })
      }
    }
    await migrate(db, backups)
    session.forget()
    const { end } = session
    return handle(folder, db, end)
  } catch (error) {
    db?.close()
    session?.end()
    throw catalogError(error, file, backups)
  }
}

function handle(folder: string, db: Database, end: () => void): Zoo {
  return {
    folder,
    db,
    files: new FileStore(join(folder, 'files')),
    write: (action) => db.transaction(action).immediate(),
    close: () => {
      db.close()
      end()
    },
  }
}

/** Opens a catalog for one action and closes it whatever happens. */
export async function withZoo<T>(dataFolder: string, action: (zoo: Zoo) => Promise<T> | T): Promise<T> {
  const zoo = await openZoo(dataFolder)
  try {
    return await action(zoo)
  } catch (error) {
    throw catalogError(error, join(zoo.folder, DATABASE), join(zoo.folder, 'backups'))
  } finally {
    zoo.close()
  }
}
