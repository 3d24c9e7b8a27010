/** Add, Sum, Sub, Mul and Div: of values, or of a value and constants. */
import { byChannel } from '../broadcast.ts'
import type { Call, Operator } from '../call.ts'
import { dimsOf, isStandard, sameGroups, type Activation, type Constant, type Value } from '../values.ts'
import { foldTwo, joined } from './fold.ts'

/** Values that are to be added, of one shape and one layout. */
function alike(call: Call, values: readonly Activation[]): Activation[] {
  const [first] = values
  const dims = values.map((value) => dimsOf(value).join(', '))
  if (dims.some((d) => d !== dims[0])) {
    const advice = 'Values are added when their shapes are the same; values are not repeated to fit.'
    call.refuse(`joins values of shapes ${dims.map((d) => `[N, ${d}]`).join(' and ')}`, advice)
  }
  if (values.every((v) => v.shape.length === first.shape.length && sameGroups(v.groups, first.groups))) {
    return [...values]
  }
  return call.refuse('its values are laid out in different ways', 'Export with channels first (NCHW) throughout.')
}

const affine = (call: Call, value: Activation, scale: Float32Array, shift: Float32Array, last = true): Activation => {
  const origin = last ? call.origin : { ...call.origin, name: `${call.origin.name}_part` }
  return call.laidOut(value, call.builder.affine(origin, value.id, scale, shift))
}

const full = (value: Activation, number: number): Float32Array => new Float32Array(value.shape[0]).fill(number)

function addAll(call: Call, values: readonly Activation[]): Activation {
  const same = alike(call, values)
  const ids = same.map((value) => value.id)
  const sum = call.laidOut(same[0], call.builder.add(call.origin, ids))
  return same.every((value) => value.nonNegative === true) ? { ...sum, nonNegative: true } : sum
}

/** The operation's two inputs: a value and a constant, in which order, or two values. */
type Pair =
  | { readonly value: Activation; readonly constant: Constant; readonly swapped: boolean }
  | { readonly values: readonly [Activation, Activation] }

function pairOf(call: Call): Pair {
  const [a, b] = [call.value(0), call.value(1)]
  if (a.kind === 'constant' && b.kind === 'activation') {
    return { value: call.activation(1), constant: a, swapped: true }
  }
  if (b.kind === 'constant') return { value: call.activation(0), constant: b, swapped: false }
  return { values: [call.activation(0), call.activation(1)] }
}

/** `work` where one input is a value; constants alone are computed now. */
function operator(work: (call: Call, pair: Pair) => Activation, fold: (a: number, b: number) => number): Operator {
  return (call): Value => {
    const [a, b] = [call.value(0), call.value(1)]
    if (a.kind === 'constant' && b.kind === 'constant') return foldTwo(call, a, b, fold)
    return work(call, pairOf(call))
  }
}

const add = operator(
  (call, pair) => {
    if (call.reading.fused.has(call.node)) return call.activation('value' in pair && pair.swapped ? 1 : 0)
    if ('values' in pair) return addAll(call, pair.values)
    return affine(call, pair.value, full(pair.value, 1), byChannel(call, pair.constant, pair.value))
  },
  (a, b) => a + b,
)

const sub = operator(
  (call, pair) => {
    if ('values' in pair) {
      const [a, b] = alike(call, pair.values)
      const negative = affine(call, b, full(b, -1), full(b, 0), false)
      return call.laidOut(a, call.builder.add(call.origin, [a.id, negative.id]))
    }
    const { value, constant, swapped } = pair
    const shift = byChannel(call, constant, value)
    return swapped
      ? affine(call, value, full(value, -1), shift)
      : affine(
          call,
          value,
          full(value, 1),
          shift.map((c) => -c),
        )
  },
  (a, b) => a - b,
)

const TWO_VALUES = 'Only products with a constant can be run; gates and attention cannot.'

const mul = operator(
  (call, pair) => {
    if ('values' in pair) return call.refuse('multiplies two values of the network', TWO_VALUES)
    return affine(call, pair.value, byChannel(call, pair.constant, pair.value), full(pair.value, 0))
  },
  (a, b) => a * b,
)

const div = operator(
  (call, pair) => {
    if ('values' in pair || pair.swapped) return call.refuse('divides by a value of the network', TWO_VALUES)
    const divisor = byChannel(call, pair.constant, pair.value)
    if (divisor.includes(0)) call.refuse('divides by 0', 'The file is damaged: export it again.')
    return affine(
      call,
      pair.value,
      divisor.map((c) => 1 / c),
      full(pair.value, 0),
    )
  },
  (a, b) => a / b,
)

/** Any number of values and constants. */
const sum: Operator = (call) => {
  const activations = call.values().flatMap((value, i) => (value.kind === 'constant' ? [] : [call.activation(i)]))
  const constants = call.values().filter((value) => value.kind === 'constant')
  if (activations.length === 0) call.refuse('adds constants only', 'Fold constants when the model is exported.')
  if (constants.length === 0) return activations.length === 1 ? activations[0] : addAll(call, activations)
  const first = activations.length === 1 ? activations[0] : undefined
  const name = `${call.origin.name}_values`
  const together =
    first ??
    call.laidOut(
      activations[0],
      call.builder.add(
        { ...call.origin, name },
        alike(call, activations).map((v) => v.id),
      ),
    )
  const shift = full(together, 0)
  for (const constant of constants) byChannel(call, constant, together).forEach((c, i) => (shift[i] += c))
  return affine(call, together, full(together, 1), shift)
}

/** Along channels. */
const concat: Operator = (call) => {
  const values = call.values()
  const constants = values.filter((value) => value.kind === 'constant')
  if (values.length > 0 && constants.length === values.length) return joined(call, constants)
  const activations = values.map((_, i) => call.activation(i))
  const [first] = activations
  if (first === undefined) call.refuse('has no inputs', 'The file is damaged: export it again.')
  const rank = first.groups.length + 1
  const axis = call.axis(call.int('axis', 1), rank)
  const standard = activations.every((value) => isStandard(value) && value.shape.length === first.shape.length)
  const same = activations.every((value) => sameGroups(value.groups, first.groups))
  const along = standard ? axis === 1 : same && first.groups[axis - 1]?.join() === '0'
  if (!along) {
    call.refuse(
      `joins along axis ${axis}, which is not the channels`,
      'Join along channels only, with channels first (NCHW).',
    )
  }
  const whole = call.result(
    call.builder.concat(
      call.origin,
      activations.map((value) => value.id),
    ),
  )
  const seen = standard ? whole : { ...whole, groups: first.groups }
  return activations.every((value) => value.nonNegative === true) ? { ...seen, nonNegative: true } : seen
}

export const ARITHMETIC: Readonly<Record<string, Operator>> = {
  ...{ Add: add, Sum: sum, Sub: sub, Mul: mul, Div: div },
  Concat: concat,
}
