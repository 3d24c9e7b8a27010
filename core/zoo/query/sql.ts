/** A query as conditions over models m, versions v and cards c. Values are always bound, never part of the SQL. */
import { datasetKey } from '../datasets.ts'
import type { NumberField, Query, Term, TextField } from './ast.ts'

export interface Condition {
  readonly sql: string
  readonly values: readonly (string | number)[]
}

/** The newest measurement of a kind of v, null when there is none. */
export const newest = (what: string): string =>
  `(SELECT value FROM measurements WHERE version = v.key AND what = '${what}' ORDER BY at DESC, key DESC LIMIT 1)`

const MEASURES: Readonly<Record<NumberField, string>> = {
  relus: newest('relus'),
  macs: newest('macs'),
  params: newest('params'),
  acc: newest('accuracy'),
}

export function conditionsOf(query: Query): Condition[] {
  return query.map((term) => {
    const { sql, values } = conditionOf(term)
    // What was never measured fulfils no bound, so it fulfils the opposite of every bound.
    return term.not ? { sql: `NOT coalesce((${sql}), 0)`, values } : { sql, values }
  })
}

function conditionOf(term: Term): Condition {
  switch (term.kind) {
    case 'number':
      return {
        sql: `${MEASURES[term.field]} ${term.op} ?`,
        values: [term.field === 'acc' ? term.value / 100 : term.value],
      }
    case 'text':
      return textCondition(term.field, term.value)
    case 'word':
      return {
        sql: 'm.key IN (SELECT rowid FROM search WHERE search MATCH ?)',
        // In FTS5 a quoted string is one phrase, whatever it holds; a star after it matches beginnings.
        values: [`"${term.value.replaceAll('"', '""')}"${term.phrase ? '' : '*'}`],
      }
  }
}

function textCondition(field: TextField, value: string): Condition {
  switch (field) {
    case 'tag':
      return { sql: 'EXISTS (SELECT 1 FROM tags WHERE model = m.key AND tag = ?)', values: [value.toLowerCase()] }
    case 'name':
      return { sql: 'instr(lower(m.name), lower(?)) > 0', values: [value] }
    case 'stage':
      return { sql: 'v.stage = ?', values: [value.toLowerCase()] }
    case 'licence':
      return { sql: 'instr(lower(c.licence), lower(?)) > 0', values: [value] }
    case 'id':
      return { sql: 'm.id = ?', values: [value] }
    case 'dataset': {
      // cifar10 is not a beginning of cifar100: after a digit, no digit may follow.
      const key = datasetKey(value)
      const follow = /\d$/.test(key) ? `*${key}[^0-9]*` : `*${key}*`
      return {
        sql: 'c.dataset IN (SELECT key FROM datasets WHERE key_text GLOB ? OR key_text GLOB ?)',
        values: [`*${key}`, follow],
      }
    }
  }
}
