/** Which operations are jobs: they take long enough to be queued, watched and stopped. */
import type { JobKind } from '../../jobs/job.ts'
import type { operations } from '../index.ts'

type Name = keyof typeof operations

const training: JobKind = { lane: 'training', resumes: true }
const inference: JobKind = { lane: 'inference', resumes: false }
/** One server at a time; it is started again with its input when the program is. */
const hosting: JobKind = { lane: 'hosting', resumes: false, endless: true }
const catalog: JobKind = { lane: 'catalog', resumes: false }

export const JOB_KINDS: Readonly<Partial<Record<Name, JobKind>>> = {
  train: training,
  linearize: training,
  sweep: training,
  evaluate: { lane: 'training', resumes: false },
  infer: inference,
  connect: inference,
  serve: hosting,
  // It wants the whole machine, as training does.
  engineMeasure: { lane: 'training', resumes: false },
  engineFind: { lane: 'download', resumes: false },
  engineFetch: { lane: 'download', resumes: true },
  datasetFetch: { lane: 'download', resumes: true },
  benchmarks: { lane: 'benchmark', resumes: false },
  calibrate: { lane: 'benchmark', resumes: false },
  zooVerify: catalog,
  zooBackup: catalog,
  zooVacuum: catalog,
}

export function jobKind(operation: string): JobKind | undefined {
  return Object.hasOwn(JOB_KINDS, operation) ? JOB_KINDS[operation as Name] : undefined
}
