/** The digits network with its weights: forward, gradients, and the tensors of the interchange layout. */
import type { Tensor } from '../../network/graph.ts'
import { affine, affineGradient, crossEntropy, maskByRelu, maxPool, maxPoolGradient } from './layers.ts'
import { patches, scatterPatches } from './layers.ts'
import type { Matrix } from './matmul.ts'
import type { DigitsShape } from './network.ts'
import type { TrainingRandom } from './random.ts'

export type ParameterName = `${'conv1' | 'conv2' | 'dense1' | 'dense2'}.${'weight' | 'bias'}`

/** Weights [inputs][outputs] with inputs in kernel row, kernel column, channel order (row, column, channel for dense1). */
export type Parameters = Record<ParameterName, Float32Array>

export const PARAMETER_NAMES: readonly ParameterName[] = [
  'conv1.weight',
  'conv1.bias',
  'conv2.weight',
  'conv2.bias',
  'dense1.weight',
  'dense1.bias',
  'dense2.weight',
  'dense2.bias',
]

/** Sides of the maps after each convolution and pool. */
export function sides({ side, kernel }: DigitsShape) {
  const conv1 = side - kernel + 1
  const pool1 = conv1 >> 1
  const conv2 = pool1 - kernel + 1
  return { conv1, pool1, conv2, pool2: conv2 >> 1 }
}

/** He's initialisation: normal weights of variance 2 / inputs, zero biases. */
export function initialParameters(shape: DigitsShape, random: TrainingRandom): Parameters {
  const area = shape.kernel ** 2
  const [first, second] = shape.channels
  const layer = (inputs: number, outputs: number) => {
    const deviation = Math.sqrt(2 / inputs)
    const weight = new Float32Array(inputs * outputs)
    for (let i = 0; i < weight.length; i++) weight[i] = random.normal() * deviation
    return { weight, bias: new Float32Array(outputs) }
  }
  const conv1 = layer(area, first)
  const conv2 = layer(area * first, second)
  const dense1 = layer(sides(shape).pool2 ** 2 * second, shape.hidden)
  const dense2 = layer(shape.hidden, shape.classes)
  return {
    'conv1.weight': conv1.weight,
    'conv1.bias': conv1.bias,
    'conv2.weight': conv2.weight,
    'conv2.bias': conv2.bias,
    'dense1.weight': dense1.weight,
    'dense1.bias': dense1.bias,
    'dense2.weight': dense2.weight,
    'dense2.bias': dense2.bias,
  }
}

/** Every intermediate that the backward pass reads. */
function run(parameters: Parameters, shape: DigitsShape, images: Float32Array, dropped?: Float32Array) {
  const { side, kernel, channels } = shape
  const count = images.length / side ** 2
  const at = sides(shape)
  const patches1 = patches(images, count, { side, channels: 1 }, kernel)
  const relu1 = affine(patches1, parameters['conv1.weight'], parameters['conv1.bias'], count * at.conv1 ** 2, true)
  const pool1 = maxPool(relu1, count, { side: at.conv1, channels: channels[0] })
  const patches2 = patches(pool1.output, count, { side: at.pool1, channels: channels[0] }, kernel)
  const relu2 = affine(patches2, parameters['conv2.weight'], parameters['conv2.bias'], count * at.conv2 ** 2, true)
  const pool2 = maxPool(relu2, count, { side: at.conv2, channels: channels[1] })
  const relu3 = affine(pool2.output, parameters['dense1.weight'], parameters['dense1.bias'], count, true)
  if (dropped) for (let i = 0; i < relu3.length; i++) relu3[i] *= dropped[i]
  const logits = affine(relu3, parameters['dense2.weight'], parameters['dense2.bias'], count, false)
  return { count, patches1, relu1, pool1, patches2, relu2, pool2, relu3, logits }
}

/** Logits [images][classes] for images [images][side][side] in 0 to 1. */
export function forward(parameters: Parameters, shape: DigitsShape, images: Float32Array): Matrix {
  return run(parameters, shape, images).logits
}

/**
 * Loss of a batch and its gradient.
 * @param dropped [images][hidden] factors on the hidden layer: 0 drops, 1 / (1 - rate) keeps (inverted dropout)
 */
export function gradients(
  parameters: Parameters,
  shape: DigitsShape,
  images: Float32Array,
  labels: Uint8Array,
  { smoothing = 0, dropped }: { smoothing?: number; dropped?: Float32Array } = {},
): { loss: number; grads: Parameters } {
  const { kernel, channels, classes } = shape
  const at = sides(shape)
  const pass = run(parameters, shape, images, dropped)
  const { count } = pass
  const { loss, grad } = crossEntropy(pass.logits, labels, classes, smoothing)
  const dense2 = affineGradient(pass.relu3, parameters['dense2.weight'], grad, count, true)
  const hidden = maskByRelu(dense2.x!, pass.relu3)
  if (dropped) for (let i = 0; i < hidden.length; i++) hidden[i] *= dropped[i]
  const dense1 = affineGradient(pass.pool2.output, parameters['dense1.weight'], hidden, count, true)
  const map2 = maskByRelu(maxPoolGradient(dense1.x!, pass.pool2.from, pass.relu2.length), pass.relu2)
  const conv2 = affineGradient(pass.patches2, parameters['conv2.weight'], map2, count * at.conv2 ** 2, true)
  const pooled = scatterPatches(conv2.x!, count, { side: at.pool1, channels: channels[0] }, kernel)
  const map1 = maskByRelu(maxPoolGradient(pooled, pass.pool1.from, pass.relu1.length), pass.relu1)
  const conv1 = affineGradient(pass.patches1, parameters['conv1.weight'], map1, count * at.conv1 ** 2, false)
  return {
    loss,
    grads: {
      'conv1.weight': conv1.weight,
      'conv1.bias': conv1.bias,
      'conv2.weight': conv2.weight,
      'conv2.bias': conv2.bias,
      'dense1.weight': dense1.weight,
      'dense1.bias': dense1.bias,
      'dense2.weight': dense2.weight,
      'dense2.bias': dense2.bias,
    },
  }
}

/** The weights in the layout of core/network/graph.ts: convolutions [out][in][kh][kw], dense [out][in], maps flattened channel first. */
export function toTensors(parameters: Parameters, shape: DigitsShape): Map<string, Tensor> {
  const { kernel, channels, hidden, classes } = shape
  const map = sides(shape).pool2
  const tensors = new Map<string, Tensor>()
  const add = (name: ParameterName, dims: readonly number[], data: Float32Array) =>
    tensors.set(name, { shape: dims, data })
  const conv = (name: 'conv1.weight' | 'conv2.weight', inputs: number, outputs: number) =>
    add(name, [outputs, inputs, kernel, kernel], channelFirst(parameters[name], kernel, inputs, outputs))
  conv('conv1.weight', 1, channels[0])
  add('conv1.bias', [channels[0]], parameters['conv1.bias'])
  conv('conv2.weight', channels[0], channels[1])
  add('conv2.bias', [channels[1]], parameters['conv2.bias'])
  add(
    'dense1.weight',
    [hidden, channels[1] * map ** 2],
    channelFirst(parameters['dense1.weight'], map, channels[1], hidden),
  )
  add('dense1.bias', [hidden], parameters['dense1.bias'])
  add('dense2.weight', [classes, hidden], channelFirst(parameters['dense2.weight'], 1, hidden, classes))
  add('dense2.bias', [classes], parameters['dense2.bias'])
  return tensors
}

/** [row][column][channel][out] to [out][channel][row][column] for a square of that side. */
function channelFirst(weight: Float32Array, side: number, channels: number, outputs: number): Float32Array {
  const result = new Float32Array(weight.length)
  for (let p = 0; p < side ** 2; p++) {
    for (let c = 0; c < channels; c++) {
      for (let o = 0; o < outputs; o++) {
        result[(o * channels + c) * side ** 2 + p] = weight[(p * channels + c) * outputs + o]
      }
    }
  }
  return result
}
