/** Measures in turn, as rows of a table. */
import { setImmediate } from 'node:timers/promises'
import { availableNative, loadKernels, type Kernels } from '../../kernels/index.ts'
import type { BenchmarkRow } from '../data/benchmarks.ts'
import { KERNEL_MEASURES, type Measure, type Prepared } from './measures.ts'

const MIN_RUNS = 5

export interface RowOptions {
  /** Spent on each figure, ms, or as long as {@link MIN_RUNS} runs take, after one that does not count. */
  readonly spendMs: number
  readonly signal?: AbortSignal
  readonly onRow?: (row: BenchmarkRow, done: number, of: number) => void
}

/** The best of the runs, in the unit: what others do on the machine only slows runs down. */
async function best(
  { amount, run }: Prepared,
  { spendMs, signal }: RowOptions,
): Promise<{ value: number; runs: number }> {
  run()
  let least = Infinity
  let runs = 0
  const until = performance.now() + spendMs
  do {
    signal?.throwIfAborted()
    const from = performance.now()
    run()
    least = Math.min(least, performance.now() - from)
    runs++
    // Lets a message in that asks to stop.
    await setImmediate()
  } while (runs < MIN_RUNS || performance.now() < until)
  return { value: amount / (least / 1000), runs }
}

const isSlow = (kernels: Kernels): boolean => kernels.name === 'reference' || kernels.name.includes('portable')

/** Every measure on some kernels, each against `against` unless those are the same. */
export async function kernelRows(
  kernels: Kernels,
  against: Kernels,
  options: RowOptions,
  measures: readonly Measure[] = KERNEL_MEASURES,
): Promise<BenchmarkRow[]> {
  const rows: BenchmarkRow[] = []
  for (const { id, label, unit, prepare } of measures) {
    const { value, runs } = await best(prepare(kernels, isSlow(kernels)), options)
    const other = kernels.name === against.name ? null : (await best(prepare(against, isSlow(against)), options)).value
    const row: BenchmarkRow = {
      ...{ id, label, value, unit, runs, on: kernels.name },
      against: other === null ? null : { label: against.name, value: other },
      ratio: other === null ? null : value / other,
    }
    rows.push(row)
    options.onRow?.(row, rows.length, measures.length)
  }
  return rows
}

/** The kernels that the protocol takes here, against those in TypeScript. */
export async function defaultRows(options: RowOptions): Promise<BenchmarkRow[]> {
  const reference = loadKernels({ force: 'reference' })
  const kernels = availableNative().length > 0 ? loadKernels({ force: 'native' }) : reference
  return await kernelRows(kernels, reference, options)
}
