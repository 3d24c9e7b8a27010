/** What the zoo's and the model's screens work out by themselves: terms of a query, places of a graph's nodes. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseQuery } from '../../core/zoo/query/parse.ts'
import { layoutGraph } from '../../renderer/model/layout.ts'
import { fieldTerm, termsOf, withoutTerm, withTerm } from '../../renderer/zoo/terms.ts'

const value = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme-ascii' }).filter((text) => text.trim() !== '')
const term = fc.oneof(
  value.map((text) => fieldTerm('tag', text)),
  value.map((text) => fieldTerm('name', text)),
  fc.nat(1000).map((n) => `relus<=${n}k`),
  fc.constantFrom('resnet', '-digits', '"residual network"', 'acc>70'),
)

test('a term built from any text means that text to the catalog', () => {
  fc.assert(
    fc.property(value, (text) => {
      expect(parseQuery(fieldTerm('name', text))).toEqual([{ kind: 'text', not: false, field: 'name', value: text }])
    }),
  )
})

test('terms are those of the catalog, and taking one away leaves the others', () => {
  fc.assert(
    fc.property(fc.array(term, { maxLength: 6 }), fc.nat(5), (terms, at) => {
      const query = terms.join('  ')
      expect(termsOf(query)).toEqual(terms)
      expect(parseQuery(query)).toHaveLength(terms.length)
      if (at < terms.length) {
        expect(parseQuery(withoutTerm(query, at))).toEqual(parseQuery(query).toSpliced(at, 1))
      }
    }),
  )
})

test('a bound takes the place of one on the same side', () => {
  expect(withTerm('resnet relus<50k relus>1k acc>70', 'relus<=20k')).toBe('resnet relus>1k acc>70 relus<=20k')
  expect(withTerm('tag:a -tag:b', 'tag:"a b"')).toBe('-tag:b tag:"a b"')
})

test('every edge of a graph leads down, and no two nodes share a place', () => {
  const graph = fc.integer({ min: 1, max: 30 }).chain((n) =>
    fc.record({
      n: fc.constant(n),
      // From a lower number to a higher one: no cycles.
      pairs: fc.array(fc.tuple(fc.nat(n - 1), fc.nat(n - 1)), { maxLength: 60 }),
    }),
  )
  fc.assert(
    fc.property(graph, ({ n, pairs }) => {
      const ids = Array.from({ length: n }, (_, i) => `n${i}`)
      const edges = pairs.filter(([a, b]) => a < b).map(([a, b]) => ({ from: `n${a}`, to: `n${b}` }))
      const size = { width: 100, height: 40, gapX: 20, gapY: 10 }
      const { nodes, width, height } = layoutGraph(ids, edges, size)
      for (const { from, to } of edges) {
        expect(nodes.get(to)?.y).toBeGreaterThan(nodes.get(from)?.y ?? Infinity)
      }
      expect(new Set([...nodes.values()].map(({ x, y }) => `${x} ${y}`)).size).toBe(n)
      for (const { x, y } of nodes.values()) {
        expect(x - size.width / 2).toBeGreaterThanOrEqual(0)
        expect(y - size.height / 2).toBeGreaterThanOrEqual(0)
        expect(x + size.width / 2).toBeLessThanOrEqual(width)
        expect(y + size.height / 2).toBeLessThanOrEqual(height)
      }
    }),
  )
})
