/** The training run: split, epochs of distorted batches, evaluation. No files, no console. */
import { MNIST_CLASSES, MNIST_PIXELS, type Mnist } from '../../datasets/mnist.ts'
import { distort, type Distortion, DISTORTION } from './augment.ts'
import { loadMatmul } from './matmul.ts'
import { forward, gradients, initialParameters, type Parameters } from './model.ts'
import { DIGITS } from './network.ts'
import { Adam } from './optimizer.ts'
import { TrainingRandom } from './random.ts'

export interface FitOptions {
  readonly seed: number
  readonly epochs: number
  readonly batch: number
  /** Peak learning rate: a linear warm-up over the first epoch, then half a cosine to zero. */
  readonly rate: number
  readonly decay: number
  readonly averaging: number
  readonly dropout: number
  readonly smoothing: number
  readonly distortion: Distortion
  /** Share of the training images kept for validation, never trained on. */
  readonly validation: number
}

export const FIT: FitOptions = {
  seed: 1,
  epochs: 50,
  batch: 64,
  rate: 0.002,
  decay: 0.05,
  averaging: 0.998,
  dropout: 0.2,
  smoothing: 0.02,
  distortion: DISTORTION,
  validation: 0.1,
}

export interface EpochReport {
  readonly epoch: number
  readonly loss: number
  /** Accuracy on the validation images, 0 to 1. */
  readonly validation: number
}

export interface Fitted {
  readonly parameters: Parameters
  readonly validation: number
  readonly trainImages: number
  readonly validationImages: number
}

/** Trains on `data`; the result is the averaged weights after the last epoch, not a pick among epochs. */
export async function fit(data: Mnist, options: FitOptions, onEpoch: (report: EpochReport) => void): Promise<Fitted> {
  await loadMatmul()
  const random = new TrainingRandom(options.seed)
  const order = random.shuffle(Uint32Array.from({ length: data.count }, (_, i) => i))
  const held = order.slice(0, Math.round(data.count * options.validation))
  const kept = order.slice(held.length)
  const adam = new Adam(initialParameters(DIGITS, random), options)
  const stepsPerEpoch = Math.ceil(kept.length / options.batch)
  const total = stepsPerEpoch * options.epochs
  let validation = 0
  for (let epoch = 0, step = 0; epoch < options.epochs; epoch++) {
    random.shuffle(kept)
    let loss = 0
    for (let start = 0; start < kept.length; start += options.batch, step++) {
      const picked = kept.subarray(start, start + options.batch)
      const { images, labels } = distortedBatch(data, picked, random, options.distortion)
      const dropped = dropoutFactors(picked.length * DIGITS.hidden, options.dropout, random)
      const result = gradients(adam.parameters, DIGITS, images, labels, { smoothing: options.smoothing, dropped })
      adam.step(result.grads, options.rate * schedule(step, stepsPerEpoch, total))
      loss += result.loss * (picked.length / kept.length)
    }
    validation = accuracy(adam.average, data, held)
    onEpoch({ epoch: epoch + 1, loss, validation })
  }
  return { parameters: adam.average, validation, trainImages: kept.length, validationImages: held.length }
}

/** Share of the images at `indices` (all when absent) whose largest logit is at their label. */
export function accuracy(parameters: Parameters, data: Mnist, indices?: Uint32Array): number {
  const all = indices ?? Uint32Array.from({ length: data.count }, (_, i) => i)
  let right = 0
  for (let start = 0; start < all.length; start += 250) {
    const picked = all.subarray(start, start + 250)
    const images = new Float32Array(picked.length * MNIST_PIXELS)
    picked.forEach((index, slot) => images.set(unit(image(data, index)), slot * MNIST_PIXELS))
    const logits = forward(parameters, DIGITS, images)
    picked.forEach((index, slot) => {
      const row = logits.subarray(slot * MNIST_CLASSES, (slot + 1) * MNIST_CLASSES)
      if (row.indexOf(Math.max(...row)) === data.labels[index]) right++
    })
  }
  return right / all.length
}

const image = (data: Mnist, index: number) => data.images.subarray(index * MNIST_PIXELS, (index + 1) * MNIST_PIXELS)

const unit = (bytes: Uint8Array) => Float32Array.from(bytes, (value) => value / 255)

function distortedBatch(data: Mnist, picked: Uint32Array, random: TrainingRandom, how: Distortion) {
  const images = new Float32Array(picked.length * MNIST_PIXELS)
  const labels = new Uint8Array(picked.length)
  picked.forEach((index, slot) => {
    distort(image(data, index), images.subarray(slot * MNIST_PIXELS, (slot + 1) * MNIST_PIXELS), random, how)
    labels[slot] = data.labels[index]
  })
  return { images, labels }
}

function dropoutFactors(length: number, rate: number, random: TrainingRandom): Float32Array {
  const factors = new Float32Array(length)
  for (let i = 0; i < length; i++) factors[i] = random.uniform() < rate ? 0 : 1 / (1 - rate)
  return factors
}

function schedule(step: number, warmup: number, total: number): number {
  if (step < warmup) return (step + 1) / warmup
  return 0.5 * (1 + Math.cos((Math.PI * (step - warmup)) / Math.max(1, total - warmup)))
}
