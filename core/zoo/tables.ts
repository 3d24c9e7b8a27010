/**
 * Tables of the catalog as CSV or JSON. Rows that belong to a model name it by its id, and a version by its number; keys
 * of the database stay inside, but for runs, which have no other name. Times are ms since 1970.
 */
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { stringify } from 'csv-stringify/sync'
import { AdytonError } from '../errors/errors.ts'
import { systemFiles } from '../protocol/store/files.ts'
import { newest } from './query/sql.ts'
import type { Zoo } from './zoo.ts'

export const FORMATS = ['csv', 'json'] as const
export type TableFormat = (typeof FORMATS)[number]

type Value = string | number | null
type Row = Readonly<Record<string, Value>>

interface Table {
  readonly columns: readonly string[]
  /** Texts that are JSON: part of the document in JSON, text in CSV. */
  readonly json: readonly string[]
  readonly rows: (zoo: Zoo) => Iterable<Row>
}

const VERSION = 'JOIN versions v ON v.key = t.version JOIN models m ON m.key = v.model'

/** `sql` gives the columns in their order; `json` names those that hold JSON. */
function query(columns: readonly string[], sql: string, json: readonly string[] = []): Table {
  return { columns, json, rows: ({ db }) => db.prepare(sql).iterate() as IterableIterator<Row> }
}

/** Every table there is; 'models' has a row for each model like the list, in the order of their making. */
const TABLES = {
  models: query(
    [
      'id',
      'name',
      'version',
      'stage',
      'tags',
      'dataset',
      'licence',
      'relus',
      'macs',
      'params',
      'accuracy',
      'created',
      'changed',
      'trashedAt',
    ],
    `SELECT m.id, m.name, v.number AS version, v.stage, d.name AS dataset, c.licence,
       (SELECT json_group_array(tag) FROM (SELECT tag FROM tags WHERE model = m.key ORDER BY tag)) AS tags,
       ${newest('relus')} AS relus, ${newest('macs')} AS macs, ${newest('params')} AS params,
       ${newest('accuracy')} AS accuracy, m.created, m.changed, m.trashed_at AS trashedAt
     FROM models m
     JOIN versions v ON v.model = m.key AND v.number = (SELECT max(number) FROM versions WHERE model = m.key)
     JOIN cards c ON c.version = v.key JOIN datasets d ON d.key = c.dataset ORDER BY m.key`,
    ['tags'],
  ),
  versions: query(
    ['model', 'version', 'stage', 'created'],
    `SELECT m.id AS model, t.number AS version, t.stage, t.created FROM versions t JOIN models m ON m.key = t.model
     ORDER BY t.key`,
  ),
  cards: query(
    ['model', 'version', 'dataset', 'licence', 'intendedUse', 'baseModel', 'limits', 'card'],
    `SELECT m.id AS model, v.number AS version, d.name AS dataset, t.licence, t.intended_use AS intendedUse,
       t.base_model AS baseModel, t.limits, t.json AS card
     FROM cards t ${VERSION} JOIN datasets d ON d.key = t.dataset ORDER BY t.version`,
    ['card'],
  ),
  tags: query(
    ['model', 'tag'],
    'SELECT m.id AS model, t.tag FROM tags t JOIN models m ON m.key = t.model ORDER BY t.model, t.tag',
  ),
  datasets: query(['name'], 'SELECT name FROM datasets ORDER BY key'),
  measurements: query(
    ['model', 'version', 'what', 'value', 'unit', 'dataset', 'images', 'machine', 'at'],
    `SELECT m.id AS model, v.number AS version, t.what, t.value, t.unit, d.name AS dataset, t.images, t.machine, t.at
     FROM measurements t ${VERSION} LEFT JOIN datasets d ON d.key = t.dataset ORDER BY t.key`,
  ),
  lineage: query(
    ['child', 'childVersion', 'parent', 'parentVersion', 'relation', 'source', 'recipe', 'run'],
    `SELECT m.id AS child, v.number AS childVersion, pm.id AS parent, p.number AS parentVersion, t.relation, t.source,
       r.sha256 AS recipe, t.run
     FROM lineage t JOIN versions v ON v.key = t.child JOIN models m ON m.key = v.model
     LEFT JOIN versions p ON p.key = t.parent LEFT JOIN models pm ON pm.key = p.model
     LEFT JOIN recipes r ON r.key = t.recipe ORDER BY t.key`,
  ),
  recipes: query(['sha256', 'name', 'recipe'], 'SELECT sha256, name, json AS recipe FROM recipes ORDER BY key', [
    'recipe',
  ]),
  runs: query(
    ['run', 'kind', 'recipe', 'summary', 'at'],
    `SELECT t.key AS run, t.kind, r.sha256 AS recipe, t.summary, t.at
     FROM runs t LEFT JOIN recipes r ON r.key = t.recipe ORDER BY t.key`,
  ),
  inferences: query(
    ['model', 'version', 'at', 'ledger'],
    `SELECT m.id AS model, v.number AS version, t.at, t.ledger FROM inferences t ${VERSION} ORDER BY t.key`,
    ['ledger'],
  ),
  jobs: query(['id', 'job'], 'SELECT id, json AS job FROM jobs ORDER BY key', ['job']),
  signatures: query(
    ['model', 'version', 'signature'],
    `SELECT m.id AS model, v.number AS version, t.json AS signature FROM signatures t ${VERSION} ORDER BY t.version`,
    ['signature'],
  ),
  signers: query(
    ['fingerprint', 'publicKey', 'name', 'firstSeen'],
    `SELECT fingerprint, lower(hex(public_key)) AS publicKey, name, first_seen AS firstSeen FROM signers
     ORDER BY fingerprint`,
  ),
  files: query(['sha256', 'size', 'added'], 'SELECT sha256, size, added FROM files ORDER BY sha256'),
  version_files: query(
    ['model', 'version', 'role', 'sha256'],
    `SELECT m.id AS model, v.number AS version, t.role, t.sha256 FROM version_files t ${VERSION}
     ORDER BY t.version, t.role`,
  ),
} as const satisfies Record<string, Table>

export type TableName = keyof typeof TABLES
export const TABLE_NAMES = Object.keys(TABLES) as TableName[]

/** A table as one text; see {@link writeTable} for what it looks like. */
export function exportTable(zoo: Zoo, name: TableName, format: TableFormat): string {
  return [...pieces(zoo, name, format)].join('')
}

export interface WrittenTable {
  readonly path: string
  readonly rows: number
}

/**
 * Writes a table to a new file, which appears whole or not at all.
 *
 * CSV is RFC 4180 in UTF-8 with a header and CRLF. It is meant for spreadsheets, and names and cards may be strangers': a
 * text that a spreadsheet would take for a formula (it begins with = + - @, a tab or a carriage return) gets an apostrophe
 * before it, as OWASP advises; numbers never do. JSON is an array with a row on each line, and has every text as it is.
 */
export async function writeTable(zoo: Zoo, name: TableName, format: TableFormat, path: string): Promise<WrittenTable> {
  const target = resolve(path)
  if (existsSync(target)) {
    throw new AdytonError('usage', `${target} exists already`, { advice: 'Name a file that does not exist yet.' })
  }
  await systemFiles.makeFolder(dirname(target))
  const building = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`)
  const counted = { rows: 0 }
  try {
    const file = openSync(building, 'w', 0o600)
    try {
      for (const piece of pieces(zoo, name, format, counted)) writeSync(file, piece)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(building, target)
    await systemFiles.syncFolder(dirname(target))
    return { path: target, rows: counted.rows }
  } finally {
    rmSync(building, { force: true })
  }
}

const BATCH = 500

/** The document in pieces, of one state of the catalog. */
function* pieces(zoo: Zoo, name: TableName, format: TableFormat, counted = { rows: 0 }): Generator<string> {
  const table: Table = TABLES[name]
  zoo.db.exec('BEGIN')
  try {
    yield format === 'csv' ? csv([table.columns]) : '['
    for (const rows of batches(table.rows(zoo))) {
      yield format === 'csv' ? csv(rows.map((row) => cells(table, row))) : lines(table, rows, counted.rows === 0)
      counted.rows += rows.length
    }
    if (format === 'json') yield counted.rows === 0 ? ']\n' : '\n]\n'
  } finally {
    zoo.db.exec('COMMIT')
  }
}

function* batches(rows: Iterable<Row>): Generator<Row[]> {
  let batch: Row[] = []
  for (const row of rows) {
    batch.push(row)
    if (batch.length < BATCH) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

function cells({ columns }: Table, row: Row): Value[] {
  return columns.map((column) => row[column])
}

/** With CRLF as its delimiter, the library would leave a lone line feed or carriage return unquoted. */
const CSV = { record_delimiter: '\r\n', quote_record_delimiter: true, escape_formulas: true } as const

function csv(rows: readonly (readonly Value[])[]): string {
  return stringify(rows as Value[][], CSV)
}

function lines({ columns, json }: Table, rows: readonly Row[], first: boolean): string {
  const texts = rows.map((row) => {
    const entries = columns.map((column) => {
      const value = row[column]
      const nested = json.includes(column) && typeof value === 'string'
      // Written anew: a recipe may be laid out on many lines.
      return `${JSON.stringify(column)}:${JSON.stringify(nested ? (JSON.parse(value) as unknown) : value)}`
    })
    return `{${entries.join(',')}}`
  })
  return `${first ? '\n' : ',\n'}${texts.join(',\n')}`
}
