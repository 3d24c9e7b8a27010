/** `adyton dataset`: what it lists, and what it says of folders that are right, wrong and broken. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { datasetFetch } from '../../core/api/operations/datasets.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { adyton } from '../fixtures/command.ts'

const folder = mkdtempSync(join(tmpdir(), 'adyton-dataset-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** An IDX file of unsigned bytes. */
function idx(name: string, sizes: readonly number[], bytes = sizes.reduce((a, b) => a * b, 1)): void {
  const data = Buffer.alloc(4 + 4 * sizes.length + bytes, 1)
  data.writeUInt32BE(0x800 + sizes.length, 0)
  sizes.forEach((size, i) => data.writeUInt32BE(size, 4 + 4 * i))
  writeFileSync(join(folder, name), data)
}

test('list names the official sets and where they come from', async () => {
  const { code, stdout } = await adyton('dataset', 'list', '--json')
  expect(code).toBe(0)
  const rows = JSON.parse(stdout) as { id: string; bytes: number }[]
  expect(rows.map(({ id }) => id)).toContain('cifar-10')
  // The figure on the data set's own page.
  expect(rows.find(({ id }) => id === 'cifar-10')?.bytes).toBe(170_052_171)
})

test('list names what lies in the data folder and in folders that settings name, and unpacks nothing', async () => {
  const data = mkdtempSync(join(folder, 'data-'))
  const rowsOf = async () => {
    const { code, stdout, stderr } = await adyton('dataset', 'list', '--data', data, '--json')
    expect(code, stderr).toBe(0)
    return JSON.parse(stdout) as { id: string | null; title: string; folder: string | null; images: object }[]
  }
  const generated = expect.objectContaining({ id: null, folder: 'generated' }) as object
  expect((await rowsOf()).filter((row) => row.folder !== null)).toEqual([generated])
  const mine = join(data, 'datasets', 'mine')
  const other = join(data, 'other')
  for (const place of [mine, other]) {
    mkdirSync(place, { recursive: true })
    for (const [part, count] of [['train', 6] as const, ['t10k', 4] as const]) {
      idx(join(relative(folder, place), `${part}-images-idx3-ubyte`), [count, 8, 8])
      idx(join(relative(folder, place), `${part}-labels-idx1-ubyte`), [count])
    }
  }
  writeFileSync(join(data, 'settings.json'), JSON.stringify({ datasets: [other, join(data, 'gone')] }))
  // What would be CIFAR-10 if it were whole.
  writeFileSync(join(data, 'datasets', 'cifar-10-binary.tar.gz'), 'no archive')
  const found = (await rowsOf()).filter((row) => row.folder !== null)
  expect(found).toEqual([
    generated,
    expect.objectContaining({ id: null, folder: mine, shape: [1, 8, 8], images: { train: 6, test: 4 } }),
    expect.objectContaining({ id: null, folder: other }),
  ])
})

test('check counts what is there, and names the file that is too short', async () => {
  for (const [part, count] of [['train', 6] as const, ['t10k', 4] as const]) {
    idx(`${part}-images-idx3-ubyte`, [count, 8, 8])
    idx(`${part}-labels-idx1-ubyte`, [count])
  }
  const right = await adyton('dataset', 'check', folder, '--json')
  expect(right.code, right.stderr).toBe(0)
  expect(JSON.parse(right.stdout)).toMatchObject({ kind: 'idx', shape: [1, 8, 8], images: { train: 6, test: 4 } })

  idx('t10k-images-idx3-ubyte', [4, 8, 8], 100)
  const short = await adyton('dataset', 'check', folder)
  expect(short.code).toBe(1)
  expect(short.stderr).toMatch(/t10k-images-idx3-ubyte.*file-corrupt/s)
})

test('what is no data set is told with what was looked for; an unknown name with those that there are', async () => {
  const none = await adyton('dataset', 'check', join(import.meta.dirname, '..', 'vectors'))
  expect(none.code).toBe(1)
  expect(none.stderr).toContain('data_batch_1.bin')
  const unknown = await adyton('dataset', 'fetch', 'imagenet')
  expect(unknown.code).toBe(2)
  expect(unknown.stderr).toContain('cifar-100')
})

test('fetching can be stopped before it begins', async () => {
  const context = { signal: AbortSignal.abort(), onProgress: () => {}, onNotice: () => {} }
  const fetched = datasetFetch.run({ id: 'mnist', out: join(folder, 'fetched') }, context)
  await expect(fetched).rejects.toBeInstanceOf(AdytonError)
  await expect(fetched).rejects.toMatchObject({ code: 'cancelled' })
})
