/** Keeps the full-text index in step with the tables. Call within the transaction that changed them. */
import type { Database } from 'better-sqlite3'

const CONTENT = `
SELECT m.key, m.name,
  coalesce((SELECT group_concat(tag, ' ') FROM tags WHERE model = m.key), ''),
  concat_ws(' ', c.json ->> 'description', c.json ->> 'dataset', c.licence, c.json ->> '$.training.summary',
    c.intended_use, c.base_model, c.limits)
FROM models m
JOIN versions v ON v.model = m.key AND v.number = (SELECT max(number) FROM versions WHERE model = m.key)
JOIN cards c ON c.version = v.key`

/** Indexes one model anew, or forgets it when it is gone. */
export function reindex(db: Database, modelKey: number): void {
  db.prepare('DELETE FROM search WHERE rowid = ?').run(modelKey)
  db.prepare(`INSERT INTO search (rowid, name, tags, card) ${CONTENT} WHERE m.key = ?`).run(modelKey)
}

export function reindexAll(db: Database): void {
  db.exec('DELETE FROM search')
  db.exec(`INSERT INTO search (rowid, name, tags, card) ${CONTENT}`)
}
