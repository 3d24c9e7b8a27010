/** One training step: forward, loss, gradients, optimiser, and sums for the report, all on the device. */
import type { Scalar, Tensor as TfTensor, Variable } from '@tensorflow/tfjs-core'
import type { Loss } from '../losses/loss.ts'
import type { TrainableModel } from '../model/model.ts'
import { batchTensors } from './batch-tensors.ts'
import type { TrainingBatch } from './batches.ts'
import type { TrainingContext, TrainingHook } from './hook.ts'
import type { Optimiser } from './optimiser.ts'

export interface StepParts {
  readonly model: TrainableModel
  readonly teacher: TrainableModel | undefined
  readonly loss: Loss
  readonly optimiser: Optimiser
  readonly hooks: readonly TrainingHook[]
  /** [4]: sums over the epoch's images of loss and penalty, right answers, images. */
  readonly totals: Variable
}

export const TOTALS = 4

/**
 * Trains on one batch. Synchronous: nothing is read back from the device. Throws RangeError when nothing is trainable
 * or the batch does not fit.
 */
export function trainStep(parts: StepParts, context: TrainingContext, batch: TrainingBatch): void {
  const { model, teacher, loss, optimiser, hooks, totals } = parts
  const { tf } = model.engine
  const trainable = model.trainable()
  if (trainable.length === 0) throw new RangeError('no parameter is trainable')
  const values = hooks.flatMap((hook) => hook.values ?? [])
  tf.tidy(() => {
    const { images, labels, targets } = batchTensors(model, batch)
    const taught = teacher === undefined ? {} : { teacher: teacher.forward(images).logits }
    const epoch = context.epoch + context.step / context.stepsPerEpoch
    // What the report needs from inside the gradient, whose scope ends before ours.
    const kept: TfTensor[] = []
    try {
      const objective = (): Scalar => {
        const forward = model.forward(images, { training: true, values })
        const task = loss.compute(model.engine, { logits: forward.logits, targets, labels, epoch, ...taught })
        const penalties = hooks.flatMap((hook) => hook.penalty?.(context, forward) ?? [])
        const penalty = penalties.length === 0 ? tf.scalar(0) : tf.addN<Scalar>(penalties)
        const right = tf.sum(tf.cast(tf.equal(tf.argMax(forward.logits, 1), labels), 'float32'))
        kept.push(
          tf.keep(tf.stack([tf.mul(task, batch.count), tf.mul(penalty, batch.count), right, tf.scalar(batch.count)])),
        )
        return penalties.length === 0 ? task : tf.add(task, penalty)
      }
      const { grads } = tf.variableGrads(
        objective,
        trainable.map(({ variable }) => variable),
      )
      const gradients = new Map<string, TfTensor>()
      for (const { name, variable } of trainable) {
        const gradient: TfTensor | null | undefined = grads[variable.name]
        if (gradient !== null && gradient !== undefined) gradients.set(name, gradient)
      }
      optimiser.apply(trainable, gradients, context.rate)
      totals.assign(tf.add(totals, kept[0]))
    } finally {
      tf.dispose(kept)
    }
  })
  for (const hook of hooks) hook.afterStep?.(context)
}
