/**
 * Batches for training, each a function of the data set, the options and its place (epoch, step) alone: a run that is
 * stopped goes on with the very batches that it would have had.
 */
import { AdytonError } from '../errors/errors.ts'
import { drawPlacement, normalisingTable, place, UNMOVED } from './augment.ts'
import type { Normalisation, Part } from './dataset.ts'
import { mixBatch, type Mix, type MixOptions } from './mix.ts'
import { imageBytes, openPixels, type Pixels } from './pixels.ts'
import { Draws, identity, type Seed } from './random.ts'

export interface BatchOptions {
  /** Images in a batch. */
  readonly size: number
  /** Repeats everything that is drawn; 0 unless given. */
  readonly seed?: Seed
  /** A new order in every epoch. */
  readonly shuffle?: boolean
  /** Mirrors every other image, on average. */
  readonly flip?: boolean
  /** Black padding all round, in pixels, before a crop of the original size; 0 unless given. */
  readonly crop?: number
  /** Values of 0 to 1 unless given. */
  readonly normalisation?: Pick<Normalisation, 'mean' | 'std'>
  /** Whether an epoch ends before a batch that is not full. */
  readonly dropLast?: boolean
  readonly mix?: MixOptions
  /** Only these records, as by holdOut. */
  readonly subset?: Uint32Array
}

export interface Position {
  /** From 0. */
  readonly epoch: number
  /** From 0, within the epoch. */
  readonly step: number
}

export interface Batch extends Position {
  readonly count: number
  /** [count][height][width][channels], normalised. The caller's own: no later batch writes to it. */
  readonly images: Float32Array<ArrayBuffer>
  /** [count] */
  readonly labels: Int32Array<ArrayBuffer>
  /** [count]: which records of the part. */
  readonly records: Uint32Array<ArrayBuffer>
  /** For mixed batches. */
  readonly mix?: Mix
}

/** Batches in an epoch. */
export function stepsPerEpoch(count: number, { size, dropLast = false }: BatchOptions): number {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`a batch has 1 image or more, got ${size}`)
  return dropLast ? Math.floor(count / size) : Math.ceil(count / size)
}

export class BatchMaker {
  readonly steps: number
  readonly #part: Part
  readonly #options: BatchOptions
  readonly #table: Float32Array
  readonly #records: Uint32Array
  readonly #pixels: Pixels
  #order: { readonly epoch: number; readonly records: Uint32Array } | undefined

  constructor(part: Part, options: BatchOptions) {
    const { crop = 0, subset, mix, normalisation } = options
    const [channels, height, width] = part.shape
    if (!Number.isInteger(crop) || crop < 0 || crop >= Math.min(height, width)) {
      throw new RangeError(`padding of 0 to ${Math.min(height, width) - 1} pixels, got ${crop}`)
    }
    if (subset?.some((record) => record >= part.count) === true) throw new RangeError('a record beyond the last')
    if (mix !== undefined && !(mix.alpha > 0)) throw new RangeError(`alpha is above 0, got ${mix.alpha}`)
    const blank = { mean: Array<number>(channels).fill(0), std: Array<number>(channels).fill(1) }
    this.#table = normalisingTable(channels, normalisation ?? blank)
    this.#part = part
    this.#options = options
    this.#records = subset ?? identity(part.count)
    this.steps = stepsPerEpoch(this.#records.length, options)
    if (this.steps === 0) {
      throw new AdytonError('usage', `${this.#records.length} images make no batch of ${options.size}`, {
        advice: 'Take smaller batches or keep the last one.',
      })
    }
    this.#pixels = openPixels(part.pixels)
  }

  /** @throws AdytonError naming the file and the record that cannot be read */
  async make({ epoch, step }: Position): Promise<Batch> {
    if (!(epoch >= 0 && step >= 0 && step < this.steps)) throw new RangeError(`no batch ${step} in epoch ${epoch}`)
    const { size, seed = 0, crop = 0, flip = false, mix } = this.#options
    const { shape, labels: all } = this.#part
    const [channels, height, width] = shape
    const records = this.#orderOf(epoch).slice(step * size, (step + 1) * size)
    const length = imageBytes(shape)
    const bytes = new Uint8Array(records.length * length)
    await this.#pixels.read(records, bytes)
    const images = new Float32Array(bytes.length)
    const draws = new Draws(seed, `augment ${epoch} ${step}`)
    const moved = crop > 0 || flip
    for (let i = 0; i < records.length; i++) {
      const placement = moved ? drawPlacement(draws, crop, flip) : UNMOVED
      place(bytes, i * length, shape, placement, this.#table, images, i * length)
    }
    const labels = Int32Array.from(records, (record) => all[record])
    const batch = { epoch, step, count: records.length, images, labels, records }
    if (mix === undefined) return batch
    return { ...batch, mix: mixBatch(images, labels, [height, width, channels], mix, draws) }
  }

  /** The place after this one. */
  next({ epoch, step }: Position): Position {
    return step + 1 < this.steps ? { epoch, step: step + 1 } : { epoch: epoch + 1, step: 0 }
  }

  close(): void {
    this.#pixels.close()
  }

  #orderOf(epoch: number): Uint32Array<ArrayBuffer> {
    if (this.#order?.epoch !== epoch) {
      const records = Uint32Array.from(this.#records)
      if (this.#options.shuffle === true) new Draws(this.#options.seed ?? 0, `shuffle ${epoch}`).shuffle(records)
      this.#order = { epoch, records }
    }
    return this.#order.records as Uint32Array<ArrayBuffer>
  }
}
