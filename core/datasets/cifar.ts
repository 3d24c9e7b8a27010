/**
 * What the binary layouts of CIFAR-10 and CIFAR-100 share: files of equal records, label bytes before 3,072 pixel
 * bytes (32 x 32, all red, all green, all blue). https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
 * Any whole number of records is taken; checksums that are not the official ones are reported.
 */
import { createHash } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { CIFAR_FILES } from './official.ts'
import { checkLabels } from './part.ts'
import type { ImageShape, RecordFile } from './pixels.ts'
import { corrupt, digits, notFound } from './problems.ts'

export const CIFAR_SHAPE: ImageShape = [3, 32, 32]
const PIXELS = 3072
/** Records read at a time. */
const CHUNK = 512
/** Above this a file is no CIFAR file, whatever it is. */
const MAX_RECORDS = 10_000_000

export interface LabelByte {
  /** For messages. */
  readonly name: string
  readonly classes: number
}

export interface ScannedFile extends RecordFile {
  /** One array for each label byte of a record, [count]. */
  readonly labels: readonly Uint8Array[]
  /** Whether it is an official file, byte for byte. */
  readonly official: boolean
}

/**
 * Reads a file through once: counts, labels, checksum.
 * @throws AdytonError 'file-not-found', 'file-corrupt' (file, record, expected size)
 */
export async function scanRecords(folder: string, name: string, layout: readonly LabelByte[]): Promise<ScannedFile> {
  const path = join(folder, name)
  const stride = layout.length + PIXELS
  const official = CIFAR_FILES.find((file) => file.name === basename(name))
  let handle
  try {
    handle = await open(path, 'r')
  } catch (cause) {
    throw notFound(path, 'cannot be opened', cause)
  }
  await using file = handle
  const { size } = await file.stat()
  const count = size / stride
  if (size === 0 || !Number.isInteger(count)) {
    const wholly = official === undefined ? '' : ` (the official file has ${digits(official.bytes)} bytes)`
    const record = Math.floor(count)
    throw corrupt(
      path,
      `ends in record ${record}: has ${digits(size)} bytes, expected a whole number of records of ${digits(stride)} ` +
        `bytes, so ${digits((record + 1) * stride)}${wholly}`,
    )
  }
  if (count > MAX_RECORDS) throw corrupt(path, `has ${digits(count)} records, the limit is ${digits(MAX_RECORDS)}`)
  const labels = layout.map(() => new Uint8Array(count))
  const hash = official?.bytes === size ? createHash('sha256') : undefined
  const chunk = new Uint8Array(CHUNK * stride)
  for (let record = 0; record < count;) {
    const wanted = Math.min(CHUNK, count - record) * stride
    let have = 0
    while (have < wanted) {
      const { bytesRead } = await file.read(chunk, have, wanted - have, record * stride + have)
      if (bytesRead === 0) throw corrupt(path, `ends in record ${record + Math.floor(have / stride)} while it is read`)
      have += bytesRead
    }
    hash?.update(chunk.subarray(0, wanted))
    for (let at = 0; at < wanted; at += stride, record++) {
      for (let byte = 0; byte < layout.length; byte++) labels[byte][record] = chunk[at + byte]
    }
  }
  layout.forEach(({ name, classes }, byte) => checkLabels(path, labels[byte], classes, name))
  return { path, count, labels, official: hash !== undefined && hash.digest('hex') === official?.sha256 }
}

/** A notice about files that are not the official ones, or none. */
export function unofficialNotice(files: readonly ScannedFile[]): string[] {
  const unknown = files.filter((file) => !file.official)
  if (unknown.length === 0) return []
  const list = unknown.map(({ path, count }) => `${basename(path)} (${digits(count)} records)`).join(', ')
  return [`not the official files, by size or checksum: ${list}`]
}

/** Class names, one a line; the customary ones when the file is not there. */
export async function readNames(folder: string, name: string, fallback: readonly string[]): Promise<readonly string[]> {
  const path = join(folder, name)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch {
    return fallback
  }
  const names = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
  if (names.length !== fallback.length) {
    throw corrupt(path, `holds ${names.length} class names, expected ${fallback.length}, one a line`)
  }
  return names
}

/** All labels of several files, in the order of their records. */
export function joinLabels(files: readonly ScannedFile[], byte: number): Uint8Array {
  const out = new Uint8Array(files.reduce((sum, { count }) => sum + count, 0))
  let at = 0
  for (const { labels, count } of files) {
    out.set(labels[byte], at)
    at += count
  }
  return out
}
