/**
 * Keras models in one file: `.keras` (a zip of config.json, metadata.json and model.weights.h5; Keras 3, and Keras 2 from
 * 2.12) and HDF5 (Keras 2, and Keras 3 when asked). Layouts: keras/src/saving/saving_lib.py and
 * keras/src/legacy/saving/legacy_h5_format.py of github.com/keras-team/keras.
 */
import { open, readFile, stat } from 'node:fs/promises'
import { extname } from 'node:path'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import type { ImportedNetwork, ImportFormat } from '../import/format.ts'
import { parseConfig } from './config.ts'
import { isHdf5, MAX_HDF5_BYTES, readHdf5 } from './hdf5.ts'
import { buildNetwork } from './network.ts'
import { keras2Artifacts, startReference } from './reference.ts'
import { namedWeights, storedWeights, type StoredTensor, type WeightSource } from './weights.ts'
import { readZip } from './zip.ts'

const MAX_JSON_BYTES = 64 * 2 ** 20
const CONFIG = 'config.json'
const METADATA = 'metadata.json'
const WEIGHTS = 'model.weights.h5'
const ZIP_SIGNATURE = 0x04034b50

export const keras: ImportFormat = {
  id: 'keras',
  title: 'Keras',
  match: async (path) => {
    const head = await headOf(path)
    const named = ['.keras', '.h5', '.hdf5'].includes(extname(path).toLowerCase())
    return head !== undefined && (isHdf5(head) || named)
  },
  read: readKeras,
}

/** Reads a model. Throws AdytonError: 'file-not-found', 'file-corrupt', 'file-unsupported' or 'model-invalid'. */
export async function readKeras(path: string): Promise<ImportedNetwork> {
  const head = await headOf(path)
  if (head === undefined) {
    throw new AdytonError('file-not-found', `${path}: cannot be read`, { advice: 'Name a .keras, .h5 or .hdf5 file.' })
  }
  if (head.length >= 4 && head.readUInt32LE(0) === ZIP_SIGNATURE) return readArchive(path)
  if (isHdf5(head)) return readLegacy(path)
  throw new AdytonError('file-corrupt', `${path}: is neither a zip archive nor an HDF5 file`, {
    advice: 'Fetch or save the file again.',
  })
}

async function headOf(path: string): Promise<Buffer | undefined> {
  try {
    await using handle = await open(path, 'r')
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, 0)
    return buffer.subarray(0, bytesRead)
  } catch {
    // A folder, or nothing.
    return undefined
  }
}

async function readArchive(path: string): Promise<ImportedNetwork> {
  const limits = new Map([
    [CONFIG, MAX_JSON_BYTES],
    [METADATA, MAX_JSON_BYTES],
    [WEIGHTS, MAX_HDF5_BYTES],
  ])
  const files = await readZip(path, limits)
  const config = files.get(CONFIG)
  const weights = files.get(WEIGHTS)
  if (config === undefined) throw incomplete(path, CONFIG)
  if (weights === undefined) throw incomplete(path, WEIGHTS)
  const { arrays, texts } = await readHdf5(weights, `${path}: ${WEIGHTS}`, ['optimizer'])
  const metadata = files.get(METADATA)
  const version = metadata === undefined ? undefined : versionIn(parseJson(metadata, `${path}: ${METADATA}`))
  return networkOf(path, parseJson(config, `${path}: ${CONFIG}`), storedWeights(arrays, texts), version)
}

function incomplete(path: string, file: string): AdytonError {
  return new AdytonError('file-unsupported', `${path}: has no ${file}`, {
    advice: 'Save the whole model in one file: model.save("name.keras").',
  })
}

async function readLegacy(path: string): Promise<ImportedNetwork> {
  const { size } = await stat(path)
  if (size > MAX_HDF5_BYTES) {
    throw new AdytonError('file-unsupported', `${path}: more than ${MAX_HDF5_BYTES} bytes`, {
      advice: 'Save the model without its optimizer.',
    })
  }
  const bytes = new Uint8Array(await readFile(path))
  const { arrays, texts } = await readHdf5(bytes, path, ['optimizer_weights'])
  const config = texts.get('/model_config')
  if (config === undefined) {
    throw new AdytonError('file-unsupported', `${path}: has weights but no model`, {
      advice: 'Save the whole model, not its weights only: model.save("name.keras").',
    })
  }
  const prefix = 'model_weights/'
  const weights = [...arrays].filter(([name]) => name.startsWith(prefix))
  const named = new Map(weights.map(([name, tensor]): [string, StoredTensor] => [name.slice(prefix.length), tensor]))
  const version = texts.get('/keras_version') ?? texts.get('/model_weights/keras_version')
  return networkOf(path, parseJson(Buffer.from(config), `${path}: model_config`), namedWeights(named, path), version)
}

function parseJson(bytes: Uint8Array, where: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new AdytonError('file-corrupt', `${where}: not valid JSON in UTF-8`, {
      advice: 'Fetch or save the file again.',
      cause,
    })
  }
}

function versionIn(json: unknown): string | undefined {
  const metadata = v.safeParse(v.object({ keras_version: v.string() }), json)
  return metadata.success ? metadata.output.keras_version : undefined
}

/** A network of Keras' layers, from its configuration in JSON; `path` is for messages. */
export function networkOf(
  path: string,
  config: unknown,
  source: WeightSource,
  version: string | undefined,
): ImportedNetwork {
  const model = parseConfig(config, path)
  const built = buildNetwork(model, source, path)
  const artifacts = keras2Artifacts(model, built.weights)
  const { graph, tensors, notes } = built
  const read = { graph, tensors, ...(version === undefined ? {} : { producer: `Keras ${version.slice(0, 32)}` }) }
  if (typeof artifacts === 'string')
    return { ...read, notes: [...notes, `not compared with the file's own: ${artifacts}`] }
  return { ...read, notes, reference: () => startReference(artifacts, built) }
}
