/** A job of this screen, looked at by what it is. */
import type { WindowJob } from '../../core/api/data/contract.ts'
import type { InferenceDetail } from '../../core/api/data/progress.ts'
import type { InferenceViews } from '../../core/api/data/views.ts'
import type { InferInput } from '../../core/api/operations/infer.ts'

/** Operations whose runs this screen shows. */
export const RUNS: readonly string[] = ['infer', 'connect']

export function detailOf(job: WindowJob): InferenceDetail | undefined {
  const detail = job.progress?.detail
  return isKind(detail, 'inference') ? (detail as InferenceDetail) : undefined
}

/** What both parties held; in memory, so only while the program runs. */
export function viewsOf(job: WindowJob): InferenceViews | undefined {
  const transient = job.progress?.transient
  return isKind(transient, 'views') ? (transient as InferenceViews) : undefined
}

/** What an inference on this machine was started with. */
export function inputOf(job: WindowJob): InferInput | undefined {
  return job.operation === 'infer' ? (job.input as InferInput) : undefined
}

function isKind(value: unknown, kind: string): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind
}
