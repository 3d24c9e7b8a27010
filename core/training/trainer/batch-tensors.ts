/** A batch as tensors. */
import type { Tensor as TfTensor, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core'
import type { TrainableModel } from '../model/model.ts'
import type { TrainingBatch } from './batches.ts'

export interface BatchTensors {
  readonly images: TfTensor
  /** Of a mixed image, the class with the larger share. */
  readonly labels: Tensor1D
  /** [n, classes], rows sum to 1. */
  readonly targets: Tensor2D
}

/** Throws RangeError when images or labels do not fit the model. To be called inside tf.tidy. */
export function batchTensors(model: TrainableModel, { count, images, labels, mix }: TrainingBatch): BatchTensors {
  const { tf } = model.engine
  const { classes, inputShape } = model
  const [channels, height, width] = inputShape
  const shape = inputShape.length === 3 ? [count, height, width, channels] : [count, channels]
  if (images.length !== shape.reduce((a, b) => a * b, 1) || labels.length !== count) {
    throw new RangeError(`a batch of ${count} images and ${labels.length} labels does not fit [${shape.join(', ')}]`)
  }
  const targets = new Float32Array(count * classes)
  const main = new Int32Array(count)
  const share = mix?.share ?? 1
  labels.forEach((label, i) => {
    const other = mix?.labels[i] ?? label
    if (!(label >= 0 && label < classes && other >= 0 && other < classes)) {
      throw new RangeError(`label ${label} of a network with ${classes} classes`)
    }
    targets[i * classes + label] += share
    if (mix !== undefined) targets[i * classes + other] += 1 - share
    main[i] = share >= 0.5 ? label : other
  })
  return {
    images: tf.tensor(images, shape, 'float32'),
    labels: tf.tensor1d(main, 'int32'),
    targets: tf.tensor2d(targets, [count, classes], 'float32'),
  }
}
