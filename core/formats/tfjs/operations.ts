/** What each operation of TensorFlow becomes: one table, by its name. */
import type { Origin, Pads } from '../import/builder.ts'
import { elements, sameShape, shapeText } from '../../network/shapes.ts'
import type { StoredTensor } from '../keras/weights.ts'
import type { TensorFlowBuilder, Value, Window } from '../keras/values.ts'
import type { GraphNode } from './graph-def.ts'

/** What a node of the graph gives: numbers that are known, or a value of the network. */
export type Result = { readonly constant: StoredTensor } | { readonly value: Value }

export interface OperationContext {
  readonly node: GraphNode
  readonly inputs: readonly Result[]
  readonly build: TensorFlowBuilder
}

type Operation = (context: OperationContext) => Result

const DAMAGED = 'The file is damaged.'
const FREEZE = 'Convert the model from frozen weights.'

const originOf = ({ node }: OperationContext): Origin => ({ name: node.name, operator: node.op })

function valueAt({ node, inputs }: OperationContext, index: number): Value {
  const input = inputs.at(index)
  if (input === undefined) return node.refuse(`has ${inputs.length} inputs`, DAMAGED)
  return 'value' in input ? input.value : node.refuse(`input ${index} is constant`, 'Convert the model again.')
}

function constantAt({ node, inputs }: OperationContext, index: number): StoredTensor {
  const input = inputs.at(index)
  if (input === undefined) return node.refuse(`has ${inputs.length} inputs`, DAMAGED)
  return 'constant' in input ? input.constant : node.refuse(`input ${index} is not constant`, FREEZE)
}

/** A constant list of whole numbers. */
function listAt(context: OperationContext, index: number): number[] {
  const { data } = constantAt(context, index)
  if (data.length > 64 || !data.every(Number.isSafeInteger)) context.node.refuse(`input ${index} is no shape`, DAMAGED)
  return [...data]
}

function vectorAt(context: OperationContext, index: number, length: number): Float32Array {
  const { data, shape } = constantAt(context, index)
  if (data.length === length && shape.length <= 1) return data
  return context.node.refuse(`input ${index} of shape ${shapeText(shape)}, expected [${length}]`, DAMAGED)
}

/** Height and width of an attribute that has one number for each axis of [batch, height, width, channels]. */
function spatial({ node }: OperationContext, key: string, otherwise?: readonly number[]): readonly [number, number] {
  const list = node.integers(key) ?? otherwise
  const first = node.text('data_format', 'NHWC') === 'NCHW'
  const [batch, a, b, c] = list ?? []
  const [height, width, channels] = first ? [b, c, a] : [a, b, c]
  if (
    list?.length !== 4 ||
    batch !== 1 ||
    channels !== 1 ||
    !(height >= 1 && width >= 1 && height <= 256 && width <= 256)
  ) {
    return node.refuse(`${key} ${String(list)}`, 'One number for height and one for width, up to 256, can be run.')
  }
  return [height, width]
}

function paddingOf({ node }: OperationContext): Window['padding'] {
  const padding = node.text('padding', 'VALID')
  if (padding === 'SAME') return 'same'
  if (padding === 'VALID') return 'valid'
  const list = node.integers('explicit_paddings') ?? []
  if (padding !== 'EXPLICIT' || list.length !== 8) return node.refuse(`padding '${padding.slice(0, 32)}'`, DAMAGED)
  return sides(node, list)
}

/** From [before, after] of every axis, batch first. */
function sides(node: GraphNode, list: readonly number[], first = node.text('data_format', 'NHWC') === 'NCHW'): Pads {
  const at = first ? 4 : 2
  const pads: Pads = [list[at], list[at + 2], list[at + 1], list[at + 3]]
  const others = list.filter((_, i) => i < at || i > at + 3)
  const inRange = pads.every((pad) => pad >= 0 && pad <= 128)
  if (list.length !== 8 || !inRange || others.some((pad) => pad !== 0)) {
    node.refuse(`paddings ${list.join(', ').slice(0, 64)}`, 'Height and width can be padded, by up to 128.')
  }
  return pads
}

const ONES = [1, 1, 1, 1]

function convolution(context: OperationContext, bias?: Float32Array): Value {
  const { node, build } = context
  const origin = originOf(context)
  const x = valueAt(context, 0)
  const [channels] = build.map(origin, x)
  const { data, shape } = constantAt(context, 1)
  const depthwise = node.op.includes('Depthwise')
  if (shape.length !== 4) node.refuse(`a kernel of shape ${shapeText(shape)}`, DAMAGED)
  const [height, width, per, out] = shape
  const window = {
    kernel: [height, width] as const,
    strides: spatial(context, 'strides'),
    dilations: spatial(context, 'dilations', ONES),
    padding: paddingOf(context),
  }
  if (height < 1 || width < 1 || height > 256 || width > 256) node.refuse(`a kernel of ${height} by ${width}`, DAMAGED)
  if (depthwise) {
    if (per !== channels) node.refuse(`a kernel of shape ${shapeText(shape)} for ${channels} channels`, DAMAGED)
    return build.depthwise(origin, x, data, { ...window, multiplier: out, bias })
  }
  const groups = channels / per
  if (!Number.isInteger(groups) || out % groups !== 0) {
    node.refuse(`a kernel of shape ${shapeText(shape)} for ${channels} channels`, DAMAGED)
  }
  return build.conv(origin, x, data, { ...window, out, groups, bias })
}

function product(context: OperationContext, bias?: Float32Array): Value {
  const { node, build } = context
  const origin = originOf(context)
  const x = valueAt(context, 0)
  const { data, shape } = constantAt(context, 1)
  const [rows, columns] = shape
  if (node.flag('transpose_a')) node.refuse('transposes its input', 'Convert the model again.')
  const transposed = node.flag('transpose_b')
  const [inputs, outputs] = transposed ? [columns, rows] : [rows, columns]
  if (shape.length !== 2 || x.shape.length !== 1 || inputs !== x.shape[0] || outputs < 1) {
    node.refuse(`multiplies ${shapeText(x.shape)} and ${shapeText(shape)}`, 'Only a vector by a matrix can be run.')
  }
  const weight = transposed ? data.map((_, i) => data[(i % outputs) * inputs + Math.floor(i / outputs)]) : data
  return build.dense(origin, x, weight, outputs, bias)
}

function fused(context: OperationContext, run: (context: OperationContext, bias?: Float32Array) => Value): Result {
  const { node, build } = context
  const origin = originOf(context)
  const [first, ...rest] = node.texts('fused_ops')
  if (first === undefined) return { value: run(context) }
  if (first !== 'BiasAdd' || rest.length > 1)
    node.refuse(`fused with ${[first, ...rest].join(', ')}`, 'Convert it without.')
  const shape = constantAt(context, 1).shape
  const outputs = node.op.includes('Depthwise')
    ? shape[2] * shape[3]
    : shape[node.flag('transpose_b') ? 0 : shape.length - 1]
  const value = run(context, vectorAt(context, 2, outputs))
  const named = { ...origin, name: `${origin.name}_activation` }
  switch (rest.at(0)) {
    case undefined:
      return { value }
    case 'Relu':
      return { value: build.relu(named, value) }
    case 'Relu6':
      return { value: build.relu(named, value, 6) }
    case 'Prelu':
      return { value: build.prelu(named, value, slopes(context, value, 3)) }
    default:
      return node.refuse(`fused with ${rest[0].slice(0, 64)}`, 'Train the model with ReLU, ReLU6 or PReLU.')
  }
}

function slopes(context: OperationContext, x: Value, index: number): Float32Array {
  const { data, shape } = constantAt(context, index)
  const channels = x.shape.length === 1 ? x.shape[0] : context.build.builder.shape(x.id)[0]
  if (data.length !== channels && !sameShape(shape.slice(-x.shape.length), x.shape)) {
    context.node.refuse(`slopes of shape ${shapeText(shape)} for ${shapeText(x.shape)}`, DAMAGED)
  }
  return data
}

/** A constant as one number a channel. */
function byChannel(context: OperationContext, x: Value, { data, shape }: StoredTensor): Float32Array {
  const { build, node } = context
  const channels = x.shape.length === 1 ? x.shape[0] : build.builder.shape(x.id)[0]
  if (data.length === 1) return new Float32Array(channels).fill(data[0])
  const axis = x.shape.length === 3 && build.format === 'channels_first' ? x.shape.length - 1 : 0
  if (data.length === channels && shape.at(-1 - axis) === channels && shape.length <= x.shape.length + 1) return data
  return node.refuse(
    `joins ${shapeText(x.shape)} with ${shapeText(shape)}`,
    'One number, or one a channel, can be run.',
  )
}

/** Joins two values, or a value and a constant. */
function arithmetic(context: OperationContext): Result {
  const { node, inputs, build } = context
  const origin = originOf(context)
  if (inputs.length !== 2) node.refuse(`has ${inputs.length} inputs`, DAMAGED)
  const kind = node.op === 'Mul' ? 'mul' : node.op === 'Sub' ? 'sub' : 'add'
  const [a, b] = inputs
  if ('value' in a && 'value' in b) {
    if (kind !== 'add') node.refuse('joins two values of the network', 'Only sums of values can be run.')
    return { value: build.add(origin, [a.value, b.value]) }
  }
  if ('constant' in a && 'constant' in b)
    return node.refuse('joins two constants', 'Convert the model with optimisation.')
  const x = 'value' in a ? a.value : valueAt(context, 1)
  const given = byChannel(context, x, 'constant' in a ? a.constant : constantAt(context, 1))
  const ones = new Float32Array(given.length).fill(1)
  if (kind === 'mul') return { value: build.affine(origin, x, given, new Float32Array(given.length)) }
  if (kind === 'add') return { value: build.affine(origin, x, ones, given) }
  const constantFirst = 'constant' in a
  const minus = ones.map(() => -1)
  const [scale, shift] = constantFirst ? [minus, given] : [ones, given.map((value) => -value)]
  return { value: build.affine(origin, x, scale, shift) }
}

const biasAdd: Operation = (context) => {
  const { build } = context
  const x = valueAt(context, 0)
  const channels = x.shape.length === 1 ? x.shape[0] : build.builder.shape(x.id)[0]
  const bias = vectorAt(context, 1, channels)
  return { value: build.affine(originOf(context), x, new Float32Array(channels).fill(1), bias) }
}

const batchNorm: Operation = (context) => {
  const { node, build } = context
  if (node.flag('is_training')) node.refuse('is in training mode', 'Convert the model for inference.')
  const x = valueAt(context, 0)
  const [channels] = build.map(originOf(context), x)
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((i) => vectorAt(context, i, channels))
  return { value: build.batchNorm(originOf(context), x, { gamma, beta, mean, variance }, node.number('epsilon', 1e-4)) }
}

const pooling =
  (kind: 'averagePool' | 'maxPool'): Operation =>
  (context) => {
    const window = {
      kernel: spatial(context, 'ksize'),
      strides: spatial(context, 'strides'),
      padding: paddingOf(context),
    }
    return { value: context.build[kind](originOf(context), valueAt(context, 0), window) }
  }

const mean: Operation = (context) => {
  const { node, build } = context
  const x = valueAt(context, 0)
  const rank = x.shape.length + 1
  const axes = listAt(context, 1).map((axis) => (axis < 0 ? axis + rank : axis))
  const wanted = build.format === 'channels_last' ? [1, 2] : [2, 3]
  if (rank !== 4 || axes.length !== 2 || !wanted.every((axis) => axes.includes(axis))) {
    node.refuse(
      `over the axes ${axes.join(', ')} of ${shapeText(x.shape)}`,
      'Only means over height and width can be run.',
    )
  }
  return { value: build.globalAveragePool(originOf(context), x, node.flag('keep_dims')) }
}

const reshape: Operation = (context) => {
  const { node, build } = context
  const x = valueAt(context, 0)
  const [batch, ...target] = listAt(context, 1)
  // [-1, n] keeps the batch; so does [1, -1], of one image.
  const count = elements(x.shape)
  const keeps = batch === 1 || (batch === -1 && target.every((d) => d > 0) && elements(target) === count)
  if (!keeps)
    node.refuse(`from ${shapeText(x.shape)} to [${[batch, ...target].join(', ')}]`, 'Only flattening can be run.')
  return { value: build.reshape(originOf(context), x, target) }
}

const squeeze: Operation = (context) => {
  const { node, build } = context
  const x = valueAt(context, 0)
  const rank = x.shape.length + 1
  const named = (node.integers('squeeze_dims') ?? node.integers('axis') ?? []).map((d) => (d < 0 ? d + rank : d))
  const axes = named.length > 0 ? named : x.shape.flatMap((d, i) => (d === 1 ? [i + 1] : []))
  if (axes.some((axis) => x.shape[axis - 1] !== 1)) {
    node.refuse(`leaves out the axes ${axes.join(', ')} of ${shapeText(x.shape)}`, DAMAGED)
  }
  const kept = x.shape.filter((_, i) => !axes.includes(i + 1))
  return { value: build.reshape(originOf(context), x, kept.length === 0 ? [1] : kept) }
}

const pad: Operation = (context) => {
  const { node, build } = context
  if (node.op === 'PadV2' && constantAt(context, 2).data.some((value) => value !== 0)) {
    node.refuse('pads with another number than 0', 'Pad with zeros.')
  }
  const pads = sides(node, listAt(context, 1), build.format === 'channels_first')
  return { value: build.pad(originOf(context), valueAt(context, 0), pads) }
}

const concat: Operation = (context) => {
  const { node, inputs, build } = context
  if (inputs.length < 2) node.refuse(`has ${inputs.length} inputs`, DAMAGED)
  const [axis] = listAt(context, inputs.length - 1)
  const values = inputs.slice(0, -1).map((_, i) => valueAt(context, i))
  return { value: build.concat(originOf(context), values, axis) }
}

const softmax: Operation = (context) => {
  const x = valueAt(context, 0)
  context.build.channelAxis(originOf(context), x, -1)
  return { value: context.build.softmax(originOf(context), x) }
}

const prelu: Operation = (context) => {
  const x = valueAt(context, 0)
  return { value: context.build.prelu(originOf(context), x, slopes(context, x, 1)) }
}

export const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['Identity', ({ inputs, node }) => inputs.at(0) ?? node.refuse('has no input', DAMAGED)],
  ['StopGradient', ({ inputs, node }) => inputs.at(0) ?? node.refuse('has no input', DAMAGED)],
  ['Conv2D', (context) => ({ value: convolution(context) })],
  ['DepthwiseConv2dNative', (context) => ({ value: convolution(context) })],
  ['_FusedConv2D', (context) => fused(context, convolution)],
  ['FusedDepthwiseConv2dNative', (context) => fused(context, convolution)],
  ['MatMul', (context) => ({ value: product(context) })],
  ['_FusedMatMul', (context) => fused(context, product)],
  ['BiasAdd', biasAdd],
  ['FusedBatchNorm', batchNorm],
  ['FusedBatchNormV2', batchNorm],
  ['FusedBatchNormV3', batchNorm],
  ['Relu', (context) => ({ value: context.build.relu(originOf(context), valueAt(context, 0)) })],
  ['Relu6', (context) => ({ value: context.build.relu(originOf(context), valueAt(context, 0), 6) })],
  ['Prelu', prelu],
  ['Add', arithmetic],
  ['AddV2', arithmetic],
  ['Mul', arithmetic],
  ['Sub', arithmetic],
  ['ConcatV2', concat],
  ['AvgPool', pooling('averagePool')],
  ['MaxPool', pooling('maxPool')],
  ['Mean', mean],
  ['Reshape', reshape],
  ['Squeeze', squeeze],
  ['Pad', pad],
  ['PadV2', pad],
  ['Softmax', softmax],
])
