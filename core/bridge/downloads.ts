/** Files that a browser fetches: an operation writes to the path of a slot, its address gives the file once. */
import { randomBytes } from 'node:crypto'
import { open, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { codeOf } from '../protocol/store/files.ts'
import { diskRefusal } from './disk.ts'
import type { TransferFolders } from './folders.ts'
import { safeName } from './names.ts'
import { Refusal } from './refusal.ts'

/** Slots that wait; the oldest goes when there are more. */
const MAX_SLOTS = 256

export interface Slot {
  /** Where the operation writes; nothing is there yet. */
  readonly path: string
  /** Relative to the bridge. */
  readonly url: string
}

export interface Download {
  readonly handle: FileHandle
  readonly bytes: number
  /** For the Content-Disposition header. */
  readonly disposition: string
  /** To be called when the file was sent, or will not be. */
  readonly discard: () => Promise<void>
}

export class Downloads {
  readonly #folders: TransferFolders
  readonly #slots = new Map<string, { readonly path: string; readonly session: number }>()

  constructor(folders: TransferFolders) {
    this.#folders = folders
  }

  async newSlot(name: string, session: number): Promise<Slot> {
    const safe = safeName(name)
    const [oldest] = this.#slots.keys()
    if (this.#slots.size >= MAX_SLOTS) await this.#discard(oldest)
    try {
      const path = join(await this.#folders.make(), safe)
      const secret = randomBytes(32).toString('base64url')
      this.#slots.set(secret, { path, session })
      return { path, url: `/download/${secret}` }
    } catch (error) {
      throw diskRefusal('no place for the file could be made', error)
    }
  }

  /** Throws a Refusal. A slot whose file is not written yet stays. */
  async take(secret: string, session: number): Promise<Download> {
    const slot = this.#slots.get(secret)
    if (slot === undefined || slot.session !== session) throw gone()
    const handle = await open(slot.path).catch((error: unknown) => {
      if (codeOf(error) !== 'ENOENT') throw error
      throw refusal(409, 'not written yet', 'the file has not been written yet')
    })
    const stats = await handle.stat()
    if (!stats.isFile()) {
      await handle.close()
      throw refusal(409, 'not a file', 'a folder cannot be downloaded', 'Export to a path on this machine instead.')
    }
    // Two requests may both have come so far.
    if (!this.#slots.delete(secret)) {
      await handle.close()
      throw gone()
    }
    const discard = async (): Promise<void> => {
      await handle.close().catch(() => undefined)
      await this.#folders.remove(dirname(slot.path))
    }
    return { handle, bytes: stats.size, disposition: disposition(basename(slot.path)), discard }
  }

  async #discard(secret: string): Promise<void> {
    const slot = this.#slots.get(secret)
    this.#slots.delete(secret)
    if (slot !== undefined) await this.#folders.remove(dirname(slot.path))
  }
}

/** RFC 6266: a name in ASCII for old browsers, the true one beside it. */
function disposition(name: string): string {
  const ascii = name.replaceAll(/[^\x20-\x7e]|["%\\]/g, '_')
  const escaped = encodeURIComponent(name).replaceAll(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`)
  return `attachment; filename="${ascii}"; filename*=UTF-8''${escaped}`
}

function gone(): Refusal {
  return refusal(404, 'no such download', 'there is no such download', 'Each works once: export the file again.')
}

function refusal(status: number, reason: string, message: string, advice?: string): Refusal {
  return new Refusal(status, reason, new AdytonError('usage', message, advice === undefined ? {} : { advice }))
}
