/** A figure of the Benchmarks screen. Plain data. */
export interface BenchmarkRow {
  readonly id: string
  readonly label: string
  /** More is faster. */
  readonly value: number
  readonly unit: string
  /** The value is the best of so many. */
  readonly runs: number
  /** What it was measured on: 'native:avx2'. */
  readonly on: string
  readonly against: { readonly label: string; readonly value: number } | null
  /** How many times as fast as what it is compared with. */
  readonly ratio: number | null
}
