import { expect, test } from 'vitest'
import { listModels } from '../../core/zoo/list.ts'
import { parseQuery, QueryError } from '../../core/zoo/query/parse.ts'
import { openZoo } from '../../core/zoo/zoo.ts'
import { insertRow, temporaryFolder } from '../fixtures/zoo.ts'

test('reads every kind of term', () => {
  expect(parseQuery('dataset:cifar10 relus<50k acc>=70% -tag:demo "residual network" snl stage:Published')).toEqual([
    { kind: 'text', not: false, field: 'dataset', value: 'cifar10' },
    { kind: 'number', not: false, field: 'relus', op: '<', value: 50_000 },
    { kind: 'number', not: false, field: 'acc', op: '>=', value: 70 },
    { kind: 'text', not: true, field: 'tag', value: 'demo' },
    { kind: 'word', not: false, phrase: true, value: 'residual network' },
    { kind: 'word', not: false, phrase: false, value: 'snl' },
    { kind: 'text', not: false, field: 'stage', value: 'Published' },
  ])
  expect(parseQuery('  macs:1.5M name:"a \\"b\\" \\\\"  ')).toEqual([
    { kind: 'number', not: false, field: 'macs', op: '=', value: 1_500_000 },
    { kind: 'text', not: false, field: 'name', value: 'a "b" \\' },
  ])
})

test.each([
  ['foo:x', 0, /there is no field 'foo'; fields are dataset/],
  ['tag:a relus<many', 12, /'many' is no number; write, for example, relus<50k/],
  ['tag:a  "open', 7, /no end/],
  ['relus<', 6, /a value for 'relus' is missing/],
  ['a tag<b', 2, /write tag:b/],
  ['stage:done', 6, /stages are draft, candidate, published, archived/],
  ['relus<5%', 6, /without %/],
  ['ab"c', 2, /a quote within a word/],
  ['"a"b', 3, /a space is missing/],
  ['a - b', 3, /a word is missing/],
  ['a ***', 2, /no letter or digit/],
  ['a \0', 2, /control character/],
  ['x '.repeat(60), 100, /more than 50 terms/],
])('%j: the mistake is at %i', (text, position, message) => {
  const attempt = (): unknown => parseQuery(text)
  expect(attempt).toThrow(QueryError)
  expect(attempt).toThrow(message)
  try {
    attempt()
  } catch (error) {
    expect((error as QueryError).position).toBe(position)
    expect((error as QueryError).message).toContain(`character ${position + 1}:`)
  }
})

test('finds what it says', async () => {
  await using folder = await temporaryFolder()
  const zoo = await openZoo(folder.dir)
  insertRow(zoo, { name: 'Alpha net', dataset: 'CIFAR-10 (Krizhevsky)', relus: 49_999, tags: ['demo', 'v1'] })
  insertRow(zoo, { name: 'Beta', dataset: 'CIFAR-100', relus: 50_000, accuracy: 0.7, description: 'Résidual blocks' })
  insertRow(zoo, { name: 'Gamma', dataset: 'MNIST', relus: 10, accuracy: null })
  const found = (query: string): string =>
    listModels(zoo, { query })
      .models.map(({ name }) => name[0])
      .join('')
  const expected: Record<string, string> = {
    '': 'ABG',
    'dataset:cifar10': 'A',
    'dataset:CIFAR-100': 'B',
    'dataset:cifar': 'AB',
    'relus<50k': 'AG',
    'relus<=50k': 'ABG',
    'acc>70': 'A',
    'acc>=70': 'AB',
    // Not measured: neither above nor below.
    'acc<100': 'AB',
    '-acc<100': 'G',
    'tag:demo': 'A',
    'tag:DEMO': 'A',
    '-tag:demo': 'BG',
    residual: 'B',
    resid: 'B',
    'resid block': 'B',
    '"blocks residual"': '',
    '"residual blocks"': 'B',
    demo: 'A',
    'name:NET': 'A',
    'name:et': 'AB',
    'stage:published': '',
    'licence:cc0 stage:draft': 'ABG',
    'NOT OR': '',
    "name:x'--": '',
  }
  for (const [query, names] of Object.entries(expected)) expect([query, found(query)]).toEqual([query, names])
  zoo.close()
})
