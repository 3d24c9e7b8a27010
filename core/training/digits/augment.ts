/**
 * Random distortions of 28x28 digits: one affine map (rotation, scale, shear, shift) and an elastic field on top
 * (Simard, Steinkraus, Platt: Best practices for convolutional neural networks, ICDAR 2003), sampled bilinearly.
 */
import type { TrainingRandom } from './random.ts'

const SIDE = 28
const PIXELS = SIDE * SIDE

export interface Distortion {
  /** Largest rotation, in radians. */
  readonly rotation: number
  /** Largest relative change of size, one draw an axis. */
  readonly scale: number
  readonly shear: number
  /** Largest shift, in pixels. */
  readonly shift: number
  /** Root-mean-square displacement of the elastic field, in pixels. */
  readonly elastic: number
  /** Standard deviation of the field's smoothing, in pixels. */
  readonly smoothing: number
  /** Ink is multiplied by a draw from [1 - fade, 1]. */
  readonly fade: number
}

/** Chosen on validation images; stronger distortions took longer and gained nothing. */
export const DISTORTION: Distortion = {
  rotation: 0.15,
  scale: 0.1,
  shear: 0.1,
  shift: 1.5,
  elastic: 0.8,
  smoothing: 4,
  fade: 0.1,
}

/** Writes one distorted copy of `image` (784 bytes) to `out` (784 floats, 0 to 1). */
export function distort(image: Uint8Array, out: Float32Array, random: TrainingRandom, how: Distortion): void {
  const angle = random.symmetric(how.rotation)
  const scaleX = 1 + random.symmetric(how.scale)
  const scaleY = 1 + random.symmetric(how.scale)
  const shear = random.symmetric(how.shear)
  const shiftX = random.symmetric(how.shift)
  const shiftY = random.symmetric(how.shift)
  const gain = (1 - random.uniform() * how.fade) / 255
  const cos = Math.cos(angle)
  const sin = Math.sin(angle)
  const fieldX = smoothField(random, how)
  const fieldY = smoothField(random, how)
  const centre = (SIDE - 1) / 2
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const at = y * SIDE + x
      const u = (x - centre) / scaleX
      const v = (y - centre) / scaleY
      const fromX = cos * u + (shear - sin) * v + centre + shiftX + fieldX[at]
      const fromY = sin * u + cos * v + centre + shiftY + fieldY[at]
      out[at] = gain * sample(image, fromX, fromY)
    }
  }
}

/** Bilinear; zero outside. */
function sample(image: Uint8Array, x: number, y: number): number {
  const left = Math.floor(x)
  const top = Math.floor(y)
  const right = x - left
  const down = y - top
  const pixel = (px: number, py: number) => (px < 0 || py < 0 || px >= SIDE || py >= SIDE ? 0 : image[py * SIDE + px])
  const upper = pixel(left, top) * (1 - right) + pixel(left + 1, top) * right
  const lower = pixel(left, top + 1) * (1 - right) + pixel(left + 1, top + 1) * right
  return upper * (1 - down) + lower * down
}

/** Uniform noise smoothed by a Gaussian, then scaled to the wanted root mean square. */
function smoothField(random: TrainingRandom, how: Distortion): Float32Array {
  const noise = new Float32Array(PIXELS)
  for (let i = 0; i < PIXELS; i++) noise[i] = random.symmetric(1)
  const smooth = blur(blur(noise, how.smoothing, 1, SIDE), how.smoothing, SIDE, 1)
  let squares = 0
  for (const value of smooth) squares += value * value
  const factor = how.elastic / Math.max(Math.sqrt(squares / PIXELS), 1e-6)
  for (let i = 0; i < PIXELS; i++) smooth[i] *= factor
  return smooth
}

/** One-dimensional Gaussian along the axis whose neighbours are `step` apart; lines start `lineStep` apart. */
function blur(field: Float32Array, sigma: number, step: number, lineStep: number): Float32Array {
  const radius = Math.ceil(2 * sigma)
  const weights = Float32Array.from({ length: radius + 1 }, (_, d) => Math.exp((-d * d) / (2 * sigma * sigma)))
  const out = new Float32Array(PIXELS)
  for (let line = 0; line < SIDE; line++) {
    for (let i = 0; i < SIDE; i++) {
      let sum = 0
      const first = Math.max(0, i - radius)
      const last = Math.min(SIDE - 1, i + radius)
      for (let j = first; j <= last; j++) sum += weights[Math.abs(i - j)] * field[line * lineStep + j * step]
      out[line * lineStep + i * step] = sum
    }
  }
  return out
}
