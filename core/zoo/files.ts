/**
 * The content-addressed folder: `files/ab/ab12…` holds the bytes whose SHA-256 is ab12…; `files/incoming/` what is being
 * brought in, one folder for each import, named by its process.
 *
 * A file may be a symbolic link to weights that somebody else keeps; its checksum shows when they change.
 *
 * A file is first written and synced below incoming/, then renamed within the transaction that inserts its row. Files are
 * removed within transactions too, after a look at the rows, so a file that a row refers to is never removed.
 */
import { createHash } from 'node:crypto'
import { closeSync, createReadStream, fsyncSync, lstatSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { mkdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { codeOf, systemFiles } from '../protocol/store/files.ts'
import { isLeftover, ownedName } from './sessions.ts'

const SHA256 = /^[0-9a-f]{64}$/
const INCOMING = 'incoming'

/** A file that lies in an incoming folder, synced. */
export interface Staged {
  readonly path: string
  readonly sha256: string
  readonly size: number
  /** The store has the same bytes already; they were read and compared. */
  readonly known: boolean
}

export class FileStore {
  readonly folder: string

  constructor(folder: string) {
    this.folder = folder
  }

  /** Path of a file; throws for what is no SHA-256, whoever it comes from. */
  path(sha256: string): string {
    if (!SHA256.test(sha256)) throw new AdytonError('catalog-corrupt', 'the catalog names a file by no SHA-256')
    return join(this.folder, sha256.slice(0, 2), sha256)
  }

  /** Runs an action with an incoming folder of its own, which is gone afterwards. */
  async staging<T>(action: (folder: string) => Promise<T>): Promise<T> {
    const incoming = join(this.folder, INCOMING)
    await systemFiles.makeFolder(incoming)
    const folder = join(incoming, ownedName())
    await mkdir(folder, { mode: 0o700 })
    try {
      return await action(folder)
    } finally {
      await systemFiles.remove(folder)
    }
  }

  /** Hashes and syncs what a staging folder holds under a name, and prepares its place. */
  async stage(path: string): Promise<Staged> {
    const linked = isLink(path)
    // What a link leads to is not ours to sync.
    if (!linked) {
      const file = openSync(path, 'r+')
      try {
        fsyncSync(file)
      } finally {
        closeSync(file)
      }
    }
    const { sha256, size } = await hashFile(path)
    const target = this.path(sha256)
    await systemFiles.makeFolder(dirname(target))
    // A stored file that was damaged since is replaced by the good bytes, and a link by a file.
    const there = lstatSync(target, { throwIfNoEntry: false })
    const kept = there !== undefined && (linked || !there.isSymbolicLink())
    // Another process may remove it at any time; settle looks again.
    const known = kept && (await tryHashFile(target))?.sha256 === sha256
    return { path, sha256, size, known }
  }

  /** Within a write transaction: puts a staged file in its place. */
  settle({ path, sha256, size, known }: Staged): void {
    const target = this.path(sha256)
    if (known && statSync(target, { throwIfNoEntry: false })?.size === size) return
    renameSync(path, target)
    syncFolderNow(dirname(target))
  }

  /** Within a write transaction, of a file that no row names. */
  remove(sha256: string): void {
    rmSync(this.path(sha256), { force: true })
  }

  /** Everything in the folder: files by their SHA-256, and paths of what does not belong there. */
  async inventory(): Promise<{ readonly files: string[]; readonly strays: string[] }> {
    const files: string[] = []
    const strays: string[] = []
    for (const shard of await systemFiles.list(this.folder)) {
      if (shard === INCOMING) continue
      const folder = join(this.folder, shard)
      if (!(await stat(folder)).isDirectory()) {
        strays.push(folder)
        continue
      }
      for (const name of await systemFiles.list(folder)) {
        if (SHA256.test(name) && name.startsWith(shard)) files.push(name)
        else strays.push(join(folder, name))
      }
    }
    const incoming = join(this.folder, INCOMING)
    const dead = (await systemFiles.list(incoming)).filter(isLeftover)
    return { files, strays: [...strays, ...dead.map((name) => join(incoming, name))] }
  }
}

function isLink(path: string): boolean {
  return lstatSync(path).isSymbolicLink()
}

/** SHA-256 and size of a file, read in pieces. */
export async function hashFile(path: string): Promise<{ readonly sha256: string; readonly size: number }> {
  const hash = createHash('sha256')
  let size = 0
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    size += chunk.length
  }
  return { sha256: hash.digest('hex'), size }
}

/** As {@link hashFile}; undefined when there is no such file or it cannot be read. */
export async function tryHashFile(path: string): Promise<{ sha256: string; size: number } | undefined> {
  try {
    return await hashFile(path)
  } catch (error) {
    if (codeOf(error) === undefined) throw error
    return undefined
  }
}

function syncFolderNow(path: string): void {
  // Windows opens no folders; NTFS journals its entries.
  if (process.platform === 'win32') return
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
