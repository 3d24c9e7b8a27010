/** The query as the terms that its text is made of; what they mean is the host's business (docs/zoo.md). */

/** Terms in their order; quotes hold a term together. */
export function termsOf(query: string): string[] {
  return query.match(/(?:[^\s"]|"(?:\\.|[^"\\])*"?)+/g) ?? []
}

const fieldOf = (term: string): string | undefined => /^([a-z]+)(?::|<=|>=|<|>|=)/i.exec(term)?.[1].toLowerCase()
/** 'less' for relus<50k: a bound from above and one from below may stand side by side. */
const sideOf = (term: string): string => (/^[a-z]+</i.test(term) ? 'less' : /^[a-z]+>/i.test(term) ? 'more' : 'is')

/** The query with a term, in the place of one that says something else of the same thing. */
export function withTerm(query: string, term: string): string {
  const rest = termsOf(query).filter((one) => fieldOf(one) !== fieldOf(term) || sideOf(one) !== sideOf(term))
  return [...rest, term].join(' ')
}

export function withoutTerm(query: string, index: number): string {
  return termsOf(query).toSpliced(index, 1).join(' ')
}

/** `tag:demo`, with quotes where they are needed. */
export function fieldTerm(field: string, value: string): string {
  return `${field}:${/[\s"]/.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : value}`
}

/** Where a query is wrong: the host's message has the place. */
export function queryMistake(message: string): { readonly at: number; readonly what: string } | null {
  const found = /^query, character (\d+): (.*)$/s.exec(message)
  return found === null ? null : { at: Number(found[1]) - 1, what: found[2] }
}
