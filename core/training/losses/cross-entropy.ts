/** Cross entropy with label smoothing (Szegedy et al. 2016, section 7). */
import type { Scalar, Tensor2D } from '@tensorflow/tfjs-core'
import type { TensorEngine } from '../model/model.ts'
import type { Loss, LossInput } from './loss.ts'

/** (1 - smoothing) * targets + smoothing / classes */
export function smoothTargets({ tf }: TensorEngine, targets: Tensor2D, smoothing = 0): Tensor2D {
  if (smoothing === 0) return targets
  return tf.add(tf.mul(targets, 1 - smoothing), smoothing / targets.shape[1])
}

export function hardTerm(engine: TensorEngine, { logits, targets }: LossInput, smoothing?: number): Scalar {
  return engine.ops.softmaxCrossEntropy(smoothTargets(engine, targets, smoothing), logits)
}

export function crossEntropy({ smoothing }: { readonly smoothing?: number } = {}): Loss {
  return { needsTeacher: false, compute: (engine, input) => hardTerm(engine, input, smoothing) }
}

/** The teacher's logits; Loss.needsTeacher makes the trainer see to them. */
export function teacherOf({ teacher }: LossInput): Tensor2D {
  if (teacher === undefined) throw new RangeError('a distilling loss needs the logits of a teacher')
  return teacher
}
