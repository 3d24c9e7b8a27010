/**
 * Our graph, built from layers as TensorFlow means them: maps are [height, width, channels] unless a model says otherwise,
 * kernels [height, width, in, out], 'same' padding puts the odd row at the bottom and the odd column at the right, and a
 * flattened map runs channel last. A {@link Value} knows both its shape in the file and where its elements are in ours.
 */
import type { NetworkBuilder, Origin, Pads } from '../import/builder.ts'
import { refuseNode } from '../import/format.ts'
import { channelsLast, reorder, sameOrder, toOrder } from './order.ts'
import { elements, LIMITS, sameShape, shapeText } from '../../network/shapes.ts'

export type DataFormat = 'channels_last' | 'channels_first'

export interface Value {
  /** Node of our graph. */
  readonly id: string
  /** In the file, without the batch. */
  readonly shape: readonly number[]
  /** Where element i of ours, flattened, is in the file's; absent where that is i, and for maps. */
  readonly order?: Int32Array
  /** Zeros around a map that the next convolution is to add. */
  readonly pads?: Pads
  /** Never negative: zeros around it change no maximum. */
  readonly nonNegative?: boolean
  /** The layer that should have taken the softmax of it. */
  readonly softmax?: string
}

export interface Window {
  readonly kernel: readonly [number, number]
  readonly strides: readonly [number, number]
  readonly dilations?: readonly [number, number]
  /** TensorFlow's rules, or zeros at the top, the left, the bottom and the right. */
  readonly padding: 'same' | 'valid' | Pads
}

const NONE: Pads = [0, 0, 0, 0]
const DAMAGED = 'The file is damaged, or is no image classifier.'

export class TensorFlowBuilder {
  readonly builder: NetworkBuilder
  readonly format: DataFormat

  constructor(builder: NetworkBuilder, format: DataFormat) {
    this.builder = builder
    this.format = format
  }

  /** [height, width, channels] (or channels first), [height, width] of one channel, or [features]. */
  input(origin: Origin, shape: readonly number[]): Value {
    if (shape.length < 1 || shape.length > 3) {
      const advice = 'Models of one picture, or of one row of numbers, can be run.'
      refuseNode(origin.name, origin.operator, `an input of shape ${shapeText(shape)}`, advice)
    }
    const whole = shape.every((d) => Number.isInteger(d) && d >= 1 && d <= LIMITS.channels)
    if (!whole || elements(shape) > LIMITS.elements) {
      const advice = `At most ${LIMITS.elements} numbers can be run.`
      refuseNode(origin.name, origin.operator, `an input of shape ${shapeText(shape)}`, advice)
    }
    const [a, b, c] = shape
    const last = this.format === 'channels_last'
    const ours = shape.length === 1 ? shape : shape.length === 2 ? [1, a, b] : last ? [c, a, b] : shape
    return { id: this.builder.input(origin, ours), shape }
  }

  /** `weight` [kernel height][kernel width][in / groups][out]. */
  conv(
    origin: Origin,
    x: Value,
    weight: Float32Array,
    spec: Window & { readonly out: number; readonly groups: number; readonly bias?: Float32Array | undefined },
  ): Value {
    const [channels] = this.map(origin, x)
    const inputs = channels / spec.groups
    const area = spec.kernel[0] * spec.kernel[1]
    const ours = new Float32Array(weight.length)
    for (let at = 0, k = 0; k < area; k++) {
      for (let i = 0; i < inputs; i++)
        for (let o = 0; o < spec.out; o++, at++) ours[(o * inputs + i) * area + k] = weight[at]
    }
    return this.#conv(origin, x, ours, spec, spec.out, spec.groups, spec.bias)
  }

  /** `weight` [kernel height][kernel width][channels][multiplier]. */
  depthwise(
    origin: Origin,
    x: Value,
    weight: Float32Array,
    spec: Window & { readonly multiplier: number; readonly bias?: Float32Array | undefined },
  ): Value {
    const [channels] = this.map(origin, x)
    const out = channels * spec.multiplier
    const area = spec.kernel[0] * spec.kernel[1]
    const ours = new Float32Array(weight.length)
    for (let at = 0, k = 0; k < area; k++) for (let o = 0; o < out; o++, at++) ours[o * area + k] = weight[at]
    return this.#conv(origin, x, ours, spec, out, channels, spec.bias)
  }

  #conv(
    origin: Origin,
    x: Value,
    weight: Float32Array,
    spec: Window,
    outChannels: number,
    groups: number,
    bias: Float32Array | undefined,
  ): Value {
    const { kernel, strides, dilations = [1, 1] } = spec
    const pads = sum(x.pads ?? NONE, this.#pads(x, spec))
    if (x.pads !== undefined) this.builder.note(origin, `takes over ${x.pads.join(', ')} rows and columns of zeros`)
    const id = this.builder.conv(origin, x.id, {
      ...{ weight, outChannels, kernel, strides, dilations, pads, groups },
      ...(bias === undefined ? {} : { bias }),
    })
    return this.#mapOf(id)
  }

  /** `weight` [in][out]. On a map it is a convolution of one pixel, as in TensorFlow. */
  dense(origin: Origin, x: Value, weight: Float32Array, out: number, bias?: Float32Array): Value {
    if (x.shape.length === 3 && this.format === 'channels_last') {
      const spec = { kernel: [1, 1], strides: [1, 1], padding: 'valid', out, groups: 1, bias } as const
      return this.conv(origin, x, weight, spec)
    }
    this.#flat(origin, x)
    const features = elements(x.shape)
    const ours = new Float32Array(weight.length)
    for (let i = 0; i < features; i++) {
      const from = (x.order?.[i] ?? i) * out
      for (let o = 0; o < out; o++) ours[o * features + i] = weight[from + o]
    }
    return { id: this.builder.dense(origin, this.settled(origin, x).id, ours, out, bias), shape: [out] }
  }

  /** Parameters one a channel of a map or one an element of a vector, in the file's order. */
  batchNorm(
    origin: Origin,
    x: Value,
    given: Readonly<Record<'gamma' | 'beta' | 'mean' | 'variance', Float32Array>>,
    epsilon: number,
  ): Value {
    const { id, shape, order } = this.#byChannel(origin, x)
    const ours = {
      gamma: reorder(given.gamma, order),
      beta: reorder(given.beta, order),
      mean: reorder(given.mean, order),
      variance: reorder(given.variance, order),
    }
    return { id: this.builder.batchNorm(origin, id, ours, epsilon), shape, ...(order && { order }) }
  }

  /** x * scale + shift, parameters as for {@link batchNorm}. */
  affine(origin: Origin, x: Value, scale: Float32Array, shift: Float32Array): Value {
    const { id, shape, order } = this.#byChannel(origin, x)
    return {
      id: this.builder.affine(origin, id, reorder(scale, order), reorder(shift, order)),
      shape,
      ...(order && { order }),
    }
  }

  /** min(max(x, 0), bound); zeros around a map stay zeros. */
  relu(origin: Origin, x: Value, bound?: number): Value {
    this.#notAfterSoftmax(origin, x)
    const id = bound === undefined ? this.builder.relu(origin, x.id) : this.builder.boundedRelu(origin, x.id, bound)
    return { ...x, id, nonNegative: true }
  }

  /** `slope`: one a channel, or one an element in the file's order. */
  prelu(origin: Origin, x: Value, slope: Float32Array): Value {
    const { id, shape, order } = this.#byChannel(origin, x)
    const channels = this.builder.shape(id)[0]
    let ours = slope
    if (order !== undefined) ours = reorder(slope, order)
    else if (slope.length !== channels && shape.length > 1) ours = reorder(slope, this.#mapOrder(x))
    const spatial = ours.length / channels
    // Slopes that are the same all over a channel are slopes by channel.
    if (Number.isInteger(spatial) && ours.every((a, i) => a === ours[i - (i % spatial)])) {
      ours = ours.filter((_, i) => i % spatial === 0)
    }
    return { id: this.builder.prelu(origin, id, ours), shape, ...(order && { order }) }
  }

  add(origin: Origin, values: readonly Value[]): Value {
    const settled = values.map((x) => this.settled(origin, x))
    const [first] = settled
    const odd = settled.find((x) => !sameShape(x.shape, first.shape))
    if (odd !== undefined) {
      const what = `adds values of shapes ${shapeText(first.shape)} and ${shapeText(odd.shape)}`
      refuseNode(origin.name, origin.operator, what, 'Only values of one shape can be added.')
    }
    const { order, ids } = this.#alike(origin, settled)
    return { id: this.builder.add(origin, ids), shape: first.shape, ...(order && { order }) }
  }

  /** Along the channels of maps, or end to end. `axis` counts with the batch, negative from the end. */
  concat(origin: Origin, values: readonly Value[], axis: number): Value {
    const settled = values.map((x) => this.settled(origin, x))
    const [{ shape }] = settled
    this.channelAxis(origin, settled[0], axis)
    if (shape.length !== 1) {
      const id = this.builder.concat(
        origin,
        settled.map(({ id: source }) => source),
      )
      return this.#mapOf(id)
    }
    const flat = settled.map((x, i) => this.#flattened({ ...origin, name: `${origin.name}_${i}` }, x))
    const order: number[] = []
    for (const x of flat) {
      const start = order.length
      const length = elements(x.shape)
      for (let i = 0; i < length; i++) order.push(start + (x.order?.[i] ?? i))
    }
    const id = this.builder.concat(
      origin,
      flat.map(({ id: source }) => source),
    )
    return withOrder({ id, shape: [order.length] }, Int32Array.from(order))
  }

  averagePool(origin: Origin, x: Value, window: Window): Value {
    const [channels] = this.map(origin, x)
    const pads = this.#pads(x, window)
    if (pads.some((pad) => pad > 0)) {
      const advice = "Use padding='valid', or put a ZeroPadding2D layer before it."
      refuseNode(origin.name, origin.operator, 'an average that leaves its padding out', advice)
    }
    const { kernel, strides } = window
    // With zeros around it, it may become a convolution.
    if (x.pads !== undefined && channels * kernel[0] * kernel[1] > LIMITS.elements) {
      refuseNode(origin.name, origin.operator, `a window of ${kernel.join(' by ')}`, 'Use a smaller one.')
    }
    const id = this.builder.averagePool(origin, x.id, { kernel, strides, pads: x.pads ?? NONE, countPadding: true })
    return { ...this.#mapOf(id), nonNegative: x.nonNegative === true }
  }

  maxPool(origin: Origin, x: Value, window: Window): Value {
    this.map(origin, x)
    if (x.pads !== undefined && x.nonNegative !== true) {
      const advice = 'Put a ReLU between the two, or let the pooling layer pad.'
      refuseNode(origin.name, origin.operator, 'a maximum over zeros that were put around its input', advice)
    }
    const { kernel, strides } = window
    const id = this.builder.maxPool(origin, x.id, { kernel, strides, pads: sum(x.pads ?? NONE, this.#pads(x, window)) })
    return { ...this.#mapOf(id), nonNegative: x.nonNegative === true }
  }

  globalAveragePool(origin: Origin, x: Value, keepDims: boolean): Value {
    this.map(origin, x)
    const value = this.#mapOf(this.builder.globalAveragePool(origin, this.settled(origin, x).id))
    return keepDims ? value : { ...value, shape: [elements(value.shape)] }
  }

  /** Zeros, for the layer that comes next. */
  pad(origin: Origin, x: Value, pads: Pads): Value {
    this.map(origin, x)
    if (pads.some((pad) => pad < 0 || pad > LIMITS.padding)) {
      refuseNode(origin.name, origin.operator, `padding ${pads.join(', ')}`, `0 to ${LIMITS.padding} can be run.`)
    }
    return { ...x, pads: sum(x.pads ?? NONE, pads) }
  }

  /** The same elements in the file's order; what our graph can do is flatten, or nothing. */
  reshape(origin: Origin, x: Value, target: readonly number[]): Value {
    if (x.pads !== undefined) this.settled(origin, x)
    const count = elements(x.shape)
    const free = target.filter((d) => d === -1).length
    const known = target.reduce((product, d) => (d === -1 ? product : product * d), 1)
    const shape = target.map((d) => (d === -1 ? count / known : d))
    if (free > 1 || !shape.every((d) => Number.isInteger(d) && d > 0) || elements(shape) !== count) {
      refuseNode(origin.name, origin.operator, `from ${shapeText(x.shape)} to ${shapeText(target)}`, DAMAGED)
    }
    if (sameShape(shape, x.shape)) return x
    if (shape.length === 1) {
      if (x.shape.length === 1) return x
      return withOrder({ ...x, shape }, this.#mapOrder(x))
    }
    // Ours is the same map still, or the same vector.
    const ours = this.builder.shape(x.id)
    const [a, b, c] = shape
    const map = shape.length === 2 ? [1, a, b] : this.format === 'channels_last' ? [c, a, b] : shape
    if (shape.length <= 3 && x.order === undefined && sameShape(ours, map)) return { ...x, shape }
    const what = `from ${shapeText(x.shape)} to ${shapeText(shape)}`
    return refuseNode(origin.name, origin.operator, what, 'Only flattening can be run.')
  }

  /** Keras' Flatten puts channels last first when it is told that they come first. */
  flatten(origin: Origin, x: Value, format: DataFormat): Value {
    if (x.pads !== undefined) this.settled(origin, x)
    if (x.shape.length === 3 && format === 'channels_first') {
      if (this.format === 'channels_last') refuseNode(origin.name, origin.operator, MIXED, USE_ONE)
      const [channels, height, width] = x.shape
      return withOrder({ ...x, shape: [elements(x.shape)] }, channelsLast(channels, height * width))
    }
    return this.reshape(origin, x, [-1])
  }

  softmax(origin: Origin, x: Value): Value {
    return { ...this.settled(origin, x), softmax: origin.name }
  }

  /** The value as logits; refuses maps of more than one pixel, whose order is not the file's. */
  output(origin: Origin, x: Value): Value {
    const { softmax, ...rest } = x
    const value = this.settled(origin, rest)
    const order = value.shape.length === 1 ? value.order : toOrder(this.#mapOrder(value))
    if (order !== undefined) {
      const what = `gives ${shapeText(value.shape)} as the network's output`
      refuseNode(origin.name, origin.operator, what, 'Only classifiers, with one number a class, can be run.')
    }
    return this.#flattened({ ...origin, name: `${origin.name}_logits` }, { ...value, ...(softmax && { softmax }) })
  }

  /** [channels, height, width] of a map. */
  map(origin: Origin, x: Value): readonly [number, number, number] {
    this.#notAfterSoftmax(origin, x)
    if (x.shape.length !== 3) {
      const what = `needs a map, got ${shapeText(x.shape)}`
      refuseNode(origin.name, origin.operator, what, 'Only layers over pictures can be run.')
    }
    const [channels, height, width] = this.builder.shape(x.id)
    return [channels, height, width]
  }

  /** How many channels a map has, or elements a vector; `axis` must be theirs. */
  channelAxis(origin: Origin, x: Value, axis: number): number {
    const rank = x.shape.length + 1
    const counted = axis < 0 ? axis + rank : axis
    const wanted = rank !== 4 || this.format === 'channels_last' ? rank - 1 : 1
    if (counted !== wanted || rank === 3) {
      const what = `axis ${axis} of a value of shape ${shapeText(x.shape)}`
      refuseNode(origin.name, origin.operator, what, 'Only the axis of the channels can be run.')
    }
    return x.shape[wanted - 1]
  }

  /** A value that nothing is pending for. */
  settled(origin: Origin, x: Value): Value {
    this.#notAfterSoftmax(origin, x)
    if (x.pads?.some((pad) => pad > 0)) {
      const advice = 'Put the padding right before a convolution.'
      refuseNode(origin.name, origin.operator, 'zero padding that no convolution follows', advice)
    }
    return x
  }

  #notAfterSoftmax(origin: Origin, x: Value): void {
    if (x.softmax === undefined) return
    const what = `takes the softmax of '${x.softmax.slice(0, 128)}'`
    refuseNode(origin.name, origin.operator, what, 'A softmax can be left out at the end of a network only.')
  }

  #flat(origin: Origin, x: Value): void {
    this.#notAfterSoftmax(origin, x)
    if (x.shape.length === 1) return
    refuseNode(
      origin.name,
      origin.operator,
      `needs a vector, got ${shapeText(x.shape)}`,
      'Put a Flatten layer before it.',
    )
  }

  #mapOf(id: string): Value {
    const [channels, height, width] = this.builder.shape(id)
    const shape = this.format === 'channels_last' ? [height, width, channels] : [channels, height, width]
    return { id, shape }
  }

  /** Where the elements of our map are in the file's. */
  #mapOrder(x: Value): Int32Array {
    const ours = this.builder.shape(x.id)
    if (ours.length === 3 && x.shape.length === 3 && this.format === 'channels_last') {
      return channelsLast(ours[0], ours[1] * ours[2])
    }
    return x.order ?? Int32Array.from({ length: elements(ours) }, (_, i) => i)
  }

  #flattened(origin: Origin, x: Value): Value {
    return {
      ...x,
      id: this.builder.flatten({ ...origin, name: `${origin.name}_flat` }, x.id),
      shape: [elements(x.shape)],
    }
  }

  /** A value whose first axis is what parameters by channel speak of. */
  #byChannel(origin: Origin, x: Value): Value {
    const settled = this.settled(origin, x)
    const [, height = 1, width = 1] = this.builder.shape(x.id)
    return x.shape.length === 1 && height * width > 1 ? this.#flattened(origin, settled) : settled
  }

  /** Ids of values whose elements lie alike in our graph. */
  #alike(origin: Origin, values: readonly Value[]): { ids: string[]; order: Int32Array | undefined } {
    const [{ order }] = values
    if (values.some((x) => !sameOrder(x.order, order))) {
      const what = 'joins flattened maps of different shapes'
      refuseNode(origin.name, origin.operator, what, 'Join the maps before they are flattened.')
    }
    const shapes = values.map((x) => this.builder.shape(x.id))
    if (shapes.every((shape) => sameShape(shape, shapes[0]))) return { ids: values.map(({ id }) => id), order }
    const flat = values.map((x, i) => this.#flattened({ ...origin, name: `${origin.name}_${i}` }, x))
    return { ids: flat.map(({ id }) => id), order }
  }

  /** TensorFlow's padding, beside zeros that are pending. */
  #pads(x: Value, window: Window): Pads {
    const { padding, kernel, strides, dilations = [1, 1] } = window
    if (padding === 'valid') return NONE
    if (padding !== 'same') return padding
    const [, height, width] = this.builder.shape(x.id)
    const [top, left, bottom, right] = x.pads ?? NONE
    const side = (size: number, axis: 0 | 1): [number, number] => {
      const outputs = Math.ceil(size / strides[axis])
      const total = Math.max((outputs - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1 - size, 0)
      return [Math.floor(total / 2), Math.ceil(total / 2)]
    }
    const [above, below] = side(height + top + bottom, 0)
    const [before, after] = side(width + left + right, 1)
    return [above, before, below, after]
  }
}

export const MIXED = 'channels first in one layer and last in another'
export const USE_ONE = 'Use one data_format all through the model.'

function sum(a: Pads, b: Pads): Pads {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]
}

function withOrder(value: Value, order: Int32Array): Value {
  const { order: _, ...rest } = value
  const kept = toOrder(order)
  return kept === undefined ? rest : { ...rest, order: kept }
}
