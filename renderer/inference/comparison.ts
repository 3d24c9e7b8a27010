/** Two accounts, figure by figure. */
import { NOTHING, plus, sum, type Amounts, type StackedData } from '../charts/stacked.ts'
import { bytes, duration, percent, significant, whole } from '../ui/format.ts'
import { bothWays, timeData, type Account } from './account.ts'
import { text } from './text.ts'

export interface ComparedFigure {
  readonly name: string
  readonly first: string
  readonly second: string
  readonly difference: string
  /** Whether less is better, and what it became; null where that says nothing. */
  readonly verdict: 'better' | 'worse' | null
}

type Read = (account: Account) => number | null | undefined

interface Line {
  readonly name: string
  readonly of: Read
  readonly format: (n: number) => string
  readonly good: 'less' | 'more' | null
  readonly points?: true
}

const LINES: readonly Line[] = [
  { name: text.figures.offline, of: ({ phases }) => phases.offline.wallMs, format: duration, good: 'less' },
  { name: text.figures.online, of: ({ phases }) => phases.online.wallMs, format: duration, good: 'less' },
  { name: text.figures.offlineBytes, of: (a) => bothWays(a.bytes.offline), format: bytes, good: 'less' },
  { name: text.figures.onlineBytes, of: (a) => bothWays(a.bytes.online), format: bytes, good: 'less' },
  { name: text.figures.relus, of: ({ relus }) => relus, format: whole, good: null },
  { name: text.figures.accuracy, of: (a) => a.accuracy, format: percent, good: 'more', points: true },
  { name: text.figures.agreement, of: (a) => a.agreement, format: percent, good: 'more', points: true },
  { name: text.figures.clientCpu, of: (a) => cpu(a, 'client'), format: duration, good: 'less' },
  { name: text.figures.serverCpu, of: (a) => cpu(a, 'server'), format: duration, good: 'less' },
  { name: text.figures.images, of: (a) => a.images, format: whole, good: null },
]

function cpu({ phases: { offline, online } }: Account, party: 'client' | 'server'): number | null {
  const [before, after] = [offline.cpuMs[party], online.cpuMs[party]]
  return before === null || after === null ? null : before + after
}

/** Figures that either of the two has. */
export function compareFigures(a: Account, b: Account): ComparedFigure[] {
  return LINES.flatMap(({ name, of, format, good, points }): ComparedFigure[] => {
    const [first, second] = [of(a) ?? null, of(b) ?? null]
    if (first === null && second === null) return []
    const shown = (n: number | null): string => (n === null ? text.unknown : format(n))
    const base = { name, first: shown(first), second: shown(second) }
    if (first === null || second === null) return [{ ...base, difference: '', verdict: null }]
    const difference =
      first === second ? text.same : points ? text.points(signed((second - first) * 100)) : change(first, second)
    const less = second < first === (good === 'less')
    return [{ ...base, difference, verdict: good === null || first === second ? null : less ? 'better' : 'worse' }]
  })
}

/** '−62.1% (× 0.379)'. */
export function change(first: number, second: number): string {
  if (first === second) return text.same
  if (first === 0) return ''
  return `${signed((second / first - 1) * 100)}% (${text.times(significant(second / first))})`
}

function signed(n: number): string {
  return `${n < 0 ? '−' : '+'}${significant(Math.abs(n))}`
}

export interface ComparedLayer {
  readonly id: string
  /** ms, both phases; null for a layer that only the other has. */
  readonly first: number | null
  readonly second: number | null
}

export function compareLayers(a: Account, b: Account): ComparedLayer[] {
  const times = (account: Account) =>
    new Map(timeData(account).rows.map(({ id, label, cells }) => [id || label, sum(cells.reduce(plus, NOTHING))]))
  const [first, second] = [times(a), times(b)]
  const ids = [...first.keys(), ...[...second.keys()].filter((id) => !first.has(id))]
  return ids.map((id) => ({ id, first: first.get(id) ?? null, second: second.get(id) ?? null }))
}

/** Both totals as rows of one chart, so that they share its scales. */
export function totalsData(a: Account, b: Account): StackedData {
  const row = (id: string, label: string, { phases }: Account) => ({
    ...{ id, label },
    cells: [phases.offline.kinds, phases.online.kinds] satisfies Amounts[],
  })
  const { columns, kinds } = timeData(a)
  const rows = [row('first', text.first, a), row('second', text.second, b)]
  return { columns, rows, total: null, kinds: [...new Set([...kinds, ...timeData(b).kinds])] }
}
