/** A job of this screen, looked at by what it is. */
import type { WindowJob } from '../../core/api/data/contract.ts'
import type { InferenceDetail } from '../../core/api/data/progress.ts'
import type { InferenceViews } from '../../core/api/data/views.ts'
import type { InferInput } from '../../core/api/operations/infer.ts'
import { HostError } from '../app/failure.ts'

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

/** The part of a data set that a run is about, on this machine or against another. */
export function datasetOf(job: WindowJob): InferInput['dataset'] {
  return (job.input as Pick<InferInput, 'dataset'>).dataset
}

/** Why it failed. A picture is called by its name: where the host keeps it says nothing to anybody. */
export function errorOf(job: WindowJob): HostError | undefined {
  if (job.error === null) return undefined
  const { picture, pictures = [] } = job.input as Pick<InferInput, 'picture' | 'pictures'>
  const paths = [...(picture === undefined ? [] : [picture]), ...pictures]
  const named = (text: string): string =>
    paths.reduce((all, path) => all.replaceAll(path, path.split(/[\\/]/).at(-1) ?? path), text)
  const { code, message, advice } = job.error
  return new HostError({ code, message: named(message), advice: advice === null ? null : named(advice) })
}

function isKind(value: unknown, kind: string): boolean {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === kind
}
