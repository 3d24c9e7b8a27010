/** The history of private inferences, each with its whole ledger. */
import type { Zoo } from './zoo.ts'
import { findModel } from './models.ts'

export interface Inference {
  readonly at: number
  /** Both parties' accounts as the inference reported them; never images, shares or masks. */
  readonly ledger: unknown
}

export function addInference(zoo: Zoo, id: string, { at, ledger }: Inference): void {
  zoo.write(() => {
    const { version } = findModel(zoo.db, id)
    zoo.db
      .prepare('INSERT INTO inferences (version, at, ledger) VALUES (?, ?, ?)')
      .run(version, at, JSON.stringify(ledger))
  })
}

/** Newest first. */
export function inferencesOf(zoo: Zoo, id: string, limit = 100): Inference[] {
  const { key } = findModel(zoo.db, id)
  const rows = zoo.db
    .prepare(
      `SELECT i.at, i.ledger FROM inferences i JOIN versions v ON v.key = i.version
       WHERE v.model = ? ORDER BY i.at DESC, i.key DESC LIMIT ?`,
    )
    .all(key, limit) as { at: number; ledger: string }[]
  return rows.map(({ at, ledger }) => ({ at, ledger: JSON.parse(ledger) as unknown }))
}
