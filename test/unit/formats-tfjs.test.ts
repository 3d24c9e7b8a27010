/** TensorFlow.js layers models against tfjs-layers itself. */
import { dirname } from 'node:path'
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers'
import { describe, expect, it } from 'vitest'
import { readTfjs, tfjs } from '../../core/formats/tfjs/read-tfjs.ts'
import { floatRunner } from '../../core/network/float.ts'
import {
  expectClose,
  expectSame,
  keras2Config,
  keras3Config,
  layers,
  numbers,
  predict,
  randomise,
  tf,
  tfjsFiles,
  writeTfjs,
} from './formats-keras-helpers.ts'

type Layer = { apply: (x: SymbolicTensor | SymbolicTensor[]) => unknown }

function chain(shape: number[], list: Layer[]): LayersModel {
  const input = layers.input({ shape })
  const output = list.reduce((x, layer) => layer.apply(x) as SymbolicTensor, input)
  return randomise(layers.model({ inputs: input, outputs: output }))
}

async function expectRead(model: LayersModel, shape: number[], options = {}): Promise<void> {
  const read = await readTfjs(writeTfjs(await tfjsFiles(model)))
  await expectSame(read, (image) => predict(model, image, shape), shape, options)
  model.dispose()
}

const head = (): Layer[] => [layers.layers.flatten(), layers.layers.dense({ units: 5 })]

describe('layers models', () => {
  const sizes = [
    [8, 1],
    [8, 2],
    [7, 2],
    [7, 3],
    [9, 3],
    [10, 3],
  ]
  for (const [size, strides] of sizes) {
    for (const kernelSize of [1, 2, 3, 4, 5]) {
      it(`convolves with padding 'same', ${size}x${size - 1}, kernel ${kernelSize}, stride ${strides}`, async () => {
        const conv = layers.layers.conv2d({ filters: 3, kernelSize, strides, padding: 'same' })
        await expectRead(chain([size, size - 1, 2], [conv, ...head()]), [size, size - 1, 2])
        const each = layers.layers.depthwiseConv2d({ kernelSize, strides, padding: 'same', depthMultiplier: 2 })
        await expectRead(chain([size, size - 1, 2], [each, ...head()]), [size, size - 1, 2])
      })
    }
  }

  it('convolves with oblong kernels, without padding, without bias and with activations', async () => {
    const { conv2d, depthwiseConv2d, separableConv2d } = layers.layers
    const model = chain(
      [9, 8, 3],
      [
        conv2d({ filters: 4, kernelSize: [3, 2], useBias: false, activation: 'relu' }),
        depthwiseConv2d({ kernelSize: [2, 3], activation: 'relu6', useBias: false }),
        separableConv2d({ filters: 6, kernelSize: 3, padding: 'same', activation: 'relu' }),
        conv2d({ filters: 3, kernelSize: 2, dilationRate: 2, padding: 'same' }),
        ...head(),
      ],
    )
    await expectRead(model, [9, 8, 3])
  })

  it('pools, normalises and averages', async () => {
    const { averagePooling2d, batchNormalization, conv2d, dense, globalAveragePooling2d, maxPooling2d } = layers.layers
    const model = chain(
      [12, 12, 2],
      [
        batchNormalization({ scale: false }),
        conv2d({ filters: 4, kernelSize: 3, padding: 'same' }),
        batchNormalization({ center: false, epsilon: 0.01 }),
        maxPooling2d({ poolSize: 3, strides: 1, padding: 'same' }),
        averagePooling2d({ poolSize: 2 }),
        maxPooling2d({ poolSize: [2, 2], strides: 2 }),
        batchNormalization(),
        globalAveragePooling2d({}),
        batchNormalization(),
        dense({ units: 7, activation: 'relu' }),
        dense({ units: 3, useBias: false }),
      ],
    )
    await expectRead(model, [12, 12, 2])
  })

  it('puts what follows a Flatten in our order: dense, batch norm, PReLU, sums and concatenations', async () => {
    const { add, batchNormalization, concatenate, conv2d, dense, flatten, prelu } = layers.layers
    const input = layers.input({ shape: [4, 3, 2] })
    const a = flatten().apply(conv2d({ filters: 3, kernelSize: 2 }).apply(input)) as SymbolicTensor
    const b = flatten().apply(conv2d({ filters: 3, kernelSize: 2 }).apply(input)) as SymbolicTensor
    const c = flatten().apply(conv2d({ filters: 2, kernelSize: 3 }).apply(input)) as SymbolicTensor
    const sum = batchNormalization().apply(add().apply([a, b])) as SymbolicTensor
    const joined = concatenate().apply([c, sum, flatten().apply(input) as SymbolicTensor]) as SymbolicTensor
    const model = randomise(
      layers.model({ inputs: input, outputs: dense({ units: 4 }).apply(joined) as SymbolicTensor }),
    )
    await expectRead(model, [4, 3, 2])
    // Slopes of 0 and 1 by element are all that a vector may have.
    const slopes = chain([4, 3, 2], [conv2d({ filters: 3, kernelSize: 2 }), flatten(), prelu({}), dense({ units: 4 })])
    for (const weight of slopes.weights.filter(({ name }) => name.includes('alpha'))) {
      const ones = numbers(weight.shape[0] as number, 3).map((value) => (value > 0 ? 1 : 0))
      weight.write(tf.tensor(ones, weight.shape as number[]))
    }
    await expectRead(slopes, [4, 3, 2])
  })

  it('reads PReLU by channel and by element', async () => {
    const { conv2d, prelu } = layers.layers
    await expectRead(
      chain([5, 5, 2], [conv2d({ filters: 3, kernelSize: 2 }), prelu({ sharedAxes: [1, 2] }), ...head()]),
      [5, 5, 2],
    )
    const model = chain([5, 4, 2], [conv2d({ filters: 3, kernelSize: 2 }), prelu({}), ...head()])
    for (const weight of model.weights.filter(({ name }) => name.includes('alpha'))) {
      const shape = weight.shape as number[]
      const ones = numbers(
        shape.reduce((a, b) => a * b),
        3,
      ).map((value) => (value > 0 ? 1 : 0))
      weight.write(tf.tensor(ones, shape))
    }
    await expectRead(model, [5, 4, 2])
  })

  it('reads residual networks with shared layers, concatenated maps and ReLUs that end', async () => {
    const { activation, add, concatenate, conv2d, dropout, gaussianNoise, globalAveragePooling2d, reLU } = layers.layers
    const input = layers.input({ shape: [8, 8, 3] })
    const shared = conv2d({ filters: 3, kernelSize: 3, padding: 'same', name: 'shared' })
    const first = shared.apply(input) as SymbolicTensor
    const bounded = reLU({ maxValue: 0.5 }).apply(first) as SymbolicTensor
    const second = shared.apply(dropout({ rate: 0.5 }).apply(bounded)) as SymbolicTensor
    const sum = activation({ activation: 'relu' }).apply(add().apply([first, second, input])) as SymbolicTensor
    const joined = concatenate({ axis: 3 }).apply([sum, second]) as SymbolicTensor
    const noisy = gaussianNoise({ stddev: 1 }).apply(joined) as SymbolicTensor
    const output = globalAveragePooling2d({}).apply(noisy) as SymbolicTensor
    await expectRead(randomise(layers.model({ inputs: input, outputs: output })), [8, 8, 3])
  })

  it('folds zero padding into what comes next', async () => {
    const { averagePooling2d, conv2d, depthwiseConv2d, maxPooling2d, reLU, zeroPadding2d } = layers.layers
    const model = chain(
      [9, 9, 2],
      [
        zeroPadding2d({
          padding: [
            [0, 1],
            [2, 1],
          ],
        }),
        conv2d({ filters: 3, kernelSize: 3, strides: 2 }),
        reLU(),
        zeroPadding2d({ padding: [1, 1] }),
        maxPooling2d({ poolSize: 3, strides: 2 }),
        zeroPadding2d({ padding: 1 }),
        depthwiseConv2d({ kernelSize: 3, padding: 'same' }),
        zeroPadding2d({
          padding: [
            [1, 0],
            [1, 0],
          ],
        }),
        averagePooling2d({ poolSize: 2, strides: 1 }),
        ...head(),
      ],
    )
    await expectRead(model, [9, 9, 2])
  })

  it('reads Sequential models, models within models, Rescaling, Reshape and inputs without channels', async () => {
    const { conv2d, dense, flatten, rescaling, reshape } = layers.layers
    const inner = layers.sequential({ name: 'inner' })
    inner.add(conv2d({ filters: 4, kernelSize: 3, inputShape: [6, 6, 2], activation: 'relu', name: 'convolution' }))
    inner.add(conv2d({ filters: 2, kernelSize: 1 }))
    const outer = layers.sequential({ name: 'outer' })
    outer.add(rescaling({ scale: 0.25, offset: -0.5, inputShape: [6, 6, 2] }))
    outer.add(inner)
    outer.add(flatten())
    outer.add(dense({ units: 3 }))
    await expectRead(randomise(outer), [6, 6, 2])
    await expectRead(chain([5, 6], [flatten(), dense({ units: 4, activation: 'relu' }), dense({ units: 3 })]), [5, 6])
    await expectRead(chain([30], [dense({ units: 4, activation: 'relu' }), dense({ units: 3 })]), [30])
    const model = chain([5, 6], [reshape({ targetShape: [5, 6, 1] }), conv2d({ filters: 2, kernelSize: 2 }), ...head()])
    await expectRead(model, [5, 6])
  })

  it('reads models with channels first', async () => {
    const dataFormat = 'channelsFirst' as const
    const { conv2d, dense, flatten, globalAveragePooling2d, maxPooling2d } = layers.layers
    const body = (): Layer[] => [
      conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: 'same', dataFormat, activation: 'relu' }),
      maxPooling2d({ poolSize: 2, dataFormat }),
    ]
    const options = { channelsFirst: true }
    await expectRead(chain([2, 8, 9], [...body(), flatten({ dataFormat }), dense({ units: 3 })]), [2, 8, 9], options)
    await expectRead(chain([2, 8, 9], [...body(), flatten(), dense({ units: 3 })]), [2, 8, 9], options)
    await expectRead(chain([2, 8, 9], [...body(), globalAveragePooling2d({ dataFormat })]), [2, 8, 9], options)
  })

  it('leaves a softmax at the end out, there and in the reference', async () => {
    const { activation, conv2d, dense, globalAveragePooling2d, reshape, softmax } = layers.layers
    const ends: Layer[][] = [
      [dense({ units: 4, activation: 'softmax' })],
      [dense({ units: 4 }), softmax()],
      [
        reshape({ targetShape: [1, 1, 3] }),
        conv2d({ filters: 4, kernelSize: 1 }),
        activation({ activation: 'softmax' }),
        reshape({ targetShape: [4] }),
      ],
    ]
    for (const end of ends) {
      const model = chain([4, 4, 2], [conv2d({ filters: 3, kernelSize: 2 }), globalAveragePooling2d({}), ...end])
      const read = await readTfjs(writeTfjs(await tfjsFiles(model)))
      expect(read.notes.join('\n')).toMatch(/left out: outputs are logits/)
      const reference = await read.reference?.()
      const image = numbers(32, 5)
      const { logits } = floatRunner(read.graph, read.tensors)(image)
      expectClose((await reference?.run(image)) as Float32Array, logits)
      const powers = logits.map(Math.exp)
      const total = powers.reduce((a, b) => a + b)
      const hwc = Float32Array.from({ length: 32 }, (_, i) => image[(i % 2) * 16 + Math.floor(i / 2)])
      expectClose(
        predict(model, hwc, [4, 4, 2]),
        powers.map((power) => power / total),
      )
    }
  })

  it('reads the weights that quantisation left, and a configuration one level deeper', async () => {
    const { conv2d } = layers.layers
    for (const dtype of ['uint8', 'uint16', 'float16'] as const) {
      const model = chain([6, 6, 2], [conv2d({ filters: 4, kernelSize: 3 }), ...head()])
      const { json, data } = await tfjsFiles(model)
      const { quantised, weights } = quantise(json, data, dtype)
      const path = writeTfjs({
        json: {
          ...json,
          modelTopology: { keras_version: '2.4.0', model_config: json['modelTopology'] },
          weightsManifest: [{ paths: ['group1-shard1of2.bin', 'group1-shard2of2.bin'], weights }],
        },
        data: quantised,
      })
      const read = await readTfjs(path)
      const reference = await read.reference?.()
      const image = numbers(72, 5)
      const { logits } = floatRunner(read.graph, read.tensors)(image)
      expectClose(logits, (await reference?.run(image)) as Float32Array)
    }
  })

  it('reads what was converted from Keras 3, and compares it', async () => {
    const { conv2d, dropout } = layers.layers
    const model = chain([6, 6, 2], [conv2d({ filters: 4, kernelSize: 3 }), dropout({ rate: 0.5 }), ...head()])
    const config = JSON.stringify(keras3Config(keras2Config(model))).replaceAll('"Dropout"', '"SpatialDropout2D"')
    const { json, data } = await tfjsFiles(model)
    const modelTopology = { keras_version: '3.9.2', model_config: JSON.parse(config) as unknown }
    const read = await readTfjs(writeTfjs({ json: { ...json, modelTopology }, data }))
    expect(read.reference).toBeDefined()
    await expectSame(read, (image) => predict(model, image, [6, 6, 2]), [6, 6, 2])
  })

  it('recognises model.json and its folder, and says who wrote it', async () => {
    const path = writeTfjs(await tfjsFiles(chain([4, 4, 1], head())))
    expect(await tfjs.match(path)).toBe(true)
    expect(await tfjs.match(dirname(path))).toBe(true)
    expect(await tfjs.match(import.meta.filename)).toBe(false)
    expect(await tfjs.match(dirname(dirname(path)))).toBe(false)
    expect((await readTfjs(dirname(path))).producer).toBe('TensorFlow.js tfjs-layers v4.22.0')
  })
})

interface Spec {
  readonly name: string
  readonly shape: number[]
  readonly dtype: string
}

function quantise(json: Record<string, unknown>, data: Uint8Array, dtype: 'uint8' | 'uint16' | 'float16') {
  const specs = (json['weightsManifest'] as { weights: Spec[] }[])[0].weights
  const floats = new Float32Array(data.slice().buffer)
  const parts: Uint8Array[] = []
  let at = 0
  const weights = specs.map((spec) => {
    const values = floats.subarray(at, (at += spec.shape.reduce((a, b) => a * b, 1)))
    if (dtype === 'float16') {
      parts.push(new Uint8Array(new Float16Array(values).buffer))
      return { ...spec, quantization: { dtype } }
    }
    const min = Math.min(...values)
    const scale = Math.max((Math.max(...values) - min) / (dtype === 'uint8' ? 255 : 65535), 1e-6)
    const levels = Array.from(values, (value) => Math.round((value - min) / scale))
    parts.push(dtype === 'uint8' ? Uint8Array.from(levels) : new Uint8Array(Uint16Array.from(levels).buffer))
    return { ...spec, quantization: { dtype, min, scale, original_dtype: 'float32' } }
  })
  return { quantised: new Uint8Array(Buffer.concat(parts)), weights }
}
