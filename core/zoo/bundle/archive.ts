/**
 * The zip of a bundle, read strictly: known names only, each once and in order, stored and not compressed, one behind the
 * other without a gap, and nothing before, between or after. So a file's size is bounded by the archive's, and there is one
 * way to read it.
 */
import { open, stat, type FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { fromFdPromise, type Entry, type ZipFile } from 'yauzl'
import { AdytonError } from '../../errors/errors.ts'
import { codeOf } from '../../protocol/store/files.ts'
import { FILE_NAMES } from '../file-names.ts'
import { ROLES } from '../insert.ts'
import { MANIFEST, MAX_FILE_BYTES, MAX_MANIFEST_BYTES, SIGNATURE } from './manifest.ts'
import { MAX_SIGNATURE_BYTES } from './sign.ts'

const LOCAL_BYTES = 30
const CENTRAL_BYTES = 46
const END_BYTES = 22
const DESCRIPTOR_BYTES = 16
/** Bits of the flags: sizes follow the data; names are UTF-8. */
const HAS_DESCRIPTOR = 1 << 3
const UTF8 = 1 << 11

export interface ArchiveFile {
  readonly size: number
  /** As the archive says. */
  readonly crc32: number
  /** Its bytes, `size` of them. */
  readonly read: () => Promise<Readable>
}

/** Names in their order, each with the most bytes it may have. */
function places(): ReadonlyMap<string, number> {
  return new Map([
    [MANIFEST, MAX_MANIFEST_BYTES],
    ...ROLES.map((role) => [FILE_NAMES[role], MAX_FILE_BYTES[role]] as const),
    [SIGNATURE, MAX_SIGNATURE_BYTES],
  ])
}

/** An archive that is refused, whatever the caller would like to do with it. */
export function refused(path: string, why: string, cause?: unknown): AdytonError {
  return new AdytonError('file-corrupt', `${path} is no bundle that can be used: ${why}`, {
    advice: 'Get the bundle again; it is damaged, or was not written by Adyton.',
    cause,
  })
}

/** Opens an archive for one action. Names and sizes are checked before anything of its content is read. */
export async function withArchive<T>(
  path: string,
  action: (files: ReadonlyMap<string, ArchiveFile>) => Promise<T>,
): Promise<T> {
  const file = await openFile(path)
  try {
    const zip = await readZip(path, () => fromFdPromise(file.fd, { autoClose: false, strictFileNames: true }))
    const entries = await readZip(path, () => entriesOf(zip, file))
    return await action(
      new Map(
        entries.map((entry) => {
          const read = (): Promise<Readable> => readZip(path, () => zip.openReadStreamPromise(entry))
          return [entry.fileName, { size: entry.uncompressedSize, crc32: entry.crc32, read }]
        }),
      ),
    )
  } finally {
    await file.close()
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    // Not a pipe, which would be waited for.
    if ((await stat(path)).isFile()) return await open(path, 'r')
  } catch (cause) {
    const missing = codeOf(cause) === 'ENOENT'
    throw new AdytonError(missing ? 'file-not-found' : 'file-corrupt', `${path} cannot be read`, {
      advice: 'Check the path.',
      cause,
    })
  }
  throw new AdytonError('file-unsupported', `${path} is not a file`, { advice: 'Name a bundle (.adyton).' })
}

async function readZip<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action()
  } catch (cause) {
    if (cause instanceof AdytonError) throw cause
    throw refused(path, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

async function entriesOf(zip: ZipFile, file: FileHandle): Promise<Entry[]> {
  const limits = places()
  const order = [...limits.keys()]
  if (zip.entryCount > order.length) throw new Error(`it has ${zip.entryCount} files`)
  const entries: Entry[] = []
  let last = -1
  let end = 0
  for await (const entry of zip.eachEntry()) {
    const { fileName, uncompressedSize } = entry
    const place = order.indexOf(fileName)
    const shown = JSON.stringify(fileName.slice(0, 200))
    if (place < 0) throw new Error(`it holds ${shown}, which no bundle has`)
    if (place <= last) throw new Error(`${shown} is in it twice, or not in its place`)
    last = place
    if (uncompressedSize > (limits.get(fileName) ?? 0)) throw new Error(`${shown} has ${uncompressedSize} bytes`)
    checkPlain(entry, shown)
    end = await checkPlace(zip, entry, end, shown)
    entries.push(entry)
  }
  if (order[0] !== entries.at(0)?.fileName) throw new Error(`it has no ${MANIFEST}`)
  await checkEnd(file, zip, end, entries)
  return entries
}

/** Stored, not encrypted, without comments and extra fields. */
function checkPlain(entry: Entry, shown: string): void {
  const { generalPurposeBitFlag: flags, compressionMethod, extraFieldLength, fileCommentLength } = entry
  if ((flags & ~(HAS_DESCRIPTOR | UTF8)) !== 0) throw new Error(`${shown} is encrypted or of another kind`)
  if (compressionMethod !== 0) throw new Error(`${shown} is compressed`)
  if (extraFieldLength > 0 || fileCommentLength > 0) throw new Error(`${shown} has fields that bundles do not have`)
}

/** The file's header stands where the one before ended and says the same; returns where this one ends. */
async function checkPlace(zip: ZipFile, entry: Entry, begin: number, shown: string): Promise<number> {
  if (entry.relativeOffsetOfLocalHeader !== begin) throw new Error(`${shown} does not lie where it should`)
  const local = await zip.readLocalFileHeaderPromise(entry)
  const same =
    local.fileName.equals(entry.fileNameRaw) &&
    local.extraField.length === 0 &&
    local.generalPurposeBitFlag === entry.generalPurposeBitFlag &&
    local.compressionMethod === entry.compressionMethod
  if (!same) throw new Error(`${shown} is described in two ways`)
  const descriptor = (entry.generalPurposeBitFlag & HAS_DESCRIPTOR) === 0 ? 0 : DESCRIPTOR_BYTES
  return begin + LOCAL_BYTES + entry.fileNameRaw.length + entry.compressedSize + descriptor
}

/** The directory follows the last file, and the archive ends with it. */
async function checkEnd(file: FileHandle, zip: ZipFile, end: number, entries: readonly Entry[]): Promise<void> {
  const directory = entries.reduce((sum, { fileNameRaw }) => sum + CENTRAL_BYTES + fileNameRaw.length, 0)
  const bytes = Buffer.alloc(END_BYTES)
  await file.read(bytes, 0, END_BYTES, end + directory)
  const fits =
    zip.fileSize === end + directory + END_BYTES &&
    bytes.readUInt32LE(0) === 0x06054b50 &&
    bytes.readUInt32LE(12) === directory &&
    bytes.readUInt32LE(16) === end
  if (!fits) throw new Error('it holds bytes that belong to no file')
}
