/** Where models come from and what was made of them. */
import { findModel } from './models.ts'
import type { Relation } from './insert.ts'
import type { Zoo } from './zoo.ts'

export interface Edge {
  readonly child: string
  readonly childVersion: number
  /** null for an import, and for a parent that was purged. */
  readonly parent: string | null
  readonly parentVersion: number | null
  readonly relation: Relation
  /** Name of the parent when the child was made, or path of the import. */
  readonly source: string
  readonly recipe: string | null
  /** ms since 1970. */
  readonly at: number | null
}

export interface Lineage {
  /** Ancestors, descendants and the model itself. */
  readonly models: readonly { readonly id: string; readonly name: string; readonly trashed: boolean }[]
  readonly edges: readonly Edge[]
}

/**
 * All ancestors and all descendants of a model. UNION keeps each model once, so the walk ends whatever the edges are.
 */
const RELATED = `
WITH RECURSIVE
  up (model) AS (
    SELECT :key UNION
    SELECT p.model FROM up JOIN versions v ON v.model = up.model
      JOIN lineage l ON l.child = v.key JOIN versions p ON p.key = l.parent),
  down (model) AS (
    SELECT :key UNION
    SELECT c.model FROM down JOIN versions v ON v.model = down.model
      JOIN lineage l ON l.parent = v.key JOIN versions c ON c.key = l.child),
  related (model) AS (SELECT model FROM up UNION SELECT model FROM down)`

export function lineageOf({ db }: Zoo, id: string): Lineage {
  return db.transaction(() => {
    const { key } = findModel(db, id)
    const models = db
      .prepare(
        `${RELATED} SELECT id, name, trashed_at IS NOT NULL AS trashed FROM models
         WHERE key IN (SELECT model FROM related) ORDER BY key`,
      )
      .all({ key }) as { id: string; name: string; trashed: number }[]
    const edges = db
      .prepare(
        `${RELATED} SELECT cm.id AS child, cv.number AS childVersion, pm.id AS parent, pv.number AS parentVersion,
           l.relation, l.source, r.name AS recipe, runs.at
         FROM lineage l
         JOIN versions cv ON cv.key = l.child JOIN models cm ON cm.key = cv.model
         LEFT JOIN versions pv ON pv.key = l.parent LEFT JOIN models pm ON pm.key = pv.model
         LEFT JOIN recipes r ON r.key = l.recipe LEFT JOIN runs ON runs.key = l.run
         WHERE cv.model IN (SELECT model FROM related)
           AND (pv.model IS NULL OR pv.model IN (SELECT model FROM related))
         ORDER BY l.key`,
      )
      .all({ key }) as Edge[]
    return { models: models.map((model) => ({ ...model, trashed: model.trashed === 1 })), edges }
  })()
}
