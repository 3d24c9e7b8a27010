/**
 * Convolution in double precision for the clear runs, float and fixed-point alike: exact on integers while every
 * partial sum stays below 2^53. A blocked matrix product over gathered columns, 4 x 4 outputs in registers.
 */
import { convOutput, type ConvGeometry } from '../ring/geometry.ts'

/** Rows and columns of a register tile. */
const TILE = 4

/** Weights of one layer, laid out for {@link convolve}. */
export interface PackedWeights {
  readonly geometry: ConvGeometry
  /** [groups][row tiles][(inChannels / groups) * kh * kw][4], the last tile of a group padded with zero rows. */
  readonly panels: Float64Array
}

/** Packs weights [outChannels][inChannels / groups][kernelHeight][kernelWidth]. */
export function packWeights(geometry: ConvGeometry, weights: ArrayLike<number>): PackedWeights {
  const rows = geometry.outChannels / geometry.groups
  const depth = (geometry.inChannels / geometry.groups) * geometry.kernelHeight * geometry.kernelWidth
  if (weights.length !== geometry.outChannels * depth) {
    throw new RangeError(`expected ${geometry.outChannels * depth} weights, got ${weights.length}`)
  }
  const tiles = Math.ceil(rows / TILE)
  const panels = new Float64Array(geometry.groups * tiles * depth * TILE)
  for (let g = 0; g < geometry.groups; g++) {
    for (let m = 0; m < rows; m++) {
      const from = (g * rows + m) * depth
      const to = (g * tiles + Math.floor(m / TILE)) * depth * TILE + (m % TILE)
      for (let k = 0; k < depth; k++) panels[to + k * TILE] = weights[from + k]
    }
  }
  return { geometry, panels }
}

/** Copy of [channels][height][width] with zeros around every channel. */
function padded(x: ArrayLike<number>, g: ConvGeometry): Float64Array {
  const height = g.inHeight + 2 * g.padding
  const width = g.inWidth + 2 * g.padding
  const out = new Float64Array(g.inChannels * height * width)
  for (let c = 0; c < g.inChannels; c++) {
    for (let y = 0; y < g.inHeight; y++) {
      const from = (c * g.inHeight + y) * g.inWidth
      const to = (c * height + y + g.padding) * width + g.padding
      for (let i = 0; i < g.inWidth; i++) out[to + i] = x[from + i]
    }
  }
  return out
}

/** out[0..3][0..3] = a tile of 4 weight rows times a panel of 4 columns; `out` is 16 numbers, row by row. */
function product(weights: Float64Array, at: number, columns: Float64Array, depth: number, out: Float64Array): void {
  let [c00, c01, c02, c03] = [0, 0, 0, 0]
  let [c10, c11, c12, c13] = [0, 0, 0, 0]
  let [c20, c21, c22, c23] = [0, 0, 0, 0]
  let [c30, c31, c32, c33] = [0, 0, 0, 0]
  for (let k = 0, a = at, b = 0; k < depth; k++, a += 4, b += 4) {
    const b0 = columns[b]
    const b1 = columns[b + 1]
    const b2 = columns[b + 2]
    const b3 = columns[b + 3]
    let w = weights[a]
    c00 += w * b0
    c01 += w * b1
    c02 += w * b2
    c03 += w * b3
    w = weights[a + 1]
    c10 += w * b0
    c11 += w * b1
    c12 += w * b2
    c13 += w * b3
    w = weights[a + 2]
    c20 += w * b0
    c21 += w * b1
    c22 += w * b2
    c23 += w * b3
    w = weights[a + 3]
    c30 += w * b0
    c31 += w * b1
    c32 += w * b2
    c33 += w * b3
  }
  out[0] = c00
  out[1] = c01
  out[2] = c02
  out[3] = c03
  out[4] = c10
  out[5] = c11
  out[6] = c12
  out[7] = c13
  out[8] = c20
  out[9] = c21
  out[10] = c22
  out[11] = c23
  out[12] = c30
  out[13] = c31
  out[14] = c32
  out[15] = c33
}

/**
 * Convolution of one image [inChannels][inHeight][inWidth] plus `bias` (one an output channel, or none), to
 * `out` of [outChannels][outHeight][outWidth].
 */
export function convolve<T extends Float32Array | Float64Array>(
  layer: PackedWeights,
  x: ArrayLike<number>,
  bias: ArrayLike<number> | undefined,
  out: T,
): T {
  const g = layer.geometry
  const { height: outHeight, width: outWidth } = convOutput(g)
  const spatial = outHeight * outWidth
  if (x.length !== g.inChannels * g.inHeight * g.inWidth) throw new RangeError(`input has ${x.length} elements`)
  if (out.length !== g.outChannels * spatial) throw new RangeError(`output has ${out.length} elements`)
  const image = padded(x, g)
  const width = g.inWidth + 2 * g.padding
  const plane = (g.inHeight + 2 * g.padding) * width
  const groupChannels = g.inChannels / g.groups
  const depth = groupChannels * g.kernelHeight * g.kernelWidth
  const taps = new Int32Array(depth)
  let tap = 0
  for (let c = 0; c < groupChannels; c++)
    for (let ky = 0; ky < g.kernelHeight; ky++)
      for (let kx = 0; kx < g.kernelWidth; kx++) taps[tap++] = c * plane + ky * width + kx
  const places = new Int32Array(Math.ceil(spatial / TILE) * TILE)
  for (let i = 0; i < spatial; i++) places[i] = (Math.floor(i / outWidth) * width + (i % outWidth)) * g.stride
  const rows = g.outChannels / g.groups
  const tiles = Math.ceil(rows / TILE)
  const columns = new Float64Array(depth * TILE)
  const tile = new Float64Array(TILE * TILE)
  for (let group = 0; group < g.groups; group++) {
    const base = group * groupChannels * plane
    for (let n = 0; n < spatial; n += TILE) {
      const [p0, p1, p2, p3] = [places[n], places[n + 1], places[n + 2], places[n + 3]]
      for (let k = 0, at = 0; k < depth; k++, at += TILE) {
        const from = base + taps[k]
        columns[at] = image[from + p0]
        columns[at + 1] = image[from + p1]
        columns[at + 2] = image[from + p2]
        columns[at + 3] = image[from + p3]
      }
      const width4 = Math.min(TILE, spatial - n)
      for (let t = 0; t < tiles; t++) {
        product(layer.panels, (group * tiles + t) * depth * TILE, columns, depth, tile)
        const rows4 = Math.min(TILE, rows - t * TILE)
        for (let i = 0; i < rows4; i++) {
          const channel = group * rows + t * TILE + i
          const shift = bias === undefined ? 0 : bias[channel]
          const to = channel * spatial + n
          for (let j = 0; j < width4; j++) out[to + j] = tile[i * TILE + j] + shift
        }
      }
    }
  }
  return out
}
