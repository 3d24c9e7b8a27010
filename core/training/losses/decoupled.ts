/**
 * Decoupled knowledge distillation (Zhao et al. 2022, "Decoupled Knowledge Distillation", section 3). The divergence of
 * classical distillation is TCKD + (1 - p_t) NCKD: that of (target, not target), and that among the other classes
 * weighted by how unsure the teacher is (equation 5). Here the second has a weight of its own:
 * alpha * TCKD + beta * NCKD (equation 7).
 */
import type { Scalar, Tensor2D } from '@tensorflow/tfjs-core'
import type { TensorEngine } from '../model/model.ts'
import { hardTerm, teacherOf } from './cross-entropy.ts'
import type { Loss, LossInput } from './loss.ts'

export interface DecoupledOptions {
  readonly temperature?: number
  readonly alpha?: number
  readonly beta?: number
  readonly hardWeight?: number
  readonly smoothing?: number
  readonly warmup?: number
}

/** Takes the target out of a softmax: exp(-1000 + anything of use) is 0 in float32. */
const FAR = 1000

/** Log probabilities of the target, of all others together, and among the others (the target's column is of no use). */
function parts({ tf }: TensorEngine, logits: Tensor2D, hot: Tensor2D) {
  const all = tf.logSumExp(logits, 1)
  const others = tf.sub(logits, tf.mul(hot, FAR))
  const rest = tf.logSumExp(others, 1)
  return {
    target: tf.sub(tf.sum(tf.mul(logits, hot), 1), all),
    // Not log(1 - p): that is log(0) for a sure network.
    other: tf.sub(rest, all),
    among: tf.sub(others, tf.expandDims(rest, 1)),
  }
}

/** TCKD and NCKD, each T^2 times the mean over the batch. */
export function decoupledTerms(
  engine: TensorEngine,
  { logits, labels, teacher }: Pick<LossInput, 'logits' | 'labels' | 'teacher'>,
  temperature: number,
): { target: Scalar; others: Scalar } {
  const { tf } = engine
  const classes = logits.shape[1]
  const hot = tf.cast(tf.oneHot(labels, classes), 'float32') as Tensor2D
  const student = parts(engine, tf.div(logits, temperature), hot)
  const wanted = parts(engine, tf.div(teacher as Tensor2D, temperature), hot)
  const target = tf.add(
    tf.mul(tf.exp(wanted.target), tf.sub(wanted.target, student.target)),
    tf.mul(tf.exp(wanted.other), tf.sub(wanted.other, student.other)),
  )
  // The target's column is exp(-1000) = 0 times a finite number.
  const others = tf.sum(tf.mul(tf.exp(wanted.among), tf.sub(wanted.among, student.among)), 1)
  const scale = temperature ** 2
  return { target: tf.mul(tf.mean(target), scale), others: tf.mul(tf.mean(others), scale) }
}

/** hardWeight * cross entropy + min(1, epoch / warmup) * (alpha * TCKD + beta * NCKD). */
export function decoupledDistillation(options: DecoupledOptions = {}): Loss {
  const { temperature = 4, alpha = 1, beta = 8, hardWeight = 1, smoothing, warmup = 0 } = options
  return {
    needsTeacher: true,
    compute(engine, input) {
      const { tf } = engine
      const { target, others } = decoupledTerms(engine, { ...input, teacher: teacherOf(input) }, temperature)
      const grown = warmup > 0 ? Math.min(1, input.epoch / warmup) : 1
      const soft = tf.add(tf.mul(target, alpha * grown), tf.mul(others, beta * grown))
      return tf.add(tf.mul(hardTerm(engine, input, smoothing), hardWeight), soft)
    },
  }
}
