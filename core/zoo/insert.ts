/** Inserts a version with all that belongs to it; the last step of every way into the catalog. */
import { createHash } from 'node:crypto'
import type { Card } from '../formats/model-directory.ts'
import type { Counts } from '../network/counts.ts'
import { datasetRow } from './datasets.ts'
import type { Staged } from './files.ts'
import { addMeasurement } from './measurements.ts'
import { findLive, findModel, newId, type Stage } from './models.ts'
import { reindex } from './search.ts'
import type { Zoo } from './zoo.ts'

export const ROLES = ['weights', 'graph', 'card', 'recipe', 'calibration'] as const
export type Role = (typeof ROLES)[number]

export const RELATIONS = ['trained-from', 'linearised-from', 'imported-from'] as const
export type Relation = (typeof RELATIONS)[number]

export interface NewVersion {
  /** Id of a model that gets a new version; a new model when absent. */
  readonly versionOf?: string
  readonly stage: Stage
  readonly card: Card
  readonly counts: Counts
  readonly files: ReadonlyMap<Role, Staged>
  readonly recipe?: { readonly name: string; readonly json: string }
  /** Where the files came from, for people. */
  readonly source: string
  /** The model of this catalog that it was made of. */
  readonly parent?: { readonly id: string; readonly relation: Exclude<Relation, 'imported-from'> }
  readonly at: number
}

/** Within a write transaction; returns the id of the model and the number of the version. */
export function insertVersion(zoo: Zoo, given: NewVersion): { id: string; number: number } {
  const { db } = zoo
  const { card, at } = given
  const parent = given.parent && findModel(db, given.parent.id)
  const model = given.versionOf === undefined ? newModel(zoo, card.name, at) : findLive(db, given.versionOf)
  const number = 'number' in model ? model.number + 1 : 1
  const version = db
    .prepare('INSERT INTO versions (model, number, stage, created) VALUES (?, ?, ?, ?) RETURNING key')
    .pluck()
    .get(model.key, number, given.stage, at) as number
  db.prepare('UPDATE models SET changed = ? WHERE key = ?').run(at, model.key)
  for (const [role, file] of given.files) attachFile(zoo, version, role, file, at)
  db.prepare('INSERT INTO cards (version, json, licence, dataset) VALUES (?, ?, ?, ?)').run(
    version,
    JSON.stringify(card),
    card.licence,
    datasetRow(db, card.dataset),
  )
  for (const what of ['relus', 'macs', 'params'] as const) {
    const rest = { unit: '', dataset: null, images: null, machine: null, at }
    addMeasurement(db, version, { what, value: given.counts[what], ...rest })
  }
  if (card.accuracy !== undefined) {
    const { top1, images } = card.accuracy
    const rest = { unit: '', dataset: card.dataset, images, machine: null, at }
    addMeasurement(db, version, { what: 'accuracy', value: top1, ...rest })
  }
  addOrigins(zoo, version, given, parent)
  reindex(db, model.key)
  return { id: model.id, number }
}

function newModel({ db }: Zoo, name: string, at: number): { key: number; id: string } {
  const id = newId()
  const key = db
    .prepare('INSERT INTO models (id, name, created, changed) VALUES (?, ?, ?, ?) RETURNING key')
    .pluck()
    .get(id, name, at, at) as number
  return { key, id }
}

/** Within a write transaction: gives a version a file, in place of the one that it had in that role. */
export function attachFile({ db, files }: Zoo, version: number, role: Role, file: Staged, at: number): void {
  files.settle(file)
  const { sha256, size } = file
  db.prepare('INSERT INTO files (sha256, size, added) VALUES (?, ?, ?) ON CONFLICT DO NOTHING').run(sha256, size, at)
  db.prepare('INSERT OR REPLACE INTO version_files (version, role, sha256) VALUES (?, ?, ?)').run(version, role, sha256)
}

function addOrigins({ db }: Zoo, version: number, given: NewVersion, parent?: { version: number; name: string }): void {
  const { recipe, source, at } = given
  const recipeKey = recipe === undefined ? null : recipeRow(recipe)
  const run = db
    .prepare(`INSERT INTO runs (kind, recipe, summary, at) VALUES ('import', ?, ?, ?) RETURNING key`)
    .pluck()
    .get(recipeKey, given.card.training?.summary ?? '', at)
  const edge = db.prepare(
    'INSERT INTO lineage (child, parent, relation, source, recipe, run) VALUES (?, ?, ?, ?, ?, ?)',
  )
  edge.run(version, null, 'imported-from', source, recipeKey, run)
  if (given.parent !== undefined && parent !== undefined) {
    edge.run(version, parent.version, given.parent.relation, parent.name, recipeKey, run)
  }

  function recipeRow({ name, json }: { name: string; json: string }): number {
    const sha256 = createHash('sha256').update(json).digest('hex')
    db.prepare('INSERT INTO recipes (sha256, name, json) VALUES (?, ?, ?) ON CONFLICT DO NOTHING').run(
      sha256,
      name,
      json,
    )
    return db.prepare('SELECT key FROM recipes WHERE sha256 = ?').pluck().get(sha256) as number
  }
}
