/** Saved views: a query, an order and columns under a name. They are kept with the program's settings. */
import * as v from 'valibot'
import { host } from '../app/app.svelte.ts'
import { toasts } from '../app/toasts.svelte.ts'
import { COLUMNS, SORTS, type ColumnId } from './columns.ts'
import type { ZooState } from './zoo.svelte.ts'

const CHOICE = 'zoo.views'

const ViewSchema = v.object({
  name: v.string(),
  query: v.string(),
  sort: v.picklist(SORTS),
  descending: v.boolean(),
  columns: v.array(v.picklist(COLUMNS.map(({ id }) => id) as [ColumnId, ...ColumnId[]])),
})
export type View = v.InferOutput<typeof ViewSchema>

function parsed(text: unknown): readonly View[] {
  try {
    return v.parse(v.array(ViewSchema), JSON.parse(String(text)))
  } catch {
    // None yet, or of another version.
    return []
  }
}

class Views {
  list = $state.raw<readonly View[]>([])

  async load(): Promise<void> {
    this.list = parsed((await host.call('settings', {})).choices[CHOICE])
  }

  /** In the place of one of the same name. */
  async save(name: string, { query, sort, descending, columns }: ZooState): Promise<boolean> {
    const rest = this.list.filter((view) => view.name !== name)
    return await this.put([...rest, { name, query, sort, descending, columns: [...columns] }])
  }

  async remove(name: string): Promise<boolean> {
    return await this.put(this.list.filter((view) => view.name !== name))
  }

  use(view: View, zoo: ZooState): void {
    zoo.sort = view.sort
    zoo.descending = view.descending
    zoo.columns = view.columns
    zoo.ask(view.query)
  }

  /** False when it could not be kept, which is told. */
  async put(list: readonly View[]): Promise<boolean> {
    try {
      await host.call('settings', { change: { choices: { [CHOICE]: JSON.stringify(list) } } })
      this.list = list
      return true
    } catch (error) {
      toasts.fail(error)
      return false
    }
  }
}

export const views = new Views()
