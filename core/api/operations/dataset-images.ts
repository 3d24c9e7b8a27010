/** dataset-images: a few images of a data set, to choose from. */
import * as v from 'valibot'
import { openDataset } from '../../datasets/dataset.ts'
import { readImages } from '../../datasets/part.ts'
import { AdytonError } from '../../errors/errors.ts'
import type { Operation } from '../operation.ts'
import { interleave, pngUrl } from '../picture-url.ts'

const imagesInput = v.strictObject({
  folder: v.pipe(v.string(), v.minLength(1)),
  split: v.picklist(['train', 'test']),
  /** First image. */
  from: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  /** Fewer where the part ends before. */
  count: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100)),
})

export interface DatasetImagesResult {
  readonly name: string
  /** [channels, height, width] */
  readonly shape: readonly number[]
  /** Images of the part. */
  readonly count: number
  readonly classNames: readonly string[]
  readonly images: readonly {
    /** Place in the part, as infer's dataset.from counts. */
    readonly index: number
    readonly label: number
    readonly name: string
    /** In its own size, PNG as a data: URL. */
    readonly picture: string
  }[]
}

export const datasetImages: Operation<typeof imagesInput, DatasetImagesResult> = {
  name: 'dataset-images',
  summary: 'Shows images of a data set with their labels.',
  input: imagesInput,
  async run({ folder, split, from, count }) {
    const { name, shape, classNames, parts } = await openDataset(folder)
    const part = parts[split]
    if (from >= part.count) {
      throw new AdytonError('usage', `the ${split} part of ${name} has ${part.count} images, none at ${from}`, {
        advice: 'Start earlier.',
      })
    }
    const records = Uint32Array.from({ length: Math.min(count, part.count - from) }, (_, i) => from + i)
    const bytes = await readImages(part, records)
    const [channels, height, width] = shape
    const length = channels * height * width
    const images = [...records].map(async (index, i) => {
      const label = part.labels[index]
      const pixels = interleave(bytes.subarray(i * length, (i + 1) * length), channels)
      const picture = await pngUrl(pixels, width, height, channels === 3 ? 3 : 1)
      return { index, label, name: classNames[label] ?? String(label), picture }
    })
    return { name, shape, count: part.count, classNames, images: await Promise.all(images) }
  },
}
