/** TensorFlow.js as a second implementation of layers models: it runs the same configuration and the same weights. */
import type { io } from '@tensorflow/tfjs-core'
import { AdytonError } from '../../errors/errors.ts'
import { elements } from '../../network/shapes.ts'
import { loadEngine } from '../../training/engine/index.ts'
import type { ReferenceRunner } from '../import/format.ts'
import type { LayerSpec, ModelSpec } from './config.ts'
import type { BuiltNetwork } from './network.ts'
import type { DataFormat } from './values.ts'

export interface LayersArtifacts {
  /** {class_name, config}, as Keras 2 writes it. */
  readonly modelTopology: object
  readonly weightSpecs: readonly io.WeightsManifestEntry[]
  readonly weightData: ArrayBuffer
}

/** Layers that TensorFlow.js has too and that mean the same there. */
const IN_TFJS = new Set([
  ...['InputLayer', 'Conv2D', 'DepthwiseConv2D', 'SeparableConv2D', 'Dense', 'BatchNormalization', 'ReLU', 'PReLU'],
  ...['Activation', 'Softmax', 'Add', 'Concatenate', 'AveragePooling2D', 'MaxPooling2D', 'GlobalAveragePooling2D'],
  ...['Flatten', 'Reshape', 'Rescaling', 'ZeroPadding2D', 'Dropout', 'GaussianNoise'],
])

/** Runs a model on one image of ours at a time, with the layer `softmax` giving logits. */
export async function startReference(
  artifacts: LayersArtifacts,
  network: Pick<BuiltNetwork, 'inputShape' | 'format' | 'softmax'>,
): Promise<ReferenceRunner> {
  // Plain JavaScript: slow, but none of it is ours, and it is everywhere.
  const { tf } = await loadEngine({ prefer: 'cpu' })
  const layers = await import('@tensorflow/tfjs-layers')
  const { inputShape, format, softmax } = network
  const modelTopology =
    softmax === undefined ? artifacts.modelTopology : withoutSoftmax(artifacts.modelTopology, softmax)
  const model = await layers
    .loadLayersModel({
      load: () => Promise.resolve({ ...artifacts, weightSpecs: [...artifacts.weightSpecs], modelTopology }),
    })
    .catch((cause: unknown) => {
      throw new AdytonError('file-unsupported', 'TensorFlow.js cannot load the model, to compare with', {
        advice: 'The import itself is not affected; measure its accuracy.',
        cause,
      })
    })
  return {
    name: `tfjs-layers ${layers.version_layers}`,
    run: (image) => {
      const data = toFile(image, inputShape, format)
      const output = tf.tidy(() => {
        const result = model.predict(tf.tensor(data, [1, ...inputShape]))
        return Array.isArray(result) ? result[0] : result
      })
      const logits = Float32Array.from(output.dataSync())
      output.dispose()
      return Promise.resolve(logits)
    },
    close: () => {
      model.dispose()
      return Promise.resolve()
    },
  }
}

/** An image of ours, channels first, in the layout of the file. */
export function toFile(image: Float32Array, shape: readonly number[], format: DataFormat): Float32Array {
  if (image.length !== elements(shape)) throw new RangeError(`expected ${elements(shape)} numbers, got ${image.length}`)
  if (shape.length !== 3 || format === 'channels_first') return image
  const [height, width, channels] = shape
  const pixels = height * width
  return image.map((_, i) => image[(i % channels) * pixels + Math.floor(i / channels)])
}

/** A copy whose layer of that path ('model/layer') applies no softmax. */
function withoutSoftmax(topology: object, path: string): object {
  const copy = structuredClone(topology)
  const visit = (layer: unknown, around: string, depth: number): void => {
    if (typeof layer !== 'object' || layer === null || depth > 16) return
    const raw = layer as { class_name?: unknown; name?: unknown; config?: Record<string, unknown> | unknown[] }
    const { config } = raw
    if (config === undefined) return
    const list: unknown = Array.isArray(config) ? config : config['layers']
    const own = raw.name ?? (Array.isArray(config) ? undefined : config['name'])
    const full = depth === 0 ? '' : `${around}${String(own)}`
    if (full === path && !Array.isArray(config)) {
      if (raw.class_name === 'Softmax') {
        raw.class_name = 'Activation'
        delete config['axis']
      }
      config['activation'] = 'linear'
    }
    if (Array.isArray(list)) list.forEach((inner) => visit(inner, depth === 0 ? '' : `${full}/`, depth + 1))
  }
  const root = copy as { model_config?: unknown }
  visit(root.model_config ?? root, '', 0)
  return copy
}

/** True when TensorFlow.js has every layer of a model, under the same name. */
export function isKnownToTfjs(model: ModelSpec): boolean {
  return model.layers.every(({ className, model: inner }) => (inner ? isKnownToTfjs(inner) : IN_TFJS.has(className)))
}

/**
 * A Keras model for TensorFlow.js, which reads Keras 2 only: the same layers with the settings that matter. A text where it
 * cannot be: which layer TensorFlow.js does not have, or has with another meaning.
 */
export function keras2Artifacts(model: ModelSpec, weights: BuiltNetwork['weights']): LayersArtifacts | string {
  const names = new Set<string>()
  const odd = firstOdd(model, names)
  if (odd !== undefined) return odd
  const specs: io.WeightsManifestEntry[] = []
  const size = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0)
  const data = new Float32Array(size)
  let at = 0
  for (const [name, tensor] of weights) {
    specs.push({ name, shape: [...tensor.shape], dtype: 'float32' })
    data.set(tensor.data, at)
    at += tensor.data.length
  }
  return { modelTopology: modelConfig(model), weightSpecs: specs, weightData: data.buffer }
}

function firstOdd(model: ModelSpec, names: Set<string>): string | undefined {
  for (const layer of model.layers) {
    const { name, className, config, model: inner } = layer
    if (names.has(name)) return `two layers are called '${name}'`
    names.add(name)
    if (inner !== undefined) {
      const odd = firstOdd(inner, names)
      if (odd !== undefined) return odd
      continue
    }
    const differs =
      (config['groups'] ?? 1) !== 1 || config['keepdims'] === true || Array.isArray(config['scale'] ?? config['offset'])
    if (!IN_TFJS.has(className) && !className.startsWith('Random') && className !== 'SpatialDropout2D') {
      return `TensorFlow.js has no ${className}`
    }
    if (differs) return `'${name}' (${className}) means something else to TensorFlow.js`
  }
  return undefined
}

function modelConfig(model: ModelSpec): object {
  const inner = new Set(model.layers.filter((layer) => layer.model !== undefined).map(({ name }) => name))
  // A model used as a layer has a call of its own before all others.
  const ref = (layer: string, call: number): [string, number, number] => [layer, call + (inner.has(layer) ? 1 : 0), 0]
  const layers = model.layers.map((layer) => ({
    ...(layer.model === undefined ? layerConfig(layer) : modelConfig(layer.model)),
    name: layer.name,
    inbound_nodes: layer.calls
      .filter((call) => call.length > 0)
      .map((call) => call.map((from) => [...ref(from.layer, from.call), {}])),
  }))
  const { name, input, output } = model
  const config = {
    ...{ name, layers },
    input_layers: [ref(input.layer, input.call)],
    output_layers: [ref(output.layer, output.call)],
  }
  return { class_name: 'Model', config }
}

const LEFT_OUT = /_(initializer|regularizer|constraint)$|^(dtype|trainable|groups|keepdims|sparse|ragged|optional)$/

function layerConfig({ name, className, config }: LayerSpec): { class_name: string; config: object } {
  if (className === 'InputLayer') {
    const shape = config['batch_shape'] ?? config['batch_input_shape']
    return { class_name: className, config: { name, batch_input_shape: shape, dtype: 'float32', sparse: false } }
  }
  if (!IN_TFJS.has(className)) return { class_name: 'Activation', config: { name, activation: 'linear' } }
  const kept = Object.entries(config).filter(([key, value]) => !LEFT_OUT.test(key) && value !== null)
  const rest = Object.fromEntries(kept)
  if (Array.isArray(rest['axis'])) rest['axis'] = (rest['axis'] as unknown[])[0]
  if (className === 'ReLU') return { class_name: className, config: { name, max_value: config['max_value'] ?? null } }
  return { class_name: className, config: { ...rest, name } }
}
