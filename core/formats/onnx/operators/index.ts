/** Every ONNX operator that is read, by name; `refused.ts` says why others are not. */
import type { Operator } from '../call.ts'
import { ACTIVATION } from './activation.ts'
import { ARITHMETIC } from './arithmetic.ts'
import { CONVOLUTION } from './convolution.ts'
import { DENSE } from './dense.ts'
import { FOLDING } from './fold.ts'
import { NORMALISATION } from './normalisation.ts'
import { PASSING } from './passing.ts'
import { POOLING } from './pooling.ts'
import { SHAPE } from './shape.ts'

export const OPERATORS: ReadonlyMap<string, Operator> = new Map(
  [CONVOLUTION, DENSE, NORMALISATION, ACTIVATION, ARITHMETIC, POOLING, SHAPE, PASSING, FOLDING].flatMap(Object.entries),
)
