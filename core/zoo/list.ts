/** The list of models: filtered by a query, sorted, page by page. */
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import type { Stage } from './models.ts'
import { parseQuery } from './query/parse.ts'
import { conditionsOf, newest } from './query/sql.ts'
import type { Zoo } from './zoo.ts'

/** What a list can be sorted by. Models that have no such value come last, whatever the direction. */
const SORTS = {
  name: 'm.name',
  created: 'm.created',
  changed: 'm.changed',
  relus: newest('relus'),
  macs: newest('macs'),
  params: newest('params'),
  acc: newest('accuracy'),
} as const
export type Sort = keyof typeof SORTS
export const SORT_NAMES = Object.keys(SORTS) as Sort[]

export const MAX_LIMIT = 1000

export interface ListOptions {
  /** See query/parse.ts; '' is every model. */
  readonly query?: string
  readonly sort?: Sort
  readonly descending?: boolean
  /** Rows of a page, 1 to {@link MAX_LIMIT}. */
  readonly limit?: number
  /** Rows to leave out; `after` is faster and sees each model once while others are added. */
  readonly offset?: number
  /** `next` of the page before, of the same query and order. */
  readonly after?: string
  /** The models in the trash instead of the others. */
  readonly trash?: boolean
}

export interface ModelRow {
  readonly id: string
  readonly name: string
  readonly version: number
  readonly stage: Stage
  readonly tags: readonly string[]
  readonly dataset: string
  readonly licence: string
  readonly relus: number | null
  readonly macs: number | null
  readonly params: number | null
  /** Newest top-1 accuracy, as a fraction. */
  readonly accuracy: number | null
  /** ms since 1970. */
  readonly created: number
  readonly changed: number
  readonly trashedAt: number | null
}

export interface ModelList {
  readonly models: readonly ModelRow[]
  /** Models that fulfil the query, on all pages. */
  readonly total: number
  /** For `after`; null on the last page. */
  readonly next: string | null
}

const CURRENT = `FROM models m
  JOIN versions v ON v.model = m.key AND v.number = (SELECT max(number) FROM versions WHERE model = m.key)
  JOIN cards c ON c.version = v.key`

type Value = string | number | null
type Cursor = readonly [sort: string, value: Value, key: number]
const CursorSchema = v.strictTuple([v.string(), v.nullable(v.union([v.string(), v.number()])), v.number()])

export function listModels(zoo: Zoo, options: ListOptions = {}): ModelList {
  const { sort = 'name', descending = false, limit = 100, offset = 0, trash = false } = options
  const filters = [
    { sql: trash ? 'm.trashed_at IS NOT NULL' : 'm.trashed_at IS NULL', values: [] },
    ...conditionsOf(parseQuery(options.query ?? '')),
  ]
  const where = filters.map(({ sql }) => `(${sql})`).join(' AND ')
  const values = filters.flatMap((filter) => filter.values)
  const { db } = zoo
  // One look at one state of the catalog.
  return db.transaction(() => {
    const order = `${sort}${descending ? '-' : '+'}`
    const column = sort === 'name' ? 'value COLLATE NOCASE' : 'value'
    const from =
      options.after === undefined ? undefined : afterCondition(parseCursor(options.after, order), column, descending)
    // Conditions are looked at once, for the page and for the total.
    const matched = `WITH matched AS MATERIALIZED (SELECT m.key, ${SORTS[sort]} AS value ${CURRENT} WHERE ${where})`
    const page = db
      .prepare(
        `${matched} SELECT key, value, (SELECT count(*) FROM matched) AS total FROM matched
         ${from === undefined ? '' : `WHERE ${from.sql}`}
         ORDER BY value IS NULL, ${column} ${descending ? 'DESC' : 'ASC'}, key LIMIT ? OFFSET ?`,
      )
      .all([...values, ...(from?.values ?? []), limit + 1, offset]) as { key: number; value: Value; total: number }[]
    const total =
      page.at(0)?.total ?? (db.prepare(`${matched} SELECT count(*) FROM matched`).pluck().get(values) as number)
    const last = page.length > limit ? page[limit - 1] : undefined
    const models = rowsOf(zoo, page.slice(0, limit))
    return { models, total, next: last === undefined ? null : printCursor([order, last.value, last.key]) }
  })()
}

/** Everything behind a row in the order of the list. */
function afterCondition([, value, key]: Cursor, column: string, descending: boolean): { sql: string; values: Value[] } {
  if (value === null) return { sql: `${column} IS NULL AND key > ?`, values: [key] }
  const further = descending ? '<' : '>'
  return {
    sql: `${column} ${further} ? OR (${column} = ? AND key > ?) OR ${column} IS NULL`,
    values: [value, value, key],
  }
}

function printCursor(cursor: Cursor): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url')
}

function parseCursor(text: string, order: string): Cursor {
  try {
    const cursor = v.parse(CursorSchema, JSON.parse(Buffer.from(text, 'base64url').toString('utf8')))
    if (cursor[0] === order) return cursor
  } catch {
    // Told below.
  }
  throw new AdytonError('usage', 'that is no place in a list of this order', {
    advice: "Take 'next' of the page before, with the same sorting.",
  })
}

/** The rows of a page. Apart from the sorting, so that only the rows of one page are put together. */
function rowsOf({ db }: Zoo, page: readonly { readonly key: number }[]): ModelRow[] {
  const statement = db.prepare(
    `SELECT m.id, m.name, v.number AS version, v.stage, d.name AS dataset, c.licence,
       ${newest('relus')} AS relus, ${newest('macs')} AS macs, ${newest('params')} AS params,
       ${newest('accuracy')} AS accuracy, m.created, m.changed, m.trashed_at AS trashedAt,
       (SELECT json_group_array(tag) FROM (SELECT tag FROM tags WHERE model = m.key ORDER BY tag)) AS tags
     ${CURRENT} JOIN datasets d ON d.key = c.dataset WHERE m.key = ?`,
  )
  return page.map(({ key }) => {
    const row = statement.get(key) as Omit<ModelRow, 'tags'> & { tags: string }
    return { ...row, tags: JSON.parse(row.tags) as string[] }
  })
}

/** The row of one model, in the trash or not. */
export function rowOf(zoo: Zoo, key: number): ModelRow {
  return rowsOf(zoo, [{ key }])[0]
}
