/**
 * IDX files (the layout of MNIST and its relatives), raw or gzipped: two zero bytes, a type byte, the rank, the
 * dimensions as big-endian 32-bit integers, then the elements in C order. Only unsigned bytes (type 0x08) are read.
 * Layout: https://yann.lecun.com/exdb/mnist/ ("the IDX file format").
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { constants, gunzipSync } from 'node:zlib'
import { AdytonError } from '../errors/errors.ts'

const TYPE_UBYTE = 0x08
const MAX_RANK = 4
/** Enough of a gzip file for the decompressed header; deflate expands at most about 1,032 times. */
const PEEK_BYTES = 1024

/** An array of unsigned bytes: `data.length` is the product of `shape`. */
export interface IdxArray {
  readonly shape: readonly number[]
  readonly data: Uint8Array
}

export interface IdxOptions {
  /** Largest file accepted, decompressed, in bytes. Checked before anything of that size is allocated. */
  readonly maxBytes?: number
}

const corrupt = (file: string, detail: string, cause?: unknown) =>
  new AdytonError('file-corrupt', `${file}: ${detail}`, {
    advice: 'Download the file again, or check that it is an IDX file such as train-images-idx3-ubyte.gz.',
    cause,
  })

/**
 * Reads an IDX file of unsigned bytes.
 * @throws AdytonError 'file-not-found', 'file-corrupt' (with the offset or record), 'file-unsupported' (other types)
 */
export function readIdx(file: string, { maxBytes = 1 << 30 }: IdxOptions = {}): IdxArray {
  const raw = readBounded(file, maxBytes)
  const zipped = raw.length >= 2 && raw[0] === 0x1f && raw[1] === 0x8b
  const head = zipped ? gunzipStart(file, raw) : raw
  const { shape, headerBytes } = parseHeader(file, head)
  const expected = headerBytes + shape.reduce((product, size) => product * size, 1)
  if (expected > maxBytes) {
    throw corrupt(file, `offset 4: dimensions ${shape.join(' x ')} declare ${expected} bytes, the limit is ${maxBytes}`)
  }
  const bytes = zipped ? gunzipExactly(file, raw, expected) : raw
  if (bytes.length !== expected) throw wrongLength(file, shape, headerBytes, bytes.length, expected)
  return { shape, data: bytes.subarray(headerBytes) }
}

function readBounded(file: string, maxBytes: number): Uint8Array {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (cause) {
    throw new AdytonError('file-not-found', `${file}: cannot be opened`, {
      advice: 'Check the path and its permissions.',
      cause,
    })
  }
  try {
    const { size } = fstatSync(descriptor)
    if (size > maxBytes) throw corrupt(file, `is ${size} bytes, the limit is ${maxBytes}`)
    return readFileSync(descriptor)
  } catch (cause) {
    if (cause instanceof AdytonError) throw cause
    throw new AdytonError('file-not-found', `${file}: cannot be read`, {
      advice: 'Check that it is a file, not a folder.',
      cause,
    })
  } finally {
    closeSync(descriptor)
  }
}

function gunzipStart(file: string, raw: Uint8Array): Uint8Array {
  try {
    // With Z_SYNC_FLUSH a stream that is cut short gives what it holds so far.
    return gunzipSync(raw.subarray(0, PEEK_BYTES), { finishFlush: constants.Z_SYNC_FLUSH })
  } catch (cause) {
    throw corrupt(file, 'offset 0: the gzip stream cannot be decompressed', cause)
  }
}

function gunzipExactly(file: string, raw: Uint8Array, expected: number): Uint8Array {
  try {
    return gunzipSync(raw, { maxOutputLength: expected })
  } catch (cause) {
    const tooLong = cause instanceof RangeError
    const detail = tooLong
      ? `holds more than the ${expected} bytes that its header declares`
      : `the gzip stream is damaged or cut short (expected ${expected} bytes of content)`
    throw corrupt(file, detail, cause)
  }
}

function parseHeader(file: string, head: Uint8Array): { shape: number[]; headerBytes: number } {
  if (head.length < 4) throw corrupt(file, `offset 0: ${head.length} bytes, an IDX header takes at least 4`)
  if (head[0] !== 0 || head[1] !== 0) throw corrupt(file, 'offset 0: an IDX file starts with two zero bytes')
  const rank = head[3]
  if (head[2] !== TYPE_UBYTE) {
    const type = `0x${head[2].toString(16).padStart(2, '0')}`
    throw new AdytonError(
      'file-unsupported',
      `${file}: offset 2: element type ${type}, only 0x08 (unsigned bytes) is read`,
    )
  }
  if (rank < 1 || rank > MAX_RANK) throw corrupt(file, `offset 3: rank ${rank}, expected 1 to ${MAX_RANK}`)
  const headerBytes = 4 + 4 * rank
  if (head.length < headerBytes) {
    throw corrupt(file, `offset ${head.length}: the header ends early, rank ${rank} takes ${headerBytes} bytes`)
  }
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis))
  const empty = shape.findIndex((size) => size === 0)
  if (empty >= 0) throw corrupt(file, `offset ${4 + 4 * empty}: dimension ${empty} is zero`)
  return { shape, headerBytes }
}

function wrongLength(file: string, shape: number[], headerBytes: number, found: number, expected: number): AdytonError {
  if (found > expected) return corrupt(file, `offset ${expected}: ${found - expected} bytes follow the last record`)
  const recordBytes = (expected - headerBytes) / shape[0]
  const record = Math.floor((found - headerBytes) / recordBytes)
  return corrupt(
    file,
    `offset ${found}: ends in record ${record} of ${shape[0]} (${recordBytes} bytes each): ` +
      `expected ${expected} bytes, found ${found}`,
  )
}
