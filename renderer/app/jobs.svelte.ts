/** The host's jobs as this window knows them. */
import { SvelteMap } from 'svelte/reactivity'
import type { WindowJob } from '../../core/api/data/contract.ts'
import type { HostingCommand } from '../../core/api/data/hosting.ts'
import type { HostClient, Input, OperationName } from './host.svelte.ts'

const LINES = 200

export class Jobs {
  readonly #host: HostClient
  readonly #jobs = new SvelteMap<string, WindowJob>()
  /** Notices of each job, the newest last. */
  readonly notices = new SvelteMap<string, readonly string[]>()
  readonly #ended = new Set<(job: WindowJob) => void>()
  /** False until the list has come. */
  loaded = $state(false)

  constructor(host: HostClient) {
    this.#host = host
    host.onOpen(() => void this.#load())
    host.listen((reply) => {
      switch (reply.type) {
        case 'job':
          return this.#put(reply.job)
        case 'job.progress': {
          const job = this.#jobs.get(reply.job)
          if (job !== undefined) this.#jobs.set(job.id, { ...job, progress: reply.progress })
          return
        }
        case 'job.notice': {
          const lines = [...(this.notices.get(reply.job) ?? []), reply.line]
          this.notices.set(reply.job, lines.slice(-LINES))
          return
        }
        case 'job.removed':
          this.#jobs.delete(reply.job)
          this.notices.delete(reply.job)
          return
        case 'zoo.replaced':
          return
      }
    })
  }

  /** In the order in which they were made. */
  get all(): readonly WindowJob[] {
    return [...this.#jobs.values()].sort((a, b) => a.created - b.created)
  }

  /** Those that wait, run or are paused. */
  get open(): readonly WindowJob[] {
    return this.all.filter(({ state }) => state === 'queued' || state === 'running' || state === 'paused')
  }

  get(id: string): WindowJob | undefined {
    return this.#jobs.get(id)
  }

  async submit<N extends OperationName>(operation: N, input: Input<N>, title: string): Promise<WindowJob> {
    const plain = $state.snapshot(input) as unknown
    const job = (await this.#host.ask({ type: 'jobs.submit', operation, input: plain, title })) as WindowJob
    this.#put(job)
    return job
  }

  async pause(job: string): Promise<void> {
    await this.#host.ask({ type: 'jobs.pause', job })
  }

  async resume(job: string): Promise<void> {
    await this.#host.ask({ type: 'jobs.resume', job })
  }

  async cancel(job: string): Promise<void> {
    await this.#host.ask({ type: 'jobs.cancel', job })
  }

  async remove(job: string): Promise<void> {
    await this.#host.ask({ type: 'jobs.remove', job })
  }

  /** Hands a running job a command of its operation, such as those of core/api/data/hosting.ts. */
  async tell(job: string, command: HostingCommand): Promise<void> {
    await this.#host.ask({ type: 'jobs.tell', job, command })
  }

  /** Hears of jobs that end while this window looks on. */
  onEnded(ended: (job: WindowJob) => void): () => void {
    this.#ended.add(ended)
    return () => this.#ended.delete(ended)
  }

  #put(job: WindowJob): void {
    const before = this.#jobs.get(job.id)?.state
    this.#jobs.set(job.id, job)
    const ends = job.state === 'done' || job.state === 'failed'
    if (ends && before !== undefined && before !== job.state) for (const ended of this.#ended) ended(job)
  }

  async #load(): Promise<void> {
    const jobs = (await this.#host.ask({ type: 'jobs.list' })) as WindowJob[]
    const present = new Set(jobs.map(({ id }) => id))
    for (const id of this.#jobs.keys()) if (!present.has(id)) this.#jobs.delete(id)
    for (const job of jobs) this.#put(job)
    this.loaded = true
  }
}
