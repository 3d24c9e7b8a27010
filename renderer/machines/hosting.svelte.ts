/** The server of this installation: a job, so that it outlives this window. */
import * as v from 'valibot'
import type { WindowJob } from '../../core/api/data/contract.ts'
import { HostingDetailSchema, type HostingCommand, type HostingDetail } from '../../core/api/data/hosting.ts'
import type { ServeInput } from '../../core/api/operations/serve.ts'
import { jobs } from '../app/app.svelte.ts'
import { toasts } from '../app/toasts.svelte.ts'

const OPEN: ReadonlySet<WindowJob['state']> = new Set(['queued', 'running', 'paused'])

class Hosting {
  readonly #all = $derived(jobs.all.filter(({ operation }) => operation === 'serve'))
  /** What serves, or will in a moment. */
  readonly job = $derived(this.#all.findLast(({ state }) => OPEN.has(state)))
  /** The last one that ended. */
  readonly last = $derived(this.#all.findLast(({ state }) => !OPEN.has(state)))
  readonly detail: HostingDetail | undefined = $derived.by(() => {
    const read = v.safeParse(HostingDetailSchema, this.job?.state === 'running' ? this.job.progress?.detail : undefined)
    return read.success ? read.output : undefined
  })

  /** What was served last, to begin with the next time. */
  get lastInput(): Partial<ServeInput> {
    return this.last?.input ?? {}
  }

  tell(command: HostingCommand): void {
    if (this.job !== undefined) jobs.tell(this.job.id, command).catch((error: unknown) => toasts.fail(error))
  }
}

export const hosting = new Hosting()
