/**
 * The file operations that the package store is made of. They are one interface so that a test can let any of them
 * fail (a full disk, a broken one) and see what the store does.
 */
import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AdytonError } from '../../errors/errors.ts'

export interface OpenFile {
  /** Appends all of the bytes. */
  write(bytes: Uint8Array): Promise<void>
  /** Fills the target from a position; returns the bytes read, fewer only at the end of the file. */
  read(target: Uint8Array, position: number): Promise<number>
  /** Returns when the file's bytes are on the disk. */
  sync(): Promise<void>
  close(): Promise<void>
}

export interface FileOps {
  /** Makes a folder (0700) and those above it. */
  makeFolder(path: string): Promise<void>
  /** Creates a file (0600); fails with EEXIST when there is one (O_EXCL). */
  create(path: string): Promise<OpenFile>
  open(path: string): Promise<OpenFile>
  readText(path: string): Promise<string>
  /** Names in a folder, [] when there is no folder. */
  list(path: string): Promise<string[]>
  /** Size in bytes and time of the last change (ms since the epoch), undefined when there is no such path. */
  stat(path: string): Promise<{ readonly size: number; readonly changed: number } | undefined>
  rename(from: string, to: string): Promise<void>
  /** Removes a file or a folder and all in it; nothing happens when it is not there. */
  remove(path: string): Promise<void>
  /** Returns when the folder's entries are on the disk. */
  syncFolder(path: string): Promise<void>
}

/** The real file system. */
export const systemFiles: FileOps = {
  async makeFolder(path) {
    const first = await mkdir(path, { recursive: true, mode: 0o700 })
    if (first === undefined) return
    // The new names have to survive a crash as well as what is put into the folder.
    const top = dirname(first)
    let at = path
    do {
      at = dirname(at)
      await systemFiles.syncFolder(at)
    } while (at.length > top.length)
  },
  create: (path) => openFile(path, 'wx'),
  open: (path) => openFile(path, 'r'),
  readText: (path) => readFile(path, 'utf8'),
  async list(path) {
    try {
      return await readdir(path)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    }
  },
  async stat(path) {
    try {
      const { size, mtimeMs } = await stat(path)
      return { size, changed: mtimeMs }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
  },
  rename,
  remove: (path) => rm(path, { recursive: true, force: true }),
  async syncFolder(path) {
    // Windows opens no folders; NTFS journals its entries.
    if (process.platform === 'win32') return
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
}

async function openFile(path: string, flags: 'wx' | 'r'): Promise<OpenFile> {
  const file = await open(path, flags, 0o600)
  return {
    async write(bytes) {
      let start = 0
      while (start < bytes.length) {
        const { bytesWritten } = await file.write(bytes, start, bytes.length - start)
        start += bytesWritten
      }
    },
    async read(target, position) {
      let filled = 0
      while (filled < target.length) {
        const { bytesRead } = await file.read(target, filled, target.length - filled, position + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return filled
    },
    sync: () => file.sync(),
    close: () => file.close(),
  }
}

/** The newest change in a folder of files, ms since the epoch; 0 when it is gone. */
export async function lastChange(files: FileOps, folder: string): Promise<number> {
  const paths = [folder, ...(await files.list(folder)).map((name) => join(folder, name))]
  const stats = await Promise.all(paths.map((path) => files.stat(path)))
  return Math.max(0, ...stats.map((one) => one?.changed ?? 0))
}

/** The code of a system error, such as ENOSPC. */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** What was thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'The disk is full: free some space, or move the package store to another disk.',
  EDQUOT: 'The disk quota is used up: free some space, or move the package store to another disk.',
  EROFS: 'The disk is mounted read-only: mount it for writing, or move the package store.',
  EACCES: 'Check that the package store belongs to the user that runs Adyton.',
  EPERM: 'Check that the package store belongs to the user that runs Adyton.',
  EMFILE: 'Too many files are open: raise the limit (ulimit -n), or run fewer sessions at once.',
  EIO: 'The disk reports an error: check it before the store is used again.',
}

/** The error for a file operation of the store that failed. */
export function storeFailed(doing: string, cause: unknown): AdytonError {
  if (cause instanceof AdytonError) return cause
  const code = codeOf(cause) ?? 'unknown error'
  return new AdytonError('store-failed', `the package store failed while ${doing} (${code})`, {
    advice: ADVICE[code] ?? 'Check the disk and the permissions of the package store.',
    cause,
  })
}
