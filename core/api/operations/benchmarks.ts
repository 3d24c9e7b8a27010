/** benchmarks: how fast this machine does what private inference is made of. */
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { nativeProblem } from '../../kernels/index.ts'
import { KERNEL_MEASURES } from '../benchmark/measures.ts'
import { defaultRows } from '../benchmark/rows.ts'
import type { BenchmarkRow } from '../data/benchmarks.ts'
import type { Operation } from '../operation.ts'
import { machineName } from '../recording.ts'

const inputSchema = v.strictObject({
  /** Spent on each figure, ms. */
  spendMs: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(60_000)), 250),
})

export interface BenchmarksResult {
  readonly machine: string
  /** ms since 1970. */
  readonly at: number
  /** Each on one thread. */
  readonly rows: readonly BenchmarkRow[]
  /** Why the native kernels do not run here; null where they do. */
  readonly problem: string | null
}

/** `detail` of its progress. */
export interface BenchmarksDetail {
  readonly kind: 'benchmarks'
  readonly rows: readonly BenchmarkRow[]
}

export const benchmarks: Operation<typeof inputSchema, BenchmarksResult> = {
  name: 'benchmarks',
  summary: 'Measures garbling, transfers and ring arithmetic on one thread, against the same in TypeScript.',
  input: inputSchema,
  async run({ spendMs }, { onProgress, signal }) {
    const rows: BenchmarkRow[] = []
    onProgress({ text: KERNEL_MEASURES[0].label, fraction: 0, detail: { kind: 'benchmarks', rows } })
    const onRow = (row: BenchmarkRow, done: number, of: number): void => {
      rows.push(row)
      const detail: BenchmarksDetail = { kind: 'benchmarks', rows: [...rows] }
      onProgress({ text: KERNEL_MEASURES[done]?.label ?? row.label, fraction: done / of, detail })
    }
    try {
      await defaultRows({ spendMs, signal, onRow })
    } catch (error) {
      if (signal.aborted) throw new AdytonError('cancelled', 'the benchmarks were stopped')
      throw error
    }
    return { machine: machineName(), at: Date.now(), rows, problem: nativeProblem() ?? null }
  },
}
