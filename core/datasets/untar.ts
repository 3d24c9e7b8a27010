/** Unpacks what a data set has in a tar archive, gzipped or not. */
import { closeSync, createReadStream, mkdirSync, openSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Parser, type ReadEntry } from 'tar'
import { Budget, entryPath, HostileArchive, type UnpackJob } from './archives.ts'

const PLAIN = new Set(['File', 'OldFile', 'ContiguousFile'])

export function untar({ archive, into, spec, signal, onFile }: UnpackJob): Promise<void> {
  const budget = new Budget(spec)
  const descriptors = new Set<number>()

  // Written as it comes: a file that waited for the disk would outlive a parser that fails.
  const write = (entry: ReadEntry, path: string, reject: (error: unknown) => void): void => {
    const file = join(into, path)
    mkdirSync(dirname(file), { recursive: true })
    const descriptor = openSync(file, 'wx')
    descriptors.add(descriptor)
    let bytes = 0
    entry.on('data', (chunk) => {
      // What follows a failure: its descriptor is closed, and may be another file's by now.
      if (!descriptors.has(descriptor)) return
      try {
        for (let done = 0; done < chunk.length;) done += writeSync(descriptor, chunk, done)
        bytes += chunk.length
      } catch (error) {
        reject(error)
      }
    })
    entry.on('end', () => {
      if (!descriptors.delete(descriptor)) return
      closeSync(descriptor)
      if (bytes === entry.size) onFile(bytes)
      else reject(new Error(`${path} ends after ${bytes} of ${entry.size} bytes`))
    })
  }

  const take = (entry: ReadEntry, reject: (error: unknown) => void): void => {
    budget.take(entry.size)
    const path = entryPath(spec, entry.path)
    if (!PLAIN.has(entry.type) && entry.type !== 'Directory') {
      throw new HostileArchive(`entry ${entry.path} is a ${entry.type}, not a file`)
    }
    if (PLAIN.has(entry.type) && path !== undefined) write(entry, path, reject)
    else entry.resume()
  }

  const source = createReadStream(archive, signal === undefined ? {} : { signal })
  return new Promise<void>((resolve, reject) => {
    // strict: what the parser would warn about and go on (a bad header, a short stream) is an error here.
    const parser = new Parser({
      strict: true,
      onReadEntry: (entry) => {
        try {
          take(entry, reject)
        } catch (error) {
          reject(error)
          entry.resume()
        }
      },
    })
    parser.on('end', resolve)
    parser.on('error', reject)
    source.on('error', reject)
    source.on('data', (chunk) => {
      if (parser.write(chunk as Buffer)) return
      source.pause()
      parser.once('drain', () => source.resume())
    })
    source.on('end', () => parser.end())
  }).finally(() => {
    source.destroy()
    for (const descriptor of descriptors) closeSync(descriptor)
    descriptors.clear()
  })
}
