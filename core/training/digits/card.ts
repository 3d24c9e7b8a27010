/** What the digits model says about itself. */
import type { FitOptions } from './fit.ts'

export interface DigitsRun {
  readonly options: FitOptions
  /** Name of the data set's folder. */
  readonly dataset: string
  readonly trainImages: number
  readonly validationImages: number
  readonly testImages: number
  /** Accuracies, 0 to 1. */
  readonly validation: number
  readonly test: number
}

const round = (share: number) => Math.round(share * 1e4) / 1e4

export function digitsCard(run: DigitsRun): object {
  const { options } = run
  return {
    name: 'digits',
    title: 'Handwritten digits',
    description:
      "MiniONN's MNIST network (two 5x5 convolutions of 16 channels, two max pools, a hidden layer of 100), 10,340 ReLUs.",
    license: 'Apache-2.0',
    labels: Array.from({ length: 10 }, (_, digit) => String(digit)),
    input: {
      shape: [1, 28, 28],
      range: [0, 1],
      mean: [0],
      std: [1],
      preprocessing: 'digit',
      meaning: '0 is paper, 1 is ink; the digit in 20x20 pixels, centred by mass, as in MNIST',
    },
    accuracy: { test: round(run.test), testImages: run.testImages, validation: round(run.validation) },
    training: {
      dataset: `${run.dataset}: a subset of MNIST (Y. LeCun, C. Cortes, C. J. C. Burges)`,
      trainImages: run.trainImages,
      validationImages: run.validationImages,
      method:
        'Adam with decoupled weight decay, cosine schedule, dropout, label smoothing, averaged weights; every image is ' +
        'distorted afresh (rotation, scale, shear, shift, elastic). The test images were looked at once, after training.',
      options,
      command: `npm run train:digits -- --dataset DIR --out DIR --epochs ${options.epochs} --seed ${options.seed}`,
    },
    limits:
      'Trained on one handwritten data set with clean backgrounds. It answers one of ten digits for any picture, ' +
      'and knows nothing of other signs. Not for decisions that matter.',
  }
}
