/** ONNX models (onnx.ai) as networks of ours. */
import { open, readFile, stat } from 'node:fs/promises'
import { basename, extname } from 'node:path'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import type { Graph } from '../../network/graph.ts'
import { LIMITS } from '../../network/shapes.ts'
import type { ImportedNetwork, ImportFormat } from '../import/format.ts'
import { CalibrationSchema, parseCard } from '../model-directory.ts'
import { METADATA } from './metadata.ts'
import { readNetwork, type OnnxNetwork } from './network.ts'
import { decodeModel, encodeModel, type OnnxModel } from './proto.ts'
import { referenceRunner } from './runtime.ts'
import { inlineTensor } from './tensors.ts'

/** A message of protocol buffers is no longer than this. */
const MAX_BYTES = 2 ** 31 - 1

/** Names that exporters give to every graph. */
const NAMELESS = new Set(['', 'main_graph', 'main', 'torch_jit', 'torch-jit-export', 'graph', 'tf2onnx', 'model'])

const StagesSchema = v.pipe(v.array(v.pipe(v.string(), v.maxLength(LIMITS.idLength))), v.maxLength(LIMITS.nodes))

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const found = await stat(path)
    if (!found.isFile() || found.size > MAX_BYTES) {
      throw new AdytonError('file-unsupported', `${path}: ${found.isFile() ? 'more than 2 GiB' : 'no file'}`, {
        advice: 'An ONNX model is one file of up to 2 GiB, with larger weights beside it.',
      })
    }
    return await readFile(path)
  } catch (cause) {
    if (cause instanceof AdytonError) throw cause
    throw new AdytonError('file-not-found', `${path} cannot be read`, { advice: 'Check the path.', cause })
  }
}

/** JSON that we wrote into the file, undefined where it has none. */
function metadata(model: OnnxModel, key: string, file: string): unknown {
  const text = model.metadataProps.find((entry) => entry.key === key)?.value
  if (text === undefined) return undefined
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new AdytonError('file-corrupt', `${file}: metadata '${key}' is not valid JSON`, { cause })
  }
}

function checked<T>(schema: v.GenericSchema<unknown, T>, model: OnnxModel, key: string, file: string): T | undefined {
  const json = metadata(model, key, file)
  if (json === undefined) return undefined
  const result = v.safeParse(schema, json, { abortEarly: true })
  if (result.success) return result.output
  throw new AdytonError('file-corrupt', `${file}: metadata '${key}': ${result.issues[0].message}`)
}

/** Stages count as long as every one of them is a layer. */
function withStages(graph: Graph, stages: readonly string[] | undefined): Graph {
  const ids = new Set(graph.nodes.map((node) => node.id))
  return stages?.every((id) => ids.has(id)) === true ? { ...graph, stages } : graph
}

/** The file itself, or a copy that ends before a Softmax and holds all its weights. */
function referenceBytes(bytes: Uint8Array, model: OnnxModel, network: OnnxNetwork, file: string): Uint8Array {
  const graph = model.graph as NonNullable<OnnxModel['graph']>
  const ends = graph.output[0].name === network.output
  if (ends && graph.initializer.every((tensor) => tensor.dataLocation !== 1)) return bytes
  const source = { file, budget: { left: LIMITS.weights } }
  const initializer = graph.initializer.map((tensor) => inlineTensor(tensor, source))
  const elemType = graph.output[0].type?.tensorType?.elemType ?? 1
  const output = ends ? graph.output : [{ name: network.output, type: { tensorType: { elemType } } }]
  return encodeModel({ ...model, graph: { ...graph, initializer, output } })
}

async function read(path: string): Promise<ImportedNetwork> {
  const bytes = await readBytes(path)
  const model = decodeModel(bytes, path)
  const given = model.graph?.name ?? ''
  const name = NAMELESS.has(given) ? basename(path, extname(path)) : given
  const network = readNetwork(model, path, name)
  const { tensors, notes } = network
  const card = metadata(model, METADATA.card, path)
  const calibration = checked(CalibrationSchema, model, METADATA.calibration, path)
  const producer = [model.producerName, model.producerVersion].filter((part) => (part ?? '') !== '').join(' ')
  return {
    ...{ graph: withStages(network.graph, checked(StagesSchema, model, METADATA.stages, path)), tensors, notes },
    ...(card === undefined ? {} : { card: parseCard(card, path) }),
    ...(calibration === undefined ? {} : { calibration }),
    ...(producer === '' ? {} : { producer: producer.slice(0, 128) }),
    reference: () => referenceRunner(referenceBytes(bytes, model, network, path), path, network.input, network.output),
  }
}

/** A model begins with the version of its format, a small number, and then its opsets, its producer or its graph. */
function beginsAsModel(bytes: Uint8Array): boolean {
  return (
    bytes.length >= 3 && bytes[0] === 0x08 && bytes[1] >= 3 && bytes[1] < 32 && [0x12, 0x3a, 0x42].includes(bytes[2])
  )
}

async function match(path: string): Promise<boolean> {
  if (extname(path).toLowerCase() === '.onnx') return true
  try {
    if (!(await stat(path)).isFile()) return false
    const file = await open(path)
    try {
      const { bytesRead, buffer } = await file.read(new Uint8Array(3), 0, 3, 0)
      return beginsAsModel(buffer.subarray(0, bytesRead))
    } finally {
      await file.close()
    }
  } catch {
    return false
  }
}

export const onnx: ImportFormat = { id: 'onnx', title: 'ONNX', match, read }
