/** Which operations are jobs: they take long enough to be queued, watched and stopped. */
import type { JobKind } from '../../jobs/job.ts'
import type { operations } from '../index.ts'

type Name = keyof typeof operations

const training: JobKind = { lane: 'training', resumes: true }
const inference: JobKind = { lane: 'inference', resumes: false }
const catalog: JobKind = { lane: 'catalog', resumes: false }

export const JOB_KINDS: Readonly<Partial<Record<Name, JobKind>>> = {
  train: training,
  linearize: training,
  sweep: training,
  evaluate: { lane: 'training', resumes: false },
  infer: inference,
  connect: inference,
  datasetFetch: { lane: 'download', resumes: true },
  zooVerify: catalog,
  zooBackup: catalog,
  zooVacuum: catalog,
}

export function jobKind(operation: string): JobKind | undefined {
  return (JOB_KINDS as Readonly<Record<string, JobKind | undefined>>)[operation]
}
