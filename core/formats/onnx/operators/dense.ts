/** Gemm and MatMul with constant weights: dense layers. */
import { shapeText } from '../../../network/shapes.ts'
import type { Call, Operator } from '../call.ts'
import { dimsOf, inOurOrder, ourPlaces, type Activation } from '../values.ts'
import { takeBias } from './bias.ts'

function vector(call: Call): Activation {
  if (call.value(0).kind === 'constant') {
    call.refuse('multiplies a constant by a value', 'Put the value first: value times weights.')
  }
  const value = call.activation(0)
  if (value.groups.length === 1) return value
  const found = dimsOf(value).join(', ')
  return call.refuse(`needs [N, features], got [N, ${found}]`, 'Put a Flatten before it.')
}

/** [outFeatures][inFeatures], for features in our order. */
function weightsFor(call: Call, value: Activation, transposed: boolean): { weight: Float32Array; outFeatures: number } {
  const { dims, data } = call.floats(1, 'weights')
  const [features] = dimsOf(value)
  const outFeatures = dims[transposed ? 0 : 1]
  if (dims.length !== 2 || dims[transposed ? 1 : 0] !== features) {
    call.refuse(`weights of shape ${shapeText(dims)} for ${features} features`, 'Use weights of two axes that fit.')
  }
  if (transposed && inOurOrder(value)) return { weight: data, outFeatures }
  if (!inOurOrder(value)) call.note('weights are reordered: the file flattens with channels last')
  const places = ourPlaces(value)
  const weight = new Float32Array(data.length)
  for (let out = 0; out < outFeatures; out++)
    for (let i = 0; i < features; i++)
      weight[out * features + places[i]] = transposed ? data[out * features + i] : data[i * outFeatures + out]
  return { weight, outFeatures }
}

/** alpha * A * B + beta * C */
const gemm: Operator = (call) => {
  if (call.int('transA', 0) !== 0) call.refuse('transA = 1', 'Put the batch first: transA = 0.')
  const value = vector(call)
  const { weight, outFeatures } = weightsFor(call, value, call.int('transB', 0) !== 0)
  const alpha = call.float('alpha', 1)
  const own = call.has(2) ? biases(call, outFeatures) : undefined
  const bias = takeBias(call, outFeatures, 1, own)
  const scaled = alpha === 1 ? weight : weight.map((w) => w * alpha)
  return call.result(call.builder.dense(call.origin, value.id, scaled, outFeatures, bias))
}

function biases(call: Call, outFeatures: number): Float32Array {
  const { dims, data } = call.floats(2, 'biases')
  const last = dims.at(-1) ?? 1
  if (dims.length > 2 || data.length !== last || (last !== 1 && last !== outFeatures)) {
    call.refuse(`biases of shape ${shapeText(dims)} for ${outFeatures} features`, 'Use one bias a feature.')
  }
  const beta = call.float('beta', 1)
  return Float32Array.from({ length: outFeatures }, (_, i) => beta * data[last === 1 ? 0 : i])
}

const matMul: Operator = (call) => {
  const value = vector(call)
  const { weight, outFeatures } = weightsFor(call, value, false)
  const bias = takeBias(call, outFeatures, 1)
  return call.result(call.builder.dense(call.origin, value.id, weight, outFeatures, bias))
}

export const DENSE: Readonly<Record<string, Operator>> = { Gemm: gemm, MatMul: matMul }
