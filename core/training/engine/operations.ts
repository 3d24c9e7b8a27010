/** {@link Operations} for any backend that has the kernels of kernels.ts. */
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from '@tensorflow/tfjs-core'
import { KERNELS, runKernel } from './kernels.ts'
import type { Operations, Padding, PoolOptions, TensorFlow } from './types.ts'

export function createOperations(tf: TensorFlow): Operations {
  const pad = (x: Tensor4D, [top, bottom, left, right]: Padding, value = 0): Tensor4D =>
    top + bottom + left + right === 0
      ? x
      : tf.pad4d(
          x,
          [
            [0, 0],
            [top, bottom],
            [left, right],
            [0, 0],
          ],
          value,
        )

  /** Every channel by itself: the k * k shifted inputs times their weights. */
  const depthwise = (x: Tensor4D, weight: Tensor4D, stride: number, padding: Padding): Tensor4D => {
    const padded = pad(x, padding)
    const [images, height, width, channels] = padded.shape
    const [rows, columns] = weight.shape
    const taps: Tensor4D[] = []
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const size: [number, number, number, number] = [images, height - rows + 1, width - columns + 1, channels]
        const shifted = tf.slice(padded, [0, row, column, 0], size)
        // An average over one position: every stride-th position, with a gradient.
        const sampled = stride === 1 ? shifted : tf.avgPool(shifted, 1, stride, 'valid')
        taps.push(tf.mul(sampled, tf.slice(weight, [row, column, 0, 0], [1, 1, 1, channels])))
      }
    }
    return tf.addN(taps)
  }

  const pool = (
    x: Tensor4D,
    { kernel, stride, padding }: PoolOptions,
    outside: number,
    type: 'maxPool' | 'avgPool',
  ): Tensor4D => tf[type](pad(x, [padding, padding, padding, padding], outside), [...kernel], stride, 'valid')

  const operations: Operations = {
    conv2d(x, weight, { stride, padding, groups = 1 }) {
      const sides: Padding = typeof padding === 'number' ? [padding, padding, padding, padding] : padding
      const [, , perGroup, outputs] = weight.shape
      if (x.shape[3] !== perGroup * groups || outputs % groups !== 0) {
        throw new RangeError(
          `a convolution of ${x.shape[3]} channels in ${groups} groups with a kernel of [${weight.shape.join(', ')}]`,
        )
      }
      const [top, bottom, left, right] = sides
      const convolve = (input: Tensor4D, kernel: Tensor4D): Tensor4D =>
        tf.conv2d(
          input,
          kernel,
          stride,
          top + bottom + left + right === 0
            ? 'valid'
            : [
                [0, 0],
                [top, bottom],
                [left, right],
                [0, 0],
              ],
        )
      if (groups === 1) return convolve(x, weight)
      if (perGroup === 1 && outputs === groups) return depthwise(x, weight, stride, sides)
      const kernels = tf.split<Tensor4D>(weight, groups, 3)
      return tf.concat(
        tf.split<Tensor4D>(x, groups, 3).map((part, group) => convolve(part, kernels[group])),
        3,
      )
    },
    batchNormTraining(x, gamma, beta, epsilon) {
      const [output, mean, variance, ...rest] = runKernel(tf, KERNELS.batchNorm, { x, gamma, beta }, { epsilon })
      tf.dispose(rest)
      return { output: output as Tensor4D, mean: mean as Tensor1D, variance: variance as Tensor1D }
    },
    relu: <T extends Tensor>(x: T) => runKernel(tf, KERNELS.relu, { x })[0] as T,
    slopedRelu(x, c) {
      if (c.rank !== 4 || c.shape.some((size, axis) => size !== 1 && size !== x.shape[axis])) {
        throw new RangeError(`slopes [${c.shape.join(', ')}] do not fit a feature map [${x.shape.join(', ')}]`)
      }
      return runKernel(tf, KERNELS.slopedRelu, { x, c })[0] as Tensor4D
    },
    maxPool: (x, options) => pool(x, options, Number.NEGATIVE_INFINITY, 'maxPool'),
    averagePool: (x, options) => pool(x, options, 0, 'avgPool'),
    globalAveragePool: (x) => tf.mean<Tensor2D>(x, [1, 2]),
    dense(x, weight, bias) {
      const product = tf.matMul<Tensor2D>(x, weight)
      return bias === undefined ? product : tf.add(product, bias)
    },
    softmaxCrossEntropy: (labels, logits) => tf.neg(tf.mean(tf.sum(tf.mul(labels, tf.logSoftmax(logits)), 1))),
  }
  // Each in a scope of its own, as tfjs's are: what it makes on the way is freed.
  return {
    conv2d: (x, weight, options) => tf.tidy(() => operations.conv2d(x, weight, options)),
    batchNormTraining: (x, gamma, beta, epsilon) =>
      tf.tidy(() => ({ ...operations.batchNormTraining(x, gamma, beta, epsilon) })),
    relu: (x) => operations.relu(x),
    slopedRelu: (x, c) => operations.slopedRelu(x, c),
    maxPool: (x, options) => tf.tidy(() => operations.maxPool(x, options)),
    averagePool: (x, options) => tf.tidy(() => operations.averagePool(x, options)),
    globalAveragePool: (x) => operations.globalAveragePool(x),
    dense: (x, weight, bias) => tf.tidy(() => operations.dense(x, weight, bias)),
    softmaxCrossEntropy: (labels, logits) => tf.tidy(() => operations.softmaxCrossEntropy(labels, logits)),
  }
}
