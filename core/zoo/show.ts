/** Everything about one model. */
import type { Card } from '../formats/model-directory.ts'
import { lineageOf, type Edge } from './lineage.ts'
import { rowOf, type ModelRow } from './list.ts'
import { measurementsOf, type Measurement } from './measurements.ts'
import { findModel, type Stage } from './models.ts'
import { filesOf, type VersionFile } from './version-files.ts'
import type { Zoo } from './zoo.ts'

export interface ModelDetails extends ModelRow {
  /** As it was imported or edited. */
  readonly card: Card
  readonly intendedUse: string | null
  readonly baseModel: string | null
  readonly limits: string | null
  readonly versions: readonly { readonly number: number; readonly stage: Stage; readonly created: number }[]
  /** Of the newest version, as are measurements. */
  readonly files: readonly VersionFile[]
  readonly measurements: readonly Measurement[]
  readonly lineage: readonly Edge[]
  /** Private inferences that are on record. */
  readonly inferences: number
}

export function showModel(zoo: Zoo, id: string): ModelDetails {
  const { db } = zoo
  return db.transaction(() => {
    const found = findModel(db, id)
    const card = db
      .prepare(`SELECT json, intended_use AS intendedUse, base_model AS baseModel, limits FROM cards WHERE version = ?`)
      .get(found.version) as { json: string } & Pick<ModelDetails, 'intendedUse' | 'baseModel' | 'limits'>
    const versions = db
      .prepare('SELECT number, stage, created FROM versions WHERE model = ? ORDER BY number')
      .all(found.key) as ModelDetails['versions']
    const { json, ...rest } = card
    return {
      ...rowOf(zoo, found.key),
      card: JSON.parse(json) as Card,
      ...rest,
      versions,
      files: filesOf(db, found.version),
      measurements: measurementsOf(db, found.version),
      lineage: lineageOf(zoo, id).edges.filter((edge) => edge.child === id || edge.parent === id),
      inferences: db
        .prepare('SELECT count(*) FROM inferences i JOIN versions v ON v.key = i.version WHERE v.model = ?')
        .pluck()
        .get(found.key) as number,
    }
  })()
}
