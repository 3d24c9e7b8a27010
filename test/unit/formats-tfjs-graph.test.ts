/** Graph models written by hand, against the same operations of tfjs-core and against tfjs-converter. */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core'
import { describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { compareWithReference, randomImages } from '../../core/formats/import/compare.ts'
import { readTfjs } from '../../core/formats/tfjs/read-tfjs.ts'
import { expectSame, numbers, tf, writeTfjs } from './formats-keras-helpers.ts'

interface GraphNode {
  readonly name: string
  readonly op: string
  readonly input?: readonly string[]
  readonly attr?: Record<string, unknown>
}

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const text = (value: string) => ({ s: base64(value) })
const list = (...values: number[]) => ({ list: { i: values.map(String) } })
const conv = (strides = 1, padding = 'SAME', dilations = 1) => ({
  ...{ strides: list(1, strides, strides, 1), padding: text(padding), data_format: text('NHWC') },
  dilations: list(1, dilations, dilations, 1),
})
const fused = (...operations: string[]) => ({
  fused_ops: { list: { s: operations.map(base64) } },
  num_args: { i: operations.includes('Prelu') ? '2' : '1' },
})

/** Puts a graph together: nodes and the constants they read. */
class Graph {
  readonly nodes: GraphNode[] = []
  readonly constants = new Map<string, Tensor>()
  readonly #integers = new Set<string>()

  constructor(shape: readonly number[]) {
    const dim = [-1, ...shape].map((size) => ({ size: String(size) }))
    this.nodes.push({ name: 'x', op: 'Placeholder', attr: { shape: { shape: { dim } }, dtype: { type: 'DT_FLOAT' } } })
  }

  constant(name: string, shape: number[], low = -1, high = 1): string {
    const data = numbers(
      shape.reduce((a, b) => a * b, 1),
      this.constants.size + 1,
      low,
      high,
    )
    return this.#keep(name, tf.tensor(data, shape))
  }

  integers(name: string, values: number[] | number): string {
    this.#integers.add(name)
    return this.#keep(name, tf.tensor(values, undefined, 'int32'))
  }

  /** [before, after] of every axis. */
  pads(name: string, values: number[]): string {
    this.#integers.add(name)
    return this.#keep(name, tf.tensor(values, [values.length / 2, 2], 'int32'))
  }

  node(name: string, op: string, input: string[], attr: Record<string, unknown> = {}): string {
    this.nodes.push({ name, op, input, attr })
    return name
  }

  get<T extends Tensor = Tensor4D>(name: string): T {
    return this.constants.get(name) as T
  }

  write(edit: Record<string, unknown> = {}): string {
    const weights = [...this.constants].map(([name, { shape }]) => ({
      ...{ name, shape },
      dtype: this.#integers.has(name) ? 'int32' : 'float32',
    }))
    const parts = [...this.constants.values()].map((tensor) => {
      const data = tensor.dataSync()
      return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    })
    const json = {
      format: 'graph-model',
      generatedBy: '2.15.0',
      convertedBy: 'TensorFlow.js Converter v4.22.0',
      modelTopology: { node: this.nodes, library: {}, versions: { producer: 1645 } },
      weightsManifest: [{ paths: ['group1-shard1of2.bin', 'group1-shard2of2.bin'], weights }],
      ...edit,
    }
    return writeTfjs({ json, data: new Uint8Array(Buffer.concat(parts)) })
  }

  #keep(name: string, tensor: Tensor): string {
    this.nodes.push({ name, op: 'Const' })
    this.constants.set(name, tensor)
    return name
  }
}

async function expectRuns(
  graph: Graph,
  shape: readonly [number, number, number],
  run: (x: Tensor4D) => Tensor,
  options: { channelsFirst?: boolean } = {},
): Promise<void> {
  const read = await readTfjs(graph.write())
  // With a reference, expectSame runs it too.
  expect(read.reference === undefined).toBe(options.channelsFirst === true)
  expect(/not compared/.test(read.notes.join('\n'))).toBe(options.channelsFirst === true)
  const model = (image: Float32Array): Float32Array =>
    Float32Array.from(tf.tidy(() => run(tf.tensor(image, [1, ...shape]))).dataSync())
  await expectSame(read, model, shape, options)
}

const SHAPE = [9, 8, 3] as const

describe('graph models', () => {
  it('convolutions with bias, batch norm, padding, sums and products by constants, then flattened', async () => {
    const g = new Graph(SHAPE)
    const scale = g.constant('scale', [])
    const shift = g.constant('shift', [1, 1, 1, 3])
    g.node('scaled', 'Mul', ['x:0', scale])
    g.node('shifted', 'Sub', ['scaled', shift, '^x'])
    g.node('away', 'Sub', [g.constant('one', [3]), 'shifted'])
    g.node('c1', 'Conv2D', ['away', g.constant('k1', [3, 3, 3, 4])], conv(2))
    g.node('b1', 'BiasAdd', ['c1', g.constant('bias1', [4])])
    const names = ['gamma', 'beta', 'mean'].map((name) => g.constant(name, [4]))
    g.node('n1', 'FusedBatchNormV3', ['b1', ...names, g.constant('variance', [4], 0.5, 2)], { epsilon: { f: 0.01 } })
    g.node('r1', 'Relu', ['n1'])
    g.node('p1', 'Pad', ['r1', g.pads('pads', [0, 0, 1, 0, 0, 1, 0, 0])])
    g.node('d1', 'DepthwiseConv2dNative', ['p1', g.constant('k2', [2, 2, 4, 2])], conv(1, 'VALID'))
    g.node('a1', 'AddV2', ['d1', g.constant('bias2', [8])])
    g.node('flat', 'Reshape', ['a1', g.integers('shape', [-1, 5 * 4 * 8])])
    g.node('m', 'MatMul', ['flat', g.constant('k3', [160, 5])])
    g.node('out', 'Identity', ['m'])
    await expectRuns(g, SHAPE, (x) => {
      const away = tf.sub(g.get('one'), tf.sub(tf.mul(x, g.get('scale')), g.get('shift')))
      const c1 = tf.add(tf.conv2d(away as Tensor4D, g.get('k1'), 2, 'same'), g.get('bias1'))
      const [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'variance'].map((name) => g.get<Tensor>(name))
      const n1 = tf.add(tf.mul(tf.div(tf.sub(c1, mean), tf.sqrt(tf.add(variance, 0.01))), gamma), beta)
      const p1 = tf.pad4d(tf.relu(n1) as Tensor4D, [
        [0, 0],
        [1, 0],
        [0, 1],
        [0, 0],
      ])
      const a1 = tf.add(tf.depthwiseConv2d(p1, g.get('k2'), 1, 'valid'), g.get('bias2'))
      return tf.matMul(tf.reshape(a1, [1, -1]), g.get('k3'))
    })
  })

  it('fused operations, concatenation, pooling, a mean over space and a softmax left out', async () => {
    const g = new Graph(SHAPE)
    g.node('c', '_FusedConv2D', ['x', g.constant('k1', [3, 3, 3, 4]), g.constant('b1', [4])], {
      ...conv(1),
      ...fused('BiasAdd', 'Relu'),
    })
    g.node('d', 'FusedDepthwiseConv2dNative', ['x', g.constant('k2', [5, 5, 3, 1]), g.constant('b2', [3])], {
      ...conv(1, 'SAME', 2),
      ...fused('BiasAdd', 'Relu6'),
    })
    g.node(
      'e',
      '_FusedConv2D',
      ['x', g.constant('k3', [1, 1, 3, 2]), g.constant('b3', [2]), g.constant('alpha', [2])],
      { ...conv(1), ...fused('BiasAdd', 'Prelu') },
    )
    g.node('joined', 'ConcatV2', ['c', 'd', 'e', g.integers('axis', 3)], { N: { i: '3' } })
    const pool = (size: number, strides: number) => ({ ...conv(strides, 'VALID'), ksize: list(1, size, size, 1) })
    g.node('max', 'MaxPool', ['joined'], pool(2, 1))
    g.node('avg', 'AvgPool', ['max'], pool(2, 2))
    g.node('sum', 'AddV2', ['avg', 'avg'])
    g.node('mean', 'Mean', ['sum', g.integers('axes', [1, 2])], { keep_dims: { b: true } })
    g.node('squeezed', 'Squeeze', ['mean'], { squeeze_dims: list(1, 2) })
    g.node('m', '_FusedMatMul', ['squeezed', g.constant('k4', [5, 9]), g.constant('b4', [5])], {
      transpose_b: { b: true },
      ...fused('BiasAdd'),
    })
    g.node('s', 'Softmax', ['m'])
    const path = g.write()
    const read = await readTfjs(path)
    expect(read.producer).toBe('2.15.0, TensorFlow.js Converter v4.22.0')
    expect(read.notes.join('\n')).toMatch(/s \(Softmax\): left out/)
    await expectRuns(g, SHAPE, (x) => {
      const c = tf.relu(tf.add(tf.conv2d(x, g.get('k1'), 1, 'same'), g.get('b1')))
      const d = tf.relu6(tf.add(tf.depthwiseConv2d(x, g.get('k2'), 1, 'same', 'NHWC', 2), g.get('b2')))
      const e = tf.prelu(tf.add(tf.conv2d(x, g.get('k3'), 1, 'same'), g.get('b3')), g.get('alpha'))
      const avg = tf.avgPool(tf.maxPool(tf.concat([c, d, e], 3) as Tensor4D, 2, 1, 'valid'), 2, 2, 'valid')
      return tf.add(tf.matMul(tf.mean(tf.add(avg, avg), [1, 2]), g.get('k4'), false, true), g.get('b4'))
    })
  })

  it('channels first', async () => {
    const g = new Graph([3, 9, 8])
    const first = { ...conv(), data_format: text('NCHW'), strides: list(1, 1, 2, 2) }
    g.node('p', 'Pad', ['x', g.pads('pads', [0, 0, 0, 0, 1, 0, 0, 2])])
    g.node('c', 'Conv2D', ['p', g.constant('k', [3, 3, 3, 4])], { ...first, padding: text('VALID') })
    g.node('b', 'BiasAdd', ['c', g.constant('bias', [4])], { data_format: text('NCHW') })
    g.node('m', 'Mul', ['b', g.constant('scale', [4, 1, 1])])
    g.node('joined', 'ConcatV2', ['m', 'b', g.integers('axis', 1)])
    g.node('y', 'Mean', ['joined', g.integers('axes', [2, 3])])
    const run = (x: Tensor4D): Tensor => {
      const padded = tf.transpose<Tensor4D>(
        tf.pad(x, [
          [0, 0],
          [0, 0],
          [1, 0],
          [0, 2],
        ]),
        [0, 2, 3, 1],
      )
      const b = tf.add(tf.conv2d(padded, g.get<Tensor4D>('k'), 2, 'valid'), g.get('bias'))
      const m = tf.mul(b, tf.reshape(g.get('scale'), [4]))
      return tf.mean(tf.concat([m, b], 3), [1, 2])
    }
    await expectRuns(g, [3, 9, 8], run, { channelsFirst: true })
  })

  it("padding 'same' and explicit padding, where the output is named by the signature", async () => {
    for (const [size, stride] of [
      [2, 1],
      [3, 2],
      [4, 3],
      [5, 2],
    ]) {
      const g = new Graph(SHAPE)
      g.node('c', 'Conv2D', ['x', g.constant('k', [size, size, 3, 2])], conv(stride))
      g.node('e', 'Conv2D', ['c', g.constant('l', [2, 2, 2, 4])], {
        ...conv(1, 'EXPLICIT'),
        explicit_paddings: list(0, 0, 1, 0, 0, 2, 0, 0),
      })
      g.node('y', 'Mean', ['e', g.integers('axes', [2, 1])])
      g.node('unused', 'Sigmoid', ['y'])
      const model = (image: Float32Array): Float32Array => {
        const c = tf.conv2d(tf.tensor4d(image, [1, 9, 8, 3]), g.get<Tensor4D>('k'), stride, 'same')
        const e = tf.conv2d(
          tf.pad4d(c, [
            [0, 0],
            [1, 0],
            [0, 2],
            [0, 0],
          ]),
          g.get<Tensor4D>('l'),
          1,
          'valid',
        )
        return Float32Array.from(tf.mean(e, [1, 2]).dataSync())
      }
      const read = await readTfjs(g.write({ signature: { outputs: { y: { name: 'y:0' } } } }))
      await expectSame(read, model, SHAPE)
    }
  })
})

describe('comparison with tfjs-converter', () => {
  const small = (): Graph => {
    const g = new Graph(SHAPE)
    g.node('c', 'Conv2D', ['x', g.constant('k', [3, 3, 3, 4]), '^other'], conv(2))
    g.node('mean', 'Mean', ['c', g.integers('axes', [1, 2])])
    g.node('s', 'Softmax', ['mean'])
    g.node('y', 'Identity', ['s'])
    // Neither read nor run: the output does not need it.
    g.node('other', 'Custom', ['x'])
    return g
  }
  const signature = { outputs: { y: { name: 'y:0' } } }

  it('runs logits of the nodes that are needed, and finds a network that is another', async () => {
    const read = await readTfjs(small().write({ signature }))
    const reference = await read.reference?.()
    if (reference === undefined) throw new Error('there is no reference')
    expect(reference.name).toBe('tfjs-converter 4.22.0')
    const images = randomImages([3, 9, 8], 3)
    const found = await compareWithReference(read, reference, images)
    expect(found.largestLogit).toBeGreaterThan(0)
    expect(found.largestDifference).toBeLessThan(1e-4 * found.largestLogit)
    const tensors = new Map(read.tensors)
    const [name, kernel] = [...tensors].reduce((most, one) => (one[1].data.length > most[1].data.length ? one : most))
    tensors.set(name, { ...kernel, data: Float32Array.from(kernel.data, (value, i) => (i % 7 === 0 ? -value : value)) })
    const other = await compareWithReference({ graph: read.graph, tensors }, reference, images)
    expect(other.largestDifference).toBeGreaterThan(1e-3 * other.largestLogit)
    await reference.close()
  })

  it('is in the way of no graph that TensorFlow.js cannot run', async () => {
    const g = new Graph([6, 6, 4])
    g.node('c', 'Conv2D', ['x', g.constant('k', [3, 3, 2, 4])], conv())
    g.node('y', 'Mean', ['c', g.integers('axes', [1, 2])])
    const read = await readTfjs(g.write())
    await expect(read.reference?.()).rejects.toMatchObject({
      code: 'file-unsupported',
      message: expect.stringMatching(/TensorFlow.js does not run the graph: .*depth/) as string,
    })
  })
})

describe('what is refused of graph models', () => {
  const rows: readonly (readonly [string, (g: Graph) => void, RegExp])[] = [
    ['an operation', (g) => g.node('s', 'Sigmoid', ['x']), /node 's' \(Sigmoid\): not an operation/],
    ['a product of values', (g) => g.node('m', 'Mul', ['x', 'x']), /'m' \(Mul\): joins two values of the network/],
    [
      'a constant of another shape',
      (g) => g.node('m', 'Mul', ['x', g.constant('k', [9, 8, 3])]),
      /'m' \(Mul\): joins \[9, 8, 3\] with \[9, 8, 3\]/,
    ],
    [
      'a mean over channels',
      (g) => g.node('m', 'Mean', ['x', g.integers('axes', [3])]),
      /'m' \(Mean\): over the axes 3/,
    ],
    [
      'a kernel that is computed',
      (g) => g.node('c', 'Conv2D', ['x', 'x'], conv()),
      /'c' \(Conv2D\): input 1 is not constant/,
    ],
    [
      'a kernel for other channels',
      (g) => g.node('c', 'Conv2D', ['x', g.constant('k', [1, 1, 2, 2])], conv()),
      /'c' \(Conv2D\): a kernel of shape \[1, 1, 2, 2\] for 3 channels/,
    ],
    [
      'strides over channels',
      (g) => g.node('c', 'Conv2D', ['x', g.constant('k', [1, 1, 3, 2])], { ...conv(), strides: list(1, 1, 1, 2) }),
      /strides 1,1,1,2/,
    ],
    [
      'an unknown fusion',
      (g) =>
        g.node('c', '_FusedConv2D', ['x', g.constant('k', [1, 1, 3, 2]), g.constant('b', [2])], {
          ...conv(),
          ...fused('BiasAdd', 'Elu'),
        }),
      /fused with Elu/,
    ],
    [
      'uneven maxima',
      (g) => g.node('p', 'MaxPool', ['x'], { ...conv(1), ksize: list(1, 2, 2, 1) }),
      /'p' \(MaxPool\): uneven padding/,
    ],
    [
      'padding with ones',
      (g) => g.node('p', 'PadV2', ['x', g.pads('q', [0, 0, 1, 1, 1, 1, 0, 0]), g.constant('v', [], 1, 2)]),
      /'p' \(PadV2\): pads with another number/,
    ],
    [
      'padded channels',
      (g) => g.node('p', 'Pad', ['x', g.pads('q', [0, 0, 1, 1, 1, 1, 0, 1])]),
      /'p' \(Pad\): paddings/,
    ],
    [
      'a reshape of the batch',
      (g) => g.node('r', 'Reshape', ['x', g.integers('q', [-1, 3])]),
      /'r' \(Reshape\): from \[9, 8, 3\] to \[-1, 3\]/,
    ],
    [
      'two inputs',
      (g) => {
        g.nodes.push({ name: 'y', op: 'Placeholder' })
        g.node('a', 'Add', ['x', 'y'])
      },
      /a second input/,
    ],
    [
      'two outputs',
      (g) => {
        g.node('a', 'Relu', ['x'])
        g.node('b', 'Relu', ['x'])
      },
      /the graph has 2 outputs/,
    ],
    ['a node that is missing', (g) => g.node('a', 'Add', ['x', 'nowhere']), /there is no node 'nowhere'/],
    [
      'a cycle',
      (g) => {
        g.node('a', 'Add', ['x', 'b'])
        g.node('b', 'Relu', ['a'])
        g.node('c', 'Relu', ['b'])
      },
      /reads its own output/,
    ],
    [
      'weights that are missing',
      (g) => {
        g.nodes.push({ name: 'k', op: 'Const' })
        g.node('m', 'Mul', ['x', 'k'])
      },
      /no weights for node 'k'/,
    ],
    [
      'layouts that differ',
      (g) => {
        g.node('c', 'Conv2D', ['x', g.constant('k', [1, 1, 3, 2])], conv())
        g.node('d', 'MaxPool', ['c'], { ...conv(), data_format: text('NCHW') })
      },
      /channels first in one layer/,
    ],
  ]
  for (const [what, make, message] of rows) {
    it(what, async () => {
      const graph = new Graph(SHAPE)
      make(graph)
      const error: unknown = await readTfjs(graph.write()).catch((caught: unknown) => caught)
      expect(error).toBeInstanceOf(AdytonError)
      expect((error as AdytonError).message).toMatch(message)
    })
  }

  it('pictures of any size', async () => {
    const graph = new Graph([-1, -1, 3])
    graph.node('r', 'Relu', ['x'])
    await expect(readTfjs(graph.write())).rejects.toThrow(/node 'x' \(Placeholder\): a picture of any size/)
  })
})
