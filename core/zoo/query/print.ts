/** A query as text that parses to the same query. */
import type { Query, Term } from './ast.ts'

export function printQuery(query: Query): string {
  return query.map(printTerm).join(' ')
}

function printTerm(term: Term): string {
  const sign = term.not ? '-' : ''
  switch (term.kind) {
    case 'number':
      return `${sign}${term.field}${term.op}${String(term.value)}`
    case 'text':
      return `${sign}${term.field}:${/[\s"]/.test(term.value) ? quote(term.value) : term.value}`
    case 'word':
      return sign + (term.phrase ? quote(term.value) : term.value)
  }
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}
