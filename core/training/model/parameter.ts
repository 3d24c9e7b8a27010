/** The variables of a model and what they are. */
import type { Variable } from '@tensorflow/tfjs-core'
import type { TensorSpec } from '../../network/tensors.ts'
import type { Layout } from './layout.ts'

/** 'mean' and 'variance' are running statistics, which no optimiser moves; 'slope' is the c of SNL. */
export type ParameterKind = Exclude<TensorSpec['kind'], 'mask'> | 'slope'

export interface Parameter {
  /** `<node id>.<kind>`, as the tensors of core/network are called. */
  readonly name: string
  readonly nodeId: string
  readonly kind: ParameterKind
  /** In tf.js layout; see `layout`. The same object for the life of the model. */
  readonly variable: Variable
  readonly layout: Layout
  /** Whether the optimiser moves it now; see TrainableModel.setTrainable. */
  readonly trainable: boolean
}

export const isStatistic = (kind: ParameterKind): boolean => kind === 'mean' || kind === 'variance'
