/** What the zoo's screen shows and what is chosen in it. It outlives the screen: coming back finds it as it was left. */
import { host } from '../app/app.svelte.ts'
import { catalog } from '../app/catalog.svelte.ts'
import { toasts } from '../app/toasts.svelte.ts'
import { text as words } from '../ui/text.ts'
import { FIRST_COLUMNS, type ColumnId, type ModelRow, type Sort } from './columns.ts'
import { Rows } from './rows.svelte.ts'
import { text } from './text.ts'

/** The most ids that one call takes. */
const MOST_IDS = 1000

export class ZooState {
  readonly trash: boolean
  readonly rows = new Rows()
  query = $state('')
  sort = $state<Sort>('name')
  descending = $state(false)
  columns = $state.raw<readonly ColumnId[]>(FIRST_COLUMNS)
  /** Ids. */
  selected = $state.raw<ReadonlySet<string>>(new Set())
  /** Index of the row that the keyboard is at. */
  active = $state(0)
  /** Id of the model under the pointer, in table or chart. */
  hovered = $state<string | null>(null)
  chart = $state(false)
  /** Grows with every change of the catalog, for whatever else shows it. */
  changes = $state(0)
  /** Top of what is shown, px. */
  scrolled = 0
  readonly #names = new Map<string, ModelRow>()
  #anchor = 0
  #typing: ReturnType<typeof setTimeout> | undefined

  constructor(trash: boolean) {
    this.trash = trash
    if (trash) this.columns = ['name', 'relus', 'acc', 'dataset', 'tags', 'trashed']
  }

  /** Lists what query and order say now. */
  async reload(): Promise<void> {
    const { query, sort, descending, trash } = this
    await this.rows.load({ query, sort, descending, trash })
    this.active = Math.min(this.active, Math.max(0, (this.rows.total ?? 1) - 1))
  }

  /** The catalog has changed. */
  changed(): void {
    this.changes++
    void this.reload()
  }

  ask(query: string): void {
    this.type(query, 0)
  }

  /** Takes what is being typed at once, so that nothing builds on an older query, and lists it when the hand rests. */
  type(query: string, restMs: number): void {
    clearTimeout(this.#typing)
    this.query = query
    this.active = 0
    if (restMs === 0) void this.reload()
    else this.#typing = setTimeout(() => void this.reload(), restMs)
  }

  sortBy(sort: Sort): void {
    // Figures are asked for by their greatest first, but for what is to be small.
    this.descending = this.sort === sort ? !this.descending : sort === 'acc' || sort === 'created' || sort === 'changed'
    this.sort = sort
    void this.reload()
  }

  /** A row that was chosen, while it is known. */
  row(id: string): ModelRow | undefined {
    return [...this.rows.known()].find((row) => row.id === id) ?? this.#names.get(id)
  }

  clear(): void {
    this.selected = new Set()
  }

  toggle(index: number): void {
    const row = this.rows.at(index)
    if (row === undefined) return
    this.#anchor = index
    this.active = index
    this.toggleId(row)
  }

  toggleId(row: Pick<ModelRow, 'id'>): void {
    const selected = new Set(this.selected)
    if (!selected.delete(row.id)) this.#add(selected, row)
    this.selected = selected
  }

  /** From the row that was chosen last to this one, beside what is chosen already. */
  async extend(index: number): Promise<void> {
    this.active = index
    const [first, last] = this.#anchor < index ? [this.#anchor, index] : [index, this.#anchor]
    await this.#addRange(first, last)
  }

  async selectAll(): Promise<void> {
    if (this.rows.total !== null && this.rows.total > 0) await this.#addRange(0, this.rows.total - 1)
  }

  async moveToTrash(ids: readonly string[], names = this.#described(ids)): Promise<void> {
    try {
      for (const some of inParts(ids)) await host.call('zooTrash', { ids: some })
      this.clear()
      this.changed()
      const undo = async (): Promise<void> => {
        for (const some of inParts(ids)) await host.call('zooRestore', { ids: some })
        this.changed()
      }
      toasts.show(text.trashed(names), {
        action: { label: words.undo, run: () => void undo().catch((error: unknown) => toasts.fail(error)) },
      })
    } catch (error) {
      toasts.fail(error)
    }
  }

  async restore(ids: readonly string[]): Promise<void> {
    try {
      for (const some of inParts(ids)) await host.call('zooRestore', { ids: some })
      toasts.show(text.restored(this.#described(ids)), { kind: 'good' })
      this.clear()
      this.changed()
    } catch (error) {
      toasts.fail(error)
    }
  }

  async purge(ids: readonly string[]): Promise<void> {
    try {
      for (const some of inParts(ids)) await host.call('zooPurge', { ids: some })
      toasts.show(text.purged(this.#described(ids)))
      this.clear()
      this.changed()
    } catch (error) {
      toasts.fail(error)
    }
  }

  async #addRange(first: number, last: number): Promise<void> {
    try {
      const rows = await this.rows.range(first, last)
      const selected = new Set(this.selected)
      for (const row of rows) this.#add(selected, row)
      this.selected = selected
    } catch (error) {
      toasts.fail(error)
    }
  }

  #add(selected: Set<string>, row: Pick<ModelRow, 'id'> & Partial<ModelRow>): void {
    selected.add(row.id)
    if (row.name !== undefined) this.#names.set(row.id, row as ModelRow)
  }

  /** 'digits' or '3 models'. */
  #described(ids: readonly string[]): string {
    return ids.length === 1 ? (this.row(ids[0])?.name ?? text.models(1)) : text.models(ids.length)
  }
}

function* inParts(ids: readonly string[]): Generator<string[]> {
  for (let at = 0; at < ids.length; at += MOST_IDS) yield ids.slice(at, at + MOST_IDS)
}

export const zoo = new ZooState(false)
export const trash = new ZooState(true)

catalog.onReplaced(() => {
  for (const state of [zoo, trash]) {
    state.clear()
    state.changed()
  }
})
