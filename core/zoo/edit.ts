/** Changes to what the catalog says about a model. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { parseCard, type Card } from '../formats/model-directory.ts'
import { collectFiles, removeCollected } from './collect.ts'
import { FILE_NAMES } from './import.ts'
import { attachFile } from './insert.ts'
import { findLive, type Stage } from './models.ts'
import { reindex } from './search.ts'
import type { Zoo } from './zoo.ts'

/** Fields that are absent stay; null empties a text. */
export interface Changes {
  /** These are on the card, and leave with it. */
  readonly name?: string
  readonly description?: string | null
  readonly licence?: string
  /** These only the catalog knows. */
  readonly stage?: Stage
  readonly intendedUse?: string | null
  readonly baseModel?: string | null
  readonly limits?: string | null
}

/** Changes the newest version. A changed card becomes a new file, so that an export carries it. */
export async function editModel(zoo: Zoo, id: string, changes: Changes): Promise<void> {
  await zoo.files.staging(async (staging) => {
    const found = findLive(zoo.db, id)
    const before = zoo.db.prepare('SELECT json FROM cards WHERE version = ?').pluck().get(found.version) as string
    const card = changedCard(JSON.parse(before) as Card, changes)
    const path = join(staging, FILE_NAMES.card)
    if (card !== undefined) await writeFile(path, `${JSON.stringify(card, undefined, 2)}\n`)
    const file = card === undefined ? undefined : await zoo.files.stage(path)
    const unused = zoo.write(() => {
      const { db } = zoo
      const at = Date.now()
      const now = findLive(db, id)
      const current = db.prepare('SELECT json FROM cards WHERE version = ?').pluck().get(now.version)
      if (now.version !== found.version || current !== before) {
        throw new AdytonError('catalog-busy', `model '${id}' was changed by another process`, {
          advice: 'Look at it and make the change again.',
        })
      }
      if (card !== undefined && file !== undefined) {
        attachFile(zoo, found.version, 'card', file, at)
        db.prepare('UPDATE models SET name = ? WHERE key = ?').run(card.name, found.key)
        db.prepare('UPDATE cards SET json = ?, licence = ? WHERE version = ?').run(
          JSON.stringify(card),
          card.licence,
          found.version,
        )
      }
      if (changes.stage !== undefined) {
        db.prepare('UPDATE versions SET stage = ? WHERE key = ?').run(changes.stage, found.version)
      }
      setText('intended_use', changes.intendedUse)
      setText('base_model', changes.baseModel)
      setText('limits', changes.limits)
      db.prepare('UPDATE models SET changed = ? WHERE key = ?').run(at, found.key)
      reindex(db, found.key)
      return collectFiles(db)
    })
    removeCollected(zoo, unused)

    function setText(column: 'intended_use' | 'base_model' | 'limits', value: string | null | undefined): void {
      if (value === undefined) return
      zoo.db.prepare(`UPDATE cards SET ${column} = ? WHERE version = ?`).run(value, found.version)
    }
  })
}

/** undefined when nothing on the card changes. */
function changedCard(card: Card, { name, description, licence }: Changes): Card | undefined {
  if (name === undefined && description === undefined && licence === undefined) return undefined
  const { description: old, ...rest } = card
  const text = description === undefined ? old : (description ?? undefined)
  return parseCard({
    ...rest,
    ...(name === undefined ? {} : { name }),
    ...(licence === undefined ? {} : { licence }),
    ...(text === undefined ? {} : { description: text }),
  })
}
