/**
 * MNIST-like data sets (MNIST, Fashion-MNIST, KMNIST): four IDX files of 28x28 greyscale images and their labels, with
 * any number of records.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { readIdx } from './idx.ts'

export const MNIST_SIDE = 28
export const MNIST_PIXELS = MNIST_SIDE * MNIST_SIDE
export const MNIST_CLASSES = 10

export type MnistPart = 'train' | 'test'

export interface Mnist {
  /** [count][28][28], 0 (paper) to 255 (ink). */
  readonly images: Uint8Array
  /** [count], each 0 to 9. */
  readonly labels: Uint8Array
  readonly count: number
  readonly shape: readonly [1, 28, 28]
  readonly classes: 10
}

/**
 * Loads one part of an MNIST folder: `train-*` or `t10k-*`, gzipped or not.
 * @throws AdytonError 'file-not-found' or 'file-corrupt', naming the file and the record
 */
export function loadMnist(directory: string, part: MnistPart): Mnist {
  const prefix = part === 'train' ? 'train' : 't10k'
  const imageFile = find(directory, [`${prefix}-images-idx3-ubyte`, `${prefix}-images.idx3-ubyte`])
  const labelFile = find(directory, [`${prefix}-labels-idx1-ubyte`, `${prefix}-labels.idx1-ubyte`])
  const images = readIdx(imageFile)
  const labels = readIdx(labelFile)
  const [count, ...size] = images.shape
  if (size.length !== 2 || size[0] !== MNIST_SIDE || size[1] !== MNIST_SIDE) {
    throw new AdytonError('file-corrupt', `${imageFile}: holds ${images.shape.join(' x ')}, expected N x 28 x 28`)
  }
  if (labels.shape.length !== 1 || labels.shape[0] !== count) {
    throw new AdytonError(
      'file-corrupt',
      `${labelFile}: holds ${labels.shape.join(' x ')} labels, expected one for each of the ${count} images`,
      { advice: `Take ${imageFile} and the labels from the same source.` },
    )
  }
  const bad = labels.data.findIndex((label) => label >= MNIST_CLASSES)
  if (bad >= 0)
    throw new AdytonError('file-corrupt', `${labelFile}: record ${bad}: label ${labels.data[bad]}, expected 0 to 9`)
  return { images: images.data, labels: labels.data, count, shape: [1, MNIST_SIDE, MNIST_SIDE], classes: MNIST_CLASSES }
}

function find(directory: string, names: readonly string[]): string {
  const candidates = names.flatMap((name) => [name, `${name}.gz`]).map((name) => join(directory, name))
  const found = candidates.find((file) => existsSync(file))
  if (found !== undefined) return found
  throw new AdytonError('file-not-found', `${directory}: has neither ${names[0]} nor ${names[0]}.gz`, {
    advice: 'Name the folder that holds the four MNIST files.',
  })
}
