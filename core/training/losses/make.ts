/** Losses from plain data. */
import { decoupledDistillation } from './decoupled.ts'
import { distillation } from './distillation.ts'
import { crossEntropy } from './cross-entropy.ts'
import { logitRegression } from './logit-regression.ts'
import type { Loss, LossSpec } from './loss.ts'

export function makeLoss(spec: LossSpec): Loss {
  switch (spec.kind) {
    case 'cross-entropy':
      return crossEntropy(spec)
    case 'distillation':
      return distillation(spec)
    case 'decoupled-distillation':
      return decoupledDistillation(spec)
    case 'logit-regression':
      return logitRegression(spec)
  }
}
