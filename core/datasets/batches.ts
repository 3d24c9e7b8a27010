/**
 * A stream of batches that another thread prepares, so that training does not wait for files, decoding and
 * augmentation. At most `depth` batches are ready or in the making. What they hold depends on the seed and the place
 * alone (batch-maker.ts), never on timing.
 */
import { Worker } from 'node:worker_threads'
import { AdytonError } from '../errors/errors.ts'
import { BatchMaker, stepsPerEpoch, type Batch, type BatchOptions, type Position } from './batch-maker.ts'
import type { WorkerReply, WorkerTask } from './batch-worker.ts'
import type { Part } from './dataset.ts'
import { cancelled } from './problems.ts'

export { BatchMaker, stepsPerEpoch, type Batch, type BatchOptions, type Position } from './batch-maker.ts'

export interface StreamOptions extends BatchOptions {
  /** The first batch; that of a checkpoint to go on with. */
  readonly start?: Position
  /** Ends before this epoch; never unless given. */
  readonly epochs?: number
  /** Batches prepared ahead, 1 to 64; 4 unless given. 0: none, and no thread is started. */
  readonly depth?: number
  readonly signal?: AbortSignal
}

/** Batches in order. To be closed, or used in a `for await` loop, which closes it. */
export interface BatchStream extends AsyncIterableIterator<Batch>, AsyncDisposable {
  readonly stepsPerEpoch: number
  /** The place of the batch that comes next. */
  readonly position: Position
  /** @throws AdytonError naming the file and record that cannot be read, or 'cancelled' */
  next(): Promise<IteratorResult<Batch, undefined>>
  close(): Promise<void>
}

/** All images once in their order, without augmentation: for evaluation. */
export const openEvaluation = (
  part: Part,
  options: Pick<StreamOptions, 'size' | 'normalisation' | 'subset' | 'depth' | 'signal'>,
): BatchStream => openBatches(part, { ...options, epochs: 1 })

/** @throws RangeError for impossible options, AdytonError 'usage' when there is not one batch */
export function openBatches(part: Part, options: StreamOptions): BatchStream {
  const { start = { epoch: 0, step: 0 }, epochs = Infinity, depth = 4, signal, ...batching } = options
  if (!Number.isInteger(depth) || depth < 0 || depth > 64) throw new RangeError(`0 to 64 batches ahead, got ${depth}`)
  // Also checks the options here, where the caller sees the error at once.
  const maker = new BatchMaker(part, batching)
  const count = batching.subset?.length ?? part.count
  if (!(start.epoch >= 0 && start.step >= 0 && start.step < stepsPerEpoch(count, batching))) {
    maker.close()
    throw new RangeError(`epoch ${start.epoch} has no step ${start.step}`)
  }
  if (depth === 0) return new Stream(maker, start, epochs, signal, undefined)
  maker.close()
  const task: WorkerTask = { part, options: batching, start, end: epochs, credit: depth }
  return new Stream(maker, start, epochs, signal, new Prefetch(task))
}

class Stream implements BatchStream {
  readonly stepsPerEpoch: number
  readonly #maker: BatchMaker
  readonly #epochs: number
  readonly #signal: AbortSignal | undefined
  readonly #prefetch: Prefetch | undefined
  readonly #abort = (): void => void this.#end(cancelled('preparing batches'))
  #position: Position
  #ended: Error | 'closed' | undefined
  /** One call after another, whether or not the caller waits. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    maker: BatchMaker,
    start: Position,
    epochs: number,
    signal: AbortSignal | undefined,
    prefetch: Prefetch | undefined,
  ) {
    this.stepsPerEpoch = maker.steps
    this.#maker = maker
    this.#position = start
    this.#epochs = epochs
    this.#signal = signal
    this.#prefetch = prefetch
    if (signal?.aborted === true) this.#abort()
    else signal?.addEventListener('abort', this.#abort, { once: true })
  }

  get position(): Position {
    return this.#position
  }

  next(): Promise<IteratorResult<Batch, undefined>> {
    const result = this.#last.then(() => this.#take())
    this.#last = result.catch(() => undefined)
    return result
  }

  async #take(): Promise<IteratorResult<Batch, undefined>> {
    if (this.#ended instanceof Error) throw this.#ended
    if (this.#ended !== undefined || this.#position.epoch >= this.#epochs) {
      await this.close()
      return { done: true, value: undefined }
    }
    try {
      const batch = await (this.#prefetch?.take() ?? this.#maker.make(this.#position))
      this.#position = this.#maker.next(this.#position)
      return { done: false, value: batch }
    } catch (error) {
      const reason = this.#signal?.aborted === true ? cancelled('preparing batches') : error
      await this.#end(reason instanceof Error ? reason : new Error(String(reason)))
      throw reason
    }
  }

  async return(): Promise<IteratorResult<Batch, undefined>> {
    await this.close()
    return { done: true, value: undefined }
  }

  close(): Promise<void> {
    return this.#end('closed')
  }

  async #end(reason: Error | 'closed'): Promise<void> {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#signal?.removeEventListener('abort', this.#abort)
    if (this.#prefetch === undefined) this.#maker.close()
    else await this.#prefetch.close(reason === 'closed' ? cancelled('preparing batches') : reason)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

interface Waiter {
  readonly resolve: (batch: Batch) => void
  readonly reject: (error: Error) => void
}

/** The worker's side of a stream: batches that have come, and whoever waits for the next. */
class Prefetch {
  readonly #worker: Worker
  readonly #ready: Batch[] = []
  #waiter: Waiter | undefined
  #failure: Error | undefined

  constructor(task: WorkerTask) {
    this.#worker = new Worker(new URL('./batch-worker.ts', import.meta.url), {
      name: 'adyton-batches',
      workerData: task,
      // Flags of the program, such as --input-type, need not suit a worker's module.
      execArgv: [],
    })
    // A program may end while batches are prepared that nobody waits for.
    this.#worker.unref()
    this.#worker.on('message', (reply: WorkerReply) => {
      if ('batch' in reply) this.#arrive(reply.batch)
      else this.#fail(revive(reply.error))
    })
    const crash = (cause: unknown): void =>
      this.#fail(
        new AdytonError('internal', 'the thread that prepares batches stopped unexpectedly', {
          advice: 'Free memory or take smaller batches, then continue from the last checkpoint.',
          cause,
        }),
      )
    this.#worker.on('error', crash)
    this.#worker.on('messageerror', crash)
    this.#worker.on('exit', (code) => crash(new Error(`exit code ${code}`)))
  }

  take(): Promise<Batch> {
    const batch = this.#ready.shift()
    if (batch !== undefined) {
      this.#worker.postMessage('more')
      return Promise.resolve(batch)
    }
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    this.#worker.ref()
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
    })
  }

  async close(reason: Error): Promise<void> {
    this.#ready.length = 0
    this.#fail(reason)
    await this.#worker.terminate()
  }

  #arrive(batch: Batch): void {
    const waiter = this.#waiter
    if (waiter === undefined) {
      this.#ready.push(batch)
      return
    }
    this.#settle()
    this.#worker.postMessage('more')
    waiter.resolve(batch)
  }

  /** The first reason stays; batches that came before it can still be taken. */
  #fail(error: Error): void {
    this.#failure ??= error
    const waiter = this.#waiter
    this.#settle()
    waiter?.reject(this.#failure)
  }

  #settle(): void {
    this.#waiter = undefined
    this.#worker.unref()
  }
}

function revive(error: Extract<WorkerReply, { error: unknown }>['error']): AdytonError {
  const { code, message, advice } = error
  return new AdytonError(code, message, advice === undefined ? {} : { advice })
}
