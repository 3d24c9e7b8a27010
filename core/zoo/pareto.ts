/** The Pareto front of the catalog's models over two measures, with published results beside it. */
import { AdytonError } from '../errors/errors.ts'
import { publishedOn, type PublishedPoint } from './published.ts'
import { parseQuery } from './query/parse.ts'
import { conditionsOf } from './query/sql.ts'
import type { Zoo } from './zoo.ts'

export interface ParetoOptions {
  /**
   * 'relus', 'macs', 'params', 'accuracy' (or 'acc'), or the name of any other measurement. More accuracy is better, and
   * less of anything else.
   */
  readonly x: string
  readonly y: string
  /** Which models; see query/parse.ts. Accuracies on several data sets are not comparable, so it should name one. */
  readonly query?: string
  /** Data set whose published results are put beside. */
  readonly published?: string
}

export interface Measure {
  readonly name: string
  readonly better: 'more' | 'less'
  /** '' for counts and fractions. */
  readonly unit: string
}

interface Placed {
  /** As the catalog has them: accuracy is a fraction, also of published results. */
  readonly x: number
  readonly y: number
  /** No other point is better in one measure and at least as good in the other. */
  readonly front: boolean
}

export interface ParetoModel extends Placed {
  readonly id: string
  readonly name: string
  readonly dataset: string
}

export interface Pareto {
  readonly x: Measure
  readonly y: Measure
  /** The best x first; of equals the best y, then by id. */
  readonly models: readonly ParetoModel[]
  /** Models that fulfil the query and lack one of the values. */
  readonly leftOut: number
  /** With a front of their own; [] unless asked for. */
  readonly published: readonly (Placed & { readonly point: PublishedPoint })[]
  readonly publishedLeftOut: number
  /** What there is to choose x and y from. */
  readonly measures: readonly string[]
}

const COLUMNS = ['relus', 'macs', 'params', 'accuracy'] as const
type Column = (typeof COLUMNS)[number]
const isColumn = (name: string): name is Column => (COLUMNS as readonly string[]).includes(name)

interface Row {
  readonly id: string
  readonly name: string
  readonly dataset: string
  readonly x: number | null
  readonly xUnit: string | null
  readonly y: number | null
  readonly yUnit: string | null
}

export function paretoOf(zoo: Zoo, options: ParetoOptions): Pareto {
  const [xName, yName] = [nameOf(options.x), nameOf(options.y)]
  if (xName === yName) throw new AdytonError('usage', `a front needs two measures, got '${xName}' twice`)
  const measures = measuresOf(zoo)
  for (const name of [xName, yName]) checkKnown(measures, name)
  const rows = rowsOf(zoo, xName, yName, options.query ?? '')
  const x = measureOf(xName, new Set(rows.map(({ xUnit }) => xUnit)))
  const y = measureOf(yName, new Set(rows.map(({ yUnit }) => yUnit)))
  const models = rows.flatMap(({ id, name, dataset, x, y }) => placed(x, y, { id, name, dataset }))
  const points = options.published === undefined ? [] : publishedOn(options.published)
  const published = points.flatMap((point) =>
    placed(publishedValue(point, xName), publishedValue(point, yName), { point }),
  )
  return {
    x,
    y,
    models: withFront(models, x, y, (a, b) => (a.id < b.id ? -1 : 1)),
    leftOut: rows.length - models.length,
    // Of equals, in the order of the file.
    published: withFront(published, x, y, () => 0),
    publishedLeftOut: points.length - published.length,
    measures,
  }
}

/** The query language has 'acc' for it. */
function nameOf(name: string): string {
  return name === 'acc' ? 'accuracy' : name
}

/** The models that fulfil a query, with the newest values of their newest versions. */
function rowsOf({ db }: Zoo, x: string, y: string, query: string): Row[] {
  const filters = [{ sql: 'm.trashed_at IS NULL', values: [] }, ...conditionsOf(parseQuery(query))]
  const newest = '(SELECT key FROM measurements WHERE version = v.key AND what = ? ORDER BY at DESC, key DESC LIMIT 1)'
  return db
    .prepare(
      `SELECT m.id, m.name, d.name AS dataset, x.value AS x, x.unit AS xUnit, y.value AS y, y.unit AS yUnit
       FROM models m
       JOIN versions v ON v.model = m.key AND v.number = (SELECT max(number) FROM versions WHERE model = m.key)
       JOIN cards c ON c.version = v.key JOIN datasets d ON d.key = c.dataset
       LEFT JOIN measurements x ON x.key = ${newest} LEFT JOIN measurements y ON y.key = ${newest}
       WHERE ${filters.map(({ sql }) => `(${sql})`).join(' AND ')}`,
    )
    .all([x, y, ...filters.flatMap(({ values }) => values)]) as Row[]
}

/** `units` of the models' values, null among them for models that have none. */
function measureOf(name: string, units: ReadonlySet<string | null>): Measure {
  const [unit = '', ...others] = [...units].filter((one) => one !== null).sort()
  if (others.length === 0) return { name, better: name === 'accuracy' ? 'more' : 'less', unit }
  const list = [unit, ...others].map((one) => `'${one}'`).join(', ')
  throw new AdytonError('usage', `'${name}' was measured in several units: ${list}`, {
    advice: 'Narrow the query to models that were measured alike.',
  })
}

function measuresOf({ db }: Zoo): string[] {
  const names = db.prepare('SELECT DISTINCT what FROM measurements').pluck().all() as string[]
  return [...new Set([...COLUMNS, ...names])].sort()
}

function checkKnown(measures: readonly string[], name: string): void {
  if (measures.includes(name)) return
  throw new AdytonError('usage', `no model has a measurement '${name.slice(0, 64)}'`, {
    advice: `There are: ${measures.join(', ')}.`,
  })
}

/** Published latencies are of other machines, so they are no measure that models could have as well. */
function publishedValue(point: PublishedPoint, name: string): number | null {
  if (!isColumn(name)) return null
  return name === 'accuracy' ? point.accuracy / 100 : (point[name] ?? null)
}

function placed<T extends object>(x: number | null, y: number | null, rest: T): (T & { x: number; y: number })[] {
  return x === null || y === null ? [] : [{ ...rest, x, y }]
}

/** Sorts by x, then y, and marks the front in one pass: what no earlier point is as good as in y. Equals are on it together. */
function withFront<T extends { readonly x: number; readonly y: number }>(
  points: readonly T[],
  x: Measure,
  y: Measure,
  tie: (a: T, b: T) => number,
): (T & { readonly front: boolean })[] {
  const worse = (measure: Measure, a: number, b: number): number => (measure.better === 'less' ? a - b : b - a)
  const sorted = points.toSorted((a, b) => worse(x, a.x, b.x) || worse(y, a.y, b.y) || tie(a, b))
  let best: T | undefined
  return sorted.map((point) => {
    const equal = best !== undefined && best.x === point.x && best.y === point.y
    const front = best === undefined || equal || worse(y, point.y, best.y) < 0
    if (front) best = point
    return { ...point, front }
  })
}
