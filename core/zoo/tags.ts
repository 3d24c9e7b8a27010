/** Tags: short lower-case words on models. */
import { AdytonError } from '../errors/errors.ts'
import { findLive } from './models.ts'
import { reindex } from './search.ts'
import type { Zoo } from './zoo.ts'

const TAG = /^[\p{L}\p{N}][\p{L}\p{N}._/+-]{0,63}$/u

/** A tag as it is stored; throws 'usage'. */
export function checkTag(text: string): string {
  const tag = text.normalize('NFC').toLowerCase()
  if (TAG.test(tag)) return tag
  throw new AdytonError('usage', `'${text.slice(0, 80)}' is no tag`, {
    advice: 'A tag is 1 to 64 letters, digits and . _ / + -, and begins with a letter or a digit.',
  })
}

/** Returns the model's tags after the change. Adding one twice and removing one that is not there change nothing. */
export function changeTags(zoo: Zoo, id: string, add: readonly string[], remove: readonly string[]): string[] {
  const { db } = zoo
  const [added, removed] = [add.map(checkTag), remove.map(checkTag)]
  return zoo.write(() => {
    const { key } = findLive(db, id)
    const insert = db.prepare('INSERT INTO tags (model, tag) VALUES (?, ?) ON CONFLICT DO NOTHING')
    const drop = db.prepare('DELETE FROM tags WHERE model = ? AND tag = ?')
    let changes = 0
    for (const tag of added) changes += insert.run(key, tag).changes
    for (const tag of removed) changes += drop.run(key, tag).changes
    if (changes > 0) {
      db.prepare('UPDATE models SET changed = ? WHERE key = ?').run(Date.now(), key)
      reindex(db, key)
    }
    return db.prepare('SELECT tag FROM tags WHERE model = ? ORDER BY tag').pluck().all(key) as string[]
  })
}
