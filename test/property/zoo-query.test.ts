import fc from 'fast-check'
import { expect, test } from 'vitest'
import { listModels, SORT_NAMES, type ModelRow, type Sort } from '../../core/zoo/list.ts'
import { NUMBER_FIELDS, OPERATORS, TEXT_FIELDS, type Term } from '../../core/zoo/query/ast.ts'
import { parseQuery, QueryError } from '../../core/zoo/query/parse.ts'
import { printQuery } from '../../core/zoo/query/print.ts'
import { openZoo } from '../../core/zoo/zoo.ts'
import { insertRow, temporaryFolder } from '../fixtures/zoo.ts'

/** Pieces of queries put together at random come closer to the parser's corners than random letters. */
const pieces = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...TEXT_FIELDS,
        ...NUMBER_FIELDS,
        ...OPERATORS,
        ':',
        '"',
        '\\',
        '-',
        ' ',
        '%',
        'k',
        '5',
        '*',
        '(',
        "'",
      ),
      fc.constantFrom('NEAR', 'AND', '^', '{', '\u0000', '\ud800', 'é', '½', '\t', '1e5', '1e999', 'draft'),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''))

const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter((value) => /[\p{L}\p{N}]/u.test(value) && !/[^\P{Cc}\s]/u.test(value))
const term: fc.Arbitrary<Term> = fc.oneof(
  fc.record({
    kind: fc.constant('text' as const),
    not: fc.boolean(),
    field: fc.constantFrom('tag' as const, 'name' as const, 'dataset' as const),
    value: text,
  }),
  fc.record({
    kind: fc.constant('number' as const),
    not: fc.boolean(),
    field: fc.constantFrom(...NUMBER_FIELDS),
    op: fc.constantFrom(...OPERATORS),
    value: fc.oneof(fc.nat(), fc.double({ min: 0, noNaN: true, noDefaultInfinity: true })).map((x) => x + 0),
  }),
  fc.record({ kind: fc.constant('word' as const), not: fc.boolean(), phrase: fc.constant(true), value: text }),
)

test('a query that was printed reads as it was', () => {
  fc.assert(
    fc.property(fc.array(term, { maxLength: 8 }), (query) => {
      expect(parseQuery(printQuery(query))).toEqual(query)
    }),
  )
})

test('whatever is typed gives a query that prints and parses to itself, or an error within the text', () => {
  let parsed = 0
  fc.assert(
    fc.property(pieces, (typed) => {
      try {
        const query = parseQuery(typed)
        parsed++
        expect(parseQuery(printQuery(query))).toEqual(query)
      } catch (error) {
        if (!(error instanceof QueryError)) throw error
        expect(error.position).toBeGreaterThanOrEqual(0)
        expect(error.position).toBeLessThanOrEqual(typed.length)
      }
    }),
    { numRuns: 2000 },
  )
  expect(parsed).toBeGreaterThan(100)
})

test('every query that parses runs', async () => {
  await using folder = await temporaryFolder()
  const zoo = await openZoo(folder.dir)
  insertRow(zoo, { name: 'one', tags: ['demo'] })
  fc.assert(
    fc.property(fc.oneof(pieces, fc.array(term, { maxLength: 3 }).map(printQuery)), (typed) => {
      try {
        parseQuery(typed)
      } catch {
        return
      }
      expect(listModels(zoo, { query: typed }).total).toBeLessThanOrEqual(1)
    }),
    { numRuns: 500 },
  )
  zoo.close()
})

test('pages hold the models that a plain filter and sort give, each once', async () => {
  await using folder = await temporaryFolder()
  const zoo = await openZoo(folder.dir)
  const arbitrary = fc.record({
    name: fc.constantFrom('a', 'B', 'b', 'c'),
    relus: fc.integer({ min: 0, max: 5 }),
    accuracy: fc.option(fc.constantFrom(0, 0.25, 0.5, 1)),
  })
  const rows = fc.sample(arbitrary, { numRuns: 60, seed: 5 })
  const ids = rows.map((row, i) => insertRow(zoo, row, i % 7))
  const valueOf: Record<Sort, (row: ModelRow) => string | number | null> = {
    name: (row) => row.name.toLowerCase(),
    created: (row) => row.created,
    changed: (row) => row.changed,
    relus: (row) => row.relus,
    macs: (row) => row.macs,
    params: (row) => row.params,
    acc: (row) => row.accuracy,
  }
  const order = fc.constantFrom(...SORT_NAMES)
  fc.assert(
    fc.property(
      order,
      fc.boolean(),
      fc.integer({ min: 1, max: 20 }),
      fc.nat({ max: 6 }),
      (sort, descending, limit, bound) => {
        const wanted = rows.flatMap((row, i) => (row.relus < bound ? [ids[i]] : []))
        const seen: ModelRow[] = []
        let after: string | undefined
        do {
          const options = { query: `relus<${bound}`, sort, descending, limit }
          const page = listModels(zoo, after === undefined ? options : { ...options, after })
          expect(page.total).toBe(wanted.length)
          const { models } = listModels(zoo, { ...options, offset: seen.length })
          expect(page.models).toEqual(models)
          seen.push(...page.models)
          after = page.next ?? undefined
        } while (after !== undefined)
        expect(seen.map(({ id }) => id).sort()).toEqual(wanted.sort())
        const values = seen.map(valueOf[sort])
        const known = values.filter((value) => value !== null)
        expect(values.slice(known.length).every((value) => value === null)).toBe(true)
        for (let i = 1; i < known.length; i++) {
          expect(descending ? known[i - 1] >= known[i] : known[i - 1] <= known[i]).toBe(true)
        }
      },
    ),
    { numRuns: 40 },
  )
  zoo.close()
})
