/**
 * Cheetah's coefficient encoding (Huang et al. 2022, section 4): which coefficient holds which number.
 *
 * With slots of V = C_w*H_w*W_w coefficients and O = H_w*W_w*(C_w-1) + W_w*(kh-1) + kw-1:
 *
 * - input channel c of the block at tile position (i, j): coefficient c*H_w*W_w + i*W_w + j;
 * - weight (m, c, l, l'): coefficient m*V + O - c*H_w*W_w - l*W_w - l', m counted within the answer's run;
 * - result of output m at (i', j') of the tile: coefficient m*V + O + i'*s*W_w + j'*s.
 *
 * Products in Z[X] / (X^N + 1) then give every result intact: a slot's product fills [m*V, (m+1)*V + O), so it
 * spills into the first O coefficients of the next slot (or, negated, of the first), and those carry no result.
 * All functions are pure; coefficients are written over a zeroed or reused array.
 */
import { highMask, lowMask, type RingVector } from '../ring/ring.ts'
import { blockChannels, runOutputs, tileOutputs, type Layout } from './layout.ts'

/**
 * Writes upload `index` (tile * blocks + block) of a share into plaintext coefficients: `out` has 2N words, low
 * before high, and is overwritten whole. Padding and what lies beyond the image are zero.
 */
export function encodeInput(layout: Layout, share: RingVector, index: number, out: Uint32Array): void {
  const g = layout.geometry
  const { height, width } = layout.tiling
  const { stride: words } = share.ring
  out.fill(0)
  const { rows, columns } = tileOutputs(layout, Math.floor(index / layout.blocks))
  const { start, end } = blockChannels(layout, index % layout.blocks)
  const put = (coefficient: number, channel: number, y: number, x: number): void => {
    if (y < 0 || x < 0 || y >= g.inHeight || x >= g.inWidth) return
    const from = ((channel * g.inHeight + y) * g.inWidth + x) * words
    out[2 * coefficient] = share.words[from]
    if (words === 2) out[2 * coefficient + 1] = share.words[from + 1]
  }
  if (layout.flat) {
    const across = flatWidth(layout)
    for (let c = start; c < end; c++) {
      for (let pixel = columns.start; pixel < columns.end; pixel++) {
        const y = Math.floor(pixel / across) * g.stride - g.padding
        const x = (pixel % across) * g.stride - g.padding
        put((c - start) * width + pixel - columns.start, c, y, x)
      }
    }
    return
  }
  const top = rows.start * layout.stride - g.padding
  const left = columns.start * layout.stride - g.padding
  for (let c = start; c < end; c++) {
    for (let i = 0; i < height; i++) {
      const at = ((c - start) * height + i) * width
      for (let j = 0; j < width; j++) put(at + j, c, top + i, left + j)
    }
  }
}

/** Width of the output image that a flat layout has flattened. */
function flatWidth(layout: Layout): number {
  const g = layout.geometry
  return Math.floor((g.inWidth + 2 * g.padding - 1) / g.stride) + 1
}

/**
 * Writes the weights that run `run` of output channels applies to block `block` into signed coefficients: `out`
 * has N of them and is overwritten whole. Weights are [outChannels][inChannels / groups][kh][kw]. The same for
 * every tile of the image.
 */
export function encodeWeights(layout: Layout, weights: Int32Array, run: number, block: number, out: Int32Array): void {
  const { kernelHeight: kh, kernelWidth: kw } = layout.geometry
  const { height, width } = layout.tiling
  const { channelsPerGroup, outputsPerGroup, volume, offset } = layout
  const area = height * width
  const taps = kh * kw
  out.fill(0)
  const channels = blockChannels(layout, block)
  const outputs = runOutputs(layout, run)
  for (let m = outputs.start; m < outputs.end; m++) {
    const groupStart = Math.floor(m / outputsPerGroup) * channelsPerGroup
    const first = Math.max(channels.start, groupStart)
    const last = Math.min(channels.end, groupStart + channelsPerGroup)
    for (let c = first; c < last; c++) {
      let at = (m - outputs.start) * volume + offset - (c - channels.start) * area
      let from = (m * channelsPerGroup + c - groupStart) * taps
      for (let l = 0; l < kh; l++, at -= width) for (let k = 0; k < kw; k++) out[at - k] = weights[from++]
    }
  }
}

/** Coefficients of answer `index` (tile * runs + run) that carry a result, ascending, in the order of {@link resultElements}. */
export function resultCoefficients(layout: Layout, index: number): Uint32Array {
  const { width } = layout.tiling
  const { stride, volume, offset } = layout
  return perResult(layout, index, (slot, i, j) => slot * volume + offset + i * stride * width + j * stride)
}

/** Elements of the step's output, [outChannels][OH][OW], that answer `index` carries. */
export function resultElements(layout: Layout, index: number): Uint32Array {
  const { rows, columns } = tileOutputs(layout, Math.floor(index / layout.runs))
  const first = runOutputs(layout, index % layout.runs).start
  const { outHeight, outWidth } = layout
  return perResult(
    layout,
    index,
    (slot, i, j) => ((first + slot) * outHeight + rows.start + i) * outWidth + columns.start + j,
  )
}

function perResult(layout: Layout, index: number, value: (slot: number, i: number, j: number) => number): Uint32Array {
  const { rows, columns } = tileOutputs(layout, Math.floor(index / layout.runs))
  const outputs = runOutputs(layout, index % layout.runs)
  const [slots, down, across] = [outputs, rows, columns].map((range) => range.end - range.start)
  const out = new Uint32Array(slots * down * across)
  let at = 0
  for (let slot = 0; slot < slots; slot++) {
    for (let i = 0; i < down; i++) for (let j = 0; j < across; j++) out[at++] = value(slot, i, j)
  }
  return out
}

/**
 * Reads results out of decrypted plaintext coefficients (2N words, low before high, as SEAL stores them) into the
 * elements of the step's output.
 */
export function decodeResults(layout: Layout, index: number, plain: Uint32Array, output: RingVector): void {
  const coefficients = resultCoefficients(layout, index)
  const elements = resultElements(layout, index)
  const lm = lowMask(output.ring)
  const hm = highMask(output.ring)
  const words = output.ring.stride
  for (let i = 0; i < coefficients.length; i++) {
    output.words[elements[i] * words] = (plain[2 * coefficients[i]] & lm) >>> 0
    if (words === 2) output.words[elements[i] * words + 1] = plain[2 * coefficients[i] + 1] & hm
  }
}
