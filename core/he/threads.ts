/** A queue of HE jobs and the threads that work on it, first come first served. */
import { Worker } from 'node:worker_threads'
import { AdytonError } from '../errors/errors.ts'
import type { KernelChoice } from '../kernels/index.ts'
import { Workbench, type Job, type JobResult, type JobResults } from './jobs.ts'
import type { Reply, Request, WorkerData } from './worker.ts'

/** One caller's jobs, which are cancelled together. */
export interface Call {
  run<J extends Job>(job: J): Promise<JobResults[J['kind']]>
}

interface Owner {
  /** Set once the call is over: why its remaining jobs get no result. */
  over: Error | undefined
}

interface Task {
  readonly job: Job
  readonly owner: Owner
  readonly resolve: (result: JobResult) => void
  readonly reject: (error: Error) => void
}

interface Slot {
  readonly worker: Worker
  /** In the order in which the worker does them; the first one runs. */
  readonly tasks: Task[]
}

/** Jobs that a thread has before it: it need not wait for this one, which has a network to serve, between two short ones. */
const AHEAD = 2
/** Kinds that are over in less than the answer and the next job take to be delivered; a long one waits for a free thread. */
const SHORT: readonly Job['kind'][] = ['encrypt', 'decrypt', 'transform']

const cancelled = (): AdytonError => new AdytonError('cancelled', 'the HE work was cancelled')

export class Threads {
  /** Worker threads; 0 for none. */
  readonly count: number
  readonly #slots: Slot[] = []
  readonly #bench: Workbench | undefined
  readonly #queue: Task[] = []
  /** Why no further job is taken. */
  #ended: AdytonError | undefined
  #localBusy = false
  #localIdle: Promise<void> = Promise.resolve()

  private constructor(count: number, kernels: KernelChoice | undefined) {
    this.count = count
    this.#bench = count === 0 ? new Workbench(kernels) : undefined
  }

  static async start(count: number, entry: URL, kernels?: KernelChoice): Promise<Threads> {
    if (!Number.isInteger(count) || count < 0 || count > 256) throw new RangeError(`0 to 256 threads, got ${count}`)
    const threads = new Threads(count, kernels)
    try {
      await Promise.all(Array.from({ length: count }, () => threads.#add(entry, { kernels })))
    } catch (error) {
      await threads.close()
      throw error
    }
    return threads
  }

  /** Runs `body` with a call of its own; the signal, or the first job that fails, drops all its other jobs. */
  async call<T>(signal: AbortSignal | undefined, body: (call: Call) => Promise<T>): Promise<T> {
    if (signal?.aborted === true) throw cancelled()
    const owner: Owner = { over: undefined }
    const call: Call = { run: (job) => this.#enqueue(job, owner) }
    let stop = (): void => undefined
    // The body may be waiting for the peer, not for a job: the race frees the caller in any case.
    const aborted = new Promise<never>((_, reject) => {
      stop = () => {
        this.#drop(owner, cancelled())
        reject(cancelled())
      }
      signal?.addEventListener('abort', stop, { once: true })
    })
    try {
      return await Promise.race([body(call), aborted])
    } finally {
      signal?.removeEventListener('abort', stop)
      this.#drop(owner, cancelled())
    }
  }

  /** Sends a job to every thread, outside the queue; its result is not awaited. */
  broadcast(job: Job): void {
    for (const { worker } of this.#slots) worker.postMessage({ id: -1, job } satisfies Request)
    void this.#bench?.run(job)
  }

  async close(): Promise<void> {
    this.#end(cancelled())
    await Promise.all(this.#slots.map(({ worker }) => worker.terminate()))
    await this.#localIdle
    await this.#bench?.delete()
  }

  #add(entry: URL, workerData: WorkerData): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(entry, { name: 'adyton-he', workerData })
      const slot: Slot = { worker, tasks: [] }
      this.#slots.push(slot)
      worker.once('online', resolve)
      const crash = (cause: unknown): void => {
        const error = new AdytonError('internal', 'a worker thread of the HE engine stopped unexpectedly', {
          advice: 'Free memory or use fewer threads, then start the inference again.',
          cause,
        })
        reject(error)
        this.#end(error)
      }
      worker.on('error', crash)
      worker.on('messageerror', crash)
      worker.on('exit', (code) => crash(new Error(`exit code ${code}`)))
      worker.on('message', (reply: Reply) => {
        if (reply.id < 0) return
        const task = slot.tasks.shift()
        if (task === undefined) return
        if ('result' in reply) task.resolve(reply.result)
        else task.reject(revive(reply.error))
        this.#dispatch()
      })
    })
  }

  #enqueue<J extends Job>(job: J, owner: Owner): Promise<JobResults[J['kind']]> {
    return new Promise((resolve, reject) => {
      const refuse = this.#ended ?? owner.over
      if (refuse !== undefined) return reject(refuse)
      this.#queue.push({
        job,
        owner,
        resolve: (result) => {
          if (owner.over === undefined) resolve(result as JobResults[J['kind']])
          else reject(owner.over)
        },
        reject: (error) => {
          this.#drop(owner, error)
          reject(error)
        },
      })
      this.#dispatch()
    })
  }

  #dispatch(): void {
    for (let depth = 0; depth < AHEAD; depth++) {
      for (const { worker, tasks } of this.#slots) {
        if (tasks.length > depth) continue
        const next = this.#queue.at(0)
        if (next === undefined || (depth > 0 && !SHORT.includes(next.job.kind))) break
        this.#queue.shift()
        tasks.push(next)
        worker.postMessage({ id: 0, job: next.job } satisfies Request)
      }
    }
    if (this.#bench !== undefined && !this.#localBusy) this.#localIdle = this.#runLocally(this.#bench)
  }

  /** The threadless mode: one job after another, letting the event loop breathe in between. */
  async #runLocally(bench: Workbench): Promise<void> {
    this.#localBusy = true
    for (let task = this.#queue.shift(); task !== undefined; task = this.#queue.shift()) {
      await bench.run(task.job).then(task.resolve, (error: unknown) => task.reject(known(error)))
      await new Promise((resolve) => setImmediate(resolve))
    }
    this.#localBusy = false
  }

  /** Ends a call: its queued jobs are taken out, and those that run finish without anyone seeing their results. */
  #drop(owner: Owner, reason: Error): void {
    if (owner.over !== undefined) return
    owner.over = reason
    const mine = this.#queue.filter((task) => task.owner === owner)
    const others = this.#queue.filter((task) => task.owner !== owner)
    this.#queue.splice(0, this.#queue.length, ...others)
    for (const task of mine) task.reject(reason)
  }

  /** Fails everything, now and from now on; the first reason stays. */
  #end(reason: AdytonError): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    for (const task of this.#queue.splice(0)) task.reject(reason)
    for (const slot of this.#slots) {
      for (const task of slot.tasks.splice(0)) task.reject(reason)
    }
  }
}

/** An error that people may see: ours as it is, anything else as a failure of the engine. */
function known(error: unknown): AdytonError {
  if (error instanceof AdytonError) return error
  const { message } = error instanceof Error ? error : new Error(String(error))
  return new AdytonError('internal', `the HE engine failed: ${message}`, { cause: error })
}

function revive({ code, message, advice, stack }: Extract<Reply, { error: unknown }>['error']): AdytonError {
  if (code !== undefined) return new AdytonError(code, message, advice === undefined ? {} : { advice })
  return known(Object.assign(new Error(message), { stack }))
}
