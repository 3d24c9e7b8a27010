/**
 * Knowledge distillation (Hinton, Vinyals and Dean 2015, section 2): the student also matches the teacher's softened
 * probabilities. Gradients of the soft term shrink as 1 / T^2, so that it is multiplied by T^2.
 */
import type { Scalar, Tensor2D } from '@tensorflow/tfjs-core'
import type { TensorEngine } from '../model/model.ts'
import { hardTerm, teacherOf } from './cross-entropy.ts'
import type { Loss } from './loss.ts'

export interface DistillationOptions {
  readonly temperature?: number
  readonly weight?: number
  readonly hardWeight?: number
  readonly smoothing?: number
}

/** T^2 * mean over the batch of KL(softmax(teacher / T) || softmax(logits / T)). */
export function softTerm({ tf }: TensorEngine, logits: Tensor2D, teacher: Tensor2D, temperature: number): Scalar {
  const student = tf.logSoftmax(tf.div(logits, temperature))
  const target = tf.logSoftmax(tf.div(teacher, temperature))
  const divergence = tf.sum(tf.mul(tf.exp(target), tf.sub(target, student)), 1)
  return tf.mul(tf.mean(divergence), temperature ** 2)
}

/** hardWeight * cross entropy + weight * soft term; see LossSchema for what is taken unless given. */
export function distillation(options: DistillationOptions = {}): Loss {
  const { temperature = 4, weight = 0.5, hardWeight = Math.max(0, 1 - weight), smoothing } = options
  return {
    needsTeacher: true,
    compute(engine, input) {
      const { tf } = engine
      const soft = softTerm(engine, input.logits, teacherOf(input), temperature)
      return tf.add(tf.mul(hardTerm(engine, input, smoothing), hardWeight), tf.mul(soft, weight))
    },
  }
}
