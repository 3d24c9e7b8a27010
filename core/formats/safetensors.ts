/**
 * safetensors (huggingface.co/docs/safetensors): an 8-byte little-endian header length, a JSON header
 * {name: {dtype, shape, data_offsets}}, then the tensors' bytes. Types F32, F16 and U8; F16 is read to float32.
 *
 * Every length is checked before anything is allocated by it.
 */
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import type { Tensor, Tensors } from '../network/graph.ts'
import { float16From, float16To } from './float16.ts'

/** The header may take at most this many bytes. */
export const MAX_HEADER_BYTES = 16 * 2 ** 20
const MAX_TENSORS = 100_000
const PREFIX_BYTES = 8

const SIZES = { F32: 4, F16: 2, U8: 1 } as const
type Dtype = keyof typeof SIZES

const offset = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const EntrySchema = v.object({
  dtype: v.string(),
  shape: v.pipe(v.array(offset), v.maxLength(8)),
  data_offsets: v.strictTuple([offset, offset]),
})

interface Entry {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

function corrupt(file: string, reason: string, cause?: unknown): never {
  throw new AdytonError('file-corrupt', `${file}: ${reason}`, {
    advice: 'Fetch or export the file again.',
    ...(cause === undefined ? {} : { cause }),
  })
}

function readHeader(bytes: Uint8Array, file: string): { header: Record<string, unknown>; data: number } {
  if (bytes.length < PREFIX_BYTES) corrupt(file, `${bytes.length} bytes are too few for a safetensors file`)
  const length = new DataView(bytes.buffer, bytes.byteOffset, PREFIX_BYTES).getBigUint64(0, true)
  if (length > BigInt(Math.min(MAX_HEADER_BYTES, bytes.length - PREFIX_BYTES))) {
    corrupt(file, `the header claims ${length} bytes, the file has ${bytes.length - PREFIX_BYTES} after the prefix`)
  }
  const data = PREFIX_BYTES + Number(length)
  let header: unknown
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(PREFIX_BYTES, data)))
  } catch (cause) {
    corrupt(file, 'the header is not valid JSON', cause)
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    corrupt(file, 'the header is not an object')
  return { header: header as Record<string, unknown>, data }
}

function readEntry(name: string, raw: unknown, available: number, file: string): Entry {
  const where = `tensor '${name.slice(0, 128)}'`
  const parsed = v.safeParse(EntrySchema, raw)
  if (!parsed.success) return corrupt(file, `${where}: ${v.getDotPath(parsed.issues[0]) ?? 'entry'} is not valid`)
  const { dtype, shape, data_offsets } = parsed.output
  if (!Object.hasOwn(SIZES, dtype)) {
    throw new AdytonError('file-unsupported', `${file}: ${where} has type ${dtype.slice(0, 16)}`, {
      advice: 'Types that can be read: F32, F16, U8. Convert the file first.',
    })
  }
  const [begin, end] = data_offsets
  if (begin > end || end > available) {
    corrupt(file, `${where} claims bytes ${begin} to ${end} of ${available}`)
  }
  let count = 1
  for (const d of shape) count *= d
  const size = count * SIZES[dtype as Dtype]
  if (size !== end - begin)
    corrupt(file, `${where} of shape [${shape.join(', ')}] takes ${size} bytes, got ${end - begin}`)
  return { name, dtype: dtype as Dtype, shape, begin, end }
}

/** The format wants tensors packed without holes; that also excludes overlaps. */
function checkPacked(entries: readonly Entry[], available: number, file: string): void {
  let at = 0
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at) corrupt(file, `tensor '${name.slice(0, 128)}' begins at ${begin}, expected ${at}`)
    at = end
  }
  if (at !== available) corrupt(file, `${available - at} bytes belong to no tensor`)
}

function readTensor(bytes: Uint8Array, data: number, entry: Entry): Tensor {
  // A copy: the bytes may be a view into a pooled buffer, at any alignment.
  const part = new Uint8Array(bytes.subarray(data + entry.begin, data + entry.end))
  if (entry.dtype === 'U8') return { shape: entry.shape, data: part }
  if (entry.dtype === 'F16') return { shape: entry.shape, data: float16To(new Uint16Array(part.buffer)) }
  return { shape: entry.shape, data: new Float32Array(part.buffer) }
}

/**
 * Reads a file's tensors and its `__metadata__`. `file` is the name for messages. Throws AdytonError
 * 'file-corrupt' naming file and reason, or 'file-unsupported' for other element types.
 */
export function readSafetensors(
  bytes: Uint8Array,
  file = 'safetensors',
): { readonly tensors: Map<string, Tensor>; readonly metadata: Readonly<Record<string, string>> } {
  const { header, data } = readHeader(bytes, file)
  const { __metadata__: rawMetadata = {}, ...rest } = header
  const metadata = v.safeParse(v.record(v.string(), v.string()), rawMetadata)
  if (!metadata.success) return corrupt(file, '__metadata__ is not a map of strings')
  const names = Object.keys(rest)
  if (names.length > MAX_TENSORS) corrupt(file, `${names.length} tensors, expected at most ${MAX_TENSORS}`)
  const available = bytes.length - data
  const entries = names.map((name) => readEntry(name, rest[name], available, file))
  checkPacked(entries, available, file)
  const tensors = new Map(entries.map((entry) => [entry.name, readTensor(bytes, data, entry)]))
  return { tensors, metadata: metadata.output }
}

/**
 * The bytes of a file with these tensors, in the map's order within each alignment (wide types first). With
 * `half`, float tensors are stored as F16. Throws RangeError when a shape does not match its data.
 */
export function writeSafetensors(
  tensors: Tensors,
  options: { readonly half?: boolean; readonly metadata?: Readonly<Record<string, string>> } = {},
): Uint8Array {
  const floats = options.half === true ? 'F16' : 'F32'
  const rows = [...tensors].map(([name, tensor]) => {
    const dtype: Dtype = tensor.data instanceof Uint8Array ? 'U8' : floats
    if (tensor.shape.reduce((a, b) => a * b, 1) !== tensor.data.length) {
      throw new RangeError(`tensor '${name}' of shape [${tensor.shape.join(', ')}] has ${tensor.data.length} elements`)
    }
    return { name, tensor, dtype }
  })
  rows.sort((a, b) => SIZES[b.dtype] - SIZES[a.dtype])
  const header: [string, unknown][] = options.metadata === undefined ? [] : [['__metadata__', options.metadata]]
  let at = 0
  for (const { name, tensor, dtype } of rows) {
    const end = at + tensor.data.length * SIZES[dtype]
    header.push([name, { dtype, shape: tensor.shape, data_offsets: [at, end] }])
    at = end
  }
  // Spaces at the end of the header align the data to 8 bytes, as the reference writer does.
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)))
  const padded = Math.ceil(json.length / 8) * 8
  const out = new Uint8Array(PREFIX_BYTES + padded + at)
  new DataView(out.buffer).setBigUint64(0, BigInt(padded), true)
  out.fill(0x20, PREFIX_BYTES, PREFIX_BYTES + padded)
  out.set(json, PREFIX_BYTES)
  let to = PREFIX_BYTES + padded
  for (const { tensor, dtype } of rows) {
    const data = dtype === 'F16' ? float16From(tensor.data as Float32Array) : tensor.data
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), to)
    to += data.byteLength
  }
  return out
}
