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
  /** Bytes for each garbled instance; null when nothing is garbled. */
  readonly perRelu: {
    readonly instances: number
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
  let instances = 0
  let andGates = 0
  for (const step of plan.steps) {
    if (!isNonLinear(step)) continue
    for (const batch of gcBatches(plan, step)) {
      instances += batch.instances
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
    instances === 0
      ? null
      : {
          instances,
          andGates: andGates / instances,
          tableBytes: (andGates * 32) / instances,
          transferBytes: framed(MESSAGES.otExtension) / instances,
          onlineBytes: (online.clientToServer + online.serverToClient) / instances,
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
