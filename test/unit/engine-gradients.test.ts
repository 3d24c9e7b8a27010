/** Every backend that loads computes each operation and its gradients as plain loops and finite differences do. */
import type { Scalar, Tensor } from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ENGINE_NAMES, type Engine, type Operations, type Padding } from '../../core/training/engine/index.ts'
import { only } from './engine-helpers.ts'
import * as reference from './engine-reference.ts'
import { type Forward, type Values, differences, distance, values } from './engine-reference.ts'

interface Case {
  readonly name: string
  readonly inputs: readonly Values[]
  readonly expected: Forward
  // Tensors of whatever ranks the case has.
  readonly engine: (ops: Operations, tensors: never[], tf: Engine['tf']) => Tensor
  /** Inputs without a gradient. */
  readonly constant?: readonly number[]
}

const sides = (padding: number | Padding): readonly number[] =>
  typeof padding === 'number' ? [padding, padding, padding, padding] : padding

function convolution(
  name: string,
  x: readonly number[],
  w: readonly number[],
  stride: number,
  padding: number | Padding,
  groups = 1,
): Case {
  return {
    name: `conv2d, ${name}`,
    inputs: [values(x, 1), values(w, 2)],
    expected: ([input, kernel]) => reference.conv2d(input, kernel, stride, sides(padding), groups),
    engine: (ops, [input, kernel]) => ops.conv2d(input, kernel, { stride, padding, groups }),
  }
}

const slopes = (shape: number[]): Case => ({
  name: `sloped ReLU, slopes [${shape.join(', ')}]`,
  inputs: [values([3, 4, 5, 2], 3), values(shape, 4)],
  expected: ([x, c]) => reference.slopedRelu(x, c),
  engine: (ops, [x, c]) => ops.slopedRelu(x, c),
})

const pooling = (
  type: 'max' | 'average',
  kernel: readonly [number, number],
  stride: number,
  padding: number,
): Case => ({
  name: `${type} pooling ${kernel.join(' x ')}, stride ${stride}, padding ${padding}`,
  inputs: [values([2, 6, 7, 3], 5)],
  expected: ([x]) => reference.pool(x, kernel, stride, padding, type),
  engine: (ops, [x]) => ops[type === 'max' ? 'maxPool' : 'averagePool'](x, { kernel, stride, padding }),
})

const CASES: readonly Case[] = [
  convolution('3 x 3, same size', [2, 5, 6, 3], [3, 3, 3, 4], 1, 1),
  convolution('3 x 3, stride 2, even size', [2, 6, 6, 2], [3, 3, 2, 3], 2, 1),
  convolution('3 x 3, stride 2, odd size', [1, 7, 5, 2], [3, 3, 2, 3], 2, 1),
  convolution('1 x 1, stride 2', [2, 6, 5, 3], [1, 1, 3, 4], 2, 0),
  convolution('5 x 3, no padding, stride 3', [1, 9, 8, 2], [5, 3, 2, 2], 3, 0),
  convolution('different padding on each side', [1, 5, 5, 2], [3, 3, 2, 2], 1, [0, 2, 1, 0]),
  convolution('padding wider than the kernel', [1, 4, 4, 1], [2, 2, 1, 2], 2, 3),
  // TensorFlow 2.18's explicit padding ends the process with a segmentation fault here.
  convolution('windows that lie in the padding', [2, 3, 1, 3], [2, 1, 3, 1], 3, [1, 1, 2, 3]),
  convolution('two groups', [2, 5, 5, 4], [3, 3, 2, 6], 1, 1, 2),
  convolution('depthwise, stride 2', [2, 6, 6, 3], [3, 3, 1, 3], 2, 1, 3),
  {
    name: 'dense',
    inputs: [values([3, 5], 6), values([5, 4], 7), values([4], 8)],
    expected: ([x, w, b]) => reference.dense(x, w, b),
    engine: (ops, [x, w, b]) => ops.dense(x, w, b),
  },
  {
    name: 'batch norm in training mode',
    inputs: [values([3, 4, 4, 3], 9), values([3], 10), values([3], 11)],
    expected: ([x, gamma, beta]) => reference.batchNorm(x, gamma, beta, 1e-3),
    engine: (ops, [x, gamma, beta]) => ops.batchNormTraining(x, gamma, beta, 1e-3).output,
  },
  {
    name: 'ReLU',
    inputs: [values([2, 4, 4, 3], 12)],
    expected: ([x]) => ({ shape: x.shape, data: x.data.map((value) => Math.max(value, 0)) }),
    engine: (ops, [x]) => ops.relu(x),
  },
  slopes([3, 4, 5, 2]),
  slopes([1, 4, 5, 2]),
  slopes([1, 1, 1, 2]),
  pooling('max', [2, 2], 2, 0),
  pooling('max', [3, 3], 2, 1),
  pooling('average', [2, 2], 2, 0),
  pooling('average', [3, 2], 2, 1),
  {
    name: 'global average pooling',
    inputs: [values([2, 3, 4, 3], 13)],
    expected: ([x]) => reference.fill([2, 3], (n, c) => reference.moments(image(x, n)).mean[c]),
    engine: (ops, [x]) => ops.globalAveragePool(x),
  },
  {
    name: 'addition',
    inputs: [values([2, 3, 3, 2], 14), values([2, 3, 3, 2], 15)],
    expected: ([a, b]) => ({ shape: a.shape, data: a.data.map((value, i) => value + b.data[i]) }),
    engine: (_, [a, b], tf) => tf.add(a, b),
  },
  {
    name: 'softmax cross entropy',
    inputs: [
      reference.fill([3, 4], (row, k) => (k === row ? 0.9 : 0.1 / 3)),
      { shape: [3, 4], data: values([3, 4], 16).data.map((value) => value * 8) },
    ],
    expected: ([labels, logits]) => reference.softmaxCrossEntropy(labels, logits),
    engine: (ops, [labels, logits]) => ops.softmaxCrossEntropy(labels, logits),
    constant: [0],
  },
]

function image(x: Values, n: number): Values {
  const each = x.data.length / x.shape[0]
  return { shape: [1, ...x.shape.slice(1)], data: x.data.slice(n * each, (n + 1) * each) }
}

describe.each(ENGINE_NAMES)('%s', (name) => {
  let found: Awaited<ReturnType<typeof only>>
  beforeAll(async () => {
    found = await only(name)
  })
  afterAll(() => {
    if ('engine' in found) found.engine.dispose()
  })

  it.for(CASES)('$name', ({ inputs, expected, engine: run, constant = [] }, context) => {
    if ('why' in found) return context.skip(`${name} does not load: ${found.why}`)
    const { tf, ops } = found.engine
    expect(tf.getBackend()).toBe(found.engine.backend)
    const before = tf.memory().numTensors
    const tensors = inputs.map(({ shape, data }) => tf.tensor(Float32Array.from(data), [...shape]))

    const want = expected(inputs)
    const out = tf.tidy(() => run(ops, tensors as never[], tf))
    expect(out.shape).toEqual(want.shape)
    expect(distance(out.dataSync(), want.data)).toBeLessThan(1e-5)

    // Weights of different size and sign, so that no two outputs can be mistaken for each other.
    const weights = values(want.shape, 99).data
    const weighed = (...given: Tensor[]): Scalar =>
      tf.sum(tf.mul(run(ops, given as never[], tf), tf.tensor(Float32Array.from(weights), [...want.shape])))
    const gradients = tf.grads(weighed)(tensors)
    for (const [which, gradient] of gradients.entries()) {
      if (constant.includes(which)) continue
      expect(gradient.shape).toEqual(inputs[which].shape)
      const exact = differences(expected, inputs, which, weights)
      expect(distance(gradient.dataSync(), exact), `gradient of input ${which}`).toBeLessThan(1e-4)
    }
    tf.dispose([...tensors, out, ...gradients])
    // Nothing stays behind: a leak of one tensor a step ends a training run.
    expect(tf.memory().numTensors).toBe(before)
  })

  it('gives the mean and the biased variance of the batch', (context) => {
    if ('why' in found) return context.skip(`${name} does not load: ${found.why}`)
    const { tf, ops } = found.engine
    const x = values([3, 4, 4, 3], 20)
    // A mean far from 0, where E[x^2] - E[x]^2 would lose the variance.
    x.data.forEach((value, i) => (x.data[i] = Math.fround(value + 300)))
    tf.tidy(() => {
      const given = tf.tensor4d(Float32Array.from(x.data), [3, 4, 4, 3])
      const { mean, variance } = ops.batchNormTraining(given, tf.ones([3]), tf.zeros([3]), 1e-5)
      const want = reference.moments(x)
      expect(distance(mean.dataSync(), want.mean)).toBeLessThan(1e-6)
      expect(distance(variance.dataSync(), want.variance)).toBeLessThan(1e-3)
    })
  })
})
