/**
 * From a greyscale picture to an MNIST-like digit: which pixels are ink, where they are, and where MNIST would put them
 * ("fit in a 20x20 box ... centred in a 28x28 image by computing the center of mass", Y. LeCun's MNIST page).
 * Pure functions on arrays; decoding and scaling are in image.ts.
 */
import { MNIST_SIDE } from './mnist.ts'

/** Side of the box that the ink is scaled to fit. */
export const DIGIT_BOX = 20

/** Least difference between paper and the strongest ink, of 255: below it a picture is blank. */
const LEAST_CONTRAST = 25
/** Differences below this share of the strongest are paper: shadows, grain, JPEG ringing. */
const PAPER_SHARE = 0.2
/** Share of the pixels that may be stronger than what counts as full ink (glare, specks). */
const OUTLIERS = 0.001

export interface Box {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** The brightness below which `share` of the pixels lie. */
function quantile(histogram: Uint32Array, share: number): number {
  const total = histogram.reduce((sum, count) => sum + count, 0)
  let seen = 0
  for (let value = 0; value < 256; value++) {
    seen += histogram[value]
    if (seen > share * total) return value
  }
  return 255
}

/**
 * How much ink is on each pixel, 0 to 255, whichever of ink and paper is the darker: paper is the median brightness of
 * the outermost pixels. Undefined when nothing stands out.
 */
export function inkOf(grey: Uint8Array, width: number, height: number): Uint8Array | undefined {
  const border = new Uint32Array(256)
  const all = new Uint32Array(256)
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at++) {
      all[grey[at]]++
      if (x === 0 || y === 0 || x === width - 1 || y === height - 1) border[grey[at]]++
    }
  }
  const paper = quantile(border, 0.5)
  const darkest = paper - quantile(all, OUTLIERS)
  const lightest = quantile(all, 1 - OUTLIERS) - paper
  const strongest = Math.max(darkest, lightest)
  if (strongest < LEAST_CONTRAST) return undefined
  const sign = darkest >= lightest ? -1 : 1
  return grey.map((value) => {
    const ink = (sign * (value - paper)) / strongest
    return ink < PAPER_SHARE ? 0 : Math.min(255, Math.round(255 * ink))
  })
}

/** The smallest box that holds all ink; undefined without ink. */
export function inkBox(ink: Uint8Array, width: number, height: number): Box | undefined {
  let [left, right, top, bottom] = [width, -1, height, -1]
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (ink[y * width + x] === 0) continue
      left = Math.min(left, x)
      right = Math.max(right, x)
      top = Math.min(top, y)
      bottom = Math.max(bottom, y)
    }
  }
  return right < 0 ? undefined : { left, top, width: right - left + 1, height: bottom - top + 1 }
}

/** 0 to 1, the strongest pixel being 1: thin strokes fade when they are scaled down. */
export function stretch(ink: Uint8Array): Float32Array {
  const strongest = Math.max(1, ...ink)
  return Float32Array.from(ink, (value) => value / strongest)
}

/**
 * Puts at most 20x20 pixels into 28x28 so that their centre of mass is in the middle, by whole pixels: at 14 or up to
 * one pixel right of and below it, which is where the digits of MNIST's own files have theirs.
 */
export function centreByMass(ink: Float32Array, width: number, height: number): Float32Array {
  let [mass, sumX, sumY] = [0, 0, 0]
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = ink[y * width + x]
      mass += value
      sumX += value * (x + 0.5)
      sumY += value * (y + 0.5)
    }
  }
  const place = (sum: number, side: number) =>
    Math.min(MNIST_SIDE - side, Math.max(0, Math.ceil(MNIST_SIDE / 2 - sum / mass)))
  const left = place(sumX, width)
  const top = place(sumY, height)
  const out = new Float32Array(MNIST_SIDE ** 2)
  for (let y = 0; y < height; y++) {
    out.set(ink.subarray(y * width, (y + 1) * width), (top + y) * MNIST_SIDE + left)
  }
  return out
}
