/** The rows of `npm run bench -- --json`: made of fakes, nothing is run. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import * as v from 'valibot'
import { loadNetwork } from '../../core/api/source.ts'
import { countNetwork } from '../../core/network/counts.ts'
import { networkRows, NETWORKS, type Measured } from '../bench/e2e.ts'
import { median, row, rowTable, RowSchema, save, withPrevious } from '../bench/row.ts'

const folder = mkdtempSync(join(tmpdir(), 'adyton-bench-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const bytes = {
  offline: { clientToServer: 1e6, serverToClient: 2e6 },
  online: { clientToServer: 3e5, serverToClient: 2e5 },
}
const measured = (seconds: number, memory: number): Measured => ({
  first: { offline: seconds, online: seconds / 10 },
  later: { offline: seconds / 2, online: seconds / 20 },
  cold: seconds > 4 ? null : seconds / 5,
  cpu: { offline: 2 * seconds, online: seconds / 5 },
  memory: { client: memory, server: 2 * memory },
  bytes,
})
const expected = {
  bytes,
  estimate: {
    offline: { wallMs: 6000, he: 0, gc: 0, ot: 0 },
    online: { wallMs: 200, gc: 0, share: 0 },
    memory: { client: 8e6, server: 8e6 },
    disk: { client: 0, server: 0 },
  },
}
const rowsOf = (name: string) =>
  networkRows(name, [measured(3, 5e6), measured(9, 4e6), measured(4, 6e6)], expected, NETWORKS[name])

test('a network has its median times beside the papers, its bytes and its memory beside what was said', () => {
  const rows = new Map(rowsOf('resnet18-25k').map((one) => [one.id, v.parse(RowSchema, one)]))
  // DeepReShape's table 7: 268 s of HE and 2.8 s of garbled circuits. SNL's table 2: 0.542 s online.
  expect(rows.get('e2e.resnet18-25k.offline')).toMatchObject({
    value: 4,
    unit: 's',
    runs: 3,
    against: { value: 270.8 },
  })
  expect(rows.get('e2e.resnet18-25k.offline')?.ratio).toBeCloseTo(270.8 / 4)
  expect(rows.get('e2e.resnet18-25k.online')).toMatchObject({ value: 0.4, against: { value: 0.542 } })
  expect(rows.get('e2e.resnet18-25k.offline.later')).toMatchObject({ value: 2, against: null, ratio: null })
  // Of the two runs that could empty the file cache.
  expect(rows.get('e2e.resnet18-25k.online.cold')).toMatchObject({ value: 0.8, runs: 2, against: null })
  expect(rows.has('e2e.resnet18-25k.offline.cold')).toBe(false)
  expect(rows.get('cpu.resnet18-25k.offline')).toMatchObject({ value: 8, against: null })
  expect(rows.get('estimate.resnet18-25k.offline')).toMatchObject({ value: 6, against: { value: 4 }, ratio: 1.5 })
  expect(rows.get('bytes.resnet18-25k.offline')).toMatchObject({ value: 3, unit: 'MB', ratio: 1 })
  expect(rows.get('memory.resnet18-25k.client')).toMatchObject({ value: 5, against: { value: 8 }, ratio: 0.625 })
  expect(rows.get('memory.resnet18-25k.server')).toMatchObject({ value: 10, ratio: 1.25 })
})

test.each([
  ['hrn-2x5x3x-m8', 26_112],
  ['resnet18-25k', 25_000],
] as const)('%s has as many ReLUs as its published times are for', async (name, relus) => {
  const { graph, tensors } = await loadNetwork(NETWORKS[name].source)
  expect(Math.abs(countNetwork(graph, tensors).relus - relus)).toBeLessThan(10)
})

test('HRN-2x5x3x is beside its own published times', () => {
  const against = rowsOf('hrn-2x5x3x-m8').map(({ id, against: other }) => [id, other?.value])
  expect(against).toContainEqual(['e2e.hrn-2x5x3x-m8.offline', 51.9])
  expect(against).toContainEqual(['e2e.hrn-2x5x3x-m8.online', 2.9])
})

test('no two rows have the same id, and every row is in the table', () => {
  const rows = Object.keys(NETWORKS).flatMap(rowsOf)
  expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length)
  expect(rowTable(rows).split('\n').length).toBe(rows.length + 2)
})

test('times are faster when smaller, rates when larger', () => {
  expect(row('a', 'a', 'ms', [2], { label: 'b', value: 6 }).ratio).toBe(3)
  expect(row('a', 'a', 'M AND/s', [2], { label: 'b', value: 6 }).ratio).toBeCloseTo(1 / 3)
  expect(median([5, 1, 3])).toBe(3)
})

test('a saved run is what later ones are compared with, on the same machine only', () => {
  const old = [row('x', 'x', 's', [4], null), row('gone', 'gone', 's', [1], null)]
  const path = save(old, folder)
  expect(v.parse(v.array(RowSchema), JSON.parse(readFileSync(path, 'utf8')))).toEqual(old)
  const now = [row('x', 'x', 's', [2], null), row('new', 'new', 's', [1], null)]
  const version = path.slice(folder.length + 1, -'.json'.length)
  expect(withPrevious(now, folder).map(({ previous }) => previous)).toEqual([
    { label: version, value: 4, ratio: 2 },
    null,
  ])
  writeFileSync(path, JSON.stringify(old.map((one) => ({ ...one, on: `another machine; ${one.on}` }))))
  expect(withPrevious(now, folder)).toEqual(now)
  expect(withPrevious(now, join(folder, 'none'))).toEqual(now)
})
