/** Constants spread over a value, by the rules of NumPy that ONNX has since opset 7. */
import { elements, shapeText } from '../../network/shapes.ts'
import type { Call } from './call.ts'
import { dimsOf, type Activation, type Constant } from './values.ts'

/** One number a channel (or a feature of a flat value), or one an element of the value in our layout. */
export type Spread = { readonly channel: Float32Array } | { readonly element: Float32Array }

/** Sizes of `constant` by axis of the value after the batch, as many as it has. */
function aligned(call: Call, constant: Constant, value: Activation): number[] {
  const dims = [call.reading.batch, ...dimsOf(value)]
  const found = [...Array<number>(Math.max(0, dims.length - constant.dims.length)).fill(1), ...constant.dims]
  const extra = found.length - dims.length
  const fits = found.slice(0, extra + 1).every((size) => size === 1)
  const own = found.slice(extra + 1)
  if (fits && extra === 0 && own.every((size, i) => size === 1 || size === dims[i + 1])) return own
  return call.refuse(
    `a constant of shape ${shapeText(constant.dims)} with a value of shape [N, ${dims.slice(1).join(', ')}]`,
    'Use a constant that has one number, one a channel, or one an element of an image.',
  )
}

/** `constant` spread over `value`. */
export function spread(call: Call, constant: Constant, value: Activation): Spread {
  const own = aligned(call, constant, value)
  const { shape, groups } = value
  const varying = own.flatMap((size, i) => (size > 1 ? [i] : []))
  if (varying.length === 0) return { channel: new Float32Array(shape[0]).fill(constant.data[0]) }
  if (varying.length === 1 && groups[varying[0]].join() === '0') return { channel: Float32Array.from(constant.data) }

  // Steps through the constant for one step along each of our axes.
  const steps = shape.map(() => 0)
  groups.forEach((group, i) => {
    if (own[i] === 1) return
    let step = elements(own.slice(i + 1))
    for (const axis of group.toReversed()) {
      steps[axis] = step
      step *= shape[axis]
    }
  })
  const [, height = 1, width = 1] = shape
  const element = new Float32Array(elements(shape))
  let at = 0
  for (let c = 0; c < shape[0]; c++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        element[at++] = constant.data[c * steps[0] + y * (steps[1] ?? 0) + x * (steps[2] ?? 0)]
  return { element }
}

/** One number a channel; constants that differ within a channel are refused. */
export function byChannel(call: Call, constant: Constant, value: Activation): Float32Array {
  const found = spread(call, constant, value)
  if ('channel' in found) return found.channel
  const channels = value.shape[0]
  const run = found.element.length / channels
  const first = Float32Array.from({ length: channels }, (_, c) => found.element[c * run])
  if (found.element.every((number, i) => number === first[Math.floor(i / run)])) return first
  return call.refuse('a constant that differs from place to place in a channel', 'Use one number, or one a channel.')
}
