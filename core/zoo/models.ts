/** Finding models and versions by their ids; the ids themselves. */
import { randomInt } from 'node:crypto'
import type { Database } from 'better-sqlite3'
import { AdytonError } from '../errors/errors.ts'

export const STAGES = ['draft', 'candidate', 'published', 'archived'] as const
export type Stage = (typeof STAGES)[number]

/** Letters and digits that are not taken for one another. */
const ALPHABET = '23456789abcdefghjkmnpqrstvwxyz'

/** 49 bits: ids of one catalog never collide in practice, and the UNIQUE constraint sees to the rest. */
export function newId(): string {
  return Array.from({ length: 10 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
}

/** A model's newest version. */
export interface Found {
  readonly key: number
  readonly id: string
  readonly name: string
  readonly trashedAt: number | null
  readonly version: number
  readonly number: number
}

/** Throws 'model-not-found'. */
export function findModel(db: Database, id: string): Found {
  const row = db
    .prepare(
      `SELECT m.key, m.id, m.name, m.trashed_at AS trashedAt, v.key AS version, v.number
       FROM models m JOIN versions v ON v.model = m.key WHERE m.id = ? ORDER BY v.number DESC LIMIT 1`,
    )
    .get(id) as Found | undefined
  if (row !== undefined) return row
  throw new AdytonError('model-not-found', `the catalog has no model '${id.slice(0, 64)}'`, {
    advice: 'Look it up in the list of models, or in the trash.',
  })
}

/** As {@link findModel}, for what changes a model: one in the trash is refused. */
export function findLive(db: Database, id: string): Found {
  const found = findModel(db, id)
  if (found.trashedAt === null) return found
  throw new AdytonError('usage', `model '${id}' (${found.name}) is in the trash`, {
    advice: 'Take it out of the trash first.',
  })
}
