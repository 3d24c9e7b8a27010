/** What a run tells of itself. All plain data. */

export interface Evaluation {
  /** Share of images whose largest logit is at their label, 0 to 1. */
  readonly top1: number
  readonly correct: number
  readonly images: number
  /** Mean cross entropy. */
  readonly loss: number
}

export interface EpochReport {
  /** From 0. */
  readonly epoch: number
  readonly epochs: number
  /** Mean over the epoch's images, without penalties; and the penalties of hooks. */
  readonly loss: number
  readonly penalty: number
  /** On the training images as they were fed (augmented, mixed), 0 to 1. */
  readonly accuracy: number
  readonly evaluation?: Evaluation
  /** For models with slopes: ReLUs for one image. */
  readonly relus?: { readonly kept: number; readonly total: number }
  /** Of the last step. */
  readonly rate: number
  /** In this epoch; after a resume, of its part since then. */
  readonly imagesPerSecond: number
  /** Estimate for the epochs that remain. */
  readonly secondsLeft: number
}

/** On the way through an epoch, at most every half second. */
export interface Progress {
  readonly epoch: number
  readonly epochs: number
  /** Steps done in this epoch. */
  readonly step: number
  readonly stepsPerEpoch: number
  readonly imagesPerSecond: number
  readonly secondsLeft: number
}
