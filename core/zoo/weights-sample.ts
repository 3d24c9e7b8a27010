/** The first values of every tensor of a safetensors file, without reading the rest of it. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import { float16From } from '../formats/float16.ts'
import { MAX_HEADER_BYTES } from '../formats/safetensors.ts'

/** Trained networks differ in the first weight already. */
const SAMPLED = 8

const offset = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const HeaderSchema = v.record(
  v.string(),
  v.union([
    v.object({ dtype: v.picklist(['F32', 'F16', 'U8']), data_offsets: v.strictTuple([offset, offset]) }),
    v.record(v.string(), v.string()),
  ]),
)

/** Rounded to float16, by the tensors' names; masks are left out. Throws 'file-corrupt'. */
export function sampleWeights(path: string): Map<string, Uint16Array> {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const length = Number(readAt(file, 0, 8, size).readBigUInt64LE())
    if (length > MAX_HEADER_BYTES) throw corrupt(path)
    const header = v.safeParse(HeaderSchema, JSON.parse(readAt(file, 8, length, size).toString('utf8')))
    if (!header.success) throw corrupt(path)
    const samples = new Map<string, Uint16Array>()
    for (const [name, entry] of Object.entries(header.output)) {
      if (name === '__metadata__' || !Array.isArray(entry.data_offsets) || entry.dtype === 'U8') continue
      const [begin, end] = entry.data_offsets
      const bytes = readAt(
        file,
        8 + length + begin,
        Math.min(end - begin, SAMPLED * (entry.dtype === 'F32' ? 4 : 2)),
        size,
      )
      // A copy, since a view needs alignment.
      const { buffer } = new Uint8Array(bytes)
      samples.set(name, entry.dtype === 'F32' ? float16From(new Float32Array(buffer)) : new Uint16Array(buffer))
    }
    return samples
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) throw corrupt(path, error)
    throw error
  } finally {
    closeSync(file)
  }

  function readAt(fd: number, position: number, length: number, size: number): Buffer {
    if (length < 0 || position + length > size) throw corrupt(path)
    const bytes = Buffer.alloc(length)
    if (readSync(fd, bytes, 0, length, position) !== length) throw corrupt(path)
    return bytes
  }
}

function corrupt(path: string, cause?: unknown): AdytonError {
  return new AdytonError('file-corrupt', `${path}: no safetensors file`, { advice: 'Verify the catalog.', cause })
}
