/** Where the trainer's batches come from: any source that can begin at a place, so that a run can be resumed. */
import { openBatches, stepsPerEpoch, type Batch, type BatchOptions, type Position } from '../../datasets/batches.ts'
import type { Part } from '../../datasets/dataset.ts'

/** What the trainer reads of a batch. `images` is [count][height][width][channels]. */
export type TrainingBatch = Pick<Batch, 'count' | 'images' | 'labels' | 'mix'>

/** Batches in order, from epoch to epoch. */
export interface OpenBatches {
  next(): Promise<IteratorResult<TrainingBatch, undefined>>
  close(): Promise<void>
}

/** The batch at a place (epoch, step) must always be the same. */
export interface BatchSource {
  /** Images in an epoch. */
  readonly images: number
  readonly stepsPerEpoch: number
  /** What a checkpoint must agree on for the batches to be the same: plain data. */
  readonly identity: unknown
  open(start: Position): OpenBatches
}

/**
 * Batches of a part of a data set, prepared by another thread (`depth` of them ahead; 0 for none and no thread).
 * For evaluation leave out shuffling, augmentation and mixing.
 */
export function partBatches(part: Part, options: BatchOptions & { readonly depth?: number }): BatchSource {
  const { depth: _depth, subset, seed, ...plain } = options
  const count = subset?.length ?? part.count
  const steps = stepsPerEpoch(count, options)
  return {
    images: options.dropLast === true ? steps * options.size : count,
    stepsPerEpoch: steps,
    identity: { part: part.name, count, seed: seed instanceof Uint8Array ? [...seed] : (seed ?? 0), ...plain },
    open: (start) => openBatches(part, { ...options, start }),
  }
}
