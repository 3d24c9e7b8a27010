/** Flatten, Reshape, Squeeze, Unsqueeze and Transpose, where they leave the elements as our layers can take them. */
import { elements, shapeText } from '../../../network/shapes.ts'
import type { Call, Operator } from '../call.ts'
import { dimsOf, regroup, type Activation, type Value } from '../values.ts'
import { reshaped, transposed } from './fold.ts'

const BATCH = 'Keep the images of a batch apart: the first axis must stay as it is.'

const flatten: Operator = (call) => {
  const value = call.value(0)
  const dims = value.kind === 'constant' ? value.dims : [call.reading.batch, ...dimsOf(value)]
  const given = call.int('axis', 1)
  const axis = given === dims.length ? given : call.axis(given, dims.length)
  if (value.kind === 'constant') {
    return reshaped(call, value, [elements(dims.slice(0, axis)), elements(dims.slice(axis))])
  }
  const flat = call.activation(0)
  if (axis === 0 || elements(dims.slice(1, axis)) !== 1) {
    call.refuse(`flattens from axis ${given} of ${shapeText(dims)}`, 'Flatten from axis 1.')
  }
  return call.seenAs(flat, [flat.groups.flat()])
}

/** The target of a Reshape with its 0 and -1 worked out, for a value of shape `dims`. */
function target(call: Call, dims: readonly number[]): number[] {
  const given = call.has(1) ? call.integers(1, 'shape') : call.refuse('has no shape', 'The file is damaged.')
  const copies = call.int('allowzero', 0) === 0
  const sizes = given.map((size, i) => (size === 0 && copies ? (dims[i] ?? 0) : size))
  const open = sizes.indexOf(-1)
  const rest = elements(sizes.filter((_, i) => i !== open))
  if (open >= 0) sizes[open] = elements(dims) / rest
  if (sizes.every((size) => Number.isSafeInteger(size) && size >= 0) && elements(sizes) === elements(dims)) return sizes
  return call.refuse(
    `shape ${shapeText(dims)} to ${shapeText(given)}`,
    'The numbers of elements differ: export it again.',
  )
}

const reshape: Operator = (call) => {
  const value = call.value(0)
  if (value.kind === 'constant') return reshaped(call, value, target(call, value.dims))
  const activation = call.activation(0)
  const dims = [call.reading.batch, ...dimsOf(activation)]
  const [batch, ...sizes] = target(call, dims)
  const text = `shape ${shapeText(dims)} to ${shapeText([batch, ...sizes])}`
  if (batch !== call.reading.batch) call.refuse(`${text} mixes the images of a batch`, BATCH)
  const groups = regroup(activation, sizes)
  if (groups === undefined) return call.refuse(text, 'Only flattening, and shapes that are the same, can be run.')
  return call.seenAs(activation, groups)
}

/** Only axes of size 1 go, so the elements stay in place. */
const squeeze: Operator = (call) => {
  const value = call.value(0)
  const dims = value.kind === 'constant' ? value.dims : [call.reading.batch, ...dimsOf(value)]
  const listed = call.listed('axes', 13, 1)?.map((axis) => call.axis(axis, dims.length))
  const isConstant = value.kind === 'constant'
  if (listed === undefined && !isConstant) call.refuse('has no axes: it would drop the batch too', 'Name the axes.')
  const axes = new Set(listed ?? dims.flatMap((size, axis) => (size === 1 ? [axis] : [])))
  const wide = [...axes].find((axis) => dims[axis] !== 1)
  if (wide !== undefined) call.refuse(`axis ${wide} has size ${dims[wide]}`, 'The file is damaged: export it again.')
  const stays = (_: unknown, axis: number): boolean => !axes.has(axis)
  if (value.kind === 'constant') return reshaped(call, value, dims.filter(stays))
  if (axes.has(0)) call.refuse('drops the batch', BATCH)
  return call.seenAs(
    call.activation(0),
    value.groups.filter((_, i) => !axes.has(i + 1)),
  )
}

const unsqueeze: Operator = (call) => {
  const value = call.value(0)
  const listed = call.listed('axes', 13, 1) ?? call.refuse('has no axes', 'The file is damaged: export it again.')
  const old = value.kind === 'constant' ? value.dims.length : value.groups.length + 1
  const axes = new Set(listed.map((axis) => call.axis(axis, old + listed.length)))
  if (axes.size !== listed.length) call.refuse(`axes ${listed.join(', ')}`, 'The file is damaged: export it again.')
  const spread = <T>(entries: readonly T[], one: T): T[] => {
    const rest = [...entries]
    return Array.from({ length: old + axes.size }, (_, axis) => (axes.has(axis) ? one : (rest.shift() as T)))
  }
  if (value.kind === 'constant') return reshaped(call, value, spread(value.dims, 1))
  if (axes.has(0)) call.refuse('adds an axis before the batch', BATCH)
  const activation = call.activation(0)
  return call.seenAs(activation, spread<readonly number[]>([[], ...activation.groups], []).slice(1))
}

const transpose: Operator = (call): Value => {
  const value = call.value(0)
  const rank = value.kind === 'constant' ? value.dims.length : value.groups.length + 1
  const perm = call.ints('perm') ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis)
  if (perm.toSorted((a, b) => a - b).join() !== [...Array(rank).keys()].join()) {
    call.refuse(`perm ${perm.join(', ')} of ${rank} axes`, 'The file is damaged: export it again.')
  }
  if (value.kind === 'constant') return transposed(call, value, perm)
  const activation: Activation = call.activation(0, { padded: true })
  if (perm[0] !== 0) call.refuse('moves the batch', BATCH)
  return call.seenAs(
    activation,
    perm.slice(1).map((axis) => activation.groups[axis - 1]),
  )
}

export const SHAPE: Readonly<Record<string, Operator>> = {
  ...{ Flatten: flatten, Reshape: reshape, Squeeze: squeeze, Unsqueeze: unsqueeze, Transpose: transpose },
}
