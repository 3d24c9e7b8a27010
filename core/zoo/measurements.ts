/** Numbers about versions: counts, accuracy, times. */
import type { Database } from 'better-sqlite3'
import { datasetRow } from './datasets.ts'

export interface Measurement {
  /** 'relus', 'macs', 'params', 'accuracy' (fraction), or another name. */
  readonly what: string
  readonly value: number
  /** '' for counts and fractions. */
  readonly unit: string
  readonly dataset: string | null
  readonly images: number | null
  readonly machine: string | null
  /** ms since 1970. */
  readonly at: number
}

/** Within a write transaction. */
export function addMeasurement(db: Database, version: number, m: Measurement): void {
  db.prepare(
    `INSERT INTO measurements (version, what, value, unit, dataset, images, machine, at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    version,
    m.what,
    m.value,
    m.unit,
    m.dataset === null ? null : datasetRow(db, m.dataset),
    m.images,
    m.machine,
    m.at,
  )
}

/** Newest first within each kind. */
export function measurementsOf(db: Database, version: number): Measurement[] {
  return db
    .prepare(
      `SELECT what, value, unit, d.name AS dataset, images, machine, at
       FROM measurements m LEFT JOIN datasets d ON d.key = m.dataset
       WHERE version = ? ORDER BY what, at DESC, m.key DESC`,
    )
    .all(version) as Measurement[]
}
