/** The server that is being put together; it begins as the last one was. */
import { MOST_MODELS } from '../../core/api/data/hosting.ts'
import type { ServeInput } from '../../core/api/operations/serve.ts'
import { jobs, settings } from '../app/app.svelte.ts'
import { networks } from '../inference/networks.svelte.ts'
import { hosting } from './hosting.svelte.ts'
import { text } from './text.ts'

const EVERYWHERE = '0.0.0.0'
const LOOPBACK = '127.0.0.1'
const LONGEST_TITLE = 200

export class HostDraft {
  models = $state<readonly string[]>([])
  reach = $state<'lan' | 'loopback'>('lan')
  /** Null for any that is free. */
  port = $state<number | null>(null)
  limit = $state<number | null>(null)
  labelOnly = $state(false)
  pairing = $state(true)

  constructor() {
    const { sources, host, port, limit, reveal, pairing } = hosting.lastInput
    this.models = (sources ?? []).flatMap((source) => ('model' in source ? [source.model] : []))
    this.reach = host === LOOPBACK ? 'loopback' : 'lan'
    this.port = port === undefined || port === 0 ? null : port
    this.limit = limit ?? null
    this.labelOnly = reveal === 'label'
    this.pairing = pairing ?? true
  }

  toggle(id: string): void {
    this.models = this.models.includes(id) ? this.models.filter((one) => one !== id) : [...this.models, id]
  }

  get portError(): string | null {
    return this.port === null || isWhole(this.port, 65_535) ? null : text.portError
  }

  get limitError(): string | null {
    return this.limit === null || isWhole(this.limit, Number.MAX_SAFE_INTEGER) ? null : text.limitError
  }

  get modelsError(): string | null {
    if (this.models.length > MOST_MODELS) return text.tooManyModels(MOST_MODELS)
    return this.models.length === 0 ? text.chooseModel : null
  }

  get valid(): boolean {
    return this.portError === null && this.limitError === null && this.modelsError === null
  }

  /** `pairing`: whether a code is shown at once. */
  async start(pairing: boolean): Promise<void> {
    const { server } = settings.current.threads
    const input: Partial<ServeInput> = {
      sources: this.models.map((model) => ({ model })),
      host: this.reach === 'lan' ? EVERYWHERE : LOOPBACK,
      port: this.port ?? 0,
      reveal: this.labelOnly ? 'label' : 'logits',
      pairing,
      ...(this.limit === null ? {} : { limit: this.limit }),
      ...(server === null ? {} : { threads: server }),
    }
    const names = this.models.map((id) => networks.find(id)?.name ?? id).join(', ')
    await jobs.submit('serve', input, text.jobTitle(names).slice(0, LONGEST_TITLE))
  }
}

const isWhole = (n: number, most: number): boolean => Number.isInteger(n) && n >= 1 && n <= most
