/** Conv, with the padding before it and the addition after it. */
import type { Pads } from '../../import/builder.ts'
import type { Call, Operator } from '../call.ts'
import { dimsOf, type Activation } from '../values.ts'
import { takeBias } from './bias.ts'
import { addPads, windowPads } from './window.ts'

const TWO_DIMENSIONS = 'Only convolutions over pictures (two dimensions) can be run.'

/** A vector that the file sees as a picture of one pixel: the convolution is a dense layer. */
function asDense(call: Call, value: Activation, weight: Float32Array, dims: readonly number[]): Activation {
  const [outChannels, features, height, width] = dims
  if (height !== 1 || width !== 1 || features !== value.shape[0] || call.int('group', 1) !== 1) {
    call.refuse('a convolution over a vector', 'Use a kernel of 1 by 1, or a dense layer.')
  }
  const bias = takeBias(call, outChannels, 3, call.has(2) ? call.floats(2, 'biases').data : undefined)
  const dense = call.result(call.builder.dense(call.origin, value.id, weight, outChannels, bias))
  return { ...dense, groups: [dense.groups[0], [], []] }
}

const conv: Operator = (call) => {
  const { dims, data: weight } = call.floats(1, 'weights')
  if (dims.length !== 4) call.refuse(`weights with ${dims.length} axes`, TWO_DIMENSIONS)
  const [outChannels, , height, width] = dims
  const kernel = [height, width] as const
  const stated = call.ints('kernel_shape') ?? kernel
  if (stated.join() !== kernel.join()) {
    call.refuse(`kernel_shape ${stated.join(' by ')} with weights of ${kernel.join(' by ')}`, 'The file is damaged.')
  }
  const input = call.activation(0, { padded: true })
  const dilations = pair(call, 'dilations')
  const strides = pair(call, 'strides')
  if (input.shape.length === 1 && dimsOf(input).slice(1).join() === '1,1') {
    if (input.pads !== undefined || windowPads(call, input, { kernel, strides, dilations }).some((pad) => pad > 0)) {
      call.refuse('a convolution over a vector with padding', 'Leave the padding out.')
    }
    return asDense(call, input, weight, dims)
  }
  const map = call.map(0, { padded: true })
  const pads: Pads = addPads(windowPads(call, map, { kernel, strides, dilations }), map.pads)
  const bias = takeBias(call, outChannels, 3, call.has(2) ? call.floats(2, 'biases').data : undefined)
  return call.result(
    call.builder.conv(call.origin, map.id, {
      ...{ weight, outChannels, kernel, strides, dilations, pads, groups: call.int('group', 1) },
      ...(bias === undefined ? {} : { bias }),
    }),
  )
}

/** Two positive numbers of an attribute, 1 and 1 when it is left out. */
export function pair(call: Call, name: string): readonly [number, number] {
  const numbers = call.ints(name) ?? [1, 1]
  if (numbers.length !== 2) call.refuse(`${name} with ${numbers.length} numbers`, TWO_DIMENSIONS)
  const [vertical, horizontal] = numbers
  if (Math.min(vertical, horizontal) < 1 || Math.max(vertical, horizontal) > 2 ** 16) {
    call.refuse(`${name} of ${vertical} and ${horizontal}`, 'The file is damaged: export it again.')
  }
  return [vertical, horizontal]
}

export const CONVOLUTION: Readonly<Record<string, Operator>> = { Conv: conv }
