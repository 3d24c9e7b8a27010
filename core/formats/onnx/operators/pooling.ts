/** Pools over a map, and means over all of it. */
import type { Call, Operator } from '../call.ts'
import { dimsOf, type Activation } from '../values.ts'
import { pair } from './convolution.ts'
import { addPads, paddedSize, windowPads } from './window.ts'
import type { Pads } from '../../import/builder.ts'

interface Pool {
  readonly map: Activation
  readonly kernel: readonly [number, number]
  readonly strides: readonly [number, number]
  /** The node's own. */
  readonly pads: Pads
}

function poolOf(call: Call): Pool {
  const map = call.map(0, { padded: true })
  if (call.attribute('kernel_shape') === undefined) call.refuse('has no kernel_shape', 'The file is damaged.')
  const [kernel, strides, dilations] = [pair(call, 'kernel_shape'), pair(call, 'strides'), pair(call, 'dilations')]
  if (dilations.some((step) => step !== 1)) call.refuse(`dilations of ${dilations.join(' and ')}`, 'Use 1 and 1.')
  const pads = windowPads(call, map, { kernel, strides, dilations })
  if (call.int('ceil_mode', 0) !== 0) checkCeil(call, { map, kernel, strides, pads })
  return { map, kernel, strides, pads }
}

/** Rounding the size up is the same as rounding it down where the windows fit exactly. */
function checkCeil(call: Call, { map, kernel, strides, pads }: Pool): void {
  paddedSize(map).forEach((size, i) => {
    if ((size + pads[i] + pads[i + 2] - kernel[i]) % strides[i] === 0) return
    const advice = 'Use ceil_mode = 0, or a size that the windows fit into.'
    call.refuse('ceil_mode = 1: the last windows reach beyond the picture', advice)
  })
}

const averagePool: Operator = (call) => {
  const { map, kernel, strides, pads } = poolOf(call)
  const own = pads.some((pad) => pad > 0)
  const counts = call.int('count_include_pad', 0) !== 0
  // Zeros of a Pad before it are part of the map: they count whatever the pool does with its own.
  if (own && !counts && map.pads !== undefined) {
    call.refuse('an average that leaves its padding out, after a Pad', 'Count the padding (count_include_pad = 1).')
  }
  const countPadding = counts || map.pads !== undefined
  const spec = { kernel, strides, pads: addPads(pads, map.pads), countPadding }
  return pooled(call, map, call.builder.averagePool(call.origin, map.id, spec))
}

const maxPool: Operator = (call) => {
  if ((call.node.output[1] ?? '') !== '') {
    call.refuse('its second output, the places of the maxima, is used', 'Leave the output Indices out.')
  }
  const { map, kernel, strides, pads } = poolOf(call)
  if (map.pads !== undefined) {
    if (map.nonNegative !== true || pads.some((pad) => pad > 0)) {
      call.refuse('a maximum over zeros that a Pad has put there', "Use the pool's own padding.")
    }
    call.note('the zeros of the Pad before it become its padding: after a ReLU the maximum is the same')
  }
  const spec = { kernel, strides, pads: addPads(pads, map.pads) }
  return pooled(call, map, call.builder.maxPool(call.origin, map.id, spec))
}

function pooled(call: Call, map: Activation, id: string): Activation {
  return map.nonNegative === true ? { ...call.result(id), nonNegative: true } : call.result(id)
}

const globalAveragePool: Operator = (call) => {
  const value = call.activation(0)
  if (value.shape.length === 1 && dimsOf(value).slice(1).join() === '1,1') return value
  const map = call.map(0)
  return pooled(call, map, call.builder.globalAveragePool(call.origin, map.id))
}

/** Over height and width together. */
const reduceMean: Operator = (call) => {
  const value = call.activation(0)
  const rank = value.groups.length + 1
  const listed = call.listed('axes', 18, 1) ?? []
  const axes = new Set(listed.map((axis) => call.axis(axis, rank)))
  if (axes.size === 0 && call.int('noop_with_empty_axes', 0) !== 0) return value
  const advice = 'Only the mean over height and width together can be run.'
  if (axes.size === 0 || axes.has(0)) call.refuse('a mean over the images of a batch', advice)
  const over = value.groups.flatMap((group, i) => (axes.has(i + 1) ? group : []))
  const spatial = value.shape.flatMap((size, axis) => (axis > 0 && size > 1 ? [axis] : []))
  const kept = value.groups.flatMap((group, i) => {
    if (!axes.has(i + 1)) return [group]
    return call.int('keepdims', 1) === 0 ? [] : [[]]
  })
  if (over.length === 0) return call.seenAs(value, kept)
  if (over.toSorted().join() !== spatial.join()) call.refuse(`a mean over axes ${listed.join(', ')}`, advice)
  const name = kept.length === 1 ? `${call.origin.name}_mean` : call.origin.name
  const mean = call.builder.globalAveragePool({ ...call.origin, name }, value.id)
  return call.seenAs(pooled(call, value, mean), kept)
}

export const POOLING: Readonly<Record<string, Operator>> = {
  ...{ AveragePool: averagePool, MaxPool: maxPool },
  ...{ GlobalAveragePool: globalAveragePool, ReduceMean: reduceMean },
}
