/**
 * Forward and backward of the layers that the digits network is made of, on batches laid out
 * [image][row][column][channel] so that convolutions are one matrix product.
 */
import { multiply, transpose, type Matrix } from './matmul.ts'

/** Square maps: side and channels. */
export interface MapSize {
  readonly side: number
  readonly channels: number
}

/**
 * Patches of valid k x k windows: [images * out * out][k * k * channels], rows in image, row, column order, columns
 * in kernel row, kernel column, channel order.
 */
export function patches(input: Float32Array, images: number, { side, channels }: MapSize, kernel: number): Matrix {
  const out = side - kernel + 1
  const run = kernel * channels
  const result = new Float32Array(images * out * out * kernel * run)
  let to = 0
  for (let image = 0; image < images; image++) {
    for (let y = 0; y < out; y++) {
      for (let x = 0; x < out; x++) {
        for (let ky = 0; ky < kernel; ky++) {
          let from = ((image * side + y + ky) * side + x) * channels
          for (let i = 0; i < run; i++) result[to++] = input[from++]
        }
      }
    }
  }
  return result
}

/** The adjoint of {@link patches}: adds every patch entry back to the pixel it came from. */
export function scatterPatches(
  grad: Matrix,
  images: number,
  { side, channels }: MapSize,
  kernel: number,
): Float32Array {
  const out = side - kernel + 1
  const run = kernel * channels
  const result = new Float32Array(images * side * side * channels)
  let from = 0
  for (let image = 0; image < images; image++) {
    for (let y = 0; y < out; y++) {
      for (let x = 0; x < out; x++) {
        for (let ky = 0; ky < kernel; ky++) {
          let to = ((image * side + y + ky) * side + x) * channels
          for (let i = 0; i < run; i++) result[to++] += grad[from++]
        }
      }
    }
  }
  return result
}

/** x [rows][inputs] * weight [inputs][outputs] + bias [outputs], then ReLU when `relu`. */
export function affine(x: Matrix, weight: Matrix, bias: Float32Array, rows: number, relu: boolean): Matrix {
  const outputs = bias.length
  const y = multiply(x, weight, rows, weight.length / outputs, outputs)
  for (let i = 0, at = 0; i < rows; i++) {
    for (let o = 0; o < outputs; o++, at++) {
      const value = y[at] + bias[o]
      y[at] = relu && value < 0 ? 0 : value
    }
  }
  return y
}

export interface AffineGradient {
  readonly weight: Float32Array
  readonly bias: Float32Array
  /** Gradient of x; absent for the first layer, which does not need it. */
  readonly x: Matrix | undefined
}

/** Gradients of {@link affine} from that of its output (before the ReLU, see {@link maskByRelu}). */
export function affineGradient(x: Matrix, weight: Matrix, grad: Matrix, rows: number, needX: boolean): AffineGradient {
  const outputs = grad.length / rows
  const inputs = weight.length / outputs
  const bias = new Float32Array(outputs)
  for (let i = 0, at = 0; i < rows; i++) for (let o = 0; o < outputs; o++, at++) bias[o] += grad[at]
  return {
    weight: multiply(transpose(x, rows, inputs), grad, inputs, rows, outputs),
    bias,
    x: needX ? multiply(grad, transpose(weight, inputs, outputs), rows, outputs, inputs) : undefined,
  }
}

/** Zeroes the gradient, in place, where the ReLU's output was zero. */
export function maskByRelu(grad: Float32Array, output: Float32Array): Float32Array {
  for (let i = 0; i < grad.length; i++) if (output[i] <= 0) grad[i] = 0
  return grad
}

/** 2x2 maximum, stride 2; `from` is the index of the maximum in the input, for the backward pass. */
export function maxPool(input: Float32Array, images: number, { side, channels }: MapSize) {
  const half = side >> 1
  const output = new Float32Array(images * half * half * channels)
  const from = new Uint32Array(output.length)
  let to = 0
  for (let image = 0; image < images; image++) {
    for (let y = 0; y < half; y++) {
      for (let x = 0; x < half; x++) {
        const corner = ((image * side + 2 * y) * side + 2 * x) * channels
        for (let c = 0; c < channels; c++, to++) {
          let best = corner + c
          for (const other of [best + channels, best + side * channels, best + (side + 1) * channels]) {
            if (input[other] > input[best]) best = other
          }
          output[to] = input[best]
          from[to] = best
        }
      }
    }
  }
  return { output, from }
}

/** The adjoint of {@link maxPool}. */
export function maxPoolGradient(grad: Float32Array, from: Uint32Array, inputLength: number): Float32Array {
  const out = new Float32Array(inputLength)
  for (let i = 0; i < grad.length; i++) out[from[i]] += grad[i]
  return out
}

/** Mean cross-entropy with label smoothing, and its gradient with respect to the logits. */
export function crossEntropy(logits: Matrix, labels: Uint8Array, classes: number, smoothing: number) {
  const rows = labels.length
  const grad = new Float32Array(logits.length)
  let loss = 0
  for (let i = 0; i < rows; i++) {
    const row = logits.subarray(i * classes, (i + 1) * classes)
    let top = -Infinity
    for (const value of row) top = Math.max(top, value)
    let sum = 0
    for (const value of row) sum += Math.exp(value - top)
    const logSum = top + Math.log(sum)
    for (let c = 0; c < classes; c++) {
      const target = (c === labels[i] ? 1 - smoothing : 0) + smoothing / classes
      loss -= (target * (row[c] - logSum)) / rows
      grad[i * classes + c] = (Math.exp(row[c] - logSum) - target) / rows
    }
  }
  return { loss, grad }
}
