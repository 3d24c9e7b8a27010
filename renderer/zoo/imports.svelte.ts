/** What is being brought into the catalog: one after the other, each with what became of it. */
import { host, platform } from '../app/app.svelte.ts'
import { isCancelled } from '../app/failure.ts'
import type { Output } from '../app/host.svelte.ts'
import { text } from './text.ts'
import { trash, zoo } from './zoo.svelte.ts'

export type Inspection = Output<'zooInspect'>

export interface FileOptions {
  readonly card?: { readonly dataset?: string; readonly licence?: string }
  readonly link?: boolean
}

/** What a person decides about a bundle; null cancels. */
export type Decision = { readonly onMismatch: 'cancel' | 'keep' | 'delete'; readonly trust: string } | null

export interface ImportItem {
  readonly key: number
  readonly name: string
  readonly state: 'waiting' | 'running' | 'asking' | 'done' | 'failed' | 'cancelled'
  /** What is being done, or what became of it. */
  readonly note: string
  /** Of the model that came of it. */
  readonly id?: string
  readonly error?: unknown
}

interface Asked {
  readonly inspection: Inspection
  readonly decide: (decision: Decision) => void
}

const lastPart = (path: string): string => path.split(/[/\\]/).findLast((part) => part !== '') ?? path
const isBundle = (path: string): boolean => /\.adyton$/i.test(path)

/** Files of other programs say nothing of data and licence. */
export const isForeign = (path: string): boolean => /\.(onnx|h5|keras|json)$/i.test(path)

class Imports {
  items = $state.raw<readonly ImportItem[]>([])
  /** The bundle that a decision is needed for. */
  asked = $state.raw<Asked | null>(null)
  #next = 1
  #queue: Promise<void> = Promise.resolve()
  readonly #ended = new Map<number, AbortController>()

  get busy(): boolean {
    return this.items.some(({ state }) => state === 'waiting' || state === 'running' || state === 'asking')
  }

  /** Paths of the host's. */
  add(paths: readonly string[], options: FileOptions = {}): void {
    for (const path of paths) {
      const key = this.#start(lastPart(path))
      this.#then(key, (signal) =>
        isBundle(path) ? this.#bundle(key, path, signal) : this.#file(key, path, options, signal),
      )
    }
  }

  /** The models that come with the program. */
  async addBundled(): Promise<void> {
    for (const { id, name } of await host.call('models', {})) {
      const key = this.#start(name)
      this.#then(key, (signal) => this.#file(key, `bundled:${id}`, {}, signal))
    }
  }

  /** What was dropped is uploaded first, where the program is not in this window. */
  async takeDropped(transfer: DataTransfer): Promise<readonly string[]> {
    const key = this.#start(text.dropped(transfer.items.length))
    this.#set(key, { state: 'running', note: text.reading })
    try {
      const paths = await platform.takeDropped(transfer)
      this.remove(key)
      return paths
    } catch (error) {
      this.#set(key, { state: 'failed', note: '', error })
      return []
    }
  }

  stop(key: number): void {
    this.#ended.get(key)?.abort()
    if (this.items.find((item) => item.key === key)?.state === 'waiting')
      this.#set(key, { state: 'cancelled', note: text.cancelled })
  }

  remove(key: number): void {
    this.items = this.items.filter((item) => item.key !== key)
  }

  clear(): void {
    this.items = this.items.filter(({ state }) => state === 'waiting' || state === 'running' || state === 'asking')
  }

  #start(name: string): number {
    const key = this.#next++
    this.items = [...this.items, { key, name, state: 'waiting', note: text.waiting }]
    this.#ended.set(key, new AbortController())
    return key
  }

  #set(key: number, change: Partial<ImportItem>): void {
    this.items = this.items.map((item) => (item.key === key ? { ...item, ...change } : item))
  }

  #then(key: number, work: (signal: AbortSignal) => Promise<void>): void {
    const signal = this.#ended.get(key)?.signal
    this.#queue = this.#queue.then(async () => {
      if (signal === undefined || signal.aborted) return
      this.#set(key, { state: 'running', note: text.reading })
      try {
        await work(signal)
      } catch (error) {
        if (isCancelled(error)) this.#set(key, { state: 'cancelled', note: text.cancelled })
        else this.#set(key, { state: 'failed', note: '', error })
      } finally {
        this.#ended.delete(key)
      }
    })
  }

  async #file(key: number, path: string, { card = {}, link = false }: FileOptions, signal: AbortSignal): Promise<void> {
    const imported = await host.call(
      'zooImport',
      { path, card, link },
      { signal, onProgress: ({ text: note }) => this.#set(key, { note }) },
    )
    const { comparison, notes, id, name } = imported
    const compared = comparison === null ? [] : [text.compared(comparison.against, comparison.largestDifference)]
    this.#came(key, id, name, [...compared, ...notes])
  }

  async #bundle(key: number, path: string, signal: AbortSignal): Promise<void> {
    const inspection = await host.call('zooInspect', { path }, { signal })
    const { signer, mismatches } = inspection
    const clear = mismatches.length === 0 && (signer === null || signer.standing === 'known')
    const decision = clear ? { onMismatch: 'cancel' as const, trust: 'ask' } : await this.#decided(key, inspection)
    if (decision === null) {
      this.#set(key, { state: 'cancelled', note: text.cancelled })
      return
    }
    this.#set(key, { state: 'running', note: text.reading })
    const result = await host.call('zooImportBundle', { path, ...decision }, { signal })
    if ('deleted' in result) this.#set(key, { state: 'cancelled', note: text.bundleDeleted })
    else this.#came(key, result.id, result.name, result.notices)
  }

  async #decided(key: number, inspection: Inspection): Promise<Decision> {
    this.#set(key, { state: 'asking', note: text.asking })
    const decision = await new Promise<Decision>((decide) => (this.asked = { inspection, decide }))
    this.asked = null
    return decision
  }

  #came(key: number, id: string, name: string, notes: readonly string[]): void {
    this.#set(key, { state: 'done', name, note: notes.join('; '), id })
    zoo.changed()
    trash.changes++
  }
}

export const imports = new Imports()
