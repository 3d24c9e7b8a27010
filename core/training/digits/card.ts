/** What the digits model says about itself. */
import type { FitOptions } from './fit.ts'

export interface DigitsRun {
  readonly options: FitOptions
  readonly trainImages: number
  readonly validationImages: number
  readonly testImages: number
  /** Accuracies, 0 to 1. */
  readonly validation: number
  readonly test: number
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`

/** The card of the model folder; core/formats checks it when it is written. */
export function digitsCard(run: DigitsRun) {
  const { options } = run
  return {
    name: 'digits',
    description:
      "Handwritten digits, 0 to 9: MiniONN's MNIST network (two 5x5 convolutions of 16 channels, each with ReLU and 2x2 " +
      'maximum, a hidden layer of 100), 10,340 ReLUs. Input: 28x28, 0 is paper and 1 is ink, the digit fitted into 20x20 ' +
      'and centred by mass, as in MNIST. Trained on one data set with clean backgrounds; it answers one of ten digits ' +
      'for any picture whatever. Not for decisions that matter.',
    dataset: 'MNIST (Y. LeCun, C. Cortes, C. J. C. Burges), a subset of it',
    classes: 10,
    classNames: Array.from({ length: 10 }, (_, digit) => String(digit)),
    preprocessing: { mean: [0], std: [1], invert: false },
    licence: 'Apache-2.0',
    accuracy: { top1: run.test, images: run.testImages },
    training: {
      epochs: options.epochs,
      images: run.trainImages,
      summary:
        `Adam with decoupled weight decay, batches of ${options.batch}, cosine schedule from ${options.rate}, dropout ` +
        `${options.dropout}, label smoothing ${options.smoothing}, averaged weights, seed ${options.seed}; every image is ` +
        'distorted afresh (rotation, scale, shear, shift, elastic). ' +
        `Settings were chosen on held-out training images; on the last ${run.validationImages} of them this run reached ` +
        `${percent(run.validation)}. The ${run.testImages} test images were not used before the run had ended. Command: ` +
        `npm run train:digits -- --dataset DIR --out DIR --epochs ${options.epochs} --seed ${options.seed}`,
    },
  }
}
