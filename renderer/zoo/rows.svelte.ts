/** The rows of a list of any length, fetched a page at a time as they are looked at. */
import { SvelteMap } from 'svelte/reactivity'
import { host } from '../app/app.svelte.ts'
import { isCancelled } from '../app/failure.ts'
import type { ModelRow, Sort } from './columns.ts'

const PAGE = 200
/** The most that one call gives. */
const MOST = 1000
/** Rows that are flown over are not fetched. */
const REST_MS = 60

export interface ListInput {
  readonly query?: string
  readonly sort?: Sort
  readonly descending?: boolean
  readonly trash?: boolean
}

export class Rows {
  /** Null until the first answer. */
  total = $state<number | null>(null)
  error = $state.raw<unknown>(null)
  /** What is shown is not yet what was asked for. */
  stale = $state(false)
  readonly #pages = new SvelteMap<number, readonly ModelRow[]>()
  readonly #asked = new Set<number>()
  #input: ListInput = {}
  #ended = new AbortController()
  #rest: ReturnType<typeof setTimeout> | undefined
  #window: readonly [number, number] = [0, 0]

  /** Undefined while it is on its way. */
  at(index: number): ModelRow | undefined {
    return this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE]
  }

  /** Every row that is here. */
  *known(): Generator<ModelRow> {
    for (const page of this.#pages.values()) yield* page
  }

  /** Lists anew. What is shown stays until the answer is here. */
  async load(input: ListInput): Promise<void> {
    this.#ended.abort()
    const ended = (this.#ended = new AbortController())
    this.#input = input
    this.stale = true
    const page = Math.floor(this.#window[0] / PAGE)
    try {
      const { models, total } = await this.#fetch(page * PAGE, PAGE, ended.signal)
      this.#pages.clear()
      this.#asked.clear()
      this.total = total
      this.#put(page, models)
      this.error = null
      this.#askRest()
    } catch (error) {
      if (!isCancelled(error)) this.error = error
    } finally {
      if (this.#ended === ended) this.stale = false
    }
  }

  /** Says which rows are looked at. */
  need(first: number, last: number): void {
    this.#window = [first, last]
    clearTimeout(this.#rest)
    this.#rest = setTimeout(() => this.#askRest(), REST_MS)
  }

  /** Rows of a range, fetched where they are not here; for selections. */
  async range(first: number, last: number): Promise<ModelRow[]> {
    const rows: ModelRow[] = []
    for (let at = first; at <= last;) {
      const here = this.at(at)
      if (here !== undefined) {
        rows.push(here)
        at++
        continue
      }
      const { models } = await this.#fetch(at, Math.min(MOST, last - at + 1), this.#ended.signal)
      if (models.length === 0) break
      rows.push(...models)
      at += models.length
    }
    return rows
  }

  #askRest(): void {
    if (this.stale && this.total === null) return
    const last = Math.min(this.#window[1], (this.total ?? 0) - 1)
    for (let page = Math.floor(this.#window[0] / PAGE); page * PAGE <= last; page++) void this.#ask(page)
  }

  async #ask(page: number): Promise<void> {
    if (this.#pages.has(page) || this.#asked.has(page)) return
    this.#asked.add(page)
    const { signal } = this.#ended
    try {
      const { models } = await this.#fetch(page * PAGE, PAGE, signal)
      if (!signal.aborted) this.#put(page, models)
    } catch (error) {
      this.#asked.delete(page)
      if (!signal.aborted) this.error = error
    }
  }

  #put(page: number, models: readonly ModelRow[]): void {
    this.#asked.add(page)
    this.#pages.set(page, models)
  }

  async #fetch(offset: number, limit: number, signal: AbortSignal): ReturnType<typeof host.call<'zooList'>> {
    const answer = await host.call('zooList', { ...this.#input, offset, limit }, { signal })
    signal.throwIfAborted()
    return answer
  }
}
