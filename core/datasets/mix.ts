/**
 * Mixed batches: every image is blended with, or has a rectangle of, another image of the batch, and is of both
 * classes in the same proportion.
 * mixup: H. Zhang et al., "mixup: Beyond empirical risk minimization", 2018, section 2.
 * cutmix: S. Yun et al., "CutMix: Regularization strategy to train strong classifiers", 2019, section 3.1.
 */
import type { Draws } from './random.ts'
import { identity } from './random.ts'

export interface MixOptions {
  readonly kind: 'mixup' | 'cutmix'
  /** Of Beta(alpha, alpha), above 0; the papers take 0.2 to 1. */
  readonly alpha: number
}

export interface Mix {
  /** [count]: the label of the other image of each. */
  readonly labels: Int32Array
  /** Weight of an image's own label, 0 to 1; the other's is what is left. */
  readonly share: number
}

/** Mixes images [count][height][width][channels] in place. */
export function mixBatch(
  images: Float32Array,
  labels: Int32Array,
  [height, width, channels]: readonly [number, number, number],
  { kind, alpha }: MixOptions,
  draws: Draws,
): Mix {
  const count = labels.length
  const size = height * width * channels
  const drawn = draws.beta(alpha, alpha)
  const partners = draws.shuffle(identity(count))
  const own = images.slice(0, count * size)
  let share = drawn
  if (kind === 'mixup') {
    for (let i = 0; i < count; i++) {
      const other = partners[i] * size
      for (let at = 0; at < size; at++) {
        images[i * size + at] = drawn * own[i * size + at] + (1 - drawn) * own[other + at]
      }
    }
  } else {
    const ratio = Math.sqrt(1 - drawn)
    const [top, bottom] = span(height, ratio, draws)
    const [left, right] = span(width, ratio, draws)
    for (let i = 0; i < count; i++) {
      for (let y = top; y < bottom; y++) {
        const row = (y * width + left) * channels
        const end = (y * width + right) * channels
        images.set(own.subarray(partners[i] * size + row, partners[i] * size + end), i * size + row)
      }
    }
    // At an edge the rectangle is cut, so that the share follows from what was replaced.
    share = 1 - ((bottom - top) * (right - left)) / (height * width)
  }
  return { labels: Int32Array.from(partners, (partner) => labels[partner]), share }
}

/** A stretch of `ratio` of the side around a uniform centre, cut at the edges. */
function span(side: number, ratio: number, draws: Draws): [number, number] {
  const length = Math.floor(side * ratio)
  const centre = draws.below(side)
  const low = centre - (length >> 1)
  return [Math.max(0, low), Math.min(side, low + length)]
}
