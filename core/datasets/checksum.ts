/** Checksums of files, against those that a data set's makers publish. */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { OfficialFile } from './official.ts'
import { cancelled, notFound } from './problems.ts'

export interface Sums {
  readonly bytes: number
  /** Lower-case hexadecimal. */
  readonly md5: string
  readonly sha256: string
}

/** Both sums of a file in one pass. */
export async function checksums(file: string, signal?: AbortSignal): Promise<Sums> {
  const md5 = createHash('md5')
  const sha256 = createHash('sha256')
  let bytes = 0
  try {
    const stream = createReadStream(file, { highWaterMark: 1 << 20, ...(signal === undefined ? {} : { signal }) })
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      md5.update(chunk)
      sha256.update(chunk)
      bytes += chunk.length
    }
  } catch (cause) {
    if (signal?.aborted === true) throw cancelled(`reading ${file}`)
    throw notFound(file, 'cannot be read', cause)
  }
  return { bytes, md5: md5.digest('hex'), sha256: sha256.digest('hex') }
}

/** Whether every sum that is published is that of the file; at least one must be. */
export function isOfficial(sums: Sums, official: OfficialFile): boolean {
  if (official.md5 === undefined && official.sha256 === undefined) return false
  return (
    sums.bytes === official.bytes &&
    (official.md5 === undefined || official.md5 === sums.md5) &&
    (official.sha256 === undefined || official.sha256 === sums.sha256)
  )
}

/** The file of the list that this one is, byte for byte. Sizes are compared first: most files need no reading. */
export async function findOfficial<F extends OfficialFile>(
  file: string,
  candidates: readonly F[],
  signal?: AbortSignal,
): Promise<F | undefined> {
  const { size } = await stat(file)
  const possible = candidates.filter(({ bytes }) => bytes === size)
  if (possible.length === 0) return undefined
  const sums = await checksums(file, signal)
  return possible.find((candidate) => isOfficial(sums, candidate))
}
