/** Entry of a worker thread of HePool: takes jobs one at a time, answers with results or plain error data. */
import { parentPort, workerData } from 'node:worker_threads'
import { AdytonError, type ErrorCode } from '../errors/errors.ts'
import type { KernelChoice } from '../kernels/index.ts'
import { Workbench, type Job, type JobResult } from './jobs.ts'

/** What a worker sends back: the result of a job, or its error as data (class identity does not survive cloning). */
export type Reply =
  | { readonly id: number; readonly result: JobResult }
  | { readonly id: number; readonly error: { code?: ErrorCode; message: string; advice?: string; stack?: string } }

/** What a worker receives. */
export interface Request {
  readonly id: number
  readonly job: Job
}

/** What a worker starts with. */
export interface WorkerData {
  readonly kernels: KernelChoice | undefined
}

const port = parentPort
if (port === null) throw new Error('core/he/worker.ts runs as a worker thread only')
const bench = new Workbench((workerData as WorkerData).kernels)
// While the pool's owner is still busy elsewhere; a failure shows again at the first job.
bench.warm().catch(() => undefined)

function transferable(result: JobResult): ArrayBuffer[] {
  if (result instanceof Uint8Array) return [result.buffer as ArrayBuffer]
  return Array.isArray(result) ? result.map(([, bytes]) => (bytes as Uint8Array).buffer as ArrayBuffer) : []
}

/** Strictly in order, as replies carry no more than that: one job may wait, say for SEAL, while the next is here already. */
let last = Promise.resolve()

port.on('message', (request: Request) => {
  last = last.then(() => answer(request))
})

async function answer({ id, job }: Request): Promise<void> {
  try {
    const result = await bench.run(job)
    port?.postMessage({ id, result } satisfies Reply, transferable(result))
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error))
    const known =
      error instanceof AdytonError ? { code: error.code, ...(error.advice && { advice: error.advice }) } : {}
    port?.postMessage({ id, error: { ...known, message, ...(stack !== undefined && { stack }) } } satisfies Reply)
  }
}
