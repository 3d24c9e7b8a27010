/** Models of tfjs-layers with random weights, as files of TensorFlow.js and of Keras, for the tests of both formats. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { io, type Tensor } from '@tensorflow/tfjs-core'
import * as layers from '@tensorflow/tfjs-layers'
import * as hdf5 from 'h5wasm'
import { afterAll, expect } from 'vitest'
import yazl from 'yazl'
import type { ImportedNetwork } from '../../core/formats/import/format.ts'
import { floatRunner } from '../../core/network/float.ts'
import { elements } from '../../core/network/shapes.ts'
import { loadEngine } from '../../core/training/engine/index.ts'

export const { tf } = await loadEngine({ prefer: 'cpu' })
export { layers }
await hdf5.ready

const folder = mkdtempSync(join(tmpdir(), 'adyton-keras-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let count = 0

/** A path in a folder that goes away after the tests. */
export function temporary(name: string): string {
  return join(folder, `${count++}-${name}`)
}

/** Numbers that tell every position from every other, the same in every run. */
export function numbers(length: number, seed: number, low = -1, high = 1): Float32Array {
  let state = seed * 2654435761 + 12345
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return low + (state / 2 ** 32) * (high - low)
  })
}

/** Gives every weight numbers; variances stay positive. */
export function randomise(model: layers.LayersModel): layers.LayersModel {
  model.weights.forEach((weight, i) => {
    const variance = weight.name.includes('variance')
    const fan = weight.shape.slice(0, -1).reduce<number>((a, b) => a * (b ?? 1), 1)
    const scale = weight.shape.length > 1 && !weight.name.includes('alpha') ? Math.sqrt(3 / fan) : 1
    const length = weight.shape.reduce<number>((a, b) => a * (b ?? 1), 1)
    const values = numbers(length, i + 1, variance ? 0.5 : -scale, variance ? 2 : scale)
    weight.write(tf.tensor(values, weight.shape as number[]))
  })
  return model
}

export async function artifactsOf(model: layers.LayersModel): Promise<io.ModelArtifacts> {
  let saved: io.ModelArtifacts | undefined
  await model.save(
    io.withSaveHandler((artifacts) => {
      saved = artifacts
      return Promise.resolve({ modelArtifactsInfo: io.getModelArtifactsInfoForJSON(artifacts) })
    }),
  )
  if (saved === undefined) throw new Error('nothing was saved')
  return saved
}

export interface TfjsFiles {
  readonly json: Record<string, unknown>
  readonly data: Uint8Array
}

/** model.json and its weights, in two files. */
export async function tfjsFiles(model: layers.LayersModel): Promise<TfjsFiles> {
  const { modelTopology, weightSpecs, weightData } = await artifactsOf(model)
  const json = {
    format: 'layers-model',
    generatedBy: 'TensorFlow.js tfjs-layers v4.22.0',
    convertedBy: null,
    modelTopology,
    weightsManifest: [{ paths: ['group1-shard1of2.bin', 'group1-shard2of2.bin'], weights: weightSpecs }],
  }
  return { json, data: new Uint8Array(io.CompositeArrayBuffer.join(weightData)) }
}

/** A folder with these files; gives the path of model.json. */
export function writeTfjs({ json, data }: TfjsFiles): string {
  const dir = mkdtempSync(join(folder, 'tfjs-'))
  const half = Math.floor(data.length / 2)
  writeFileSync(join(dir, 'model.json'), JSON.stringify(json))
  writeFileSync(join(dir, 'group1-shard1of2.bin'), data.subarray(0, half))
  writeFileSync(join(dir, 'group1-shard2of2.bin'), data.subarray(half))
  return join(dir, 'model.json')
}

/** The weights of a model's layers by name, in Keras' order, with the models in it. */
export function weightsOf(model: layers.LayersModel): Map<string, { shape: number[]; data: Float32Array }> {
  const all = new Map<string, { shape: number[]; data: Float32Array }>()
  for (const weight of model.weights) {
    const tensor = weight.read()
    all.set(weight.originalName, { shape: tensor.shape, data: Float32Array.from(tensor.dataSync()) })
  }
  return all
}

export interface Hdf5Plan {
  readonly texts?: Readonly<Record<string, string>>
  /** By path. With `grow`, the dataset declares that many numbers. */
  readonly arrays: ReadonlyMap<string, { shape: readonly number[]; data: Float32Array; grow?: number }>
  /** Attribute 'name' of groups. */
  readonly names?: ReadonlyMap<string, string>
}

/** The bytes of an HDF5 file, by the HDF5 library itself. */
export function writeHdf5({ texts = {}, arrays, names }: Hdf5Plan): Uint8Array<ArrayBuffer> {
  const name = `${count++}.h5`
  const file = new hdf5.File(name, 'w')
  const groupAt = (path: string): hdf5.Group => {
    let group: hdf5.Group = file
    for (const part of path.split('/').filter((p) => p !== '')) {
      group = group.keys().includes(part) ? (group.get(part) as hdf5.Group) : group.create_group(part)
    }
    return group
  }
  for (const [key, text] of Object.entries(texts)) file.create_attribute(key, text)
  for (const [path, { shape, data, grow }] of arrays) {
    const cut = path.lastIndexOf('/')
    const open = grow === undefined ? {} : { chunks: [...shape], maxshape: [null] }
    const group = groupAt(path.slice(0, cut))
    const dataset = group.create_dataset({ name: path.slice(cut + 1), data, shape: [...shape], ...open })
    if (grow !== undefined) dataset.resize([grow])
  }
  for (const [path, text] of names ?? []) groupAt(path).create_attribute('name', text)
  file.close()
  const fs = hdf5.FS as { readFile: (path: string) => Uint8Array<ArrayBuffer>; unlink: (path: string) => void }
  const bytes = fs.readFile(name)
  fs.unlink(name)
  return bytes
}

/** A zip archive with these files. */
export async function zipped(files: Readonly<Record<string, Uint8Array | string>>): Promise<Buffer> {
  const zip = new yazl.ZipFile()
  for (const [name, content] of Object.entries(files)) zip.addBuffer(Buffer.from(content), name)
  zip.end()
  const parts: Buffer[] = []
  for await (const part of zip.outputStream as AsyncIterable<Buffer>) parts.push(part)
  return Buffer.concat(parts)
}

export function write(name: string, content: Uint8Array | string): string {
  const path = temporary(name)
  writeFileSync(path, content)
  return path
}

/** What a model gives for an image [height, width, channels] or [features]. */
export function predict(model: layers.LayersModel, image: Float32Array, shape: readonly number[]): Float32Array {
  const output = tf.tidy(() => model.predict(tf.tensor(image, [1, ...shape])) as Tensor)
  return Float32Array.from(output.dataSync())
}

/** [height, width, channels] to [channels, height, width]. */
export function channelsFirst(image: Float32Array, shape: readonly number[]): Float32Array {
  if (shape.length !== 3) return image
  const [height, width, channels] = shape
  const out = new Float32Array(image.length)
  for (let p = 0; p < height * width; p++) {
    for (let c = 0; c < channels; c++) out[c * height * width + p] = image[p * channels + c]
  }
  return out
}

/** Both on two images, to within a ten-thousandth of the largest value. */
export async function expectSame(
  read: ImportedNetwork,
  model: (image: Float32Array) => Float32Array,
  shape: readonly number[],
  options: { readonly channelsFirst?: boolean } = {},
): Promise<void> {
  const run = floatRunner(read.graph, read.tensors)
  const reference = await read.reference?.()
  for (const seed of [7, 8]) {
    const image = numbers(elements(shape), seed)
    const ours = options.channelsFirst === true ? image : channelsFirst(image, shape)
    const expected = model(image)
    const { logits } = run(ours)
    expectClose(logits, expected)
    if (reference !== undefined) expectClose(await reference.run(ours), expected)
  }
  await reference?.close()
}

export function expectClose(found: Float32Array, expected: Float32Array): void {
  expect(found.length).toBe(expected.length)
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  expect(largest).toBeGreaterThan(0)
  const difference = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i])), 0)
  expect(difference).toBeLessThan(1e-4 * largest)
}

type Json = Record<string, unknown>
export interface LayerJson {
  class_name: string
  name?: string
  config: Json
  inbound_nodes?: unknown[]
}

/** The configuration of a model as Keras 2 writes it, which is as tfjs-layers does. */
export function keras2Config(model: layers.LayersModel): LayerJson {
  const json = model.toJSON(undefined, false) as unknown as { model_config?: LayerJson } & LayerJson
  return structuredClone(json.model_config ?? json)
}

/** The same as Keras 3 writes it. */
export function keras3Config(given: LayerJson): LayerJson {
  const { class_name, name, config, inbound_nodes: nodes } = given
  const inner = config['layers'] as LayerJson[] | undefined
  const common = { registered_name: null, ...(name === undefined ? {} : { name }) }
  const tensor = ([layer, call]: unknown[]): Json => ({
    class_name: '__keras_tensor__',
    config: { shape: [null, 1], dtype: 'float32', keras_history: [layer, call, 0] },
  })
  const calls = (nodes as unknown[][][] | undefined)?.map((call) => {
    const tensors = call.map(tensor)
    const args = class_name === 'Add' || class_name === 'Concatenate' ? [tensors] : tensors
    return { args, kwargs: class_name === 'Dropout' ? { training: false } : {} }
  })
  const inbound = calls === undefined ? {} : { inbound_nodes: calls }
  if (inner !== undefined) {
    const ends = (key: string): Json => (config[key] === undefined ? {} : { [key]: (config[key] as unknown[])[0] })
    const converted = { ...config, layers: inner.map(keras3Config), ...ends('input_layers'), ...ends('output_layers') }
    const module = class_name === 'Sequential' ? 'keras' : 'keras.src.models.functional'
    const kind = class_name === 'Sequential' ? class_name : 'Functional'
    return {
      module,
      class_name: kind,
      config: converted,
      ...common,
      ...inbound,
      build_config: {},
    } as unknown as LayerJson
  }
  const settings: Json = Object.fromEntries(
    Object.entries(config).map(([key, value]): [string, unknown] => {
      if (key === 'batch_input_shape') return ['batch_shape', value]
      if (!key.endsWith('_initializer')) return [key, value]
      return [
        key,
        { module: 'keras.initializers', class_name: 'GlorotUniform', config: { seed: null }, registered_name: null },
      ]
    }),
  )
  settings['dtype'] = { module: 'keras', class_name: 'DTypePolicy', config: { name: 'float32' }, registered_name: null }
  return { module: 'keras.layers', class_name, config: settings, ...common, ...inbound } as unknown as LayerJson
}

export type Arrays = Map<string, { shape: readonly number[]; data: Float32Array }>

/** How Keras 3 names the groups of a class, for the classes of these tests. */
const SNAKE: Record<string, string> = {
  Conv2D: 'conv2d',
  DepthwiseConv2D: 'depthwise_conv2d',
  SeparableConv2D: 'separable_conv2d',
  BatchNormalization: 'batch_normalization',
  PReLU: 'p_re_lu',
  Dense: 'dense',
  Model: 'functional',
  Functional: 'functional',
  Sequential: 'sequential',
  Normalization: 'normalization',
}

/** The variables of a model in the layout of model.weights.h5. */
export function keras3Arrays(model: layers.LayersModel, parent = ''): Arrays {
  const arrays: Arrays = new Map()
  const counts = new Map<string, number>()
  for (const layer of model.layers) {
    const snake = SNAKE[layer.getClassName()] ?? 'other'
    const before = counts.get(snake) ?? 0
    counts.set(snake, before + 1)
    const group = `${parent}layers/${before === 0 ? snake : `${snake}_${before}`}`
    if (layer instanceof layers.LayersModel) {
      for (const [key, value] of keras3Arrays(layer, `${group}/`)) arrays.set(key, value)
      continue
    }
    layer.weights.forEach((weight, i) => {
      const tensor = weight.read()
      arrays.set(`${group}/vars/${i}`, { shape: tensor.shape, data: Float32Array.from(tensor.dataSync()) })
    })
  }
  return arrays
}

export async function writeKeras3(config: LayerJson, arrays: Arrays, names?: Map<string, string>): Promise<string> {
  const extra: Arrays = new Map([['optimizer/vars/0', { shape: [1], data: Float32Array.of(1) }]])
  const weights = writeHdf5({ arrays: new Map([...arrays, ...extra]), ...(names && { names }) })
  const files = {
    'metadata.json': JSON.stringify({ keras_version: '3.9.2', date_saved: '2026-01-01@00:00:00' }),
    'config.json': JSON.stringify(config),
    'model.weights.h5': weights,
  }
  return write('model.keras', await zipped(files))
}

/** A whole-model HDF5 file. `inside` is what stands between the layer's group and its variables. */
export function writeLegacy(
  config: LayerJson,
  model: layers.LayersModel,
  inside: (layer: string) => string,
  end: string,
): string {
  const arrays: Arrays = new Map([['optimizer_weights/iteration', { shape: [], data: Float32Array.of(1) }]])
  for (const layer of model.layers) {
    for (const weight of layer.weights) {
      const tensor = weight.read()
      const [own, variable] = weight.originalName.split('/')
      const path = `model_weights/${layer.name}/${inside(own)}${own}/${variable}${end}`
      arrays.set(path, { shape: tensor.shape, data: Float32Array.from(tensor.dataSync()) })
    }
  }
  const texts = { model_config: JSON.stringify(config), keras_version: '2.15.0', backend: 'tensorflow' }
  return write('model.h5', writeHdf5({ texts, arrays }))
}
