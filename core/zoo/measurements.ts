/** Numbers about versions: counts, accuracy, times. */
import type { Database } from 'better-sqlite3'
import { datasetRow } from './datasets.ts'
import { findModel } from './models.ts'
import type { Zoo } from './zoo.ts'

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

/** A measurement that is being added: what it leaves out is null, or '' for the unit. */
export type NewMeasurement = Pick<Measurement, 'what' | 'value'> &
  Partial<Pick<Measurement, 'unit' | 'dataset' | 'images' | 'machine'>>

/** Adds to the newest version of a model; what says the same as the newest of its kind is not said again. */
export function addMeasurements(zoo: Zoo, id: string, measured: readonly NewMeasurement[], at = Date.now()): void {
  zoo.write(() => {
    const { version } = findModel(zoo.db, id)
    const rest = { unit: '', dataset: null, images: null, machine: null, at }
    const known = measurementsOf(zoo.db, version)
    for (const one of measured) {
      const added = { ...rest, ...one }
      const { what, dataset, machine } = added
      const newest = known.find((m) => m.what === what && m.dataset === dataset && m.machine === machine)
      if (newest === undefined || JSON.stringify({ ...newest, at }) !== JSON.stringify({ ...newest, ...added })) {
        addMeasurement(zoo.db, version, added)
      }
    }
  })
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
