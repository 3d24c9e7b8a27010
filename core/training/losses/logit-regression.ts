/**
 * Logit regression (Sphynx, Cho et al. 2021, appendix G, equation G.1, after Ba and Caruana 2014): cross entropy plus
 * the squared Euclidean distance of the student's logits from the teacher's; summed over classes, mean over the batch.
 */
import { hardTerm, teacherOf } from './cross-entropy.ts'
import type { Loss } from './loss.ts'

export function logitRegression(options: { readonly weight?: number; readonly smoothing?: number } = {}): Loss {
  const { weight = 1, smoothing } = options
  return {
    needsTeacher: true,
    compute(engine, input) {
      const { tf } = engine
      const distance = tf.mean(tf.sum(tf.squaredDifference(input.logits, teacherOf(input)), 1))
      return tf.add(hardTerm(engine, input, smoothing), tf.mul(distance, weight))
    },
  }
}
