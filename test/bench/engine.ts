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
import type { Tensor, Tensor1D, Tensor2D, Tensor4D, Variable } from '@tensorflow/tfjs-core'
import { ENGINE_NAMES, loadEngine, type Engine, type EngineName } from '../../core/training/engine/index.ts'

interface Network {
  readonly widths: readonly number[]
  /** Residual blocks in each stage. */
  readonly blocks: number
}

/** Residual networks for 32 x 32 images, in the CIFAR form of He et al. 2016, section 4.2. */
const NETWORKS: Readonly<Record<string, Network>> = {
  'resnet-20': { widths: [16, 32, 64], blocks: 3 },
  // Some 20 million multiply-accumulates.
  'resnet-8-20': { widths: [20, 40, 80], blocks: 1 },
}

interface Measured {
  readonly backend: EngineName
  readonly description: string
  readonly threads: number
  readonly batch: number
  readonly steps: number
  readonly imagesPerSecond: number
  /** Per second of processor time, all threads together: what a machine that others use at the same time says best. */
  readonly imagesPerProcessorSecond: number
  readonly megabytes: number
}

function build({ tf, ops }: Engine, { widths, blocks }: Network) {
  const variables: Variable[] = []
  let macs = 0
  const make = (initial: Tensor): Variable => {
    const variable = tf.variable(initial)
    initial.dispose()
    variables.push(variable)
    return variable
  }
  type Layer = (x: Tensor4D) => Tensor4D
  const conv = (inputs: number, outputs: number, size: number, kernel: number, stride: number): Layer => {
    const deviation = Math.sqrt(2 / (kernel * kernel * inputs))
    const w = make(tf.randomNormal([kernel, kernel, inputs, outputs], 0, deviation, 'float32', variables.length + 1))
    const gamma = make(tf.ones([outputs]))
    const beta = make(tf.zeros([outputs]))
    macs += kernel * kernel * inputs * outputs * (size / stride) ** 2
    const padding = (kernel - 1) / 2
    return (x) => {
      const y = ops.conv2d(x, w as unknown as Tensor4D, { stride, padding })
      return ops.batchNormTraining(y, gamma as unknown as Tensor1D, beta as unknown as Tensor1D, 1e-5).output
    }
  }
  const layers: Layer[] = []
  let size = 32
  let channels = widths[0]
  const stem = conv(3, channels, size, 3, 1)
  layers.push((x) => ops.relu(stem(x)))
  for (const [stage, width] of widths.entries()) {
    for (let block = 0; block < blocks; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1
      const first = conv(channels, width, size, 3, stride)
      const shortcut = stride === 1 && width === channels ? undefined : conv(channels, width, size, 1, stride)
      size /= stride
      const second = conv(width, width, size, 3, 1)
      layers.push((x) => ops.relu(tf.add<Tensor4D>(second(ops.relu(first(x))), shortcut?.(x) ?? x)))
      channels = width
    }
  }
  const weight = make(tf.randomNormal([channels, 10], 0, 0.05, 'float32', 999)) as Tensor as Tensor2D
  const bias = make(tf.zeros([10])) as Tensor as Tensor1D
  macs += channels * 10
  const forward = (x: Tensor4D): Tensor2D =>
    ops.dense(ops.globalAveragePool(layers.reduce((y, layer) => layer(y), x)), weight, bias)
  return { forward, variables, macs }
}

async function measure(
  backend: EngineName,
  network: Network,
  options: { threads: number; batch: number; seconds: number },
) {
  const engine = await loadEngine({ prefer: backend, threads: options.threads })
  if (engine.name !== backend) {
    return { why: engine.reasons.find((reason) => reason.backend === backend)?.why ?? 'no reason given' }
  }
  const { tf, ops } = engine
  const { forward, variables, macs } = build(engine, network)
  const speeds = variables.map((variable) => tf.variable(tf.zerosLike(variable), false))
  // The JavaScript backend would take minutes for a batch.
  const batch = backend === 'cpu' ? Math.min(options.batch, 2) : options.batch
  const images: Tensor4D = tf.randomNormal([batch, 32, 32, 3], 0, 1, 'float32', 5)
  const labels = tf.tensor2d(
    Array.from({ length: batch }, (_, i) => Array.from({ length: 10 }, (_, k) => (k === i % 10 ? 1 : 0))),
  )
  const step = (): void => {
    const loss = tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => ops.softmaxCrossEntropy(labels, forward(images)), variables)
      for (const [i, variable] of variables.entries()) {
        speeds[i].assign(tf.add(tf.mul(speeds[i], 0.9), grads[variable.name]))
        variable.assign(tf.sub(variable, tf.mul(speeds[i], 0.05)))
      }
      return value
    })
    // Waits until it is computed.
    if (!Number.isFinite(loss.dataSync()[0])) throw new Error(`${backend}: the loss is no longer a number`)
    loss.dispose()
  }
  if (backend !== 'cpu') for (let i = 0; i < 2; i++) step()
  const processor = process.cpuUsage()
  const start = performance.now()
  let steps = 0
  let elapsed = 0
  do {
    step()
    steps++
    elapsed = (performance.now() - start) / 1000
  } while (elapsed < options.seconds)
  const { user, system } = process.cpuUsage(processor)
  const measured: Measured = {
    backend,
    description: engine.description,
    threads: engine.threads,
    batch,
    steps,
    imagesPerSecond: (steps * batch) / elapsed,
    imagesPerProcessorSecond: (steps * batch) / ((user + system) / 1e6),
    megabytes: process.memoryUsage.rss() / 1e6,
  }
  return { measured, macs }
}

const { values } = parseArgs({
  options: {
    networks: { type: 'string', default: Object.keys(NETWORKS).join(',') },
    threads: { type: 'string', default: [...new Set([1, availableParallelism()])].join(',') },
    batch: { type: 'string', default: '128' },
    seconds: { type: 'string', default: '10' },
    json: { type: 'string' },
    only: { type: 'string' },
  },
})

if (values.only !== undefined) {
  const result = await measure(values.only as EngineName, NETWORKS[values.networks], {
    threads: Number(values.threads),
    batch: Number(values.batch),
    seconds: Number(values.seconds),
  })
  process.stdout.write(JSON.stringify(result))
} else {
  const results: (Measured & { network: string; macs: number })[] = []
  const unable = new Map<EngineName, string>()
  for (const network of values.networks.split(',')) {
    if (!(network in NETWORKS)) throw new RangeError(`no network ${network}; there are ${Object.keys(NETWORKS).join()}`)
    process.stdout.write(`${network}\n`)
    for (const backend of ENGINE_NAMES) {
      for (const threads of backend === 'native-cpu' ? values.threads.split(',') : ['1']) {
        if (unable.has(backend)) continue
        const args = [import.meta.filename, '--only', backend, '--networks', network, '--threads', threads]
        args.push('--batch', values.batch, '--seconds', values.seconds)
        const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
        if (status !== 0) throw new Error(stderr)
        const result = JSON.parse(stdout) as { why: string } | { measured: Measured; macs: number }
        if ('why' in result) {
          unable.set(backend, result.why)
          continue
        }
        const { measured, macs } = result
        results.push({ network, macs, ...measured })
        const { imagesPerSecond, imagesPerProcessorSecond, megabytes, batch } = measured
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
