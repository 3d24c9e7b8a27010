/** References to data sets by name. */
import type { Database } from 'better-sqlite3'

/** 'CIFAR-10 (Krizhevsky)' and 'cifar10 krizhevsky' are one. */
export function datasetKey(name: string): string {
  return name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '')
}

/** The row of a data set, made if need be. */
export function datasetRow(db: Database, name: string): number {
  db.prepare('INSERT INTO datasets (name, key_text) VALUES (?, ?) ON CONFLICT DO NOTHING').run(name, datasetKey(name))
  return db.prepare('SELECT key FROM datasets WHERE name = ?').pluck().get(name) as number
}
