/**
 * Files that are dropped onto a window in a browser: operations read paths, so they are put into the data folder first.
 * A file appears under its name whole or not at all.
 */
import { randomBytes } from 'node:crypto'
import { createWriteStream, existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { AdytonError } from '../errors/errors.ts'
import { codeOf } from '../protocol/store/files.ts'
import { diskRefusal } from './disk.ts'
import type { TransferFolders } from './folders.ts'
import { safeName, safePath } from './names.ts'
import { Refusal } from './refusal.ts'

export const MAX_UPLOAD = 4 * 2 ** 30

export interface UploadRequest {
  /** A file name; with `batch` a path below the folder of the batch. */
  readonly name: string
  /** 16 hexadecimal digits of the window's choice: files of one batch land in one folder. */
  readonly batch: string | null
  /** Declared length, bytes. */
  readonly bytes: number | undefined
}

export interface Uploaded {
  readonly path: string
  /** Batches: the folder that was dropped, or the one of all the files where they lay in none. */
  readonly folder?: string
}

export class Uploads {
  readonly #folders: TransferFolders
  readonly #limit: number
  readonly #running = new Map<string, Promise<unknown>>()

  constructor(folders: TransferFolders, limit = MAX_UPLOAD) {
    this.#folders = folders
    this.#limit = limit
  }

  /** Throws a Refusal, or what the stream failed with; nothing is left then. */
  async receive(body: Readable, { name, batch, bytes = 0 }: UploadRequest): Promise<Uploaded> {
    if (batch !== null && !/^[0-9a-f]{16}$/.test(batch)) throw new Refusal(400, 'not a batch')
    const parts = batch === null ? [safeName(name)] : safePath(name)
    if (bytes > this.#limit) throw this.#tooLarge()
    const folder = this.#folders.claim(batch ?? undefined)
    const path = join(folder, ...parts)
    // Names that a file system without case takes for one.
    const key = path.toLowerCase()
    if (this.#running.has(key) || existsSync(path)) throw taken()
    const landing = this.#land(body, path)
    this.#running.set(key, landing)
    try {
      await landing
    } finally {
      this.#running.delete(key)
    }
    return batch === null ? { path } : { path, folder: parts.length > 1 ? join(folder, parts[0]) : folder }
  }

  /** When what is being received has ended, either way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running.values())
  }

  async #land(body: Readable, path: string): Promise<void> {
    const part = join(this.#folders.root, `${randomBytes(8).toString('hex')}.part`)
    try {
      await mkdir(this.#folders.root, { recursive: true, mode: 0o700 })
      // Without destroying the request, which takes the answer with it.
      const chunks = body.iterator({ destroyOnReturn: false })
      await pipeline(chunks, this.#count(), createWriteStream(part, { flags: 'wx', mode: 0o600 }))
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await rename(part, path)
    } catch (error) {
      await rm(part, { force: true })
      if (['EEXIST', 'ENOTDIR', 'EISDIR'].includes(codeOf(error) ?? '')) throw taken()
      throw diskRefusal('the upload could not be written', error)
    }
  }

  #count(): Transform {
    let bytes = 0
    return new Transform({
      transform: (chunk: Buffer, _, done) => {
        bytes += chunk.length
        if (bytes > this.#limit) done(this.#tooLarge())
        else done(null, chunk)
      },
    })
  }

  #tooLarge(): Refusal {
    const error = new AdytonError('usage', `a file of more than ${this.#limit / 2 ** 30} GiB cannot be uploaded`, {
      advice: 'Name its path on this machine instead.',
    })
    return new Refusal(413, 'upload too large', error)
  }
}

function taken(): Refusal {
  return new Refusal(409, 'name taken', new AdytonError('usage', 'a file of that name was uploaded already'))
}
