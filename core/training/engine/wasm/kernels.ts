/**
 * Gradients for the WASM backend. Of convolutions it has none for filters and only a slow one (plain C++ loops) for
 * inputs; both are written here as convolutions, for which it has fast kernels (XNNPACK).
 */
import type { KernelConfig, NamedAttrMap, Tensor4D } from '@tensorflow/tfjs-core'
import type { TensorFlow } from '../types.ts'

type Kernel = (tf: TensorFlow, inputs: Readonly<Record<string, Tensor4D>>, attrs: NamedAttrMap) => Tensor4D

function geometry(tf: TensorFlow, inputShape: readonly number[], attrs: NamedAttrMap, filter: readonly number[]) {
  if (attrs.dataFormat !== 'NHWC') throw new RangeError('the WASM engine computes convolutions in NHWC')
  return tf.backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    filter as [number, number, number, number],
    attrs.strides as number | [number, number],
    1,
    attrs.pad as Parameters<TensorFlow['conv2d']>[3],
    attrs.dimRoundingMode as 'floor' | 'round' | 'ceil' | undefined,
  )
}

/**
 * dW[r][s][i][o] = sum over n, y, x of X[n][y stride + r - top][x stride + s - left][i] dY[n][y][x][o]: a convolution
 * with input channels as the batch, images as the channels, dY as the kernel and the stride as its dilation.
 */
const filterGradient: Kernel = (tf, { x, dy }, attrs) => {
  const info = geometry(tf, x.shape, attrs, attrs.filterShape as number[])
  const rows = info.filterHeight
  const columns = info.filterWidth
  const images = tf.transpose(x, [3, 1, 2, 0])
  const kernel = tf.transpose(dy, [1, 2, 0, 3])
  // What the windows cover; the last rows and columns that the stride never reached would give rows of the gradient
  // that do not exist.
  const bottom = (info.outHeight - 1) * info.strideHeight + rows - info.inHeight - info.padInfo.top
  const right = (info.outWidth - 1) * info.strideWidth + columns - info.inWidth - info.padInfo.left
  const fitted = reframe(tf, images, [info.padInfo.top, bottom, info.padInfo.left, right])
  // tf.conv2d would refuse a dilation with explicit padding, so there is none here.
  const gradient = tf.conv2d(fitted, kernel, 1, 'valid', 'NHWC', [info.strideHeight, info.strideWidth])
  return tf.transpose(gradient, [1, 2, 0, 3])
}

/** Adds rows and columns of zeros, or takes them away where a side is negative: more than x has, if others add them. */
function reframe(tf: TensorFlow, x: Tensor4D, [top, bottom, left, right]: readonly number[]): Tensor4D {
  const grow = [top, bottom, left, right].map((side) => Math.max(side, 0))
  const padded = grow.some((side) => side > 0)
    ? tf.pad4d(x, [
        [0, 0],
        [grow[0], grow[1]],
        [grow[2], grow[3]],
        [0, 0],
      ])
    : x
  const height = x.shape[1] + top + bottom
  const width = x.shape[2] + left + right
  if (height === padded.shape[1] && width === padded.shape[2]) return padded
  return tf.slice(padded, [0, grow[0] - top, grow[2] - left, 0], [-1, height, width, -1])
}

/** dX is dY, spread by the stride, convolved with the kernel turned by half a turn, inputs and outputs exchanged. */
const inputGradient: Kernel = (tf, { dy, filter }, attrs) => {
  const info = geometry(tf, attrs.inputShape as number[], attrs, filter.shape)
  const spread = spreadOut(tf, dy, info.strideHeight, info.strideWidth)
  const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2])
  // Output row y reads spread rows y + top - rows + 1 ... y + top; what is outside is zero.
  const top = info.filterHeight - 1 - info.padInfo.top
  const left = info.filterWidth - 1 - info.padInfo.left
  const bottom = info.inHeight + info.padInfo.top - spread.shape[1]
  const right = info.inWidth + info.padInfo.left - spread.shape[2]
  return tf.conv2d(reframe(tf, spread, [top, bottom, left, right]), turned, 1, 'valid')
}

/** Puts stride - 1 zeros between rows and columns. */
function spreadOut(tf: TensorFlow, dy: Tensor4D, strideHeight: number, strideWidth: number): Tensor4D {
  if (strideHeight === 1 && strideWidth === 1) return dy
  const [images, height, width, channels] = dy.shape
  // As columns of channels: zeros behind each column's channels, then zeros behind each row.
  const columns = tf.pad2d(tf.reshape(dy, [images * height * width, channels]), [
    [0, 0],
    [0, channels * (strideWidth - 1)],
  ])
  const row = width * strideWidth * channels
  const rows = tf.pad2d(tf.reshape(columns, [images * height, row]), [
    [0, 0],
    [0, row * (strideHeight - 1)],
  ])
  const full: Tensor4D = tf.reshape(rows, [images, height * strideHeight, width * strideWidth, channels])
  return tf.slice(
    full,
    [0, 0, 0, 0],
    [images, (height - 1) * strideHeight + 1, (width - 1) * strideWidth + 1, channels],
  )
}

/**
 * The backend's own (4.22) starts its search for a window's maximum at the smallest positive number, so that the
 * gradient of a window with nothing but negative values goes to the first value of the batch. Plain loops here.
 */
const maxPoolGradient: Kernel = (tf, { dy, input }, attrs) => {
  const info = tf.backend_util.computePool2DInfo(
    input.shape,
    attrs.filterSize as [number, number],
    attrs.strides as [number, number],
    1,
    attrs.pad as 'valid' | 'same' | number,
    attrs.dimRoundingMode as 'floor' | 'round' | 'ceil' | undefined,
  )
  const { inHeight, inWidth, inChannels: channels, strideHeight, strideWidth } = info
  const x = input.dataSync<'float32'>()
  const gradient = dy.dataSync<'float32'>()
  const dx = new Float32Array(x.length)
  let position = 0
  for (let image = 0; image < info.batchSize; image++) {
    for (let outRow = 0; outRow < info.outHeight; outRow++) {
      const top = Math.max(outRow * strideHeight - info.padInfo.top, 0)
      const bottom = Math.min(outRow * strideHeight - info.padInfo.top + info.filterHeight, inHeight)
      for (let outColumn = 0; outColumn < info.outWidth; outColumn++) {
        const left = Math.max(outColumn * strideWidth - info.padInfo.left, 0)
        const right = Math.min(outColumn * strideWidth - info.padInfo.left + info.filterWidth, inWidth)
        for (let channel = 0; channel < channels; channel++) {
          let best = ((image * inHeight + top) * inWidth + left) * channels + channel
          for (let row = top; row < bottom; row++) {
            for (let column = left; column < right; column++) {
              const index = ((image * inHeight + row) * inWidth + column) * channels + channel
              if (x[index] > x[best]) best = index
            }
          }
          dx[best] += gradient[position++]
        }
      }
    }
  }
  return tf.tensor4d(dx, input.shape)
}

/** Registers them, in place of the backend's own. */
export function registerWasmKernels(tf: TensorFlow): void {
  const add = (kernelName: string, kernel: Kernel): void => {
    const kernelFunc: KernelConfig['kernelFunc'] = ({ inputs, attrs }) =>
      tf.tidy(() => kernel(tf, inputs as Record<string, Tensor4D>, attrs as NamedAttrMap))
    if (tf.getKernel(kernelName, 'wasm') !== undefined) tf.unregisterKernel(kernelName, 'wasm')
    tf.registerKernel({ kernelName, backendName: 'wasm', kernelFunc })
  }
  add('Conv2DBackpropFilter', filterGradient)
  add('Conv2DBackpropInput', inputGradient)
  add('MaxPoolGrad', maxPoolGradient)
}
