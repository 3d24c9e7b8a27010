import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import type { ImportedNetwork } from '../../core/formats/import/format.ts'
import { decodeModel, decodeTensor, encodeModel, type OnnxTensor } from '../../core/formats/onnx/proto.ts'
import { readTensor } from '../../core/formats/onnx/tensors.ts'
import { OPERATORS } from '../../core/formats/onnx/operators/index.ts'
import { floatRunner } from '../../core/network/float.ts'
import { elements, inferShapes } from '../../core/network/shapes.ts'
import {
  bytesOf,
  difference,
  imported,
  ints,
  noise,
  type ModelSpec,
  type NodeSpec,
  type Weight,
} from '../fixtures/onnx-models.ts'

/** A network put together layer by layer, with the size of its last value. */
interface Draft {
  readonly nodes: NodeSpec[]
  readonly weights: Record<string, readonly number[] | Weight>
  channels: number
  height: number
  width: number
}

interface Layer {
  readonly kind:
    | 'conv'
    | 'same'
    | 'depthwise'
    | 'relu'
    | 'prelu'
    | 'mask'
    | 'norm'
    | 'add'
    | 'concat'
    | 'average'
    | 'max'
    | 'scale'
    | 'pad'
  readonly channels: number
  readonly kernel: number
  readonly stride: number
  readonly pad: number
}

const layer: fc.Arbitrary<Layer> = fc.record({
  kind: fc.constantFrom(
    'conv',
    'same',
    'depthwise',
    'relu',
    'prelu',
    'mask',
    'norm',
    'add',
    'concat',
    'average',
    'max',
    'scale',
    'pad',
  ),
  channels: fc.integer({ min: 1, max: 5 }),
  kernel: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 2 }),
  pad: fc.integer({ min: 0, max: 1 }),
})

/** Appends a layer that reads `from` and writes `to`; one that does not fit becomes a Relu. */
function append(draft: Draft, { kind, channels, kernel, stride, pad }: Layer, from: string, to: string): void {
  const { nodes, weights } = draft
  const step = (size: number): number => Math.floor((size + 2 * pad - kernel) / stride) + 1
  const fits = Math.min(draft.height, draft.width) + 2 * pad >= kernel
  const w = `${to}_w`
  const slide = (): void => {
    draft.height = step(draft.height)
    draft.width = step(draft.width)
  }
  const window = { pads: Array<number>(4).fill(pad), strides: [stride, stride] }
  if (kind === 'conv' && fits) {
    weights[w] = [channels, draft.channels, kernel, kernel]
    nodes.push(['Conv', `${from} ${w}`, to, window])
    draft.channels = channels
    slide()
  } else if (kind === 'same') {
    weights[w] = [channels, draft.channels, kernel, 2]
    nodes.push([
      'Conv',
      `${from} ${w}`,
      to,
      { auto_pad: stride === 1 ? 'SAME_UPPER' : 'SAME_LOWER', strides: window.strides },
    ])
    draft.channels = channels
    draft.height = Math.ceil(draft.height / stride)
    draft.width = Math.ceil(draft.width / stride)
  } else if (kind === 'depthwise' && fits) {
    weights[w] = [draft.channels, 1, kernel, kernel]
    nodes.push(['Conv', `${from} ${w}`, to, { ...window, group: draft.channels }])
    slide()
  } else if (kind === 'pad') {
    weights[w] = [channels, draft.channels, 1, 2]
    weights[`${w}_pads`] = ints(0, 0, pad, kernel, 0, 0, stride, 0)
    nodes.push(['Pad', `${from} ${w}_pads`, `${to}_padded`], ['Conv', `${to}_padded ${w}`, to])
    draft.channels = channels
    draft.height += pad + stride
    draft.width += kernel - 1
  } else if (kind === 'prelu') {
    weights[w] = [draft.channels, 1, 1]
    nodes.push(['PRelu', `${from} ${w}`, to])
  } else if (kind === 'mask') {
    const dims = [draft.channels, draft.height, draft.width]
    weights[w] = { dims, data: noise(nodes.length, elements(dims)).map((x) => (x > 0 ? 1 : 0)) }
    nodes.push(['PRelu', `${from} ${w}`, to])
  } else if (kind === 'norm') {
    const variance = { dims: [draft.channels], data: noise(nodes.length, draft.channels).map((x) => 1 + x / 2) }
    Object.assign(weights, { [w]: [draft.channels], [`${w}_v`]: variance })
    nodes.push(['BatchNormalization', `${from} ${w} ${w} ${w} ${w}_v`, to])
  } else if (kind === 'add') {
    nodes.push(['Relu', from, `${to}_relu`], ['Add', `${from} ${to}_relu`, to])
  } else if (kind === 'concat') {
    nodes.push(['Relu', from, `${to}_relu`], ['Concat', `${from} ${to}_relu`, to, { axis: 1 }])
    draft.channels *= 2
  } else if (kind === 'scale') {
    weights[w] = [draft.channels, 1, 1]
    nodes.push(['Mul', `${from} ${w}`, `${to}_scaled`], ['Sub', `${to}_scaled ${w}`, to])
  } else if ((kind === 'average' || kind === 'max') && fits && 2 * pad <= kernel) {
    const operator = kind === 'max' ? 'MaxPool' : 'AveragePool'
    const more = kind === 'max' ? {} : { count_include_pad: 1 }
    nodes.push([operator, from, to, { ...window, ...more, kernel_shape: [kernel, kernel] }])
    slide()
  } else nodes.push(['Relu', from, to])
}

const network: fc.Arbitrary<ModelSpec> = fc
  .record({
    layers: fc.array(layer, { minLength: 1, maxLength: 7 }),
    opset: fc.constantFrom(11, 12, 13, 14, 17, 21, 26),
    channels: fc.integer({ min: 1, max: 3 }),
    height: fc.integer({ min: 3, max: 9 }),
    width: fc.integer({ min: 3, max: 9 }),
    channelsLast: fc.boolean(),
    batch: fc.constantFrom('N', 1, 2),
    flattenChannelsLast: fc.boolean(),
  })
  .map(({ layers, opset, channels, height, width, channelsLast, batch, flattenChannelsLast }) => {
    const draft: Draft = { nodes: [], weights: {}, channels, height, width }
    if (channelsLast) draft.nodes.push(['Transpose', 'x', 'first', { perm: [0, 3, 1, 2] }])
    let from = channelsLast ? 'first' : 'x'
    layers.forEach((each, i) => {
      append(draft, each, from, `v${i}`)
      from = `v${i}`
    })
    if (flattenChannelsLast) {
      draft.nodes.push(['Transpose', from, 'last', { perm: [0, 2, 3, 1] }])
      from = 'last'
    }
    Object.assign(draft.weights, { wd: [draft.channels * draft.height * draft.width, 4], bd: [4] })
    draft.nodes.push(['Flatten', from, 'flat'], ['MatMul', 'flat wd', 'dense'], ['Add', 'dense bd', 'scores'])
    draft.nodes.push(['Softmax', 'scores', 'y', { axis: 1 }])
    const size = channelsLast ? [height, width, channels] : [channels, height, width]
    return { opset, input: [batch, ...size], nodes: draft.nodes, weights: draft.weights }
  })

describe('random networks in ONNX', () => {
  it('give what onnxruntime gives', async () => {
    await fc.assert(
      fc.asyncProperty(network, async (spec) => {
        expect(await difference(await imported(bytesOf(spec)))).toBeLessThan(1e-5)
      }),
      { numRuns: 150 },
    )
  })

  it('are the same after they are read and written again', () => {
    fc.assert(
      fc.property(network, (spec) => {
        const bytes = bytesOf(spec)
        expect(Buffer.from(encodeModel(decodeModel(bytes, 'a'))).equals(bytes)).toBe(true)
      }),
      { numRuns: 50 },
    )
  })
})

/** Folder of onnx's own node tests: test_<operator>/model.onnx with test_data_set_0/input_0.pb and output_0.pb. */
const folder = process.env.ADYTON_ONNX_TESTS

describe.skipIf(folder === undefined)("onnx's own node tests (set ADYTON_ONNX_TESTS to their folder)", () => {
  const cases = (folder === undefined ? [] : readdirSync(folder)).filter((name) => name.startsWith('test_')).sort()
  const place = (name: string, file: string): string => join(folder ?? '', name, file)
  const tensorOf = (name: string, file: string): OnnxTensor =>
    decodeTensor(readFileSync(place(name, join('test_data_set_0', file))), file)
  const numbers = (tensor: OnnxTensor): number[] => [
    ...readTensor(tensor, { file: 'test', budget: { left: 2 ** 24 } }).data,
  ]
  /** Ending in the scores before it is what we do with a Softmax, so its own test says nothing. */
  const supported = (name: string): boolean => OPERATORS.has(name) && !name.endsWith('Softmax')

  /** The test's model with every input but the first, which tests give as files, as a constant. */
  function withConstants(name: string): Uint8Array | undefined {
    const model = decodeModel(readFileSync(place(name, 'model.onnx')), name)
    const { graph } = model
    if (graph === undefined || !graph.node.every((node) => supported(node.opType ?? ''))) return undefined
    const constants = graph.input
      .slice(1)
      .map((value, i) => ({ ...tensorOf(name, `input_${i + 1}.pb`), name: value.name ?? '' }))
    const initializer = [...graph.initializer, ...constants]
    return encodeModel({ ...model, graph: { ...graph, initializer, input: graph.input.slice(0, 1) } })
  }

  const models = cases.flatMap((name) => {
    const bytes = withConstants(name)
    return bytes === undefined ? [] : [[name, bytes] as const]
  })

  it('are there, and some are of operators that are read', () => {
    expect(models).not.toHaveLength(0)
  })

  it.each(models)('%s', async (name, bytes) => {
    const network = await imported(bytes).catch((error: unknown) => error)
    if (network instanceof Error) {
      // What cannot be run is refused, with a reason: never by another error.
      expect(network).toBeInstanceOf(AdytonError)
      return
    }
    const { graph, tensors } = network as ImportedNetwork
    const images = numbers(tensorOf(name, 'input_0.pb'))
    const expected = numbers(tensorOf(name, 'output_0.pb'))
    const run = floatRunner(graph, tensors)
    const size = elements(inferShapes(graph).get(graph.nodes[0].id) ?? [])
    const got = Array.from({ length: images.length / size }, (_, i) => [
      ...run(Float32Array.from(images.slice(i * size, (i + 1) * size))).logits,
    ]).flat()
    const largest = Math.max(1e-6, ...expected.map(Math.abs))
    expect(got).toHaveLength(expected.length)
    got.forEach((x, i) => expect(Math.abs(x - expected[i]) / largest).toBeLessThan(1e-5))
  })
})
