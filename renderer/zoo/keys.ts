/** Keys of a table of models. */
import type { ZooState } from './zoo.svelte.ts'

interface Table {
  readonly total: number
  /** Rows that are seen at once. */
  readonly page: number
  readonly open: (id: string) => void
}

/** True when the key meant something. */
export function tableKey(event: KeyboardEvent, zoo: ZooState, { total, page, open }: Table): boolean {
  const steps: Readonly<Record<string, number>> = {
    ArrowDown: 1,
    ArrowUp: -1,
    PageDown: page,
    PageUp: -page,
    Home: -total,
    End: total,
  }
  const step = steps[event.key]
  const modifier = event.ctrlKey || event.metaKey
  if (step !== undefined && !event.altKey) {
    const next = Math.max(0, Math.min(total - 1, zoo.active + step))
    if (event.shiftKey) void zoo.extend(next)
    else zoo.active = next
    return true
  }
  const row = zoo.rows.at(zoo.active)
  if (modifier && event.key.toLowerCase() === 'a') void zoo.selectAll()
  else if (event.key === ' ') zoo.toggle(zoo.active)
  else if (event.key === 'Enter' && row !== undefined) open(row.id)
  else if (event.key === 'Escape' && zoo.selected.size > 0) zoo.clear()
  else if (event.key === 'Delete' && !zoo.trash) {
    const ids = zoo.selected.size > 0 ? [...zoo.selected] : row === undefined ? [] : [row.id]
    if (ids.length > 0) void zoo.moveToTrash(ids)
  } else return false
  return true
}
