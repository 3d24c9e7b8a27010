/** The mutation campaign in a thread: one core for it, one for the other campaigns. */
import { parentPort, workerData } from 'node:worker_threads'
import { runMutations, type MutationReport } from '../campaigns/mutations.ts'

export type FromWorker =
  { readonly done: number; readonly total: number; readonly name: string } | { readonly report: MutationReport }

const post = (message: FromWorker): void => parentPort?.postMessage(message)
const { mutations } = workerData as { mutations: number }
const report = await runMutations({ mutations, onState: (done, total, { name }) => post({ done, total, name }) })
post({ report })
