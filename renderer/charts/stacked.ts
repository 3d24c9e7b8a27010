/** What a stacked bar chart and its table show: rows of amounts by kind of work, in one or more columns. */
import { WORK_KINDS, type WorkKind } from '../../core/api/data/progress.ts'

export type Amounts = Readonly<Record<WorkKind, number>>

export interface StackedRow {
  readonly id: string
  readonly label: string
  /** One for each column. */
  readonly cells: readonly Amounts[]
}

export interface StackedData {
  /** Such as 'Offline' and 'Online'; each has a scale of its own. */
  readonly columns: readonly string[]
  readonly rows: readonly StackedRow[]
  /** Null where a sum has no meaning. */
  readonly total: StackedRow | null
  /** In the order of the bars. */
  readonly kinds: readonly WorkKind[]
}

export const NOTHING: Amounts = { he: 0, gc: 0, ot: 0, share: 0, wait: 0 }

export function sum(amounts: Amounts): number {
  return WORK_KINDS.reduce((all, kind) => all + amounts[kind], 0)
}

export function plus(a: Amounts, b: Amounts): Amounts {
  return { he: a.he + b.he, gc: a.gc + b.gc, ot: a.ot + b.ot, share: a.share + b.share, wait: a.wait + b.wait }
}

export function minus(a: Amounts, b: Amounts): Amounts {
  return { he: a.he - b.he, gc: a.gc - b.gc, ot: a.ot - b.ot, share: a.share - b.share, wait: a.wait - b.wait }
}

/** The kinds that have an amount anywhere, in the usual order. */
export function kindsOf(rows: readonly StackedRow[]): WorkKind[] {
  return WORK_KINDS.filter((kind) => rows.some(({ cells }) => cells.some((cell) => cell[kind] > 0)))
}

/** 'stage1.0.a.conv' is of block 'stage1.0'; a name without dots is a block of its own. */
export function blockOf(id: string): string {
  const [first, second] = id.split('.')
  return second !== undefined && /^\d+$/.test(second) ? `${first}.${second}` : first
}

/** Rows of one block added up, in the order in which the blocks come. */
export function byBlock(rows: readonly StackedRow[]): StackedRow[] {
  const blocks = new Map<string, StackedRow>()
  for (const row of rows) {
    const id = blockOf(row.id)
    const block = blocks.get(id)
    const cells = block === undefined ? row.cells : block.cells.map((cell, i) => plus(cell, row.cells[i]))
    blocks.set(id, { id, label: id === row.id ? row.label : id, cells })
  }
  return [...blocks.values()]
}

/** Stacked segments of one cell; what is nothing is left out. */
export function segments(cell: Amounts, kinds: readonly WorkKind[]): { kind: WorkKind; from: number; to: number }[] {
  let at = 0
  return kinds.flatMap((kind) => {
    const from = at
    at += Math.max(0, cell[kind])
    return at > from ? [{ kind, from, to: at }] : []
  })
}
