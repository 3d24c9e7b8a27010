/**
 * A model's configuration as Keras writes it, in JSON: which layers there are and what each is called on. Keras 2 and
 * TensorFlow.js write a call as lists of [layer, node, tensor, arguments], Keras 3 as {args, kwargs} with tensors that know
 * their history. Nothing in it is run.
 */
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { LIMITS } from '../../network/shapes.ts'
import { refuseNode } from '../import/format.ts'

/** The result of a layer's call of that number. */
export interface Ref {
  readonly layer: string
  readonly call: number
}

export interface LayerSpec {
  readonly name: string
  readonly className: string
  readonly config: Readonly<Record<string, unknown>>
  /** What each call reads. */
  readonly calls: readonly (readonly Ref[])[]
  /** A model used as a layer. */
  readonly model?: ModelSpec
}

export interface ModelSpec {
  readonly name: string
  /** In the file's order. */
  readonly layers: readonly LayerSpec[]
  readonly input: Ref
  readonly output: Ref
}

const MAX_DEPTH = 8
const MODELS = ['Sequential', 'Functional', 'Model']

const JsonObject = v.record(v.string(), v.unknown())
const text = v.pipe(v.string(), v.maxLength(1024))
const LayerSchema = v.object({
  class_name: text,
  config: v.union([JsonObject, v.array(v.unknown())]),
  name: v.nullish(text),
  module: v.nullish(text),
  registered_name: v.nullish(text),
  inbound_nodes: v.nullish(v.array(v.unknown())),
  build_config: v.nullish(JsonObject),
})
type RawLayer = v.InferOutput<typeof LayerSchema>

const FunctionalSchema = v.object({
  name: v.nullish(text),
  layers: v.array(v.unknown()),
  input_layers: v.unknown(),
  output_layers: v.unknown(),
})
const HistorySchema = v.object({
  config: v.object({ keras_history: v.looseTuple([text, v.number()]) }),
})
const Keras3CallSchema = v.object({ args: v.array(v.unknown()), kwargs: v.nullish(JsonObject) })
const Keras2RefSchema = v.looseTuple([text, v.pipe(v.number(), v.integer(), v.minValue(0))])

/**
 * The layers of a model. Throws AdytonError: 'file-corrupt' naming the place when it is no configuration,
 * 'file-unsupported' for custom classes and for models of several inputs or outputs.
 */
export function parseConfig(json: unknown, file: string): ModelSpec {
  const raw = parse(LayerSchema, json, file, 'model')
  if (!MODELS.includes(raw.class_name)) refuseCustom(raw.class_name, raw.class_name)
  return new Parser(file).model(raw, 0)
}

function parse<T extends v.GenericSchema>(schema: T, json: unknown, file: string, where: string): v.InferOutput<T> {
  const result = v.safeParse(schema, json, { abortEarly: true })
  if (result.success) return result.output
  const [issue] = result.issues
  const place = v.getDotPath(issue)
  return damaged(file, `${where}${place === null ? '' : `.${place}`}: ${issue.message}`)
}

function damaged(file: string, what: string): never {
  throw new AdytonError('file-corrupt', `${file}: ${what.slice(0, 400)}`, { advice: 'Save the model again.' })
}

/** Refuses a class that is not of Keras itself, or none of the layers that are known. */
export function refuseCustom(name: string, className: string): never {
  const advice = 'Use convolutions, dense layers, batch norms, ReLUs, sums and poolings. Code in a file is never run.'
  return refuseNode(name, className, 'not a layer that can be imported', advice)
}

class Parser {
  readonly #file: string
  #layers = 0

  constructor(file: string) {
    this.#file = file
  }

  model(raw: RawLayer, depth: number): ModelSpec {
    if (depth > MAX_DEPTH) damaged(this.#file, `models within models, more than ${MAX_DEPTH} deep`)
    return raw.class_name === 'Sequential' ? this.#sequential(raw, depth) : this.#functional(raw, depth)
  }

  #sequential(raw: RawLayer, depth: number): ModelSpec {
    const { config } = raw
    const list = Array.isArray(config) ? config : config['layers']
    const given = parse(v.array(v.unknown()), list, this.#file, 'layers')
    const specs = given.map((item) => this.#layer(item, depth, []))
    const name = nameOf(raw) ?? 'sequential'
    if (specs.length === 0) damaged(this.#file, `'${name}' has no layers`)
    if (specs[0].className !== 'InputLayer') {
      const shape =
        inputShape(specs[0]) ?? shapeIn(Array.isArray(config) ? {} : config) ?? shapeIn(raw.build_config ?? {})
      if (shape === undefined && depth === 0) {
        refuseNode(name, 'Sequential', 'has no input shape', 'Build the model on a picture before it is saved.')
      }
      specs.unshift({ name: `${name}_input`, className: 'InputLayer', config: { batch_shape: shape }, calls: [[]] })
    }
    const layers = specs.map((spec, i) => ({
      ...spec,
      calls: [i === 0 ? [] : [{ layer: specs[i - 1].name, call: 0 }]],
    }))
    this.#unique(layers)
    return {
      name,
      layers,
      input: { layer: layers[0].name, call: 0 },
      output: { layer: layers[layers.length - 1].name, call: 0 },
    }
  }

  #functional(raw: RawLayer, depth: number): ModelSpec {
    const config = parse(FunctionalSchema, raw.config, this.#file, 'config')
    const name = config.name ?? 'model'
    const layers = config.layers.map((item) => {
      const layer = parse(LayerSchema, item, this.#file, 'layers')
      const own = nameOf(layer) ?? ''
      const calls = (layer.inbound_nodes ?? []).map((node) => this.#call(node, own, layer.class_name))
      if (calls.some((call) => call.length > LIMITS.concat)) {
        refuseNode(own, layer.class_name, 'too many inputs', `At most ${LIMITS.concat} can be run.`)
      }
      return this.#layer(item, depth, layer.class_name === 'InputLayer' ? [[]] : calls)
    })
    this.#unique(layers)
    const input = this.#only(config.input_layers, name, 'input')
    const output = this.#only(config.output_layers, name, 'output')
    return renumber({ name, layers, input, output })
  }

  #layer(item: unknown, depth: number, calls: LayerSpec['calls']): LayerSpec {
    const raw = parse(LayerSchema, item, this.#file, 'layers')
    if (++this.#layers > LIMITS.nodes) {
      throw new AdytonError('file-unsupported', `${this.#file}: more than ${LIMITS.nodes} layers`, {
        advice: 'Only networks of up to that size can be run privately.',
      })
    }
    const name = nameOf(raw) ?? damaged(this.#file, `a layer of class ${raw.class_name} has no name`)
    const foreign = typeof raw.module === 'string' && !/^(keras|tf_keras|tensorflow)(\.|$)/.test(raw.module)
    if (foreign || raw.registered_name?.includes('>')) refuseCustom(name, raw.registered_name ?? raw.class_name)
    const base = { name, className: raw.class_name, calls }
    if (MODELS.includes(raw.class_name)) return { ...base, config: {}, model: this.model(raw, depth + 1) }
    if (Array.isArray(raw.config)) damaged(this.#file, `the configuration of '${name}' is a list`)
    return { ...base, config: raw.config }
  }

  #unique(layers: readonly LayerSpec[]): void {
    const names = new Set<string>()
    for (const { name } of layers) {
      if (names.has(name)) damaged(this.#file, `two layers are called '${name}'`)
      names.add(name)
    }
  }

  #call(node: unknown, name: string, className: string): Ref[] {
    if (Array.isArray(node)) {
      const list: unknown[] = typeof node[0] === 'string' ? [node] : node
      return list.map((item) => {
        const [layer, call, , kwargs] = parse(Keras2RefSchema, item, this.#file, `'${name}' inbound_nodes`)
        this.#arguments(kwargs, name, className)
        return { layer, call }
      })
    }
    const { args, kwargs } = parse(Keras3CallSchema, node, this.#file, `'${name}' inbound_nodes`)
    const { inputs, ...rest } = kwargs ?? {}
    this.#arguments(rest, name, className)
    return [...args, ...(inputs === undefined ? [] : [inputs])].flatMap((arg) => this.#tensors(arg, name, className, 0))
  }

  #tensors(arg: unknown, name: string, className: string, depth: number): Ref[] {
    if (Array.isArray(arg) && depth < 4) return arg.flatMap((item) => this.#tensors(item, name, className, depth + 1))
    const tensor = v.safeParse(HistorySchema, arg)
    if (!tensor.success) {
      return refuseNode(name, className, 'is called on something that no layer gives', 'Use layers only.')
    }
    const [layer, call] = tensor.output.config.keras_history
    return [{ layer, call }]
  }

  /** What a layer is called with besides tensors: only what changes nothing at inference. */
  #arguments(kwargs: unknown, name: string, className: string): void {
    if (kwargs === undefined || kwargs === null) return
    const given = parse(JsonObject, kwargs, this.#file, `'${name}' inbound_nodes`)
    for (const [key, value] of Object.entries(given)) {
      const harmless = value === null || key === 'name' || (key === 'training' && value === false)
      if (!harmless) refuseNode(name, className, `is called with '${key.slice(0, 64)}'`, 'Call it on its inputs only.')
    }
  }

  #only(raw: unknown, name: string, what: 'input' | 'output'): Ref {
    const values: unknown = Array.isArray(raw) || raw === null || typeof raw !== 'object' ? raw : Object.values(raw)
    const list: unknown[] = Array.isArray(values) ? (typeof values[0] === 'string' ? [values] : values) : []
    if (list.length !== 1) {
      refuseNode(name, 'Functional', `has ${list.length} ${what}s`, `Only models of one ${what} can be run.`)
    }
    const [layer, call] = parse(Keras2RefSchema, list[0], this.#file, `${what}_layers`)
    return { layer, call }
  }
}

function nameOf(raw: RawLayer): string | undefined {
  const own = Array.isArray(raw.config) ? undefined : raw.config['name']
  return raw.name ?? (typeof own === 'string' ? own : undefined)
}

function inputShape(spec: LayerSpec): unknown {
  return spec.model === undefined
    ? shapeIn(spec.config)
    : shapeIn(spec.model.layers.find(({ name }) => name === spec.model?.input.layer)?.config ?? {})
}

/** With the batch, by any of the names it goes by. */
export function shapeIn(config: Readonly<Record<string, unknown>>): unknown {
  return config['batch_shape'] ?? config['batch_input_shape'] ?? config['build_input_shape'] ?? config['input_shape']
}

/**
 * Models used as layers have a first call that made them; Keras counts it, TensorFlow.js does not, and a file holds it in
 * neither case.
 */
function renumber(model: ModelSpec): ModelSpec {
  const refs = [model.output, ...model.layers.flatMap(({ calls }) => calls.flat())]
  const shifted = new Set<string>()
  for (const { name, calls, model: inner } of model.layers) {
    if (inner !== undefined && refs.some((ref) => ref.layer === name && ref.call >= calls.length)) shifted.add(name)
  }
  const fix = (ref: Ref): Ref => (shifted.has(ref.layer) ? { ...ref, call: ref.call - 1 } : ref)
  const layers = model.layers.map((layer) => ({ ...layer, calls: layer.calls.map((call) => call.map(fix)) }))
  return { ...model, layers, output: fix(model.output) }
}
