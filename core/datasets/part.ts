/** What the formats build a data set from: parts, label checks, statistics, stratified splits. */
import { corrupt } from './problems.ts'
import type { Normalisation, Part } from './dataset.ts'
import { imageBytes, openPixels, type ImageShape, type PixelSource } from './pixels.ts'
import { Draws, identity, type Seed } from './random.ts'

export type Labels = Uint8Array | Uint16Array

export const labelArray = (labels: ArrayLike<number>, classes: number): Labels =>
  classes <= 256 ? Uint8Array.from(labels) : Uint16Array.from(labels)

export function makePart(name: Part['name'], labels: Labels, pixels: PixelSource): Part {
  return { name, count: labels.length, labels, shape: pixels.shape, pixels }
}

/** Throws 'file-corrupt' naming the first record whose label is not 0 to classes - 1. */
export function checkLabels(file: string, labels: ArrayLike<number>, classes: number, kind = 'label'): void {
  for (let record = 0; record < labels.length; record++) {
    if (labels[record] >= classes) {
      throw corrupt(file, `record ${record}: ${kind} ${labels[record]}, expected 0 to ${classes - 1}`)
    }
  }
}

/**
 * Images as bytes [n][C][H][W], all of them or those named.
 * @throws AdytonError naming the file and the record that cannot be read
 */
export async function readImages(part: Part, records: ArrayLike<number> = identity(part.count)): Promise<Uint8Array> {
  const out = new Uint8Array(records.length * imageBytes(part.shape))
  const pixels = openPixels(part.pixels, 0)
  try {
    await pixels.read(records, out)
  } finally {
    pixels.close()
  }
  return out
}

/** Mean and standard deviation of each channel, on values of 0 to 1. */
export function statistics(images: Uint8Array, shape: ImageShape): { mean: number[]; std: number[] } {
  const [channels, height, width] = shape
  const plane = height * width
  const histograms = Array.from({ length: channels }, () => new Float64Array(256))
  for (let at = 0; at < images.length; at += plane) {
    const histogram = histograms[(at / plane) % channels]
    for (let i = at; i < at + plane; i++) histogram[images[i]]++
  }
  const mean: number[] = []
  const std: number[] = []
  for (const histogram of histograms) {
    const total = histogram.reduce((sum, count) => sum + count, 0)
    const average = histogram.reduce((sum, count, value) => sum + count * value, 0) / total
    const variance = histogram.reduce((sum, count, value) => sum + count * (value - average) ** 2, 0) / total
    mean.push(average / 255)
    std.push(Math.sqrt(variance) / 255)
  }
  return { mean, std }
}

/** Statistics of at most `sample` records, evenly spaced. A channel of one value counts as one step of 255 wide. */
export async function measuredNormalisation(part: Part, sample = 1024): Promise<Normalisation> {
  const count = Math.min(sample, part.count)
  const records = Uint32Array.from({ length: count }, (_, i) => Math.floor((i * part.count) / count))
  const { mean, std } = statistics(await readImages(part, records), part.shape)
  return { mean, std: std.map((value) => Math.max(value, 1 / 255)), source: 'measured' }
}

export interface Split {
  readonly kept: Uint32Array
  readonly held: Uint32Array
}

/** Sets aside `share` (0 to 1) of each class, by seed: records for validation or a search. Both ascend. */
export function holdOut(part: Part, share: number, seed: Seed): Split {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`a share of 0 to 1, got ${share}`)
  const draws = new Draws(seed, 'hold out')
  const byClass = new Map<number, number[]>()
  for (const record of draws.shuffle(identity(part.count))) {
    const members = byClass.get(part.labels[record])
    if (members === undefined) byClass.set(part.labels[record], [record])
    else members.push(record)
  }
  const kept: number[] = []
  const held: number[] = []
  for (const members of byClass.values()) {
    const first = Math.round(members.length * share)
    held.push(...members.slice(0, first))
    kept.push(...members.slice(first))
  }
  return { kept: Uint32Array.from(kept).sort(), held: Uint32Array.from(held).sort() }
}
