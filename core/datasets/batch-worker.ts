/** The thread that prepares batches: one for each credit that it is given. */
import { parentPort, workerData } from 'node:worker_threads'
import { AdytonError, type ErrorCode } from '../errors/errors.ts'
import { BatchMaker, type Batch, type BatchOptions, type Position } from './batch-maker.ts'
import type { Part } from './dataset.ts'

export interface WorkerTask {
  readonly part: Part
  readonly options: BatchOptions
  readonly start: Position
  /** The epoch to stop before; Infinity for none. */
  readonly end: number
  /** Batches that may be made before the first is taken. */
  readonly credit: number
}

export type WorkerReply =
  | { readonly batch: Batch }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly advice: string | undefined } }

async function serve(task: WorkerTask): Promise<void> {
  const port = parentPort
  if (port === null) throw new Error('this module runs in a worker thread')
  let credit = task.credit
  let wake = (): void => undefined
  port.on('message', () => {
    credit++
    wake()
  })
  const maker = new BatchMaker(task.part, task.options)
  for (let at = task.start; at.epoch < task.end; at = maker.next(at)) {
    while (credit === 0) await new Promise<void>((resolve) => (wake = resolve))
    credit--
    const batch = await maker.make(at)
    const { images, labels, records, mix } = batch
    const buffers = [images.buffer, labels.buffer, records.buffer]
    if (mix !== undefined) buffers.push(mix.labels.buffer as ArrayBuffer)
    port.postMessage({ batch } satisfies WorkerReply, buffers)
  }
  maker.close()
  port.close()
}

serve(workerData as WorkerTask).catch((error: unknown) => {
  const known = error instanceof AdytonError ? error : undefined
  const message = error instanceof Error ? error.message : String(error)
  const reply: WorkerReply = { error: { code: known?.code ?? 'internal', message, advice: known?.advice } }
  parentPort?.postMessage(reply)
  parentPort?.close()
})
