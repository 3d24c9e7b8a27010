/** What a training job tells while it runs and keeps when it has ended. Plain JSON. */

/** No history is longer: older points are thinned, the first and last of every stage stay. */
export const MAX_POINTS = 1000

/** What trains: 'sparsify' lowers the ReLU count under SNL's penalty, 'criticality-N' judges stage N of the network. */
export type Stage = 'train' | 'sparsify' | 'finetune' | `criticality-${number}`

/** One finished epoch. */
export interface TrainingPoint {
  /** Place in {@link TrainingDetail.plan}, from 0: points of one stage make one line. */
  readonly part: number
  readonly stage: string
  /** From 1, within its stage. */
  readonly epoch: number
  /** Mean over the epoch's images, without penalties. */
  readonly loss: number
  /** On the training images as they were fed (augmented), 0 to 1. */
  readonly accuracy: number
  /** On the test images, 0 to 1; null when not measured. */
  readonly test: number | null
  /** ReLUs of the network after it; while sparsifying, slopes that still count. */
  readonly relus: number | null
  /** Learning rate of its last step; null for an epoch of a step whose checkpoint is gone. */
  readonly rate: number | null
  readonly imagesPerSecond: number | null
  /** Spent training since the job began, pauses and evaluation left out. */
  readonly seconds: number
}

/** A stage that a job will go through. */
export interface PlannedPart {
  readonly stage: string
  /** At most: sparsifying ends at its budget. */
  readonly epochs: number
  /** Step of the recipe, from 0. */
  readonly step: number
  /** Of a sweep: the seed, and the ReLU budget (null for what is prepared for all budgets). */
  readonly seed?: number
  readonly budget?: number | null
}

/** `detail` of the progress of train, linearize and sweep. */
export interface TrainingDetail {
  readonly kind: 'training'
  readonly plan: readonly PlannedPart[]
  /** Place in the plan, from 0; its length once every stage is done. */
  readonly part: number
  readonly stage: string
  /** The epoch that runs, from 1, and the steps done in it. */
  readonly epoch: number
  readonly epochs: number
  readonly step: number
  readonly steps: number
  readonly imagesPerSecond: number | null
  /** For all that is left of the job; an upper bound while sparsifying. Null until a step was timed. */
  readonly secondsLeft: number | null
  /** ReLUs to come to; null when there is no budget. */
  readonly budget: number | null
  /** ReLUs now. */
  readonly relus: number | null
  /** In words: library, version, threads, device. */
  readonly engine: string
  /** Every epoch since the job began, also of runs that were stopped. */
  readonly history: readonly TrainingPoint[]
}

export function isTrainingDetail(detail: unknown): detail is TrainingDetail {
  return typeof detail === 'object' && detail !== null && 'kind' in detail && detail.kind === 'training'
}

/** At most `limit` points: every second one is left out until they fit, never the first or last of a stage. */
export function thinned(points: readonly TrainingPoint[], limit: number = MAX_POINTS): TrainingPoint[] {
  let kept = [...points]
  while (kept.length > limit) {
    const all = kept
    const next = all.filter((point, i) => {
      const ends = all[i - 1]?.part !== point.part || all[i + 1]?.part !== point.part
      return ends || i % 2 === 0
    })
    // More stages than points: their ends alone are too many.
    if (next.length === all.length) return all.slice(-limit)
    kept = next
  }
  return kept
}

const STAGES: Readonly<Record<string, string>> = {
  train: 'Training',
  sparsify: 'Removing ReLUs',
  finetune: 'Fine-tuning',
}

/** For people: 'Removing ReLUs'. */
export function stageTitle(stage: string): string {
  const critical = /^criticality-(\d+)$/.exec(stage)
  return critical === null ? (STAGES[stage] ?? stage) : `Judging stage ${Number(critical[1]) + 1}`
}
