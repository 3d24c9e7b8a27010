/** Removing stored files that no version uses any more. */
import type { Database } from 'better-sqlite3'
import type { Zoo } from './zoo.ts'

/** Within a write transaction: forgets unused files, recipes, runs and data sets; returns the SHA-256 of the files. */
export function collectFiles(db: Database): string[] {
  const unused = db
    .prepare(
      `DELETE FROM files WHERE NOT EXISTS (SELECT 1 FROM version_files vf WHERE vf.sha256 = files.sha256)
       RETURNING sha256`,
    )
    .pluck()
    .all() as string[]
  db.exec(`
    DELETE FROM runs WHERE NOT EXISTS (SELECT 1 FROM lineage WHERE run = runs.key);
    DELETE FROM recipes WHERE NOT EXISTS (SELECT 1 FROM lineage WHERE recipe = recipes.key)
      AND NOT EXISTS (SELECT 1 FROM runs WHERE recipe = recipes.key);
    DELETE FROM datasets WHERE NOT EXISTS (SELECT 1 FROM cards WHERE dataset = datasets.key)
      AND NOT EXISTS (SELECT 1 FROM measurements WHERE dataset = datasets.key);`)
  return unused
}

/**
 * After the commit: removes the files, each under the write lock and only if no row names it by then, since another
 * process may have imported the same bytes. A crash in between leaves orphans for 'verify --repair'.
 */
export function removeCollected(zoo: Zoo, sha256s: readonly string[]): number {
  const named = zoo.db.prepare('SELECT 1 FROM files WHERE sha256 = ?')
  let removed = 0
  for (const sha256 of sha256s) {
    zoo.write(() => {
      if (named.get(sha256) !== undefined) return
      zoo.files.remove(sha256)
      removed++
    })
  }
  return removed
}
