/** docs/results.md: the tables between the marks are written from the rows. */
import { METHOD_NAMES, METHODS, type Method } from './plan.ts'
import type { Row } from './rows.ts'
import { interval, type Interval } from './statistics.ts'

const BEGIN = '<!-- tables: written by npm run results:cifar10 -->'
const END = '<!-- end of tables -->'

const percent = (value: number): string => (100 * value).toFixed(2)
const integer = (value: number): string => value.toLocaleString('en')
const signed = ({ mean, half }: Interval): string =>
  `${mean >= 0 ? '+' : '−'}${percent(Math.abs(mean))}${half === undefined ? ' (one seed)' : ` ± ${percent(half)}`}`
const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')

/** Values of `of` for the seeds that both lists have, less those of `less`. */
function paired(of: readonly Row[], less: readonly Row[]): number[] {
  return of.flatMap((row) => {
    const other = less.find(({ seed }) => seed === row.seed)
    return other === undefined ? [] : [row.top1 - other.top1]
  })
}

function budgetTable(rows: readonly Row[], budget: number): string {
  const by = (method: Method | 'full'): Row[] =>
    rows.filter((row) => row.method === method && (method === 'full' || row.budget === budget))
  const snl = by('snl')
  const cells = METHODS.map((method) => {
    const own = by(method)
    if (own.length === 0) return [METHOD_NAMES[method], 'not yet run', '', '', '', '']
    const { mean } = interval(own.map((row) => row.top1))
    const differences = paired(snl, own)
    const relus = [...new Set(own.map((row) => row.relus))].sort((a, b) => a - b)
    return [
      METHOD_NAMES[method],
      relus.map(integer).join(', '),
      percent(mean),
      signed(interval(paired(own, by('full')))),
      method === 'snl' || differences.length === 0 ? '' : signed(interval(differences)),
      own.map((row) => row.seed).join(', '),
    ]
  })
  const head = ['method', 'ReLUs', 'top-1, %', 'against the full network', 'SNL against it', 'seeds']
  return table(head, cells)
}

function layersTable(rows: readonly Row[], budget: number): string | undefined {
  const snl = rows.filter((row) => row.method === 'snl' && row.budget === budget)
  if (snl.length === 0) return undefined
  const cells = snl[0].layers.map(({ id, total }) => {
    const shares = snl.map(({ layers }) => (layers.find((layer) => layer.id === id)?.kept ?? 0) / total)
    return [id, integer(total), `${percent(interval(shares).mean)}`]
  })
  return table(['layer', 'ReLUs', 'kept by SNL, %'], cells)
}

/** The tables as Markdown. */
export function tables(rows: readonly Row[]): string {
  const parts: string[] = []
  for (const network of [...new Set(rows.map((row) => row.network))].sort()) {
    const own = rows.filter((row) => row.network === network)
    const full = own.filter((row) => row.method === 'full')
    const [{ relus, images, epochs }] = full
    parts.push(
      `### ${network}: ${integer(relus)} ReLUs, ${percent(interval(full.map((row) => row.top1)).mean)}% in full ` +
        `after ${epochs.train} epochs (${full.length} ${full.length === 1 ? 'seed' : 'seeds'}, ${integer(images)} test images)`,
    )
    const budgets = new Set(own.filter((row) => row.method !== 'full').map((row) => row.budget))
    for (const budget of [...budgets].sort((a, b) => b - a)) {
      const effort = own.find((row) => row.method === 'snl' && row.budget === budget)?.epochs
      const epochsText = effort === undefined ? '' : `, ${effort.sparsify + effort.train} epochs each`
      parts.push(`**Budget ${integer(budget)} (${percent(budget / relus)}%)${epochsText}**`, budgetTable(own, budget))
      const layers = layersTable(own, budget)
      if (layers !== undefined) parts.push(layers)
    }
  }
  return parts.length === 0 ? 'Not yet run.' : parts.join('\n\n')
}

/** The document with its tables written anew. */
export function render(document: string, rows: readonly Row[]): string {
  const begin = document.indexOf(BEGIN)
  const end = document.indexOf(END)
  if (begin < 0 || end < begin) throw new Error('docs/results.md has lost the marks around its tables')
  return `${document.slice(0, begin + BEGIN.length)}\n\n${tables(rows)}\n\n${document.slice(end)}`
}
