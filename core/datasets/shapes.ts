/**
 * Pictures drawn by seed: ten shapes and textures in random colours, at random places, sizes and angles, under noise.
 * For tests and demonstrations that must not depend on a download. Colour says nothing about the class and shapes are
 * as often lighter as darker than their ground, so that a linear classifier of pixels fails and a small convolutional
 * network succeeds.
 */
import { Draws, type Seed } from './random.ts'

export const SHAPE_CLASSES = [
  'disc',
  'ring',
  'square',
  'triangle',
  'plus',
  'saltire',
  'horizontal stripes',
  'vertical stripes',
  'diagonal stripes',
  'checkerboard',
] as const

export interface ShapesOptions {
  readonly seed: Seed
  /** Height and width in pixels, 8 to 256. */
  readonly side: number
  readonly channels: 1 | 3
  /** Standard deviation of the noise, of 255. */
  readonly noise: number
}

/** The class of a record: classes take turns. */
export const shapeLabel = (record: number): number => record % SHAPE_CLASSES.length

/** Largest turn either way, in radians; plus and saltire, and the stripes, lie 45 degrees or more apart. */
const MAX_TURN = Math.PI / 12

/** Whether (u, v) is in the figure, which fills [-1, 1] x [-1, 1]; v points down. */
function inside(label: number, u: number, v: number): boolean {
  const box = Math.max(Math.abs(u), Math.abs(v))
  const stripe = (x: number): boolean => ((Math.floor((x + 1) * 2.5) % 2) + 2) % 2 === 0
  switch (SHAPE_CLASSES[label]) {
    case 'disc':
      return u * u + v * v <= 1
    case 'ring':
      return u * u + v * v <= 1 && u * u + v * v >= 0.3
    case 'square':
      return box <= 0.85
    case 'triangle':
      return v <= 0.8 && Math.abs(u) <= (v + 1) * 0.55
    case 'plus':
      return box <= 1 && Math.min(Math.abs(u), Math.abs(v)) <= 0.28
    case 'saltire':
      return box <= 0.9 && Math.min(Math.abs(u - v), Math.abs(u + v)) <= 0.4
    case 'horizontal stripes':
      return box <= 1 && stripe(v)
    case 'vertical stripes':
      return box <= 1 && stripe(u)
    case 'diagonal stripes':
      return box <= 1 && stripe((u + v) * 0.8)
    case 'checkerboard':
      return box <= 1 && stripe(u) === stripe(v)
  }
}

/** Bytes [channels][side][side] of one record. The same seed, stream and record give the same picture. */
export function renderShape(options: ShapesOptions, stream: string, record: number): Uint8Array {
  const { side, channels, noise } = options
  const draws = new Draws(options.seed, `shape ${stream} ${record}`)
  const between = (low: number, high: number): number => low + (high - low) * draws.unit()
  const label = shapeLabel(record)
  const radius = between(0.28, 0.45) * side
  const centreX = between(0.4, 0.6) * side
  const centreY = between(0.4, 0.6) * side
  const turn = between(-MAX_TURN, MAX_TURN)
  const cos = Math.cos(turn) / radius
  const sin = Math.sin(turn) / radius
  const [ground, ink] = colours(draws, channels)
  /** A shade across the picture, so that the ground is not one value. */
  const slopeX = between(-40, 40) / side
  const slopeY = between(-40, 40) / side

  const plane = side * side
  const out = new Uint8Array(channels * plane)
  const raw = new Uint8Array(4 * out.length)
  draws.fill(raw)
  for (let y = 0, pixel = 0; y < side; y++) {
    for (let x = 0; x < side; x++, pixel++) {
      let cover = 0
      for (let corner = 0; corner < 4; corner++) {
        const dx = x + 0.25 + 0.5 * (corner & 1) - centreX
        const dy = y + 0.25 + 0.5 * (corner >> 1) - centreY
        if (inside(label, cos * dx + sin * dy, cos * dy - sin * dx)) cover += 0.25
      }
      const shade = slopeX * (x - side / 2) + slopeY * (y - side / 2)
      for (let c = 0; c < channels; c++) {
        const at = c * plane + pixel
        // The sum of four uniform bytes is close to normal, with mean 510 and standard deviation 147.8.
        const sum = raw[4 * at] + raw[4 * at + 1] + raw[4 * at + 2] + raw[4 * at + 3]
        const value = ground[c] + (ink[c] - ground[c]) * cover + shade + ((sum - 510) / 147.8) * noise
        out[at] = Math.min(255, Math.max(0, Math.round(value)))
      }
    }
  }
  return out
}

/** Two colours that differ by at least 90 of 255 in one channel. */
function colours(draws: Draws, channels: number): [number[], number[]] {
  for (;;) {
    const ground = Array.from({ length: channels }, () => draws.below(256))
    const ink = Array.from({ length: channels }, () => draws.below(256))
    if (ground.some((value, c) => Math.abs(value - ink[c]) >= 90)) return [ground, ink]
  }
}
