/** What a plan costs before anything runs: exact bytes, and figures by ReLU. */
import { HEADER_BYTES } from '../channel/frames.ts'
import { MESSAGES } from '../channel/messages.ts'
import type { Plan } from '../network/plan.ts'
import { gcBatches, isNonLinear } from '../protocol/batches.ts'
import { exactBytes, frameGroups, type Bytes } from '../protocol/sizes.ts'

export interface PlanSummary {
  /** Exact framed bytes of one inference. */
  readonly bytes: { readonly offline: Bytes; readonly online: Bytes }
  readonly byKind: ReturnType<typeof exactBytes>['byKind']
  /** Bytes for each ReLU that is evaluated in a circuit; null when there is none. */
  readonly perRelu: {
    readonly relus: number
    readonly andGates: number
    readonly tableBytes: number
    readonly transferBytes: number
    readonly onlineBytes: number
  } | null
  readonly failure: Plan['failure']
  readonly rings: { readonly bits: readonly number[]; readonly circuitBits: readonly number[] }
}

/** Everything here follows from the public plan. */
export function planSummary(plan: Plan): PlanSummary {
  const { offline, online, byKind } = exactBytes(plan)
  let relus = 0
  let andGates = 0
  for (const step of plan.steps) {
    if (!isNonLinear(step)) continue
    for (const batch of gcBatches(plan, step)) {
      // A max-pool with ReLU does the work of the ReLUs before it, one for each input.
      if (step.op === 'activation' || (step.op === 'maxPool' && step.relu))
        relus += batch.instances * batch.inputs.length
      andGates += batch.instances * batch.circuit.andGates
    }
  }
  const framed = (type: number): number =>
    frameGroups(plan)
      .filter((group) => group.type === type)
      .reduce((sum, group) => sum + group.count * (group.bytes + HEADER_BYTES), 0)
  const circuitBits = plan.steps.flatMap((step) =>
    step.op === 'maxPool' || (step.op === 'activation' && (step.kept === 'all' || step.kept.length > 0))
      ? [step.circuitBits]
      : [],
  )
  const perRelu =
    relus === 0
      ? null
      : {
          relus,
          andGates: andGates / relus,
          tableBytes: (andGates * 32) / relus,
          transferBytes: framed(MESSAGES.otExtension) / relus,
          onlineBytes: (online.clientToServer + online.serverToClient) / relus,
        }
  return {
    bytes: { offline, online },
    byKind,
    perRelu,
    failure: plan.failure,
    rings: {
      bits: [...new Set(plan.values.map((value) => value.bits))].sort((a, b) => a - b),
      circuitBits: [...new Set(circuitBits)].sort((a, b) => a - b),
    },
  }
}
