/** What is said of jobs wherever they are shown. */
import type { WindowJob } from '../../core/api/data/contract.ts'
import { isTrainingDetail } from '../../core/api/data/training.ts'
import { rough } from '../ui/format.ts'
import { text } from './text.ts'

export type JobState = WindowJob['state']
export const ENDED: ReadonlySet<JobState> = new Set(['done', 'failed', 'cancelled'])

/** 'about 3 min left', of a running job whose share is known; '' otherwise. `now`: ms since 1970. */
export function remaining(job: WindowJob, now: number): string {
  const fraction = job.progress?.fraction
  const detail = job.progress?.detail
  if (job.state === 'running' && isTrainingDetail(detail) && detail.secondsLeft !== null) {
    return text.left(rough(detail.secondsLeft * 1000))
  }
  if (job.state !== 'running' || job.started === null || fraction === undefined || fraction < 0.02) return ''
  const spent = spentOf(job, now)
  return text.left(rough((spent * (1 - fraction)) / fraction))
}

/** Time that the job has run, over all its runs, ms. */
export function spentOf(job: WindowJob, now: number): number {
  return job.spentMs + (job.state === 'running' && job.started !== null ? Math.max(0, now - job.started) : 0)
}
