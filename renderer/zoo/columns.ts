/** Columns of the table of models: what they show, how wide they are, what they sort by. */
import type { Output } from '../app/host.svelte.ts'
import { datasetName, percent, short, whole } from '../ui/format.ts'
import { text } from './text.ts'

export type ModelRow = Output<'zooList'>['models'][number]
export const SORTS = ['name', 'created', 'changed', 'relus', 'macs', 'params', 'acc'] as const
export type Sort = (typeof SORTS)[number]

const DAY = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' })
const day = (ms: number): string => DAY.format(ms)
const count = (n: number | null): string => (n === null ? text.none : short(n))

export interface Column {
  readonly id: string
  readonly title: string
  /** Of a grid's track. */
  readonly width: string
  readonly figure: boolean
  readonly sort?: Sort
  readonly value: (row: ModelRow) => string
  /** In full, where the value is cut short. */
  readonly hint?: (row: ModelRow) => string | undefined
}

const exact = (n: number | null): string | undefined => (n === null ? undefined : whole(n))

const ALL = [
  {
    id: 'name',
    title: text.columns.name,
    width: 'minmax(190px, 3fr)',
    figure: false,
    sort: 'name',
    value: (row) => row.name,
  },
  {
    id: 'relus',
    title: text.columns.relus,
    width: '78px',
    figure: true,
    sort: 'relus',
    value: (row) => count(row.relus),
    hint: (row) => exact(row.relus),
  },
  {
    id: 'acc',
    title: text.columns.acc,
    width: '92px',
    figure: true,
    sort: 'acc',
    value: (row) => (row.accuracy === null ? text.none : percent(row.accuracy)),
  },
  {
    id: 'macs',
    title: text.columns.macs,
    width: '78px',
    figure: true,
    sort: 'macs',
    value: (row) => count(row.macs),
    hint: (row) => exact(row.macs),
  },
  {
    id: 'params',
    title: text.columns.params,
    width: '88px',
    figure: true,
    sort: 'params',
    value: (row) => count(row.params),
    hint: (row) => exact(row.params),
  },
  {
    id: 'dataset',
    title: text.columns.dataset,
    width: 'minmax(96px, 1.2fr)',
    figure: false,
    value: (row) => datasetName(row.dataset),
    hint: (row) => row.dataset,
  },
  { id: 'stage', title: text.columns.stage, width: '90px', figure: false, value: (row) => text.stages[row.stage] },
  {
    id: 'tags',
    title: text.columns.tags,
    width: 'minmax(72px, 1fr)',
    figure: false,
    value: (row) => row.tags.join(', '),
    hint: (row) => row.tags.join(', '),
  },
  {
    id: 'licence',
    title: text.columns.licence,
    width: 'minmax(88px, 1fr)',
    figure: false,
    value: (row) => row.licence,
    hint: (row) => row.licence,
  },
  { id: 'version', title: text.columns.version, width: '76px', figure: true, value: (row) => String(row.version) },
  {
    id: 'created',
    title: text.columns.created,
    width: '118px',
    figure: true,
    sort: 'created',
    value: (row) => day(row.created),
  },
  {
    id: 'changed',
    title: text.columns.changed,
    width: '118px',
    figure: true,
    sort: 'changed',
    value: (row) => day(row.changed),
  },
  {
    id: 'trashed',
    title: text.columns.trashed,
    width: '118px',
    figure: true,
    value: (row) => (row.trashedAt === null ? text.none : day(row.trashedAt)),
  },
] as const satisfies readonly Column[]

export type ColumnId = (typeof ALL)[number]['id']
export const COLUMNS: readonly (Column & { readonly id: ColumnId })[] = ALL
export const FIRST_COLUMNS: readonly ColumnId[] = [
  'name',
  'relus',
  'acc',
  'macs',
  'dataset',
  'stage',
  'tags',
  'changed',
]

/** What a column needs at least, px: the first number of its width. */
export const leastWidth = ({ width }: Column): number => Number(/\d+/.exec(width)?.[0])
