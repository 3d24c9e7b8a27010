/**
 * SGD with momentum (Sutskever et al. 2013, in the form where the rate scales the velocity at each step, as in the
 * usual libraries) and Adam (Kingma and Ba 2015, algorithm 1), with weight decay in the gradient (L2) or apart from it
 * (Loshchilov and Hutter 2019, algorithm 2). The state of a parameter is kept by its name, and begins when it is first
 * trained, so that parameters can be frozen and freed on the way.
 */
import type { Tensor as TfTensor, Variable } from '@tensorflow/tfjs-core'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import type { Tensor, Tensors } from '../../network/graph.ts'
import type { TensorFlow } from '../engine/types.ts'
import type { Parameter } from '../model/model.ts'

const share = v.pipe(v.number(), v.minValue(0), v.ltValue(1))
const natural = v.pipe(v.number(), v.finite(), v.minValue(0))

const common = {
  /** Weight decay; none unless given. */
  decay: v.exactOptional(natural),
  /** 'l2' (the default) adds decay * w to the gradient; 'decoupled' takes rate * decay * w from w. */
  decayKind: v.exactOptional(v.picklist(['l2', 'decoupled'])),
  /** What decays: 'weights' (the default) of convolutions and dense layers; 'all' with biases and batch norms. */
  decayOn: v.exactOptional(v.picklist(['weights', 'all'])),
  /** Bound on the norm of all gradients together; none unless given. */
  clip: v.exactOptional(v.pipe(natural, v.gtValue(0))),
  /** Rate of slopes, as a multiple of the others'; 1 unless given. Slopes never decay. */
  slopeRate: v.exactOptional(natural),
}

export const OptimiserSchema = v.variant('kind', [
  v.strictObject({
    kind: v.literal('sgd'),
    /** 0.9 unless given. */
    momentum: v.exactOptional(share),
    nesterov: v.exactOptional(v.boolean()),
    ...common,
  }),
  v.strictObject({
    kind: v.literal('adam'),
    /** 0.9, 0.999 and 1e-8 unless given. */
    beta1: v.exactOptional(share),
    beta2: v.exactOptional(share),
    epsilon: v.exactOptional(v.pipe(natural, v.gtValue(0))),
    ...common,
  }),
])

export type OptimiserSpec = v.InferOutput<typeof OptimiserSchema>

interface Slots {
  readonly first: Variable
  readonly second: Variable | undefined
  /** Steps taken. */
  count: number
}

export class Optimiser {
  readonly spec: OptimiserSpec
  readonly #tf: TensorFlow
  readonly #slots = new Map<string, Slots>()

  constructor(tf: TensorFlow, spec: OptimiserSpec) {
    this.#tf = tf
    this.spec = spec
  }

  /**
   * One step. `gradients` by parameter name; parameters without one (the loss does not depend on them) stay. The
   * gradients remain the caller's.
   */
  apply(parameters: readonly Parameter[], gradients: ReadonlyMap<string, TfTensor>, rate: number): void {
    const tf = this.#tf
    tf.tidy(() => {
      const moved = parameters.filter(({ name }) => gradients.has(name))
      const factor = this.#clipFactor(moved.map(({ name }) => gradients.get(name) as TfTensor))
      for (const parameter of moved) {
        const gradient = gradients.get(parameter.name) as TfTensor
        tf.tidy(() => this.#move(parameter, factor === undefined ? gradient : tf.mul(gradient, factor), rate))
      }
    })
  }

  /** min(1, clip / norm) (Pascanu et al. 2013, algorithm 1). */
  #clipFactor(gradients: readonly TfTensor[]): TfTensor | undefined {
    const { clip } = this.spec
    if (clip === undefined || gradients.length === 0) return undefined
    const tf = this.#tf
    const norm = tf.sqrt(tf.addN(gradients.map((gradient) => tf.sum(tf.square(gradient)))))
    return tf.minimum(1, tf.div(clip, tf.maximum(norm, 1e-12)))
  }

  #move(parameter: Parameter, raw: TfTensor, common: number): void {
    const tf = this.#tf
    const { spec } = this
    const { kind, variable } = parameter
    const rate = kind === 'slope' ? common * (spec.slopeRate ?? 1) : common
    const decays = kind !== 'slope' && (kind === 'weight' || spec.decayOn === 'all')
    const decay = decays ? (spec.decay ?? 0) : 0
    const l2 = decay > 0 && spec.decayKind !== 'decoupled'
    const gradient = l2 ? tf.add(raw, tf.mul(variable, decay)) : raw
    const held = decay > 0 && !l2 ? tf.mul(variable, 1 - rate * decay) : variable
    const direction = spec.kind === 'sgd' ? this.#sgd(parameter, gradient, spec) : this.#adam(parameter, gradient, spec)
    variable.assign(tf.sub(held, tf.mul(direction, rate)))
  }

  #sgd(parameter: Parameter, gradient: TfTensor, spec: OptimiserSpec & { kind: 'sgd' }): TfTensor {
    const tf = this.#tf
    const { momentum = 0.9, nesterov = false } = spec
    if (momentum === 0) return gradient
    const slots = this.#slotsOf(parameter, false)
    slots.count++
    slots.first.assign(tf.add(tf.mul(slots.first, momentum), gradient))
    return nesterov ? tf.add(gradient, tf.mul(slots.first, momentum)) : slots.first
  }

  #adam(parameter: Parameter, gradient: TfTensor, spec: OptimiserSpec & { kind: 'adam' }): TfTensor {
    const tf = this.#tf
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = spec
    const slots = this.#slotsOf(parameter, true)
    const second = slots.second as Variable
    slots.count++
    slots.first.assign(tf.add(tf.mul(slots.first, beta1), tf.mul(gradient, 1 - beta1)))
    second.assign(tf.add(tf.mul(second, beta2), tf.mul(tf.square(gradient), 1 - beta2)))
    const mean = tf.div(slots.first, 1 - beta1 ** slots.count)
    const deviation = tf.sqrt(tf.div(second, 1 - beta2 ** slots.count))
    return tf.div(mean, tf.add(deviation, epsilon))
  }

  #slotsOf({ name, variable }: Parameter, two: boolean): Slots {
    const found = this.#slots.get(name)
    if (found !== undefined) return found
    const tf = this.#tf
    const zeros = (): Variable => tf.tidy(() => tf.variable(tf.zeros(variable.shape), false))
    const slots = { first: zeros(), second: two ? zeros() : undefined, count: 0 }
    this.#slots.set(name, slots)
    return slots
  }

  /** For a checkpoint: tensors by `<parameter>.first` and `.second` in tf.js layout, and the steps by parameter. */
  async state(): Promise<{ tensors: Map<string, Tensor>; counts: Record<string, number> }> {
    const tensors = new Map<string, Tensor>()
    const counts: Record<string, number> = {}
    const read = async ({ shape }: Variable, variable: Variable): Promise<Tensor> => ({
      shape,
      data: Float32Array.from(await variable.data()),
    })
    for (const [name, { first, second, count }] of this.#slots) {
      counts[name] = count
      tensors.set(`${name}.first`, await read(first, first))
      if (second !== undefined) tensors.set(`${name}.second`, await read(second, second))
    }
    return { tensors, counts }
  }

  /** Takes such a state, to the bit. Throws AdytonError 'checkpoint-mismatch' when it is of other parameters. */
  restore(parameters: readonly Parameter[], tensors: Tensors, counts: Readonly<Record<string, number>>): void {
    const tf = this.#tf
    for (const [name, count] of Object.entries(counts)) {
      const parameter = parameters.find((candidate) => candidate.name === name)
      const second = tensors.get(`${name}.second`)
      const stored = [tensors.get(`${name}.first`), ...(this.spec.kind === 'adam' ? [second] : [])]
      if (parameter === undefined || stored.some((tensor) => tensor?.data.length !== parameter.variable.size)) {
        throw new AdytonError('checkpoint-mismatch', `the optimiser's state of '${name}' does not fit this model`)
      }
      const slots = this.#slotsOf(parameter, this.spec.kind === 'adam')
      slots.count = count
      const targets = [slots.first, slots.second]
      stored.forEach((tensor, i) => {
        const { data, shape } = tensor as Tensor
        tf.tidy(() => targets[i]?.assign(tf.tensor(data as Float32Array, [...shape])))
      })
    }
  }

  /** Frees the state. */
  dispose(): void {
    for (const { first, second } of this.#slots.values()) {
      first.dispose()
      second?.dispose()
    }
    this.#slots.clear()
  }
}
