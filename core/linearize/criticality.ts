/**
 * The criticality metric of DeepReDuce (Jha et al. 2021), as DeepReShape's tables 10 and 11 state it: stage k is judged
 * by the accuracy, with distillation, of the network whose only ReLUs are those of stage k,
 *
 *   C_k = (accuracy_k - lowest accuracy) / (thousands of ReLUs of stage k)^w,   w = 0.07.
 *
 * The stage with the lowest accuracy gets 0.
 */

/** Exponent of the ReLU count; reproduces the published C_k to their two digits. */
export const CRITICALITY_EXPONENT = 0.07

export interface StageAccuracy {
  readonly stage: number
  /** ReLUs of the stage, not thousands. */
  readonly relus: number
  /** Percent, of the network with the ReLUs of this stage only. */
  readonly accuracy: number
}

export interface StageCriticality extends StageAccuracy {
  readonly criticality: number
}

/** Criticality of each stage, in the order given. Stages without ReLUs are left out. */
export function criticality(
  stages: readonly StageAccuracy[],
  exponent: number = CRITICALITY_EXPONENT,
): StageCriticality[] {
  const judged = stages.filter((stage) => stage.relus > 0)
  const lowest = Math.min(...judged.map((stage) => stage.accuracy))
  return judged.map((stage) => ({
    ...stage,
    criticality: (stage.accuracy - lowest) / (stage.relus / 1000) ** exponent,
  }))
}

/** Stages from the least to the most critical; equal ones in their order. */
export function byCriticality(stages: readonly StageCriticality[]): number[] {
  return [...stages].sort((a, b) => a.criticality - b.criticality || a.stage - b.stage).map((stage) => stage.stage)
}
