/** A data set without files: pictures of ten shapes, drawn by seed (shapes.ts) when they are asked for. */
import { AdytonError } from '../errors/errors.ts'
import type { Dataset, Part } from './dataset.ts'
import { makePart, measuredNormalisation } from './part.ts'
import type { ImageShape } from './pixels.ts'
import type { Seed } from './random.ts'
import { SHAPE_CLASSES, shapeLabel, type ShapesOptions } from './shapes.ts'

export interface GeneratedOptions {
  /** The same seed gives the same pictures; 1 unless given. */
  readonly seed?: Seed
  /** Images in each part: 5,000 and 1,000 unless given, 10 to 1,000,000. */
  readonly train?: number
  readonly test?: number
  /** Height and width, 8 to 256; 32 unless given. */
  readonly side?: number
  readonly channels?: 1 | 3
  /** Standard deviation of the noise, of 255: 0 to 128; 24 unless given. */
  readonly noise?: number
}

function within(name: string, value: number, low: number, high: number): number {
  if (value >= low && value <= high) return value
  throw new AdytonError('usage', `generated data set: ${name} is ${value}, possible are ${low} to ${high}`)
}

function whole(name: string, value: number, low: number, high: number): number {
  if (!Number.isInteger(value)) throw new AdytonError('usage', `generated data set: ${name} is no whole number`)
  return within(name, value, low, high)
}

export async function generatedDataset(options: GeneratedOptions = {}): Promise<Dataset> {
  const shapes: ShapesOptions = {
    seed: options.seed ?? 1,
    side: whole('side', options.side ?? 32, 8, 256),
    channels: options.channels ?? 3,
    noise: within('noise', options.noise ?? 24, 0, 128),
  }
  const shape: ImageShape = [shapes.channels, shapes.side, shapes.side]
  const part = (name: Part['name'], count: number): Part =>
    makePart(
      name,
      Uint8Array.from({ length: count }, (_, record) => shapeLabel(record)),
      {
        kind: 'shapes',
        options: shapes,
        stream: name,
        count,
        shape,
      },
    )
  const parts = {
    train: part('train', whole('train', options.train ?? 5000, 10, 1_000_000)),
    test: part('test', whole('test', options.test ?? 1000, 10, 1_000_000)),
  }
  return {
    kind: 'generated',
    name: 'Generated shapes',
    path: '',
    classes: SHAPE_CLASSES.length,
    classNames: SHAPE_CLASSES,
    shape,
    parts,
    normalisation: await measuredNormalisation(parts.train, 200),
    // A mirror image of diagonal stripes runs the other way; neither way is another class.
    augmentation: { flip: true, crop: Math.max(1, Math.round(shapes.side / 16)) },
    notices: [],
  }
}
