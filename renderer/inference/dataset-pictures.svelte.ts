/** The pictures of a run that took them out of a data set, read there again. */
import type { InferInput } from '../../core/api/operations/infer.ts'
import { host } from '../app/app.svelte.ts'
import { HostError, toMessage } from '../app/failure.ts'
import type { Prediction } from './account.ts'
import { text } from './text.ts'

/** Of one call. */
const PART = 100

export class DatasetPictures {
  /** data: URLs by their place in the part of the data set. */
  found = $state.raw<ReadonlyMap<number, string>>(new Map())
  /** Why there are none, in words. */
  problem = $state<string | null>(null)

  /** Shows what was predicted, at most so many. A data set with other labels is not the one that was run. */
  async load(
    { folder, split, from = 0, count }: NonNullable<InferInput['dataset']>,
    predictions: readonly Prediction[],
    most: number,
  ): Promise<void> {
    this.found = new Map()
    this.problem = null
    const expected = new Map(predictions.map((one) => [one.index, one.expected]))
    const end = from + Math.min(count, most)
    try {
      for (let at = from; at < end; at += PART) {
        const asked = { folder, split, from: at, count: Math.min(PART, end - at) }
        const { images } = await host.call('datasetImages', asked)
        if (images.some(({ index, label }) => (expected.get(index) ?? label) !== label)) {
          this.found = new Map()
          this.problem = text.datasetOther(folder)
          return
        }
        this.found = new Map([...this.found, ...images.map(({ index, picture }) => [index, picture] as const)])
      }
    } catch (error) {
      const gone = error instanceof HostError && error.code === 'file-not-found'
      this.problem = gone ? text.datasetGone(folder) : text.datasetUnread(toMessage(error).message)
    }
  }
}
