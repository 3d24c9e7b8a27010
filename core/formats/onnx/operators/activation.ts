/** Relu, PRelu and Clip from 0: what is ReLUs and nothing else. */
import type { Call, Operator } from '../call.ts'
import { byChannel, spread } from '../broadcast.ts'
import type { Activation } from '../values.ts'

const rectified = (call: Call, value: Activation, id: string): Activation => ({
  ...call.laidOut(value, id),
  nonNegative: true,
})

const relu: Operator = (call) => {
  const value = call.activation(0)
  return rectified(call, value, call.builder.relu(call.origin, value.id))
}

const prelu: Operator = (call) => {
  const value = call.activation(0)
  const slope = call.constant(1, 'slopes')
  const found = spread(call, slope, value)
  const element = 'element' in found ? found.element : undefined
  const mask = element !== undefined && element.every((a) => a === 0 || a === 1)
  const slopes = mask ? element : byChannel(call, slope, value)
  return call.laidOut(value, call.builder.prelu(call.origin, value.id, slopes))
}

/** The largest float32: what exporters write for 'no bound'. */
const UNBOUNDED = 3.4e38

const clip: Operator = (call) => {
  const [low, high] =
    call.opset < 11
      ? [call.float('min', -Infinity), call.float('max', Infinity)]
      : [bound(call, 1, -Infinity), bound(call, 2, Infinity)]
  const value = call.activation(0)
  if (low <= -UNBOUNDED && high >= UNBOUNDED) return value
  if (low !== 0 || !(high > 0)) {
    call.refuse(`clips to ${low} to ${high}`, 'Only Clip from 0 upwards can be run: it is a ReLU.')
  }
  if (high >= UNBOUNDED) return rectified(call, value, call.builder.relu(call.origin, value.id))
  return rectified(call, value, call.builder.boundedRelu(call.origin, value.id, high))
}

function bound(call: Call, i: number, otherwise: number): number {
  if (!call.has(i)) return otherwise
  const { data } = call.constant(i, 'bounds')
  return data.length === 1 ? data[0] : call.refuse(`${data.length} bounds`, 'The file is damaged: export it again.')
}

export const ACTIVATION: Readonly<Record<string, Operator>> = { Relu: relu, PRelu: prelu, Clip: clip }
