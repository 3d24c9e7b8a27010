/** Away with models: first into the trash, from where they come back, then for good. */
import { AdytonError } from '../errors/errors.ts'
import { collectFiles, removeCollected } from './collect.ts'
import { findLive, findModel } from './models.ts'
import type { Zoo } from './zoo.ts'

/** How long a model stays in the trash unless it is purged by name. */
export const KEPT_DAYS = 30
const DAY_MS = 24 * 60 * 60 * 1000

/** All of the models, or none when one of them is not there. */
export function trashModels(zoo: Zoo, ids: readonly string[], at = Date.now()): void {
  zoo.write(() => {
    for (const id of ids) {
      zoo.db.prepare('UPDATE models SET trashed_at = ? WHERE key = ?').run(at, findLive(zoo.db, id).key)
    }
  })
}

/** Takes models out of the trash; one that is not in it stays where it is. */
export function restoreModels(zoo: Zoo, ids: readonly string[]): void {
  zoo.write(() => {
    for (const id of ids) {
      zoo.db.prepare('UPDATE models SET trashed_at = NULL WHERE key = ?').run(findModel(zoo.db, id).key)
    }
  })
}

export interface Purged {
  readonly models: readonly string[]
  /** Files that were removed from the disk. */
  readonly files: number
}

/** What to purge: models in the trash by id, or all that were put there at least so many days ago. */
export type PurgeOptions = { readonly ids: readonly string[] } | { readonly olderThanDays: number }

/**
 * Deletes models with all that belongs to them, and frees the disk: rows are overwritten, the database shrinks, files
 * that no other model uses are removed.
 */
export function purgeModels(zoo: Zoo, options: PurgeOptions, now = Date.now()): Purged {
  const { db } = zoo
  const done = zoo.write(() => {
    const found = 'ids' in options ? byId(zoo, options.ids) : byAge(zoo, now - options.olderThanDays * DAY_MS)
    if (found.length === 0) return { models: [], unused: [] }
    for (const { key } of found) {
      db.prepare('DELETE FROM search WHERE rowid = ?').run(key)
      db.prepare('DELETE FROM models WHERE key = ?').run(key)
    }
    return { models: found.map(({ id }) => id), unused: collectFiles(db) }
  })
  const files = removeCollected(zoo, done.unused)
  if (done.models.length > 0) {
    db.pragma('incremental_vacuum')
    // Deleted rows must not live on in the log. While another process reads, they go with a later checkpoint.
    db.pragma('wal_checkpoint(TRUNCATE)')
  }
  return { models: done.models, files }
}

function byId({ db }: Zoo, ids: readonly string[]): { key: number; id: string }[] {
  return [...new Set(ids)].map((id) => {
    const found = findModel(db, id)
    if (found.trashedAt !== null) return found
    throw new AdytonError('usage', `model '${id}' (${found.name}) is not in the trash`, {
      advice: 'Put it there first.',
    })
  })
}

function byAge({ db }: Zoo, before: number): { key: number; id: string }[] {
  return db.prepare('SELECT key, id FROM models WHERE trashed_at <= ?').all(before) as { key: number; id: string }[]
}
