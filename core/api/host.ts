/**
 * What the desktop app and the browser bridge stand on: every operation, run in processes beside this one, and the queue
 * of jobs. There is one host for a data folder at a time.
 */
import { AdytonError } from '../errors/errors.ts'
import type { JobStore } from '../jobs/job.ts'
import { JobQueue } from '../jobs/queue.ts'
import { jobStore } from '../jobs/store.ts'
import { openZoo, type Zoo } from '../zoo/zoo.ts'
import { dataFolder } from './data-folder.ts'
import { jobKind } from './jobs/kinds.ts'
import { processRunner } from './jobs/runner.ts'
import { holdFolder } from './lock.ts'
import { WorkerProcess, type WorkerEvents } from './worker/worker.ts'

/** Processes for operations that are no jobs: one may be reading a large file while another answers. */
const WORKERS = 2
const RESTORE = 'zooRestoreBackup'

export interface Call {
  readonly done: Promise<unknown>
  readonly stop: () => void
}

export class Host {
  readonly data: string
  readonly queue: JobQueue
  #zoo: Zoo
  readonly #release: () => Promise<void>
  #workers: WorkerProcess[] = []
  readonly #calls = new Set<Promise<unknown>>()
  /** While a backup takes the place of the catalog. */
  #restoring: Promise<unknown> | undefined
  readonly #replaced = new Set<() => void>()
  #closed = false

  private constructor(data: string, zoo: Zoo, release: () => Promise<void>) {
    this.data = data
    this.#zoo = zoo
    this.#release = release
    const store: JobStore = {
      all: () => jobStore(this.#zoo).all(),
      put: (job) => jobStore(this.#zoo).put(job),
      remove: (id) => jobStore(this.#zoo).remove(id),
      replace: (jobs) => jobStore(this.#zoo).replace(jobs),
    }
    this.queue = new JobQueue({ store, runner: processRunner(data), kindOf: jobKind })
  }

  /** Throws 'host-running' when another one has the folder. */
  static async open(folder?: string): Promise<Host> {
    const data = dataFolder(folder)
    const release = await holdFolder(data)
    try {
      const host = new Host(data, await openZoo(data), release)
      host.queue.start()
      // What has been in the trash for long enough goes now, whoever asks for nothing.
      host.call('zooPurge', {}, { onProgress: () => undefined, onNotice: () => undefined }).done.catch(() => undefined)
      return host
    } catch (error) {
      await release()
      throw error
    }
  }

  /** Runs an operation that is no job. */
  call(operation: string, input: unknown, events: WorkerEvents): Call {
    if (jobKind(operation) !== undefined) {
      throw new AdytonError('usage', `'${operation}' takes long and is started as a job`)
    }
    if (operation === RESTORE) return this.#restore(input, events)
    return this.#run(operation, input, events, this.#restoring)
  }

  /** Calls back whenever a backup has taken the place of the catalog. */
  onReplaced(heard: () => void): () => void {
    this.#replaced.add(heard)
    return () => this.#replaced.delete(heard)
  }

  /** Starts an operation in a worker, after something else if need be. */
  #run(operation: string, input: unknown, events: WorkerEvents, after?: Promise<unknown>): Call {
    if (after === undefined) {
      const call = this.#worker().run(operation, input, events)
      this.#calls.add(call.done)
      const over = (): void => void this.#calls.delete(call.done)
      call.done.then(over, over)
      return call
    }
    let stopped = false
    let call: Call | undefined
    const start = (): Promise<unknown> => {
      if (stopped) throw new AdytonError('cancelled', 'stopped on request')
      call = this.#run(operation, input, events)
      return call.done
    }
    return {
      done: after.then(start, start),
      stop: () => {
        stopped = true
        call?.stop()
      },
    }
  }

  /** The catalog must be open nowhere while another takes its place. The jobs of this program stay, whatever the backup has. */
  #restore(input: unknown, events: WorkerEvents): Call {
    const others = Promise.allSettled(this.#calls)
    let call: Call | undefined
    let stopped = false
    const replace = async (): Promise<unknown> => {
      await others
      this.#zoo.close()
      try {
        call = this.#run(RESTORE, input, events)
        if (stopped) call.stop()
        return await call.done
      } finally {
        if (!this.#closed) this.#zoo = await openZoo(this.data)
      }
    }
    const done = this.queue.hold(replace)
    const over = (): void => {
      if (this.#restoring === done) this.#restoring = undefined
    }
    this.#restoring ??= done
    done.then(over, over)
    return {
      done: done.then((result) => {
        this.#tellReplaced()
        return result
      }),
      stop: () => {
        stopped = true
        call?.stop()
      },
    }
  }

  /** Whoever cannot be told hears no more. */
  #tellReplaced(): void {
    for (const heard of this.#replaced) {
      try {
        heard()
      } catch {
        this.#replaced.delete(heard)
      }
    }
  }

  /** The least busy worker; one that died is replaced. */
  #worker(): WorkerProcess {
    if (this.#closed) throw new AdytonError('cancelled', 'the program is ending')
    this.#workers = this.#workers.filter((worker) => worker.alive)
    const [best] = this.#workers.toSorted((a, b) => a.load - b.load)
    if (best !== undefined && (best.load === 0 || this.#workers.length >= WORKERS)) return best
    const fresh = new WorkerProcess(this.data)
    this.#workers.push(fresh)
    return fresh
  }

  /** Ends all work; jobs go on at the next start. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.queue.close()
    for (const worker of this.#workers) worker.kill()
    this.#zoo.close()
    await this.#release()
  }
}
