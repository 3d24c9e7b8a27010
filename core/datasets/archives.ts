/**
 * Official archives: recognised by the first name inside them, checked against the published checksums, unpacked into
 * a folder beside. Only entries that the data set is known to have are written, under names that this program makes;
 * an archive that holds links, absolute paths or `..` is refused whole.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { constants, gunzipSync } from 'node:zlib'
import { AdytonError } from '../errors/errors.ts'
import { headOf } from './candidate.ts'
import { checksums, isOfficial } from './checksum.ts'
import { ARCHIVES, type OfficialArchive } from './official.ts'
import { cancelled, corrupt, digits } from './problems.ts'
import { untar } from './untar.ts'
import { unzip } from './unzip.ts'

export interface UnpackOptions {
  /** Folder to unpack into; that of the archive unless given. */
  readonly unpackInto?: string
  readonly signal?: AbortSignal
  /** Called as files are written. */
  readonly onUnpack?: (progress: { readonly files: number; readonly bytes: number }) => void
}

export interface Unpacked {
  readonly folder: string
  readonly notices: readonly string[]
}

/** What untar and unzip are given. They write files below `into` and nothing else. */
export interface UnpackJob {
  readonly archive: string
  readonly into: string
  readonly spec: OfficialArchive
  readonly signal: AbortSignal | undefined
  readonly onFile: (bytes: number) => void
}

/** Why an archive is refused though it can be read. */
export class HostileArchive extends Error {}

/**
 * The path inside the data set's folder of an entry that is to be written; undefined for one to pass over.
 * @throws HostileArchive for paths that lead elsewhere
 */
export function entryPath(spec: OfficialArchive, name: string): string | undefined {
  const parts = name.split('/')
  if (name.startsWith('/') || /[\\\0]|^[a-z]:/i.test(name) || parts.includes('..')) {
    throw new HostileArchive(`entry ${JSON.stringify(name.slice(0, 200))} leads out of the archive`)
  }
  const [folder, ...inner] = parts.filter((part) => part !== '' && part !== '.')
  const path = inner.join('/')
  return folder === spec.folder && spec.entries.test(path) ? path : undefined
}

/** Counts what an archive declares; throws HostileArchive beyond its data set's limits. */
export class Budget {
  readonly #spec: OfficialArchive
  #entries = 0
  #bytes = 0

  constructor(spec: OfficialArchive) {
    this.#spec = spec
  }

  take(bytes: number): void {
    this.#entries++
    this.#bytes += bytes
    const { maxEntries, maxBytes } = this.#spec
    if (this.#entries > maxEntries) throw new HostileArchive(`more than ${digits(maxEntries)} entries`)
    if (!(this.#bytes <= maxBytes)) throw new HostileArchive(`its files declare more than ${digits(maxBytes)} bytes`)
  }
}

const isZip = (head: Buffer): boolean => head.readUInt32LE(0) === 0x04034b50
const isGzip = (head: Buffer): boolean => head[0] === 0x1f && head[1] === 0x8b

/** Enough for the first entry's name, compressed or not. */
const PEEK_BYTES = 4096

function firstName(head: Buffer): string | undefined {
  if (head.length < 32) return undefined
  if (isZip(head)) return head.subarray(30, 30 + head.readUInt16LE(26)).toString('latin1')
  let tar = head
  if (isGzip(head)) {
    try {
      // With Z_SYNC_FLUSH a stream that is cut short gives what it holds so far.
      tar = gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH })
    } catch {
      return undefined
    }
  }
  if (tar.length < 512) return undefined
  const name = tar.subarray(0, 100)
  const end = name.indexOf(0)
  return name.subarray(0, end < 0 ? 100 : end).toString('latin1')
}

/** The official archive that a file is by its content, whole or not; undefined for other files. */
export async function archiveIn(file: string): Promise<OfficialArchive | undefined> {
  const name = firstName(await headOf(file, PEEK_BYTES))
  if (name === undefined) return undefined
  const top = name.split('/').find((part) => part !== '' && part !== '.')
  return ARCHIVES.find(({ folder }) => folder === top)
}

/**
 * Checks and unpacks an official archive, unless its folder is there already. The folder appears only when all of it
 * is written. An unknown checksum is a notice.
 * @throws AdytonError 'file-unsupported' (no official archive), 'file-corrupt' (cut short or damaged: file and
 *   expected size), 'cancelled', 'usage' (the place cannot be written)
 */
export async function unpackArchive(archive: string, options: UnpackOptions = {}): Promise<Unpacked> {
  const { signal, onUnpack } = options
  const spec = await archiveIn(archive)
  if (spec === undefined) {
    const known = ARCHIVES.map(({ name }) => name).join(', ')
    throw new AdytonError('file-unsupported', `${archive}: is none of the archives that are known: ${known}`)
  }
  const parent = options.unpackInto ?? dirname(archive)
  const folder = join(parent, spec.folder)
  if (existsSync(folder)) return { folder, notices: [`${folder} was there already and is used as it is`] }

  const sums = await checksums(archive, signal)
  const notices: string[] = []
  if (!isOfficial(sums, spec)) {
    notices.push(
      `${archive}: not the official ${spec.name} (${digits(sums.bytes)} bytes, MD5 ${sums.md5}; official are ` +
        `${digits(spec.bytes)} bytes, MD5 ${spec.md5 ?? 'unknown'})`,
    )
  }
  const into = join(parent, `.${spec.folder}.${randomBytes(6).toString('hex')}.unpacking`)
  try {
    await mkdir(into, { recursive: true })
  } catch (cause) {
    throw new AdytonError('usage', `${parent}: cannot be written, so ${spec.name} cannot be unpacked there`, {
      advice: 'Name a folder to unpack into, or copy the archive to one.',
      cause,
    })
  }
  const progress = { files: 0, bytes: 0 }
  const onFile = (bytes: number): void => {
    progress.files++
    progress.bytes += bytes
    onUnpack?.({ ...progress })
  }
  try {
    const zip = isZip(await headOf(archive, 4))
    await (zip ? unzip : untar)({ archive, into, spec, signal, onFile })
    signal?.throwIfAborted()
    if (progress.files === 0) throw new Error(`holds no file of ${spec.folder}`)
    await rename(into, folder)
  } catch (cause) {
    await rm(into, { recursive: true, force: true })
    throw await explain(archive, spec, cause, signal)
  }
  return { folder, notices }
}

async function explain(archive: string, spec: OfficialArchive, cause: unknown, signal?: AbortSignal): Promise<Error> {
  if (signal?.aborted === true) return cancelled(`unpacking ${archive}`)
  if (cause instanceof AdytonError) return cause
  if (cause instanceof HostileArchive) return corrupt(archive, `is refused: ${cause.message}`, cause)
  const detail = cause instanceof Error ? cause.message : String(cause)
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (/^(ENOSPC|EACCES|EROFS|EDQUOT|EPERM)$/.test(code)) {
    return new AdytonError('usage', `${archive}: cannot be unpacked (${detail})`, {
      advice: 'Free space on the disk or name another folder to unpack into.',
      cause,
    })
  }
  const { size } = await stat(archive)
  const sizes = `has ${digits(size)} bytes, the official ${spec.name} ${digits(spec.bytes)}`
  return corrupt(
    archive,
    `${size < spec.bytes ? 'is cut short or damaged' : 'is damaged'} (${detail}); ${sizes}`,
    cause,
  )
}
