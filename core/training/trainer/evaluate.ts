/** Accuracy of a model over a set. */
import { setImmediate } from 'node:timers/promises'
import { AdytonError } from '../../errors/errors.ts'
import type { TrainableModel } from '../model/model.ts'
import type { BatchSource } from './batches.ts'
import { batchTensors } from './batch-tensors.ts'
import type { Evaluation } from './report.ts'

export interface EvaluateOptions {
  readonly signal?: AbortSignal
  /** Images done so far. */
  readonly onProgress?: (images: number) => void
}

/**
 * Top-1 and mean cross entropy over one epoch of `source`, in evaluation mode. A tie counts for the first class.
 * @throws AdytonError 'cancelled'
 */
export async function evaluate(
  model: TrainableModel,
  source: BatchSource,
  { signal, onProgress }: EvaluateOptions = {},
): Promise<Evaluation> {
  const { tf, ops } = model.engine
  const batches = source.open({ epoch: 0, step: 0 })
  let correct = 0
  let loss = 0
  let images = 0
  try {
    for (let step = 0; step < source.stepsPerEpoch; step++) {
      if (signal?.aborted === true) throw new AdytonError('cancelled', 'the evaluation was stopped')
      const { value: batch, done } = await batches.next()
      if (done === true) break
      const sums = tf.tidy(() => {
        const { images: x, labels, targets } = batchTensors(model, batch)
        const { logits } = model.forward(x)
        const right = tf.sum(tf.cast(tf.equal(tf.argMax(logits, 1), labels), 'float32'))
        return tf.stack([right, ops.softmaxCrossEntropy(targets, logits)])
      })
      const [right, mean] = await sums.data()
      sums.dispose()
      correct += right
      loss += mean * batch.count
      images += batch.count
      onProgress?.(images)
      // Lets timers and messages in, which may ask to stop.
      await setImmediate()
    }
  } finally {
    await batches.close()
  }
  return { top1: correct / images, correct, images, loss: loss / images }
}
