/**
 * How fast an engine trains: images a second through forward, backward and update (SGD with momentum) of a residual
 * network, batch norm in training mode.
 */
import type { Tensor, Tensor1D, Tensor2D, Tensor4D, Variable } from '@tensorflow/tfjs-core'
import type { Engine } from './types.ts'

/** A residual network for 32 x 32 images, in the CIFAR form of He et al. 2016, section 4.2. */
export interface BenchNetwork {
  readonly widths: readonly number[]
  /** Residual blocks in each stage. */
  readonly blocks: number
}

export const BENCH_NETWORKS: Readonly<Record<'resnet-20' | 'resnet-8-20', BenchNetwork>> = {
  'resnet-20': { widths: [16, 32, 64], blocks: 3 },
  // Some 20 million multiply-accumulates.
  'resnet-8-20': { widths: [20, 40, 80], blocks: 1 },
}

export interface Throughput {
  readonly batch: number
  readonly steps: number
  readonly imagesPerSecond: number
  /** Per second of processor time, all threads together: what a machine that others use at the same time says best. */
  readonly imagesPerProcessorSecond: number
  /** Multiply-accumulates of the network, for one image. */
  readonly macs: number
}

function build({ tf, ops }: Engine, { widths, blocks }: BenchNetwork) {
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

/** Trains for about `seconds`, after two steps that do not count. The JavaScript backend gets batches of two at most. */
export function measureThroughput(
  engine: Engine,
  network: BenchNetwork,
  options: { readonly batch: number; readonly seconds: number },
): Throughput {
  const { tf, ops } = engine
  const { forward, variables, macs } = build(engine, network)
  const speeds = variables.map((variable) => tf.variable(tf.zerosLike(variable), false))
  const slow = engine.name === 'cpu'
  const batch = slow ? Math.min(options.batch, 2) : options.batch
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
    if (!Number.isFinite(loss.dataSync()[0])) throw new Error(`${engine.name}: the loss is no longer a number`)
    loss.dispose()
  }
  try {
    if (!slow) for (let i = 0; i < 2; i++) step()
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
    const trained = steps * batch
    return {
      ...{ batch, steps, macs, imagesPerSecond: trained / elapsed },
      imagesPerProcessorSecond: trained / ((user + system) / 1e6),
    }
  } finally {
    for (const tensor of [...variables, ...speeds, images, labels]) tensor.dispose()
  }
}
