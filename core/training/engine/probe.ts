/**
 * Run in a process of its own, as TensorFlow stays in the process that loads it: which backend loads and why the better
 * ones do not, and when asked how fast it trains. Takes a {@link ProbeRequest} as JSON, prints a {@link ProbeReport}.
 */
import { loadEngine } from './index.ts'
import { BENCH_NETWORKS, measureThroughput } from './throughput.ts'
import type { EngineName, Reason } from './types.ts'

export interface ProbeRequest {
  readonly folders: readonly string[]
  /** Trains for so long; not at all when 0. */
  readonly seconds: number
}

export interface ProbeReport {
  readonly name: EngineName
  readonly description: string
  readonly threads: number
  readonly reasons: readonly Reason[]
  readonly imagesPerSecond: number | null
}

const { folders, seconds } = JSON.parse(process.argv[2]) as ProbeRequest
const engine = await loadEngine({ folders })
const { name, description, threads, reasons } = engine
const measured = seconds > 0 ? measureThroughput(engine, BENCH_NETWORKS['resnet-8-20'], { batch: 64, seconds }) : null
const report: ProbeReport = { name, description, threads, reasons, imagesPerSecond: measured?.imagesPerSecond ?? null }
// On a line of its own: libraries print too.
process.stdout.write(`\n${JSON.stringify(report)}\n`)
process.disconnect?.()
