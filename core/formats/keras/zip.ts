/** The few files of a `.keras` archive, into memory. Nothing is written anywhere, so names cannot lead out. */
import { crc32 } from 'node:zlib'
import { openPromise, type Entry, type ZipFile } from 'yauzl'
import { AdytonError } from '../../errors/errors.ts'

const MAX_ENTRIES = 10_000
const MAX_RATIO = 100

/**
 * The entries of `wanted` (name to most bytes) that the archive has. Throws AdytonError 'file-corrupt': no zip, cut short,
 * a name twice, more bytes than allowed or declared, a wrong checksum.
 */
export async function readZip(
  path: string,
  wanted: ReadonlyMap<string, number>,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const corrupt = (reason: string, cause?: unknown): AdytonError =>
    new AdytonError('file-corrupt', `${path}: ${reason}`, { advice: 'Fetch or save the file again.', cause })
  let zip: ZipFile | undefined
  try {
    zip = await openPromise(path, { lazyEntries: true, autoClose: false })
    const found = new Map<string, Uint8Array<ArrayBuffer>>()
    let entries = 0
    for await (const entry of zip.eachEntry()) {
      if (++entries > MAX_ENTRIES) throw corrupt(`more than ${MAX_ENTRIES} entries`)
      const limit = wanted.get(entry.fileName)
      if (limit === undefined) continue
      if (found.has(entry.fileName)) throw corrupt(`two entries are called ${entry.fileName}`)
      if (entry.uncompressedSize > limit) {
        throw corrupt(`${entry.fileName} declares ${entry.uncompressedSize} bytes, at most ${limit} are expected`)
      }
      // Weights hardly shrink: a file that grows this much is made to fill the memory.
      if (entry.uncompressedSize > MAX_RATIO * entry.compressedSize + 2 ** 20) {
        throw corrupt(`${entry.fileName} grows from ${entry.compressedSize} to ${entry.uncompressedSize} bytes`)
      }
      found.set(entry.fileName, await extract(zip, entry))
    }
    return found
  } catch (cause) {
    if (cause instanceof AdytonError) throw cause
    throw corrupt(`is damaged (${cause instanceof Error ? cause.message : String(cause)})`, cause)
  } finally {
    zip?.close()
  }
}

async function extract(zip: ZipFile, entry: Entry): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Buffer[] = []
  let at = 0
  let sum = 0
  for await (const chunk of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>) {
    at += chunk.length
    // yauzl checks this too; the bound does not rest on it.
    if (at > entry.uncompressedSize) throw new Error(`${entry.fileName} holds more bytes than it declares`)
    sum = crc32(chunk, sum)
    parts.push(chunk)
  }
  if (at !== entry.uncompressedSize) throw new Error(`${entry.fileName} is cut short`)
  if (sum !== entry.crc32) throw new Error(`${entry.fileName} does not have the checksum that the archive declares`)
  const bytes = new Uint8Array(at)
  let to = 0
  for (const part of parts) {
    bytes.set(part, to)
    to += part.length
  }
  return bytes
}
