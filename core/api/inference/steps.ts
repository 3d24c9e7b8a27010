/** The steps of a plan for people, and how far each is. */
import { HEADER_BYTES } from '../../channel/frames.ts'
import type { Plan, Step } from '../../network/plan.ts'
import { gcBatches, isNonLinear } from '../../protocol/batches.ts'
import { frameGroups } from '../../protocol/sizes.ts'
import type { StepKind } from '../data/progress.ts'

export function stepKind(plan: Plan, step: Step): StepKind {
  switch (step.op) {
    case 'linear': {
      const { inHeight, inWidth, kernelHeight, kernelWidth } = step.geometry
      return inHeight * inWidth * kernelHeight * kernelWidth === 1 ? 'dense' : 'conv'
    }
    case 'activation':
      return gcBatches(plan, step).length > 0 ? 'relu' : 'rescale'
    case 'sumPool':
      return 'avgPool'
    default:
      return step.op
  }
}

/** The value that a step makes; for the last one, which makes none, what it reveals. */
export function stepValue(step: Step): number {
  return step.op === 'reveal' ? step.input : step.output
}

/** Framed bytes of each step by phase, and of what belongs to none as ''. */
export function stepBytes(plan: Plan): Map<string, { offline: number; online: number }> {
  const sums = new Map<string, { offline: number; online: number }>()
  for (const group of frameGroups(plan)) {
    if (group.phase === 'setup') continue
    const sum = sums.get(group.step) ?? { offline: 0, online: 0 }
    sum[group.phase] += group.count * (group.bytes + HEADER_BYTES)
    sums.set(group.step, sum)
  }
  return sums
}

/**
 * Turns of a phase in which one party waits for the other's answer to what it just sent. Offline: the request, the
 * layers under HE, each step that is garbled, and the end. Online: the request, each garbled step, and the answer.
 */
export function rounds(plan: Plan): { offline: number; online: number } {
  const garbled = plan.steps.filter((step) => isNonLinear(step) && gcBatches(plan, step).length > 0)
  const linear = plan.steps.some((step) => step.op === 'linear') ? 1 : 0
  const inner = garbled.filter((step) => step.op !== 'reveal').length
  return { offline: 2 + linear + garbled.length, online: 2 + inner }
}
