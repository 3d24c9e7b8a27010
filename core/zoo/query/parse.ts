/**
 * The query language of the catalog, as in `dataset:cifar10 relus<50k acc>70 -tag:demo "residual network" stage:published`:
 *
 *   query   = term*                    separated by spaces; all must hold
 *   term    = ['-'] (field | word)     '-' turns a term round
 *   field   = name ':' text | name operator number
 *   word    = letters… | '"' … '"'     searched in names, tags and cards
 *   number  = digits, with k, M or G, or % for accuracy
 *   text    = no spaces, or in quotes, where \" and \\ stand for " and \
 */
import { AdytonError } from '../../errors/errors.ts'
import {
  NUMBER_FIELDS,
  OPERATORS,
  TEXT_FIELDS,
  type NumberField,
  type Operator,
  type Query,
  type Term,
  type TextField,
} from './ast.ts'
import { STAGES } from '../models.ts'

/** What is wrong with a query, and where. */
export class QueryError extends AdytonError {
  /** Characters before the mistake, from 0. */
  readonly position: number

  constructor(position: number, what: string) {
    super('usage', `query, character ${position + 1}: ${what}`, { advice: 'docs/zoo.md explains queries.' })
    this.position = position
  }
}

const MAX_LENGTH = 1000
const MAX_TERMS = 50
const SCALE: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, '%': 1 }
const NUMBER = /^(\d+(?:\.\d+)?(?:e[+-]?\d{1,3})?)([kmg%]?)$/i

const isText = (name: string): name is TextField => TEXT_FIELDS.some((field) => field === name)
const isNumber = (name: string): name is NumberField => NUMBER_FIELDS.some((field) => field === name)

/** Throws {@link QueryError}. */
export function parseQuery(text: string): Query {
  if (text.length > MAX_LENGTH) throw new QueryError(MAX_LENGTH, `more than ${MAX_LENGTH} characters`)
  const control = text.search(/[^\P{Cc}\s]/u)
  if (control >= 0) throw new QueryError(control, 'a control character')
  const terms: Term[] = []
  let at = 0
  for (;;) {
    while (at < text.length && /\s/.test(text[at])) at++
    if (at === text.length) return terms
    if (terms.length === MAX_TERMS) throw new QueryError(at, `more than ${MAX_TERMS} terms`)
    const { term, end } = parseTerm(text, at)
    terms.push(term)
    at = end
  }
}

function parseTerm(text: string, start: number): { term: Term; end: number } {
  const not = text[start] === '-'
  const at = not ? start + 1 : start
  const head = /^([a-z]+)(:|<=|>=|<|>|=)/i.exec(text.slice(at, at + 40))
  if (head === null) {
    const { value, quoted, end } = parseText(text, at)
    if (value === '' || (not && !quoted && value.startsWith('-'))) throw new QueryError(at, 'a word is missing')
    if (!/[\p{L}\p{N}]/u.test(value)) throw new QueryError(at, `'${value}' has no letter or digit to search for`)
    return { term: { kind: 'word', not, phrase: quoted, value }, end }
  }
  const name = head[1].toLowerCase()
  const operator = head[2]
  const valueAt = at + head[0].length
  const { value, end } = parseText(text, valueAt)
  if (value === '') throw new QueryError(valueAt, `a value for '${name}' is missing`)
  if (isNumber(name)) {
    const op = OPERATORS.find((one) => one === operator) ?? '='
    return { term: { kind: 'number', not, field: name, op, value: parseNumber(name, op, value, valueAt) }, end }
  }
  if (!isText(name)) {
    throw new QueryError(at, `there is no field '${name}'; fields are ${[...TEXT_FIELDS, ...NUMBER_FIELDS].join(', ')}`)
  }
  if (operator !== ':' && operator !== '=') throw new QueryError(at, `'${name}' is text: write ${name}:${value}`)
  if (name === 'stage' && !STAGES.some((stage) => stage === value.toLowerCase())) {
    throw new QueryError(valueAt, `'${value}' is no stage; stages are ${STAGES.join(', ')}`)
  }
  if (name === 'dataset' && !/[\p{L}\p{N}]/u.test(value)) {
    throw new QueryError(valueAt, `'${value}' has no letter or digit`)
  }
  return { term: { kind: 'text', not, field: name, value }, end }
}

function parseNumber(field: NumberField, op: Operator, text: string, at: number): number {
  const match = NUMBER.exec(text)
  const value = match === null ? NaN : Number(match[1]) * SCALE[match[2].toLowerCase()]
  if (!Number.isFinite(value)) {
    throw new QueryError(
      at,
      `'${text}' is no number; write, for example, ${field}${op}${field === 'acc' ? '70' : '50k'}`,
    )
  }
  if (match?.[2] === '%' && field !== 'acc') throw new QueryError(at, `'${field}' is a count, without %`)
  return value
}

/** Quoted text with its escapes resolved, or everything up to the next space. */
function parseText(text: string, at: number): { value: string; quoted: boolean; end: number } {
  if (text[at] !== '"') {
    let end = at
    while (end < text.length && !/[\s"]/.test(text[end])) end++
    if (text[end] === '"') throw new QueryError(end, 'a quote within a word')
    return { value: text.slice(at, end), quoted: false, end }
  }
  let value = ''
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '"') {
      if (i + 1 < text.length && !/\s/.test(text[i + 1]))
        throw new QueryError(i + 1, 'a space is missing after the quote')
      return { value, quoted: true, end: i + 1 }
    }
    if (text[i] === '\\' && (text[i + 1] === '"' || text[i + 1] === '\\')) i++
    value += text[i]
  }
  throw new QueryError(at, 'the quote has no end')
}
