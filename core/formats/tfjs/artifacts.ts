/**
 * What TensorFlow.js keeps a model in: model.json with the topology and a manifest of the weights, and the files beside it
 * that hold their bytes. Layout: tfjs-core/src/io/types.ts and io_utils.ts of github.com/tensorflow/tfjs.
 */
import { readFile, realpath, stat } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { elements, LIMITS } from '../../network/shapes.ts'
import { float16To } from '../float16.ts'
import type { StoredTensor } from '../keras/weights.ts'

const MAX_JSON_BYTES = 64 * 2 ** 20
const MAX_TENSORS = 20_000
const MAX_FILES = 10_000

const SIZES = { float32: 4, int32: 4, bool: 1, uint8: 1, uint16: 2, float16: 2 } as const
type StoredType = keyof typeof SIZES

const text = v.pipe(v.string(), v.maxLength(2048))
const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const QuantizationSchema = v.object({
  dtype: v.picklist(['uint8', 'uint16', 'float16']),
  scale: v.optional(v.number()),
  min: v.optional(v.number()),
})
const WeightSchema = v.object({
  name: text,
  shape: v.pipe(v.array(size), v.maxLength(8)),
  dtype: text,
  quantization: v.optional(QuantizationSchema),
})
const ManifestSchema = v.array(v.object({ paths: v.array(text), weights: v.array(WeightSchema) }))
const ModelSchema = v.object({
  format: v.nullish(text),
  generatedBy: v.nullish(text),
  convertedBy: v.nullish(text),
  modelTopology: v.record(v.string(), v.unknown()),
  weightsManifest: v.nullish(ManifestSchema),
  signature: v.nullish(v.record(v.string(), v.unknown())),
})

type ModelJson = v.InferOutput<typeof ModelSchema>
type Group = v.InferOutput<typeof ManifestSchema>[number]
type Weight = Group['weights'][number]

export interface TfjsFile {
  readonly path: string
  readonly json: ModelJson
  readonly weights: ReadonlyMap<string, StoredTensor>
  /** The same as the manifest describes them, for TensorFlow.js itself. */
  readonly raw: { readonly specs: readonly Weight[]; readonly data: Uint8Array<ArrayBuffer> }
  readonly producer?: string
}

/** Reads model.json and its files. Throws AdytonError 'file-not-found', 'file-corrupt' or 'file-unsupported'. */
export async function readArtifacts(path: string): Promise<TfjsFile> {
  const json = await readModelJson(path)
  const groups = json.weightsManifest ?? []
  const specs = groups.flatMap((group) => group.weights)
  const total = check(specs, path)
  const files = groups.flatMap((group) => group.paths)
  if (files.length > MAX_FILES) throw corrupt(path, `${files.length} files of weights`)
  // Every length before the first byte of weights is read.
  const located = new Map<string, { file: string; bytes: number }>()
  for (const name of files) located.set(name, await locate(path, name))
  for (const group of groups) {
    const expected = group.weights.reduce((sum, weight) => sum + bytesOf(weight), 0)
    const found = group.paths.reduce((sum, name) => sum + (located.get(name)?.bytes ?? 0), 0)
    if (expected !== found) {
      const list = group.paths.slice(0, 3).join(', ').slice(0, 200)
      throw corrupt(path, `the weights take ${expected} bytes, ${list === '' ? 'no file' : list} has ${found}`)
    }
  }
  const data = new Uint8Array(total)
  let at = 0
  for (const name of files) {
    const { file, bytes } = located.get(name) as { file: string; bytes: number }
    const part = await readFile(file)
    if (part.length !== bytes) throw corrupt(path, `${name} changed while it was read`)
    data.set(part, at)
    at += bytes
  }
  const producer = [json.generatedBy, json.convertedBy].filter((by) => typeof by === 'string' && by !== '').join(', ')
  return {
    ...{ path, json, weights: decode(specs, data, path), raw: { specs, data } },
    ...(producer === '' ? {} : { producer: producer.slice(0, 128) }),
  }
}

function corrupt(path: string, reason: string, cause?: unknown): AdytonError {
  return new AdytonError('file-corrupt', `${path}: ${reason}`, { advice: 'Fetch or export the model again.', cause })
}

async function readModelJson(path: string): Promise<ModelJson> {
  let bytes: Buffer
  try {
    if ((await stat(path)).size > MAX_JSON_BYTES) throw corrupt(path, `more than ${MAX_JSON_BYTES} bytes`)
    bytes = await readFile(path)
  } catch (cause) {
    if (cause instanceof AdytonError) throw cause
    throw new AdytonError('file-not-found', `${path}: cannot be read`, {
      advice: 'Name model.json or its folder.',
      cause,
    })
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw corrupt(path, 'not valid JSON in UTF-8', cause)
  }
  const result = v.safeParse(ModelSchema, parsed, { abortEarly: true })
  if (result.success) return result.output
  const [issue] = result.issues
  throw corrupt(path, `${v.getDotPath(issue) ?? '(root)'}: ${issue.message}`)
}

/** The bytes of all weights. */
function check(specs: readonly Weight[], path: string): number {
  if (specs.length > MAX_TENSORS) throw corrupt(path, `${specs.length} tensors, expected at most ${MAX_TENSORS}`)
  const names = new Set<string>()
  let count = 0
  for (const { name, shape, dtype, quantization } of specs) {
    if (names.has(name)) throw corrupt(path, `two weights are called '${name.slice(0, 128)}'`)
    names.add(name)
    count += elements(shape)
    if (!(count <= LIMITS.weights)) {
      throw new AdytonError('file-unsupported', `${path}: more than ${LIMITS.weights} weights`, {
        advice: 'Use a smaller network.',
      })
    }
    if (!Object.hasOwn(SIZES, quantization?.dtype ?? dtype)) {
      throw new AdytonError(
        'file-unsupported',
        `${path}: weight '${name.slice(0, 128)}' is of type ${dtype.slice(0, 32)}`,
        {
          advice: `Types that can be read: ${Object.keys(SIZES).join(', ')}.`,
        },
      )
    }
    const scaled = quantization !== undefined && quantization.dtype !== 'float16'
    if (scaled && (quantization.scale === undefined || quantization.min === undefined)) {
      throw corrupt(path, `weight '${name.slice(0, 128)}' has no scale`)
    }
  }
  return specs.reduce((sum, weight) => sum + bytesOf(weight), 0)
}

function storedType({ dtype, quantization }: Weight): StoredType {
  return (quantization?.dtype ?? dtype) as StoredType
}

function bytesOf(weight: Weight): number {
  return elements(weight.shape) * SIZES[storedType(weight)]
}

/** A file of weights, which must be in the folder of model.json or below it. */
async function locate(path: string, name: string): Promise<{ file: string; bytes: number }> {
  const outside = new AdytonError(
    'file-corrupt',
    `${path}: names weights outside its folder: '${name.slice(0, 128)}'`,
    {
      advice: 'Only files beside model.json are read. Do not trust this model.',
    },
  )
  const parts = name.split(/[\\/]/)
  if (parts[0] === '' || parts.includes('..') || /^[A-Za-z][A-Za-z0-9+.-]*:|\0/.test(name)) throw outside
  const folder = await realpath(dirname(path))
  let file: string
  try {
    file = await realpath(join(folder, name))
  } catch (cause) {
    throw new AdytonError('file-not-found', `${path}: its weights ${name.slice(0, 128)} are not there`, {
      advice: 'Put all files of the model into one folder.',
      cause,
    })
  }
  if (!file.startsWith(folder.endsWith(sep) ? folder : folder + sep)) throw outside
  const found = await stat(file)
  if (!found.isFile()) throw corrupt(path, `${name.slice(0, 128)} is no file`)
  return { file, bytes: found.size }
}

function decode(specs: readonly Weight[], data: Uint8Array<ArrayBuffer>, path: string): Map<string, StoredTensor> {
  const weights = new Map<string, StoredTensor>()
  let at = 0
  for (const weight of specs) {
    const end = at + bytesOf(weight)
    // A copy begins at an address that any type may.
    const part = data.slice(at, end)
    at = end
    const values = numbers(weight, part.buffer)
    if (weight.dtype === 'float32' && !values.every(Number.isFinite)) {
      throw corrupt(path, `weight '${weight.name.slice(0, 128)}' has numbers that are not finite`)
    }
    weights.set(weight.name, { shape: weight.shape, data: values })
  }
  return weights
}

function numbers(weight: Weight, buffer: ArrayBuffer): Float32Array {
  const { scale = 1, min = 0 } = weight.quantization ?? {}
  const whole = weight.dtype === 'int32'
  const scaled = (value: number): number => (whole ? Math.round(value * scale + min) : value * scale + min)
  switch (storedType(weight)) {
    case 'float32':
      return new Float32Array(buffer)
    case 'int32':
      return Float32Array.from(new Int32Array(buffer))
    case 'float16':
      return float16To(new Uint16Array(buffer))
    case 'uint16':
      return Float32Array.from(new Uint16Array(buffer), weight.quantization === undefined ? Number : scaled)
    case 'uint8':
    case 'bool':
      return Float32Array.from(new Uint8Array(buffer), weight.quantization === undefined ? Number : scaled)
  }
}
