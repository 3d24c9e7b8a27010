/**
 * The standard augmentation (padded crop, mirror image) and normalisation of one image, in one pass. Padding is black,
 * and is applied before normalisation, as in the papers' code (pad 4, crop 32, flip).
 */
import type { Normalisation } from './dataset.ts'
import type { ImageShape } from './pixels.ts'
import type { Draws } from './random.ts'

export interface Placement {
  /** Row and column of the source at the output's first row and column; negative is padding. */
  readonly top: number
  readonly left: number
  /** Whether the crop is then mirrored left to right. */
  readonly flip: boolean
}

export const UNMOVED: Placement = { top: 0, left: 0, flip: false }

/** A placement for padding of `crop` pixels all round: each of (2 crop + 1)^2 places, mirrored or not, is as likely. */
export function drawPlacement(draws: Draws, crop: number, flip: boolean): Placement {
  const top = crop === 0 ? 0 : draws.below(2 * crop + 1) - crop
  const left = crop === 0 ? 0 : draws.below(2 * crop + 1) - crop
  return { top, left, flip: flip && draws.below(2) === 1 }
}

/** What each byte becomes, [channels][256]. */
export function normalisingTable(channels: number, { mean, std }: Pick<Normalisation, 'mean' | 'std'>): Float32Array {
  if (mean.length !== channels || std.length !== channels || std.some((value) => !(value > 0))) {
    throw new RangeError(`mean and std take ${channels} values each, and those of std are positive`)
  }
  return Float32Array.from({ length: channels * 256 }, (_, i) => {
    const channel = i >> 8
    return ((i & 255) / 255 - mean[channel]) / std[channel]
  })
}

/** Writes one image, bytes [C][H][W] at `from`, as floats [H][W][C] at `to`. */
export function place(
  images: Uint8Array,
  from: number,
  shape: ImageShape,
  { top, left, flip }: Placement,
  table: Float32Array,
  out: Float32Array,
  to: number,
): void {
  const [channels, height, width] = shape
  const plane = height * width
  for (let c = 0; c < channels; c++) {
    const lut = c * 256
    const black = table[lut]
    for (let y = 0; y < height; y++) {
      const row = y + top
      const inRow = row >= 0 && row < height
      const source = from + c * plane + row * width
      let at = to + (y * width + (flip ? width - 1 : 0)) * channels + c
      const step = flip ? -channels : channels
      for (let x = 0; x < width; x++, at += step) {
        const column = x + left
        out[at] = inRow && column >= 0 && column < width ? table[lut + images[source + column]] : black
      }
    }
  }
}
