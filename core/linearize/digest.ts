/** What a resumed run must have started from, in short. */
import { createHash } from 'node:crypto'
import type { Network } from './masks.ts'

/** JSON with the keys of objects in order: a graph that was stored and read has them in another. */
export const ordered = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  )

/** SHA-256 of a network, in hexadecimal: what a resumed run must have started from. */
export function networkDigest({ graph, tensors }: Network): string {
  const hash = createHash('sha256').update(ordered(graph))
  for (const [name, { data }] of [...tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${name} ${data.length} `).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }
  return hash.digest('hex')
}
