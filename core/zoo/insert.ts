/** Inserts a version with all that belongs to it; the last step of every way into the catalog. */
import { createHash } from 'node:crypto'
import type { Card } from '../formats/model-directory.ts'
import type { Counts } from '../network/counts.ts'
import { datasetRow } from './datasets.ts'
import type { Staged } from './files.ts'
import { addMeasurement, type Measurement } from './measurements.ts'
import { findLive, findModel, newId, type Stage } from './models.ts'
import { reindex } from './search.ts'
import type { Zoo } from './zoo.ts'

export const ROLES = ['weights', 'graph', 'card', 'recipe', 'calibration'] as const
export type Role = (typeof ROLES)[number]

export const RELATIONS = ['trained-from', 'linearised-from', 'imported-from'] as const
export type Relation = (typeof RELATIONS)[number]

/** What is counted of every network. */
export const COUNTS = ['relus', 'macs', 'params'] as const satisfies readonly (keyof Counts)[]

export interface NewVersion {
  /** Id of a model that gets a new version; a new model when absent. */
  readonly versionOf?: string
  readonly stage: Stage
  readonly card: Card
  readonly counts: Counts
  readonly files: ReadonlyMap<Role, Staged>
  readonly recipe?: Recipe
  /** Where the files came from, for people. */
  readonly source: string
  /** The model of this catalog that it was made of. */
  readonly parent?: { readonly id: string; readonly relation: Exclude<Relation, 'imported-from'> }
  readonly at: number
  /** When the version was made, if not `at`. */
  readonly created?: number
  /** Name of a new model, if not the card's. */
  readonly name?: string
  readonly tags?: readonly string[]
  readonly about?: About
  /** All of the measurements, oldest first within each kind; the counts and the card's accuracy when absent. */
  readonly measurements?: readonly Measurement[]
  /** The run that made it here; brought in from elsewhere when absent. */
  readonly madeBy?: 'train' | 'linearize'
  /** What it was made of elsewhere, or of what is not in the catalog. */
  readonly origins?: readonly Origin[]
  /** signature.json of the bundle that it came in. */
  readonly signature?: string
}

/** What only the catalog knows of a version. */
export interface About {
  readonly intendedUse: string | null
  readonly baseModel: string | null
  readonly limits: string | null
}

/** A parent that this catalog knows by its name only. */
export interface Origin {
  readonly relation: Exclude<Relation, 'imported-from'>
  readonly source: string
  readonly recipe: Recipe | null
}

export interface Recipe {
  readonly name: string
  readonly json: string
}

/** Within a write transaction; returns the id of the model and the number of the version. */
export function insertVersion(zoo: Zoo, given: NewVersion): { id: string; number: number } {
  const { db } = zoo
  const { card, at } = given
  const parent = given.parent && findModel(db, given.parent.id)
  const model =
    given.versionOf === undefined ? newModel(zoo, given.name ?? card.name, at) : findLive(db, given.versionOf)
  const number = 'number' in model ? model.number + 1 : 1
  const version = db
    .prepare('INSERT INTO versions (model, number, stage, created) VALUES (?, ?, ?, ?) RETURNING key')
    .pluck()
    .get(model.key, number, given.stage, given.created ?? at) as number
  db.prepare('UPDATE models SET changed = ? WHERE key = ?').run(at, model.key)
  for (const [role, file] of given.files) attachFile(zoo, version, role, file, at)
  const { intendedUse = null, baseModel = null, limits = null } = given.about ?? {}
  db.prepare(
    `INSERT INTO cards (version, json, licence, dataset, intended_use, base_model, limits) VALUES (?, ?, ?, ?, ?, ?, ?)`,
  ).run(version, JSON.stringify(card), card.licence, datasetRow(db, card.dataset), intendedUse, baseModel, limits)
  for (const measurement of given.measurements ?? firstMeasurements(given)) addMeasurement(db, version, measurement)
  for (const tag of given.tags ?? []) {
    db.prepare('INSERT INTO tags (model, tag) VALUES (?, ?) ON CONFLICT DO NOTHING').run(model.key, tag)
  }
  if (given.signature !== undefined) {
    db.prepare('INSERT INTO signatures (version, json) VALUES (?, ?)').run(version, given.signature)
  }
  addOrigins(zoo, version, given, parent)
  reindex(db, model.key)
  return { id: model.id, number }
}

/** What an import measures: the counts, and what the card says of accuracy. */
function firstMeasurements({ card, counts, at }: NewVersion): Measurement[] {
  const rest = { unit: '', dataset: null, images: null, machine: null, at }
  const found: Measurement[] = COUNTS.map((what) => ({ what, value: counts[what], ...rest }))
  if (card.accuracy === undefined) return found
  const { top1, images } = card.accuracy
  return [...found, { ...rest, what: 'accuracy', value: top1, dataset: card.dataset, images }]
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
    .prepare('INSERT INTO runs (kind, recipe, summary, at) VALUES (?, ?, ?, ?) RETURNING key')
    .pluck()
    .get(given.madeBy ?? 'import', recipeKey, given.card.training?.summary ?? '', at)
  const edge = db.prepare(
    'INSERT INTO lineage (child, parent, relation, source, recipe, run) VALUES (?, ?, ?, ?, ?, ?)',
  )
  if (given.madeBy === undefined) edge.run(version, null, 'imported-from', source, recipeKey, run)
  if (given.parent !== undefined && parent !== undefined) {
    edge.run(version, parent.version, given.parent.relation, parent.name, recipeKey, run)
  }
  for (const { relation, source, recipe: other } of given.origins ?? []) {
    const key = given.madeBy === undefined ? (other === null ? null : recipeRow(other)) : recipeKey
    edge.run(version, null, relation, source, key, run)
  }

  function recipeRow({ name, json }: Recipe): number {
    const sha256 = createHash('sha256').update(json).digest('hex')
    db.prepare('INSERT INTO recipes (sha256, name, json) VALUES (?, ?, ?) ON CONFLICT DO NOTHING').run(
      sha256,
      name,
      json,
    )
    return db.prepare('SELECT key FROM recipes WHERE sha256 = ?').pluck().get(sha256) as number
  }
}
