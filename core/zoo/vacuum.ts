/** Rewrites the database without gaps. */
import type { Zoo } from './zoo.ts'

/** Sizes in bytes. */
export function vacuumZoo({ db }: Zoo): { readonly before: number; readonly after: number } {
  const size = (): number =>
    (db.pragma('page_count', { simple: true }) as number) * (db.pragma('page_size', { simple: true }) as number)
  const before = size()
  db.exec(`INSERT INTO search (search) VALUES ('optimize')`)
  db.exec('VACUUM')
  db.pragma('optimize')
  db.pragma('wal_checkpoint(TRUNCATE)')
  return { before, after: size() }
}
