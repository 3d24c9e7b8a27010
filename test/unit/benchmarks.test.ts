/** The rows of the Benchmarks screen. No times are judged, only that work is done and counted. */
import { expect, test } from 'vitest'
import { kernelRows } from '../../core/api/benchmark/rows.ts'
import { KERNEL_MEASURES } from '../../core/api/benchmark/measures.ts'
import { benchCircuit } from '../../core/api/benchmark/circuit.ts'
import type { BenchmarkRow } from '../../core/api/data/benchmarks.ts'
import { benchmarks } from '../../core/api/operations/benchmarks.ts'
import { loadKernels } from '../../core/kernels/index.ts'

const context = { signal: new AbortController().signal, onNotice: () => undefined, onProgress: () => undefined }
const quick = KERNEL_MEASURES.filter(({ id }) => ['labels', 'transpose'].includes(id))

test('the circuit has as many AND gates as the figures say', () => {
  const { gates, andGates } = benchCircuit()
  expect(andGates).toBe(81)
  expect(gates.length % 4).toBe(0)
})

test('a row has a rate, and one against other kernels the ratio of the two', async () => {
  const kernels = loadKernels({ force: 'reference' })
  const alone = await kernelRows(kernels, kernels, { spendMs: 0 }, quick)
  expect(alone.map(({ id, against, ratio }) => [id, against, ratio])).toEqual([
    ['transpose', null, null],
    ['labels', null, null],
  ])
  const other = { ...kernels, name: 'other' }
  const [row] = await kernelRows(kernels, other, { spendMs: 0 }, quick.slice(0, 1))
  expect(row).toMatchObject({ on: 'reference', unit: 'GB/s', against: { label: 'other' } })
  expect(row.runs).toBeGreaterThanOrEqual(5)
  expect(row.value).toBeGreaterThan(0)
  expect(row.ratio).toBeCloseTo(row.value / (row.against?.value ?? 0))
})

test('the operation tells of each row, and gives all of them', async () => {
  const told: number[] = []
  const onProgress = ({ fraction, detail }: { fraction?: number; detail?: unknown }): void => {
    expect((detail as { rows: BenchmarkRow[] }).rows).toHaveLength(told.length)
    told.push(fraction ?? -1)
  }
  const { rows } = await benchmarks.run({ spendMs: 0 }, { ...context, onProgress })
  expect(rows.map(({ id }) => id)).toEqual(KERNEL_MEASURES.map(({ id }) => id))
  expect(told).toEqual(Array.from({ length: rows.length + 1 }, (_, i) => i / rows.length))
}, 60_000)

test('it can be stopped', async () => {
  const stopped = benchmarks.run({ spendMs: 0 }, { ...context, signal: AbortSignal.abort() })
  await expect(stopped).rejects.toMatchObject({ code: 'cancelled' })
})
