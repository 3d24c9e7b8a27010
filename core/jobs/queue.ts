/**
 * The queue of long work. One job of a lane runs at a time, in the order in which they were created; each can be paused,
 * resumed, cancelled and tried again. What is queued or was running when the program ended goes on when it starts again.
 */
import { randomBytes } from 'node:crypto'
import { AdytonError } from '../errors/errors.ts'
import {
  ENDED,
  type Job,
  type JobError,
  type JobKind,
  type JobProgress,
  type JobRunner,
  type JobStore,
  type RunningJob,
} from './job.ts'

export type QueueEvent =
  | { readonly kind: 'job'; readonly job: Job }
  | { readonly kind: 'progress'; readonly id: string; readonly progress: JobProgress }
  | { readonly kind: 'notice'; readonly id: string; readonly line: string }
  | { readonly kind: 'removed'; readonly id: string }

export interface QueueOptions {
  readonly store: JobStore
  readonly runner: JobRunner
  /** Undefined for what is no job. */
  readonly kindOf: (operation: string) => JobKind | undefined
  /** Hears of what went wrong and concerns no job; stderr when left out. */
  readonly log?: (line: string) => void
  /** For tests. */
  readonly now?: () => number
}

interface Active {
  readonly running: RunningJob
  readonly since: number
  /** What the job becomes once it has stopped. */
  next?: 'paused' | 'cancelled' | 'queued'
}

export class JobQueue {
  readonly #options: QueueOptions
  readonly #jobs = new Map<string, Job>()
  readonly #active = new Map<string, Active>()
  readonly #listeners = new Set<(event: QueueEvent) => void>()
  #closed = false
  #held = false

  constructor(options: QueueOptions) {
    this.#options = options
    for (const job of options.store.all()) {
      // It was running when the program ended, whichever way that was.
      const state = job.state === 'running' ? 'queued' : job.state
      this.#jobs.set(job.id, { ...job, state })
    }
  }

  /** Starts what waits. Apart from the constructor, so that listeners hear of it. */
  start(): void {
    this.#schedule()
  }

  /** A listener that throws hears no more. */
  listen(listener: (event: QueueEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  list(): Job[] {
    return [...this.#jobs.values()]
  }

  /** Throws 'job-not-found'. */
  get(id: string): Job {
    const job = this.#jobs.get(id)
    if (job !== undefined) return job
    throw new AdytonError('job-not-found', `there is no job '${id.slice(0, 64)}'`, {
      advice: 'It may have been removed from the list.',
    })
  }

  /** Whether something runs; quitting asks then. */
  get busy(): boolean {
    return this.#active.size > 0
  }

  /** Puts a job at the end of its lane. */
  submit(operation: string, input: unknown, title: string): Job {
    if (this.#options.kindOf(operation) === undefined) throw new AdytonError('usage', `'${operation}' is no job`)
    const job: Job = {
      ...{ id: randomBytes(8).toString('hex'), operation, input, title, state: 'queued', created: this.#now() },
      ...{ started: null, ended: null, spentMs: 0, progress: null, result: null, error: null },
    }
    this.#put(job)
    this.#schedule()
    return this.get(job.id)
  }

  /** Stops a job so that it can go on; one that waits is held back. */
  pause(id: string): void {
    this.#stop(id, 'paused', ['queued', 'running'])
  }

  /** Puts a paused job back into its lane, or one that ended without a result. */
  resume(id: string): void {
    const job = this.get(id)
    if (!['paused', 'failed', 'cancelled'].includes(job.state)) throw misplaced(job, 'resumed')
    this.#put({ ...job, state: 'queued', ended: null, error: null })
    this.#schedule()
  }

  cancel(id: string): void {
    this.#stop(id, 'cancelled', ['queued', 'running', 'paused'])
  }

  /** Hands a running job a command of its operation. */
  tell(id: string, command: unknown): void {
    const job = this.get(id)
    const running = this.#active.get(id)?.running
    if (running?.tell === undefined) throw misplaced(job, 'told anything')
    running.tell(command)
  }

  /** Takes a job that ended off the list. */
  remove(id: string): void {
    const job = this.get(id)
    if (!ENDED.has(job.state)) throw misplaced(job, 'removed')
    this.#refuseHeld()
    this.#options.store.remove(id)
    this.#jobs.delete(id)
    this.#emit({ kind: 'removed', id })
  }

  /** Stops everything for the end of the program; what ran goes on when it starts again. */
  async close(): Promise<void> {
    this.#closed = true
    const ends = [...this.#active.values()].map(async (active) => {
      active.next ??= 'queued'
      active.running.stop()
      await active.running.done.catch(() => undefined)
    })
    await Promise.all(ends)
  }

  /**
   * Replaces what is behind the store: nothing runs, and no job is changed, while `work` is at it. After it the store gets
   * the jobs of this queue. Throws 'catalog-busy' while a job waits or runs.
   */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    this.#refuseHeld()
    const open = this.list().find(({ state }) => state === 'queued' || state === 'running')
    if (open !== undefined) {
      throw new AdytonError('catalog-busy', `the job '${open.title}' is under way`, {
        advice: 'Wait until it is done, pause it or stop it, and try again.',
      })
    }
    this.#held = true
    try {
      return await work()
    } finally {
      this.#held = false
      this.#keepAll()
    }
  }

  #keepAll(): void {
    if (this.#closed) return
    try {
      this.#options.store.replace(this.list())
    } catch (error) {
      this.#log(`the list of jobs could not be kept: ${jobError(error).message}`)
    }
  }

  #refuseHeld(): void {
    if (this.#held)
      throw new AdytonError('catalog-busy', 'a backup is being restored', { advice: 'Try again after it.' })
  }

  #stop(id: string, next: 'paused' | 'cancelled', from: readonly Job['state'][]): void {
    const job = this.get(id)
    if (!from.includes(job.state)) throw misplaced(job, next)
    const active = this.#active.get(id)
    if (active === undefined) {
      this.#put({ ...job, state: next, ...(next === 'cancelled' ? { ended: this.#now() } : {}) })
      return
    }
    // A job that was asked to pause may still be cancelled; not the other way round.
    if (active.next !== 'cancelled') active.next = next
    active.running.stop()
  }

  #schedule(): void {
    if (this.#closed) return
    const taken = new Set([...this.#active.keys()].map((id) => this.#lane(this.get(id))))
    for (const job of this.#jobs.values()) {
      const lane = this.#lane(job)
      if (job.state !== 'queued' || taken.has(lane)) continue
      taken.add(lane)
      this.#run(job)
    }
  }

  #lane(job: Job): string {
    return this.#options.kindOf(job.operation)?.lane ?? job.operation
  }

  #run(queued: Job): void {
    const since = this.#now()
    const { id } = queued
    this.#put({ ...queued, state: 'running', started: queued.started ?? since })
    const running = this.#options.runner(this.get(id), {
      onProgress: (progress) => {
        if (!this.#active.has(id)) return
        const odd = notPlain(progress)
        if (odd !== undefined) return this.#log(`progress of '${queued.operation}' is left out: ${odd}`)
        // In memory only: a disk that is synced for every step of a training would slow it down.
        this.#jobs.set(id, { ...this.get(id), progress })
        this.#emit({ kind: 'progress', id, progress })
      },
      onNotice: (line) => this.#emit({ kind: 'notice', id, line }),
    })
    this.#active.set(id, { running, since })
    running.done
      .then((result) => {
        const odd = notPlain(result)
        if (odd !== undefined) throw new TypeError(`the result of '${queued.operation}' cannot be kept: ${odd}`)
        return { state: 'done', result, error: null } as const
      })
      .catch((error: unknown) => ({ state: 'failed', result: null, error: jobError(error) }) as const)
      .then((end) => this.#ended(id, end))
      .catch((error: unknown) => this.#log(`the end of a job could not be kept: ${jobError(error).message}`))
  }

  #ended(id: string, end: Pick<Job, 'state' | 'result' | 'error'>): void {
    const active = this.#active.get(id)
    if (active === undefined) return
    this.#active.delete(id)
    const now = this.#now()
    const job = this.get(id)
    const spentMs = job.spentMs + now - active.since
    // A job that was asked to stop and was done before it heard of that is done.
    const goesOn = active.next === 'queued' && this.#options.kindOf(job.operation)?.endless === true
    const stopped = goesOn || (end.state === 'failed' && active.next !== undefined)
    if (!stopped) this.#put({ ...job, ...end, spentMs, ended: now })
    else {
      const state = active.next as 'paused' | 'cancelled' | 'queued'
      this.#put({ ...job, state, spentMs, ended: state === 'cancelled' ? now : null })
    }
    this.#schedule()
  }

  #put(job: Job): void {
    this.#refuseHeld()
    // First, as it may fail: nothing has changed then.
    this.#options.store.put(withoutTransient(job))
    this.#jobs.set(job.id, job)
    this.#emit({ kind: 'job', job })
  }

  #emit(event: QueueEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        // One window that cannot be told costs neither the job nor the other windows.
        this.#listeners.delete(listener)
        this.#log(`who listened to jobs failed at a '${event.kind}' and hears no more: ${jobError(error).message}`)
      }
    }
  }

  #log(line: string): void {
    const { log = (text) => console.error(`adyton: ${text}`) } = this.#options
    log(line)
  }

  #now(): number {
    return (this.#options.now ?? Date.now)()
  }
}

/** Why a value cannot be kept in the catalog and told to windows as JSON: a BigInt, or one that holds itself. */
function notPlain(value: unknown): string | undefined {
  try {
    JSON.stringify(value)
    return undefined
  } catch (error) {
    return jobError(error).message.split('\n')[0]
  }
}

/** What is for those who watch alone is not stored. */
function withoutTransient(job: Job): Job {
  if (job.progress?.transient === undefined) return job
  const { transient: _, ...progress } = job.progress
  return { ...job, progress }
}

function misplaced(job: Job, what: string): AdytonError {
  return new AdytonError('usage', `'${job.title}' is ${job.state} and cannot be ${what}`)
}

function jobError(error: unknown): JobError {
  if (error instanceof AdytonError) {
    return { code: error.code, message: error.message, advice: error.advice ?? null }
  }
  return { code: 'internal', message: error instanceof Error ? error.message : String(error), advice: null }
}
