/** What the commands print that lay models beside each other or beside published results. */
import type { TableExport } from '../api/operations/zoo-analysis.ts'
import type { GraphDiff } from '../zoo/diff.ts'
import type { Duplicates, Kinship } from '../zoo/duplicates.ts'
import type { Measure, Pareto } from '../zoo/pareto.ts'
import type { Published, PublishedPoint } from '../zoo/published.ts'
import type { RestoredBackup } from '../zoo/restore-backup.ts'
import { bytes, integer, percent, table } from './format.ts'

function measured({ name, unit }: Measure, value: number): string {
  if (name === 'accuracy') return percent(value)
  return `${Number.isInteger(value) ? integer(value) : value.toPrecision(4)} ${unit}`.trim()
}

const method = ({ method, network }: PublishedPoint): string =>
  network === undefined ? method : `${method}, ${network}`
const source = ({ source }: PublishedPoint): string => `${source.paper}, table ${source.table}`

export function renderPareto({ x, y, models, leftOut, published, publishedLeftOut }: Pareto): string {
  const star = (front: boolean): string => (front ? '*' : '')
  const lines = [
    table(
      ['id', 'name', x.name, y.name, 'front'],
      models.map((one) => [one.id, one.name, measured(x, one.x), measured(y, one.y), star(one.front)]),
    ),
    `${integer(models.filter(({ front }) => front).length)} of ${integer(models.length)} models are on the front.`,
  ]
  if (leftOut > 0) lines.push(`${integer(leftOut)} without one of the values are left out.`)
  if (published.length > 0) {
    lines.push(
      '',
      table(
        ['published', 'source', x.name, y.name, 'front'],
        published.map((one) => [
          method(one.point),
          source(one.point),
          measured(x, one.x),
          measured(y, one.y),
          star(one.front),
        ]),
      ),
    )
  }
  if (publishedLeftOut > 0) lines.push(`${integer(publishedLeftOut)} published results without one of the values.`)
  return lines.join('\n')
}

const KINSHIP: Readonly<Record<Kinship, string>> = {
  'same-files': 'the same files',
  'same-network': 'the same network in other files',
  'masks-differ': 'the same weights, other ReLUs kept',
  rounded: 'the same up to float16 rounding',
  'rounded-masks': 'the same up to float16 rounding, other ReLUs kept',
  'same-weights': 'the same weights file, another graph',
}

export function renderDuplicates({ groups, models, unreadable }: Duplicates): string {
  const lines = groups.flatMap((group) => [
    `${KINSHIP[group.kinship]}:`,
    ...group.models.map(({ id, name, kinship }) => {
      const own = kinship === null || kinship === group.kinship ? '' : `: ${KINSHIP[kinship]}`
      return `  ${id}  ${name}${own}`
    }),
  ])
  lines.push(`Groups: ${integer(groups.length)}; models: ${integer(models)}.`)
  if (unreadable.length > 0) lines.push(`Not read, see 'zoo verify': ${unreadable.join(', ')}`)
  return lines.join('\n')
}

export function renderDiff(diff: GraphDiff): string {
  const { a, b, removed, added, changed, masks, tensors } = diff
  const lines = [`${a.name} (${a.id}) and ${b.name} (${b.id})`]
  if (diff.same) lines.push('The same network.')
  for (const { id, op, shape } of removed) lines.push(`- ${id}: ${op} [${shape.join(', ')}]`)
  for (const { id, op, shape } of added) lines.push(`+ ${id}: ${op} [${shape.join(', ')}]`)
  for (const { a: from, fields } of changed) {
    lines.push(`~ ${from}: ${fields.map(({ field, a, b }) => `${field} ${value(a)} → ${value(b)}`).join(', ')}`)
  }
  for (const name of diff.tensorsRemoved) lines.push(`- tensor ${name}`)
  for (const name of diff.tensorsAdded) lines.push(`+ tensor ${name}`)
  const otherMasks = masks.filter(({ differing }) => differing !== 0)
  if (otherMasks.length > 0) {
    const rows = otherMasks.map(({ a, keptA, keptB, differing, positions }) => [
      a,
      integer(keptA),
      integer(keptB),
      differing === null ? 'other shape' : `${integer(differing)} of ${integer(positions)}`,
    ])
    lines.push('', table(['ReLU', 'kept before', 'kept after', 'positions that differ'], rows))
  }
  const otherTensors = tensors.filter(({ largest }) => largest !== 0)
  if (otherTensors.length > 0) {
    const rows = otherTensors.map(({ a, largest, shapeA, shapeB }) => [
      a,
      largest === null ? `[${shapeA.join(', ')}] → [${shapeB.join(', ')}]` : largest.toPrecision(4),
    ])
    lines.push('', table(['tensor', 'largest difference'], rows))
  }
  return lines.join('\n')
}

const value = (x: unknown): string => (typeof x === 'string' ? x : JSON.stringify(x))

/** Without a file, the table itself. */
export function renderTable({ text, written }: TableExport): string {
  return written === null ? (text ?? '').trimEnd() : `${written.path}: ${integer(written.rows)} rows.`
}

export function renderRestored({ folder, before, models, files, bytes: size }: RestoredBackup): string {
  const kept = before === null ? '' : `\nThe catalog as it was: ${before} (remove it when it is not needed any more).`
  return `${folder}: ${integer(models)} models, ${integer(files)} files of ${bytes(size)}.${kept}`
}

export function renderPublished({ points, papers }: Published): string {
  const rows = points.map((point) => [
    method(point),
    point.dataset,
    integer(point.relus),
    point.macs === undefined ? '–' : integer(point.macs),
    `${point.accuracy}%`,
    point.kd === null ? '?' : point.kd ? 'yes' : 'no',
    seconds(point),
    source(point),
  ])
  const named = papers.map(({ id, title, authors }) => `${id}: ${authors}: ${title}`)
  const header = ['method', 'data set', 'ReLUs', 'MACs', 'accuracy', 'distilled', 'latency', 'source']
  return [table(header, rows), '', ...named].join('\n')
}

function seconds({ seconds: { online, he, gc, total } = {} }: PublishedPoint): string {
  if (online !== undefined) return `${online} s online`
  return total === undefined ? '–' : `${total} s (HE ${he ?? '–'}, GC ${gc ?? '–'})`
}
