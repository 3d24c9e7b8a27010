/** Constants computed from constants: what exporters write to work out shapes, axes and pads. */
import { elements, LIMITS, shapeText } from '../../../network/shapes.ts'
import type { Call, Operator } from '../call.ts'
import { DATA_TYPE } from '../proto.ts'
import { typeName } from '../tensors.ts'
import { dimsOf, type Constant } from '../values.ts'

type Numbers = Constant['data']

const FOLD = 'Fold constants when the model is exported, or simplify the file (onnxsim).'

function made(call: Call, dims: readonly number[], data: Numbers): Constant {
  call.reading.spend(data.byteLength / Float32Array.BYTES_PER_ELEMENT)
  return { kind: 'constant', dims, data }
}

/** `length` numbers of the type of `like`. */
function numbers(like: Constant, length: number, at: (i: number) => number): Numbers {
  const data = like.data instanceof Float32Array ? new Float32Array(length) : new Float64Array(length)
  return data.map((_, i) => at(i))
}

/** Two constants of one shape, or one of them a single number. */
export function foldTwo(call: Call, a: Constant, b: Constant, work: (a: number, b: number) => number): Constant {
  const [longer, other] = a.data.length >= b.data.length ? [a, b] : [b, a]
  if (other.data.length !== 1 && shapeText(a.dims) !== shapeText(b.dims)) {
    call.refuse(`computes constants of shapes ${shapeText(a.dims)} and ${shapeText(b.dims)}`, FOLD)
  }
  const whole = longer.data instanceof Float64Array
  const step = { a: a.data.length === 1 ? 0 : 1, b: b.data.length === 1 ? 0 : 1 }
  const data = numbers(longer, longer.data.length, (i) => {
    const result = work(a.data[i * step.a], b.data[i * step.b])
    return whole ? Math.trunc(result) : result
  })
  return made(call, longer.dims, data)
}

const constant: Operator = (call) => {
  const tensor = call.attribute('value')?.t
  if (tensor !== undefined) return call.reading.tensor(tensor)
  const { f, floats } = call.attribute('value_float') ?? call.attribute('value_floats') ?? {}
  if (f !== undefined) return made(call, [], Float32Array.of(f))
  if (floats !== undefined) return made(call, [floats.length], Float32Array.from(floats))
  const { i, ints } = call.attribute('value_int') ?? call.attribute('value_ints') ?? {}
  if (i !== undefined) return made(call, [], Float64Array.of(i))
  if (ints !== undefined) return made(call, [ints.length], Float64Array.from(ints))
  return call.refuse('neither a tensor nor numbers', 'Write the constant as a tensor.')
}

const constantOfShape: Operator = (call) => {
  const dims = call.integers(0, 'shape')
  const tensor = call.attribute('value')?.t
  const value = tensor === undefined ? undefined : call.reading.tensor(tensor)
  const count = elements(dims)
  if (!(dims.every((d) => d >= 0) && count <= LIMITS.elements))
    call.refuse(`a constant of shape ${shapeText(dims)}`, FOLD)
  const data = value?.data instanceof Float64Array ? new Float64Array(count) : new Float32Array(count)
  return made(call, dims, data.fill(value?.data[0] ?? 0))
}

/** The batch counts as one image where the file leaves it open. */
const shape: Operator = (call) => {
  const value = call.value(0)
  const dims = value.kind === 'constant' ? value.dims : [call.reading.batch, ...dimsOf(call.activation(0))]
  const part = dims.slice(call.int('start', 0), call.attribute('end') === undefined ? undefined : call.int('end', 0))
  return made(call, [part.length], Float64Array.from(part))
}

/** Single entries of a list. */
const gather: Operator = (call) => {
  const list = call.constant(0, 'entries')
  const indices = call.constant(1, 'indices')
  if (list.dims.length !== 1 || indices.dims.length > 1 || call.axis(call.int('axis', 0), 1) !== 0) {
    call.refuse('more than entries of a list', FOLD)
  }
  const data = numbers(list, indices.data.length, (i) => list.data[call.axis(indices.data[i], list.data.length)])
  return made(call, indices.dims, data)
}

const WHOLE = new Set<number>([DATA_TYPE.int64, DATA_TYPE.int32, DATA_TYPE.int16, DATA_TYPE.int8, DATA_TYPE.bool])

/** A value of the network stays float32. */
const cast: Operator = (call) => {
  const value = call.value(0)
  const to = call.int('to', 0)
  if (value.kind === 'activation') {
    if (to === DATA_TYPE.float) return value
    return call.refuse(`turns a value into ${typeName(to)}`, 'Export the model in float32.')
  }
  if (to === DATA_TYPE.float || to === DATA_TYPE.double) return made(call, value.dims, Float32Array.from(value.data))
  if (!WHOLE.has(to)) call.refuse(`turns a constant into ${typeName(to)}`, FOLD)
  return made(call, value.dims, Float64Array.from(value.data, Math.trunc))
}

/** Along the first axis. */
const slice: Operator = (call) => {
  const value = call.value(0)
  if (value.kind === 'activation') {
    return call.refuse('takes a part of a value', 'Layers that leave out parts of a picture cannot be run.')
  }
  const part = (name: string, i: number, otherwise: number): number => {
    const list = call.listed(name, 10, i) ?? [otherwise]
    return list.length === 1 ? list[0] : call.refuse(`${list.length} ${name}`, FOLD)
  }
  const rank = Math.max(1, value.dims.length)
  if (call.axis(part('axes', 3, 0), rank) !== 0) call.refuse('a part along an axis other than the first', FOLD)
  const step = part('steps', 4, 1)
  const size = value.dims[0] ?? 1
  if (step === 0) call.refuse('steps of 0', 'The file is damaged: export it again.')
  const place = (at: number): number => {
    const from = at < 0 ? at + size : at
    return step > 0 ? Math.min(Math.max(from, 0), size) : Math.min(Math.max(from, -1), size - 1)
  }
  const [start, end] = [place(part('starts', 1, 0)), place(part('ends', 2, size))]
  const rows: number[] = []
  for (let at = start; step > 0 ? at < end : at > end; at += step) rows.push(at)
  const run = size === 0 ? 0 : value.data.length / size
  const data = numbers(value, rows.length * run, (i) => value.data[rows[Math.floor(i / run)] * run + (i % run)])
  return made(call, [rows.length, ...value.dims.slice(1)], data)
}

/** The numbers in another order of axes. */
export function transposed(call: Call, value: Constant, perm: readonly number[]): Constant {
  const dims = perm.map((axis) => value.dims[axis])
  const strides = perm.map((axis) => elements(value.dims.slice(axis + 1)))
  const index = dims.map(() => 0)
  let from = 0
  const data = numbers(value, value.data.length, () => {
    const number = value.data[from]
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += strides[axis]
      if (++index[axis] < dims[axis]) break
      from -= dims[axis] * strides[axis]
      index[axis] = 0
    }
    return number
  })
  return made(call, dims, data)
}

/** Constants in new axes: the numbers stay as they are. */
export function reshaped(call: Call, value: Constant, dims: readonly number[]): Constant {
  if (elements(dims) !== value.data.length) {
    call.refuse(`a constant of shape ${shapeText(value.dims)} to ${shapeText(dims)}`, 'The file is damaged.')
  }
  return { ...value, dims }
}

/** Lists one after the other. */
export function joined(call: Call, values: readonly Constant[]): Constant {
  if (values.some((value) => value.dims.length !== 1)) call.refuse('joins constants that are no lists', FOLD)
  const data = values.flatMap((value) => [...value.data])
  return made(
    call,
    [data.length],
    numbers(values[0], data.length, (i) => data[i]),
  )
}

export const FOLDING: Readonly<Record<string, Operator>> = {
  ...{ Constant: constant, ConstantOfShape: constantOfShape, Shape: shape, Gather: gather, Cast: cast, Slice: slice },
}
