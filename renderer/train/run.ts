/** What is known of a run, whatever it is and however far. */
import type { WindowJob } from '../../core/api/data/contract.ts'
import {
  isTrainingDetail,
  type PlannedPart,
  type TrainingDetail,
  type TrainingPoint,
} from '../../core/api/data/training.ts'
import type { Output } from '../app/host.svelte.ts'

export type Result =
  | { readonly operation: 'train'; readonly value: Output<'train'> }
  | { readonly operation: 'linearize'; readonly value: Output<'linearize'> }
  | { readonly operation: 'sweep'; readonly value: Output<'sweep'> }

export interface RunState {
  readonly detail: TrainingDetail | null
  readonly result: Result | null
  readonly history: readonly TrainingPoint[]
  readonly plan: readonly PlannedPart[]
}

function resultOf({ operation, state, result }: WindowJob): Result | null {
  if (state !== 'done' || result === null) return null
  return operation === 'train' || operation === 'linearize' || operation === 'sweep'
    ? ({ operation, value: result } as Result)
    : null
}

export function runState(job: WindowJob): RunState {
  const result = resultOf(job)
  const told = job.progress?.detail
  const detail = isTrainingDetail(told) ? told : null
  const { history, plan } = result?.value ?? detail ?? { history: [], plan: [] }
  return { detail, result, history, plan }
}
