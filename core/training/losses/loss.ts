/** What a loss is, and the losses as plain data for recipes. All are means over the batch. */
import type { Scalar, Tensor1D, Tensor2D } from '@tensorflow/tfjs-core'
import * as v from 'valibot'
import type { TensorEngine } from '../model/model.ts'

export interface LossInput {
  /** [n, classes] */
  readonly logits: Tensor2D
  /** [n, classes], rows sum to 1: one-hot, or two classes of a mixed image. */
  readonly targets: Tensor2D
  /** [n], int32: the class; of a mixed image the one with the larger share. */
  readonly labels: Tensor1D
  /** [n, classes]: the teacher's, through which no gradient flows. */
  readonly teacher?: Tensor2D
  /** From 0, and not whole within an epoch: for terms that grow at the beginning. */
  readonly epoch: number
}

export interface Loss {
  readonly needsTeacher: boolean
  /** Scalar, differentiable in the logits. To be called inside tf.tidy or a gradient. */
  compute(engine: TensorEngine, input: LossInput): Scalar
}

const weight = v.exactOptional(v.pipe(v.number(), v.finite(), v.minValue(0)))
const temperature = v.exactOptional(v.pipe(v.number(), v.finite(), v.gtValue(0)))
/** Szegedy et al. 2016, section 7: the share of the targets that is spread evenly over all classes; 0 unless given. */
const smoothing = v.exactOptional(v.pipe(v.number(), v.minValue(0), v.ltValue(1)))

export const LossSchema = v.variant('kind', [
  v.strictObject({ kind: v.literal('cross-entropy'), smoothing }),
  v.strictObject({
    kind: v.literal('distillation'),
    smoothing,
    /** 4 unless given, as SNL and DeepReShape have it. */
    temperature,
    /** Of the soft term, T^2 KL; 0.5 unless given (SNL: equal weights). */
    weight,
    /** Of the cross entropy; 1 - weight unless given. */
    hardWeight: weight,
  }),
  v.strictObject({
    kind: v.literal('decoupled-distillation'),
    smoothing,
    /** 4 unless given. */
    temperature,
    /** Of the target class's term; 1 unless given. */
    alpha: weight,
    /** Of the other classes' term; 8 unless given (the paper's for CIFAR-100 with residual networks). */
    beta: weight,
    /** Of the cross entropy; 1 unless given. */
    hardWeight: weight,
    /** Epochs over which the distillation terms grow linearly to their weight; none unless given (the paper: 20). */
    warmup: weight,
  }),
  v.strictObject({
    kind: v.literal('logit-regression'),
    smoothing,
    /** Of the squared distance; 1 unless given, as in Sphynx (equation G.1). */
    weight,
  }),
])

export type LossSpec = v.InferOutput<typeof LossSchema>
