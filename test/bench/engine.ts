/**
 * Training throughput of every backend that loads, side by side on the same networks: images a second through forward,
 * backward and update (SGD with momentum), batch norm in training mode. Each backend runs in a process of its own, as
 * TensorFlow takes its number of threads once.
 *
 * node test/bench/engine.ts [--networks resnet-20,resnet-8-20] [--threads 1,2] [--batch 128] [--seconds 10] [--json FILE]
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { ENGINE_NAMES, loadEngine, type EngineName } from '../../core/training/engine/index.ts'
import { BENCH_NETWORKS, measureThroughput, type Throughput } from '../../core/training/engine/throughput.ts'

interface Measured extends Throughput {
  readonly backend: EngineName
  readonly description: string
  readonly threads: number
  readonly megabytes: number
}

async function measure(
  backend: EngineName,
  network: keyof typeof BENCH_NETWORKS,
  { threads, batch, seconds }: { threads: number; batch: number; seconds: number },
): Promise<{ why: string } | { measured: Measured }> {
  const engine = await loadEngine({ prefer: backend, threads })
  if (engine.name !== backend) {
    return { why: engine.reasons.find((reason) => reason.backend === backend)?.why ?? 'no reason given' }
  }
  const throughput = measureThroughput(engine, BENCH_NETWORKS[network], { batch, seconds })
  const { description } = engine
  const megabytes = process.memoryUsage.rss() / 1e6
  return { measured: { backend, description, threads: engine.threads, ...throughput, megabytes } }
}

const { values } = parseArgs({
  options: {
    networks: { type: 'string', default: Object.keys(BENCH_NETWORKS).join(',') },
    threads: { type: 'string', default: [...new Set([1, availableParallelism()])].join(',') },
    batch: { type: 'string', default: '128' },
    seconds: { type: 'string', default: '10' },
    json: { type: 'string' },
    only: { type: 'string' },
  },
})

if (values.only !== undefined) {
  const result = await measure(values.only as EngineName, values.networks as keyof typeof BENCH_NETWORKS, {
    threads: Number(values.threads),
    batch: Number(values.batch),
    seconds: Number(values.seconds),
  })
  process.stdout.write(JSON.stringify(result))
} else {
  const results: (Measured & { network: string })[] = []
  const unable = new Map<EngineName, string>()
  for (const network of values.networks.split(',')) {
    if (!(network in BENCH_NETWORKS))
      throw new RangeError(`no network ${network}; there are ${Object.keys(BENCH_NETWORKS).join()}`)
    process.stdout.write(`${network}\n`)
    for (const backend of ENGINE_NAMES) {
      for (const threads of backend === 'native-cpu' ? values.threads.split(',') : ['1']) {
        if (unable.has(backend)) continue
        const args = [import.meta.filename, '--only', backend, '--networks', network, '--threads', threads]
        args.push('--batch', values.batch, '--seconds', values.seconds)
        const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
        if (status !== 0) throw new Error(stderr)
        const result = JSON.parse(stdout) as { why: string } | { measured: Measured }
        if ('why' in result) {
          unable.set(backend, result.why)
          continue
        }
        const { measured } = result
        results.push({ network, ...measured })
        const { macs, imagesPerSecond, imagesPerProcessorSecond, megabytes, batch } = measured
        process.stdout.write(
          `  ${backend.padEnd(11)} ${String(measured.threads)} threads, batch ${batch}: ${imagesPerSecond.toFixed(1)} images/s, ` +
            `${imagesPerProcessorSecond.toFixed(1)} per processor second, ${megabytes.toFixed(0)} MB, ` +
            `${(macs / 1e6).toFixed(1)} MMAC\n`,
        )
      }
    }
  }
  for (const [backend, why] of unable) process.stdout.write(`${backend} does not load: ${why}\n`)
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`)
}
