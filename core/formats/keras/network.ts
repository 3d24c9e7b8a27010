/** From a model's configuration and its weights to our graph: the walk over layers, by what each reads. */
import { AdytonError } from '../../errors/errors.ts'
import type { Graph, Tensor } from '../../network/graph.ts'
import { sameShape, shapeText } from '../../network/shapes.ts'
import { NetworkBuilder, type Origin } from '../import/builder.ts'
import { refuseNode } from '../import/format.ts'
import { refuseCustom, shapeIn, type LayerSpec, type ModelSpec, type Ref } from './config.ts'
import { LayerConfig } from './layer-config.ts'
import { layerOf } from './layers.ts'
import { MIXED, TensorFlowBuilder, USE_ONE, type DataFormat, type Value } from './values.ts'
import { snakeCase, type Place, type StoredTensor, type WeightSource } from './weights.ts'

export interface BuiltNetwork {
  readonly graph: Graph
  readonly tensors: ReadonlyMap<string, Tensor>
  readonly notes: string[]
  /** Without the batch, in the file's layout. */
  readonly inputShape: readonly number[]
  readonly format: DataFormat
  /** Weights that were read, by layer: what a second implementation of the layers needs. */
  readonly weights: ReadonlyMap<string, StoredTensor>
  /** The layer whose softmax was left out. */
  readonly softmax?: string
}

/** Layers may be called several times, and models with all that is in them. */
const MAX_CALLS = 20_000

/** Throws AdytonError for everything that cannot be run, naming layer and class. */
export function buildNetwork(model: ModelSpec, source: WeightSource, file: string): BuiltNetwork {
  const format = formatOf(model) ?? 'channels_last'
  const builder = new NetworkBuilder(model.name)
  const build = new TensorFlowBuilder(builder, format)
  const walk = new Walk(build, format, source, file)
  const last = walk.model(model, undefined, [], '')
  const origin = { name: model.output.layer, operator: 'output' }
  if (last.softmax !== undefined)
    builder.note({ name: last.softmax, operator: 'softmax' }, 'left out: outputs are logits')
  const output = build.output(origin, last)
  return {
    ...builder.finish(output.id),
    ...{ inputShape: walk.inputShape, format, weights: walk.weights },
    ...(last.softmax === undefined ? {} : { softmax: last.softmax }),
  }
}

/** Where channels are, by the first layer that says so; Flatten speaks of its result. */
function formatOf(model: ModelSpec): DataFormat | undefined {
  for (const { model: inner, className, name, config } of model.layers) {
    const origin = { name, operator: className }
    const found = inner
      ? formatOf(inner)
      : className === 'Flatten'
        ? undefined
        : new LayerConfig(origin, config).format()
    if (found !== undefined) return found
  }
  return undefined
}

class Walk {
  readonly weights = new Map<string, StoredTensor>()
  inputShape: readonly number[] = []
  #calls = 0
  readonly #build: TensorFlowBuilder
  readonly #format: DataFormat
  readonly #source: WeightSource
  readonly #file: string

  constructor(build: TensorFlowBuilder, format: DataFormat, source: WeightSource, file: string) {
    this.#build = build
    this.#format = format
    this.#source = source
    this.#file = file
  }

  /** The output of a model on `input`, or on the input that it declares. */
  model(model: ModelSpec, input: Value | undefined, models: readonly string[], group: string): Value {
    const layers = new Map(model.layers.map((layer) => [layer.name, layer]))
    const places = this.#places(model, models, group)
    const values = new Map<string, Value>()
    const begun = new Set<string>()
    const key = (ref: Ref): string => `${ref.call} ${ref.layer}`
    const value = (wanted: Ref): Value => {
      // A stack of its own: a file may chain more calls than JavaScript can nest.
      const stack = [wanted]
      while (stack.length > 0) {
        const ref = stack[stack.length - 1]
        const layer = layers.get(ref.layer)
        const call = layer?.calls[ref.call]
        if (layer === undefined || call === undefined) {
          return this.#damaged(`there is no call ${ref.call} of a layer '${ref.layer}'`)
        }
        const missing = call.filter((from) => !values.has(key(from)))
        if (missing.length === 0) {
          const inputs = call.map((from) => values.get(key(from)) as Value)
          const place = places.get(layer.name) as Place
          if (!values.has(key(ref))) values.set(key(ref), this.#layer(layer, ref.call, inputs, input, place, model))
          stack.pop()
        } else {
          if (begun.has(key(ref))) this.#damaged(`layer '${ref.layer}' reads its own output`)
          begun.add(key(ref))
          stack.push(...missing)
        }
      }
      return values.get(key(wanted)) as Value
    }
    // The input first: ours is the first node, whatever reads it.
    value(model.input)
    return value(model.output)
  }

  /** Where each layer's weights are; Keras 3 counts the layers of a class in the order of the file. */
  #places(model: ModelSpec, models: readonly string[], group: string): Map<string, Place> {
    const counts = new Map<string, number>()
    return new Map(
      model.layers.map(({ name, className }) => {
        const snake = snakeCase(className)
        const count = counts.get(snake) ?? 0
        counts.set(snake, count + 1)
        const counted = count === 0 ? snake : `${snake}_${count}`
        return [name, { name, models, group: this.#source.group(group, counted, name) }]
      }),
    )
  }

  #layer(
    layer: LayerSpec,
    call: number,
    inputs: readonly Value[],
    given: Value | undefined,
    place: Place,
    model: ModelSpec,
  ): Value {
    const { className, config } = layer
    if (++this.#calls > MAX_CALLS) this.#damaged(`more than ${MAX_CALLS} calls of layers`)
    const path = [...place.models, layer.name].join('/')
    const origin: Origin = { name: call === 0 ? path : `${path}_${call}`, operator: className }
    if (layer.model !== undefined) {
      if (inputs.length !== 1)
        refuseNode(path, className, `has ${inputs.length} inputs`, 'Models of one input can be run.')
      return this.model(layer.model, inputs[0], [...place.models, layer.name], place.group)
    }
    if (className === 'InputLayer') {
      if (layer.name !== model.input.layer) this.#damaged(`'${layer.name}' is a second input`)
      return given ?? this.#input(origin, config)
    }
    const settings = new LayerConfig(origin, config)
    this.#checkDtype(origin, config)
    const run = layerOf(origin) ?? refuseCustom(path, className)
    const format = settings.format()
    if (format !== undefined && format !== this.#format && className !== 'Flatten')
      refuseNode(path, className, MIXED, USE_ONE)
    let index = 0
    const weight = (names: readonly string[], shape: readonly number[]): Float32Array => {
      const tensor = this.#source.find(place, index++, names)
      if (tensor === undefined) return this.#damaged(`layer '${path}' (${className}) has no ${names[0]}`)
      if (!sameShape(tensor.shape, shape)) {
        const what = `is of shape ${shapeText(tensor.shape)}, expected ${shapeText(shape)}`
        return this.#damaged(`${names[0]} of layer '${path}' (${className}) ${what}`)
      }
      this.weights.set(`${layer.name}/${names[0]}`, tensor)
      return tensor.data
    }
    return run({ origin, config: settings, inputs, build: this.#build, format: this.#format, weight })
  }

  #input(origin: Origin, config: Readonly<Record<string, unknown>>): Value {
    const shape = shapeIn(config)
    const list: unknown[] = Array.isArray(shape) ? shape.slice(1) : []
    if (list.length === 0) this.#damaged(`input '${origin.name}' has no shape`)
    const sizes = list.map((d) =>
      typeof d === 'number'
        ? d
        : refuseNode(origin.name, origin.operator, 'a picture of any size', 'Save the model with a fixed input shape.'),
    )
    this.inputShape = sizes
    return this.#build.input(origin, sizes)
  }

  #checkDtype(origin: Origin, config: Readonly<Record<string, unknown>>): void {
    const { dtype } = config
    const policy = typeof dtype === 'object' && dtype !== null ? (dtype as { class_name?: unknown }).class_name : dtype
    if (typeof policy !== 'string' || !/quantized|int8|float8/i.test(policy)) return
    refuseNode(origin.name, origin.operator, `weights of type ${policy.slice(0, 64)}`, 'Save the model in float32.')
  }

  #damaged(what: string): never {
    throw new AdytonError('file-corrupt', `${this.#file}: ${what.slice(0, 400)}`, { advice: 'Save the model again.' })
  }
}
