/** Convolution and matrix-vector product in the ring, modulo 2^32 or 2^64. */
import { convOutput, type ConvGeometry } from '../../ring/geometry.ts'
import { checkConv, checkMatvec } from '../check.ts'
import { addShifted, limbBits, limbCount, limbOf, maxMagnitude } from './limbs.ts'

type Numbers = Int32Array | Float64Array

/** Copies [channels][height][width] into the middle of a zeroed `out` with `padding` on all four sides. */
function pad<T extends Numbers>(image: T, g: ConvGeometry, out: T): T {
  const width = g.inWidth + 2 * g.padding
  const height = g.inHeight + 2 * g.padding
  for (let c = 0; c < g.inChannels; c++) {
    for (let y = 0; y < g.inHeight; y++) {
      const at = (c * g.inHeight + y) * g.inWidth
      const to = (c * height + y + g.padding) * width + g.padding
      for (let x = 0; x < g.inWidth; x++) out[to + x] = image[at + x]
    }
  }
  return out
}

function paddedLength(g: ConvGeometry): number {
  return g.inChannels * (g.inHeight + 2 * g.padding) * (g.inWidth + 2 * g.padding)
}

/** Calls `row(weight, from, to)` for each tap of output channel `m` and each output row; offsets into image and plane. */
function eachTapRow(
  weights: Int32Array,
  g: ConvGeometry,
  m: number,
  row: (weight: number, from: number, to: number) => void,
): void {
  const { height, width } = convOutput(g)
  const [paddedHeight, paddedWidth] = [g.inHeight + 2 * g.padding, g.inWidth + 2 * g.padding]
  const channels = g.inChannels / g.groups
  const firstChannel = Math.floor(m / (g.outChannels / g.groups)) * channels
  let tap = m * channels * g.kernelHeight * g.kernelWidth
  for (let c = firstChannel; c < firstChannel + channels; c++) {
    for (let ky = 0; ky < g.kernelHeight; ky++) {
      for (let kx = 0; kx < g.kernelWidth; kx++) {
        const weight = weights[tap++]
        for (let y = 0; y < height; y++) {
          row(weight, (c * paddedHeight + y * g.stride + ky) * paddedWidth + kx, y * width)
        }
      }
    }
  }
}

export function conv2d(words: Uint32Array, stride: 1 | 2, weights: Int32Array, g: ConvGeometry): Uint32Array {
  checkConv(words, stride, weights, g)
  const { height, width } = convOutput(g)
  const plane = height * width
  const out = new Uint32Array(g.outChannels * plane * stride)
  const step = g.stride
  if (stride === 1) {
    const source = new Int32Array(words.buffer, words.byteOffset, words.length)
    const image = pad(source, g, new Int32Array(paddedLength(g)))
    for (let m = 0; m < g.outChannels; m++) {
      const sums = new Int32Array(out.buffer, m * plane * 4, plane)
      eachTapRow(weights, g, m, (weight, from, to) => {
        for (let x = 0; x < width; x++) sums[to + x] += Math.imul(weight, image[from + x * step])
      })
    }
    return out
  }
  const taps = (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth
  const bits = limbBits(taps, maxMagnitude(weights))
  const sums = new Float64Array(plane)
  for (let limb = 0; limb < limbCount(bits); limb++) {
    const image = pad(limbOf(words, bits, limb), g, new Float64Array(paddedLength(g)))
    for (let m = 0; m < g.outChannels; m++) {
      sums.fill(0)
      eachTapRow(weights, g, m, (weight, from, to) => {
        for (let x = 0; x < width; x++) sums[to + x] += weight * image[from + x * step]
      })
      for (let i = 0; i < plane; i++) addShifted(out, m * plane + i, sums[i], bits * limb)
    }
  }
  return out
}

export function matvec(
  words: Uint32Array,
  stride: 1 | 2,
  weights: Int32Array,
  rows: number,
  cols: number,
): Uint32Array {
  checkMatvec(words, stride, weights, rows, cols)
  const out = new Uint32Array(rows * stride)
  if (stride === 1) {
    for (let r = 0; r < rows; r++) {
      let sum = 0
      for (let c = 0; c < cols; c++) sum = (sum + Math.imul(weights[r * cols + c], words[c])) | 0
      out[r] = sum
    }
    return out
  }
  const bits = limbBits(cols, maxMagnitude(weights))
  for (let limb = 0; limb < limbCount(bits); limb++) {
    const vector = limbOf(words, bits, limb)
    for (let r = 0; r < rows; r++) {
      let sum = 0
      for (let c = 0; c < cols; c++) sum += weights[r * cols + c] * vector[c]
      addShifted(out, r, sum, bits * limb)
    }
  }
  return out
}
