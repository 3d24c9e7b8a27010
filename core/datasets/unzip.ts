/** Unpacks what a data set has in a zip archive. */
import { createWriteStream } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { crc32 } from 'node:zlib'
import { openPromise, type Entry, type ZipFile } from 'yauzl'
import { Budget, entryPath, HostileArchive, type UnpackJob } from './archives.ts'

/** Files that are written at the same time: there are more than a hundred thousand small ones. */
const AT_ONCE = 16
const SYMLINK = 0o120000
const FILE_TYPE = 0o170000

export async function unzip({ archive, into, spec, signal, onFile }: UnpackJob): Promise<void> {
  const budget = new Budget(spec)
  const folders = new Set<string>()
  const zip = await openPromise(archive, { lazyEntries: true, autoClose: false })
  const writing = new Set<Promise<void>>()
  const failures: unknown[] = []
  try {
    // Sizes and names first: nothing is written of an archive that is refused.
    const wanted: { entry: Entry; path: string }[] = []
    for await (const entry of zip.eachEntry()) {
      signal?.throwIfAborted()
      budget.take(entry.uncompressedSize)
      if (((entry.externalFileAttributes >>> 16) & FILE_TYPE) === SYMLINK) {
        throw new HostileArchive(`entry ${entry.fileName} is a link, not a file`)
      }
      const path = entryPath(spec, entry.fileName)
      if (path !== undefined) wanted.push({ entry, path })
    }
    for (const { entry, path } of wanted) {
      signal?.throwIfAborted()
      if (failures.length > 0) break
      const file = join(into, path)
      const folder = dirname(file)
      if (!folders.has(folder)) await mkdir(folder, { recursive: true })
      folders.add(folder)
      const done: Promise<void> = extract(zip, entry, file, onFile)
        .catch((error: unknown) => {
          failures.push(error)
        })
        .finally(() => writing.delete(done))
      writing.add(done)
      if (writing.size >= AT_ONCE) await Promise.race(writing)
    }
  } catch (error) {
    const hostile = /invalid relative path|absolute path|invalid characters/.test(String(error))
    failures.unshift(hostile ? new HostileArchive(error instanceof Error ? error.message : String(error)) : error)
  }
  await Promise.all(writing)
  zip.close()
  if (failures.length > 0) throw failures[0]
}

async function extract(zip: ZipFile, entry: Entry, file: string, onFile: (bytes: number) => void): Promise<void> {
  let sum = 0
  const stream = await zip.openReadStreamPromise(entry)
  const summed = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      sum = crc32(chunk, sum)
      yield chunk
    }
  }
  await pipeline(summed, createWriteStream(file, { flags: 'wx' }))
  if (sum !== entry.crc32) throw new Error(`${entry.fileName} does not have the checksum that the archive declares`)
  onFile(entry.uncompressedSize)
}
