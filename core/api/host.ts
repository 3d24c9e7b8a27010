/**
 * What the desktop app and the browser bridge stand on: every operation, run in processes beside this one, and the queue
 * of jobs. There is one host for a data folder at a time.
 */
import { AdytonError } from '../errors/errors.ts'
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

export interface Call {
  readonly done: Promise<unknown>
  readonly stop: () => void
}

export class Host {
  readonly data: string
  readonly queue: JobQueue
  readonly #zoo: Zoo
  readonly #release: () => Promise<void>
  #workers: WorkerProcess[] = []
  #closed = false

  private constructor(data: string, zoo: Zoo, release: () => Promise<void>) {
    this.data = data
    this.#zoo = zoo
    this.#release = release
    this.queue = new JobQueue({ store: jobStore(zoo), runner: processRunner(data), kindOf: jobKind })
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
    return this.#worker().run(operation, input, events)
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
