/** Keras files in the layouts of Keras 2 and 3, against tfjs-layers running the same layers and weights. */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core'
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers'
import { describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import type { ImportedNetwork } from '../../core/formats/import/format.ts'
import { keras, networkOf, readKeras } from '../../core/formats/keras/read-keras.ts'
import { storedWeights } from '../../core/formats/keras/weights.ts'
import { floatRunner } from '../../core/network/float.ts'
import {
  channelsFirst,
  expectClose,
  expectSame,
  keras2Config,
  keras3Arrays,
  keras3Config,
  layers,
  numbers,
  predict,
  randomise,
  tf,
  write,
  writeKeras3,
  writeLegacy,
  zipped,
  type Arrays,
  type LayerJson,
} from './formats-keras-helpers.ts'

const SHAPE = [8, 8, 3]

/** A residual network with most of the layers. */
function network(): LayersModel {
  const l = layers.layers
  const input = layers.input({ shape: SHAPE, name: 'picture' })
  const conv = (filters: number, name: string) => l.conv2d({ filters, kernelSize: 3, padding: 'same', name })
  const through = (x: SymbolicTensor, ...list: { apply: (x: SymbolicTensor) => unknown }[]) =>
    list.reduce((value, layer) => layer.apply(value) as SymbolicTensor, x)
  const stem = through(input, conv(4, 'conv2d_9'), l.batchNormalization({}), l.activation({ activation: 'relu' }))
  const left = through(
    stem,
    l.depthwiseConv2d({ kernelSize: 3, padding: 'same' }),
    l.prelu({ sharedAxes: [1, 2] }),
    l.dropout({ rate: 0.3 }),
  )
  const right = through(
    stem,
    l.separableConv2d({ filters: 4, kernelSize: 2, padding: 'same' }),
    l.reLU({ maxValue: 6 }),
  )
  const sum = l.add().apply([left, right]) as SymbolicTensor
  const joined = l.concatenate({ axis: -1 }).apply([sum, through(stem, conv(2, 'conv2d_1'))]) as SymbolicTensor
  const end = through(
    joined,
    l.maxPooling2d({ poolSize: 2 }),
    l.flatten(),
    l.dense({ units: 6, activation: 'relu' }),
    l.dense({ units: 4 }),
  )
  return randomise(layers.model({ inputs: input, outputs: end, name: 'residual' }))
}

/** A model in a model in a Sequential model. */
function nested(): LayersModel {
  const l = layers.layers
  const inner = layers.sequential({ name: 'innermost' })
  inner.add(l.conv2d({ filters: 4, kernelSize: 2, inputShape: [7, 7, 5], name: 'a' }))
  const input = layers.input({ shape: SHAPE, name: 'x' })
  const output = inner.apply(l.conv2d({ filters: 5, kernelSize: 2, name: 'b' }).apply(input)) as SymbolicTensor
  const model = layers.sequential({ name: 'outer' })
  model.add(layers.model({ inputs: input, outputs: output, name: 'middle' }))
  model.add(l.globalAveragePooling2d({ name: 'mean' }))
  model.add(l.dense({ units: 3, name: 'c' }))
  return randomise(model)
}

describe('Keras files', () => {
  it('reads HDF5 as Keras 2 writes it', async () => {
    for (const model of [network(), nested()]) {
      const path = writeLegacy(keras2Config(model), model, () => '', ':0')
      const read = await readKeras(path)
      expect(read.producer).toBe('Keras 2.15.0')
      expect(read.reference).toBeDefined()
      await expectSame(read, (image) => predict(model, image, SHAPE), SHAPE)
    }
  })

  it('reads HDF5 as Keras 3 writes it', async () => {
    for (const model of [network(), nested()]) {
      const path = writeLegacy(keras3Config(keras2Config(model)), model, () => `${model.name}/`, '')
      await expectSame(await readKeras(path), (image) => predict(model, image, SHAPE), SHAPE)
    }
  })

  it('reads .keras as Keras 3 writes it', async () => {
    for (const model of [network(), nested()]) {
      const path = await writeKeras3(keras3Config(keras2Config(model)), keras3Arrays(model))
      const read = await readKeras(path)
      expect(read.producer).toBe('Keras 3.9.2')
      expect(read.reference).toBeDefined()
      await expectSame(read, (image) => predict(model, image, SHAPE), SHAPE)
    }
  })

  it('reads .keras as Keras 2.13 writes it', async () => {
    const model = network()
    const arrays: Arrays = new Map(
      [...keras3Arrays(model)].map(([key, value]) => [key.replace('layers', '_layer_checkpoint_dependencies'), value]),
    )
    await expectSame(
      await readKeras(await writeKeras3(keras2Config(model), arrays)),
      (image) => predict(model, image, SHAPE),
      SHAPE,
    )
  })

  it('goes by the names of layers where a file has them', async () => {
    const model = network()
    // Groups swapped, as of a file whose layers were counted in another order.
    const swap = (key: string): string =>
      key.replace(/^layers\/dense(_1)?\//, (_, second?: string) => (second ? 'layers/dense/' : 'layers/dense_1/'))
    const arrays: Arrays = new Map([...keras3Arrays(model)].map(([key, value]) => [swap(key), value]))
    const [first, second] = model.layers.filter((layer) => layer.getClassName() === 'Dense').map(({ name }) => name)
    const config = keras3Config(keras2Config(model))
    const names = new Map([
      ['layers/dense_1/vars', first],
      ['layers/dense/vars', second],
    ])
    const read = await readKeras(await writeKeras3(config, arrays, names))
    await expectSame(read, (image) => predict(model, image, SHAPE), SHAPE)
    await expect(readKeras(await writeKeras3(config, arrays))).rejects.toThrow(/kernel of layer 'dense.*shape/)
  })

  it('refuses numbers that are not finite, naming the layer', async () => {
    const model = nested()
    const arrays: Arrays = new Map(keras3Arrays(model))
    const [key] = [...arrays.keys()].filter((name) => name.startsWith('layers/dense/'))
    ;(arrays.get(key) as { data: Float32Array }).data[2] = -Infinity
    const path = await writeKeras3(keras3Config(keras2Config(model)), arrays)
    await expect(readKeras(path)).rejects.toMatchObject({
      code: 'model-invalid',
      message: expect.stringMatching(/^node 'c' \(Dense\): weight \d+ is -Infinity$/) as string,
    })
  })

  it('recognises its files', async () => {
    const model = nested()
    expect(await keras.match(await writeKeras3(keras3Config(keras2Config(model)), keras3Arrays(model)))).toBe(true)
    expect(await keras.match(writeLegacy(keras2Config(model), model, () => '', ':0'))).toBe(true)
    expect(await keras.match(import.meta.filename)).toBe(false)
    expect(await keras.match(import.meta.dirname)).toBe(false)
  })
})

/** A Sequential model of Keras 3 from the settings of its layers; `variables` by layer, in order. */
function sequential(
  shape: readonly number[],
  list: readonly (readonly [
    className: string,
    config: Record<string, unknown>,
    variables?: readonly (readonly number[])[],
  ])[],
): { read: () => ImportedNetwork; arrays: Arrays } {
  const arrays: Arrays = new Map()
  const counts = new Map<string, number>()
  const made = list.map(([className, config, variables = []], i): LayerJson => {
    const snake =
      { Conv2D: 'conv2d', BatchNormalization: 'batch_normalization', SeparableConv2D: 'separable_conv2d' }[className] ??
      className.toLowerCase()
    const count = counts.get(snake) ?? 0
    counts.set(snake, count + 1)
    variables.forEach((dims, j) => {
      const data = numbers(
        dims.reduce((a, b) => a * b, 1),
        10 * i + j,
        j >= 3 ? 0.5 : -1,
        j >= 3 ? 2 : 1,
      )
      arrays.set(`layers/${snake}${count === 0 ? '' : `_${count}`}/vars/${j}`, { shape: dims, data })
    })
    return { module: 'keras.layers', class_name: className, config: { name: `layer${i}`, ...config } } as LayerJson
  })
  const input = {
    module: 'keras.layers',
    class_name: 'InputLayer',
    config: { name: 'in', batch_shape: [null, ...shape] },
  }
  const config = { module: 'keras', class_name: 'Sequential', config: { name: 's', layers: [input, ...made] } }
  return { read: () => build(config, arrays), arrays }
}

/** As from a .keras file, without the file: a thread for each would take a minute in all. */
function build(config: unknown, arrays: Arrays): ImportedNetwork {
  return networkOf('model.keras', config, storedWeights(arrays, new Map()), undefined)
}

function logitsOf({ graph, tensors }: ImportedNetwork, image: Float32Array): Float32Array {
  return floatRunner(graph, tensors)(image).logits
}

describe('layers that TensorFlow.js lacks, against its operations', () => {
  const shape = [4, 5, 4]
  const hwc = numbers(80, 3)
  const image = channelsFirst(hwc, shape)
  const x = tf.tensor4d(hwc, [1, 4, 5, 4])
  const tensor = (arrays: Arrays, key: string): Tensor => {
    const { data, shape: dims } = arrays.get(key) ?? { data: new Float32Array(), shape: [] }
    return tf.tensor(data, [...dims])
  }

  it('grouped convolutions', async () => {
    const config = { filters: 6, kernel_size: [3, 3], groups: 2, use_bias: false }
    const { read, arrays } = sequential(shape, [
      ['Conv2D', config, [[3, 3, 2, 6]]],
      ['GlobalAveragePooling2D', { keepdims: true }],
      ['Flatten', {}],
    ])
    const [a, b] = tf.split<Tensor4D>(x, 2, 3)
    const [k, l] = tf.split<Tensor4D>(tensor(arrays, 'layers/conv2d/vars/0'), 2, 3)
    const maps = tf.concat([tf.conv2d(a, k, 1, 'valid'), tf.conv2d(b, l, 1, 'valid')], 3)
    expectClose(logitsOf(read(), image), (await tf.mean(maps, [1, 2]).data()) as Float32Array)
    expect(read().notes.join('\n')).toMatch(/not compared .*'layer0' \(Conv2D\)/)
  })

  it('separable convolutions with several maps a channel, Normalization and layers of training', async () => {
    const mean = [0.1, -0.2, 0.3, 0.4]
    const variance = [1, 4, 0.25, 2]
    const { read, arrays } = sequential(shape, [
      ['RandomFlip', { mode: 'horizontal' }],
      ['Normalization', { axis: [-1], mean: [[mean]], variance: [[variance]] }],
      [
        'SeparableConv2D',
        { filters: 3, kernel_size: 2, depth_multiplier: 2, activation: 'relu' },
        [[2, 2, 4, 2], [1, 1, 8, 3], [3]],
      ],
      ['SpatialDropout2D', { rate: 0.5 }],
      ['GlobalAveragePooling2D', {}],
    ])
    const normal = tf.div<Tensor4D>(tf.sub(x, tf.tensor1d(mean)), tf.sqrt(tf.tensor1d(variance)))
    const first = tf.depthwiseConv2d(normal, tensor(arrays, 'layers/separable_conv2d/vars/0') as Tensor4D, 1, 'valid')
    const second = tf.conv2d(first, tensor(arrays, 'layers/separable_conv2d/vars/1') as Tensor4D, 1, 'valid')
    const relu = tf.relu(tf.add(second, tensor(arrays, 'layers/separable_conv2d/vars/2')))
    expectClose(logitsOf(read(), image), (await tf.mean(relu, [1, 2]).data()) as Float32Array)
  })

  it('Normalization with adapted variables', async () => {
    const { read, arrays } = sequential(shape, [
      ['Normalization', { axis: -1, mean: null, variance: null }, [[4], [4], []]],
      ['GlobalAveragePooling2D', {}],
    ])
    const variance = arrays.get('layers/normalization/vars/1')
    variance?.data.forEach((value, i, all) => (all[i] = value * value + 0.5))
    const mean = tensor(arrays, 'layers/normalization/vars/0')
    const deviation = tf.sqrt(tensor(arrays, 'layers/normalization/vars/1'))
    const expected = tf.mean(tf.div(tf.sub(x, mean), deviation), [1, 2])
    expectClose(logitsOf(read(), image), (await expected.data()) as Float32Array)
  })

  it('batch norm with channels first', async () => {
    const data_format = 'channels_first'
    const list = (first: boolean): Parameters<typeof sequential>[1] => [
      ['Conv2D', { filters: 4, kernel_size: 2, ...(first && { data_format }) }, [[2, 2, 4, 4], [4]]],
      ['BatchNormalization', { axis: first ? 1 : -1 }, [[4], [4], [4], [4]]],
      [
        'ZeroPadding2D',
        {
          padding: [
            [1, 0],
            [0, 2],
          ],
          ...(first && { data_format }),
        },
      ],
      [
        'Conv2D',
        { filters: 2, kernel_size: 2, strides: 2, padding: 'same', ...(first && { data_format }) },
        [[2, 2, 4, 2], [2]],
      ],
      ['Concatenate', { axis: first ? 1 : -1 }],
      ['Flatten', { ...(first && { data_format }) }],
      ['Dense', { units: 3 }, [[12, 3], [3]]],
    ]
    const last = sequential(shape, list(false))
    const first = sequential([4, 4, 5], list(true))
    expectClose(logitsOf(first.read(), image), logitsOf(last.read(), image))
  })
})

describe('what is refused', () => {
  type Row = readonly [what: string, list: Parameters<typeof sequential>[1], message: RegExp]
  const conv = ['Conv2D', { filters: 2, kernel_size: 3 }, [[3, 3, 4, 2], [2]]] as const
  const one = (className: string, config = {}): Row[1] => [conv, [className, config]]
  const rows: readonly Row[] = [
    ['LeakyReLU', one('LeakyReLU', { alpha: 0.3 }), /node 'layer1' \(LeakyReLU\): its slope below zero/],
    ['Lambda', one('Lambda', { function: ['4wEAAAA=', null, null] }), /node 'layer1' \(Lambda\): a function/],
    ['a class of its own', one('MyLayer'), /node 'layer1' \(MyLayer\): not a layer that can be imported/],
    ['LSTM', one('LSTM'), /\(LSTM\): not a layer/],
    ['Multiply', one('Multiply'), /\(Multiply\): not a layer/],
    ['an activation', one('Activation', { activation: 'swish' }), /'layer1' \(Activation\): activation 'swish'/],
    [
      'an activation object',
      one('Activation', { activation: { class_name: 'function', config: 'f' } }),
      /activation "function"/,
    ],
    ['a negative slope', one('ReLU', { negative_slope: 0.1 }), /\(ReLU\): negative_slope 0.1/],
    ['a threshold', one('ReLU', { threshold: [1] }), /\(ReLU\): threshold 1/],
    ['a bound of 0', one('ReLU', { max_value: 0 }), /\(ReLU\): max_value 0/],
    ['causal padding', one('Conv2D', { filters: 1, kernel_size: 1, padding: 'causal' }), /padding "causal"/],
    ['uneven strides', [['Conv2D', { ...conv[1], strides: [1, 2] }, conv[2]]], /strides 1 and 2 differ/],
    [
      'batch norm over rows',
      one('BatchNormalization', { axis: 1 }),
      /\(BatchNormalization\): axis 1 of a value of shape \[2, 3, 2\]/,
    ],
    [
      'averages without padding',
      one('AveragePooling2D', { pool_size: 2, padding: 'same' }),
      /an average that leaves its padding out/,
    ],
    [
      'uneven maxima',
      one('MaxPooling2D', { pool_size: 2, strides: 1, padding: 'same' }),
      /uneven padding .* of a maximum/,
    ],
    [
      'padding and a batch norm',
      [conv, ['ZeroPadding2D', {}], ['Rescaling', { scale: 2 }]],
      /zero padding that no convolution follows/,
    ],
    [
      'padding and a maximum',
      [conv, ['ZeroPadding2D', {}], ['MaxPooling2D', { pool_size: 2 }]],
      /a maximum over zeros/,
    ],
    ['padding at the end', one('ZeroPadding2D'), /zero padding that no convolution follows/],
    ['a softmax within', [conv, ['Softmax', {}], ['GlobalAveragePooling2D', {}]], /takes the softmax of 'layer1'/],
    ['a softmax of rows', one('Softmax', { axis: 1 }), /\(Softmax\): axis 1/],
    ['a map at the end', [conv], /gives \[2, 3, 2\] as the network's output/],
    ['a flattened map at the end', one('Flatten'), /gives \[12\] as the network's output/],
    ['slopes by row', one('PReLU', { shared_axes: [2] }), /slopes shared over the axes 2/],
    ['another shape', one('Reshape', { target_shape: [3, 2, 2] }), /from \[2, 3, 2\] to \[3, 2, 2\]/],
    ['too small a shape', one('Reshape', { target_shape: [5] }), /from \[2, 3, 2\] to \[5\]/],
    ['quantised layers', one('Dense', { units: 2, dtype: { class_name: 'QuantizedDTypePolicy' } }), /weights of type/],
    [
      'two layouts',
      [
        ['Conv2D', { ...conv[1], data_format: 'channels_last' }, conv[2]],
        ['MaxPooling2D', { pool_size: 2, data_format: 'channels_first' }],
      ],
      /channels first in one layer/,
    ],
    ['settings that are missing', one('Conv2D', { kernel_size: 3 }), /\(Conv2D\): filters is missing/],
    ['a huge kernel', one('Conv2D', { kernel_size: 100000, filters: 1 }), /kernel_size 100000/],
    [
      'weights that are missing',
      one('Conv2D', { kernel_size: 1, filters: 1 }),
      /layer 'layer1' \(Conv2D\) has no kernel/,
    ],
    [
      'weights of another shape',
      [['Conv2D', { kernel_size: 2, filters: 2 }, conv[2]]],
      /kernel of layer 'layer0' \(Conv2D\) is of shape \[3, 3, 4, 2\], expected \[2, 2, 4, 2\]/,
    ],
  ]
  for (const [what, list, message] of rows) {
    it(what, async () => {
      const { read } = sequential([4, 5, 4], list)
      await expectRefusal(() => Promise.resolve().then(read), message)
    })
  }

  it('pictures of any size, several outputs, custom packages and calls with arguments', async () => {
    const model = network()
    const config = (): LayerJson => keras3Config(keras2Config(model))
    const arrays = keras3Arrays(model)
    const edited = (
      edit: (c: { layers: (LayerJson & Record<string, unknown>)[] } & Record<string, unknown>) => void,
    ) => {
      const copy = config()
      edit(copy.config as Parameters<typeof edit>[0])
      return () => Promise.resolve().then(() => build(copy, arrays))
    }
    await expectRefusal(
      edited((c) => (c.layers[0].config['batch_shape'] = [null, null, null, 3])),
      /a picture of any size/,
    )
    await expectRefusal(
      edited(
        (c) =>
          (c['output_layers'] = [
            ['dense', 0, 0],
            ['x', 0, 0],
          ]),
      ),
      /has 2 outputs/,
    )
    await expectRefusal(
      edited((c) => (c.layers[1]['registered_name'] = 'Mine>Conv2D')),
      /\(Mine>Conv2D\): not a layer/,
    )
    await expectRefusal(
      edited((c) => (c.layers[1]['module'] = 'os')),
      /not a layer that can be imported/,
    )
    const call = { args: [], kwargs: { training: true } }
    await expectRefusal(
      edited((c) => (c.layers[1].inbound_nodes = [call])),
      /is called with 'training'/,
    )
    await expectRefusal(
      edited((c) => (c.layers[1].inbound_nodes = [{ args: [1], kwargs: {} }])),
      /something that no layer gives/,
    )
  })

  it('weights without a model, and a model without weights', async () => {
    const model = nested()
    const path = write('weights.keras', await zipped({ 'config.json': JSON.stringify(keras2Config(model)) }))
    await expectRefusal(() => readKeras(path), /has no model.weights.h5/)
  })
})

async function expectRefusal(read: () => Promise<unknown>, message: RegExp): Promise<void> {
  const error: unknown = await read().catch((caught: unknown) => caught)
  expect(error).toBeInstanceOf(AdytonError)
  expect((error as AdytonError).message).toMatch(message)
  expect((error as AdytonError).advice).toBeTruthy()
}
