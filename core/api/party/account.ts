/** Tells the process that started a party what its account shows, a few times a second while it changes. */
import type { Ledger } from '../../ledger/ledger.ts'
import { tell } from './serve-commands.ts'

const EVERY_MS = 200

/** Returns the end of it. The timer keeps no process alive. */
export function tellAccount(ledger: Ledger): () => void {
  let bytes = -1
  const timer = setInterval(() => {
    const entries = ledger.entries()
    const moved = entries.reduce((sum, entry) => sum + entry.sent + entry.received, 0)
    if (moved === bytes) return
    bytes = moved
    tell({ kind: 'account', entries })
  }, EVERY_MS).unref()
  return () => clearInterval(timer)
}
