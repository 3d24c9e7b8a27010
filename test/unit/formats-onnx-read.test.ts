import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodeModel } from '../../core/formats/onnx/proto.ts'
import { METADATA } from '../../core/formats/onnx/metadata.ts'
import { onnx } from '../../core/formats/onnx/read.ts'
import { failing } from '../fixtures/errors.ts'
import {
  bytesOf,
  difference,
  floats,
  imported,
  ints,
  modelOf,
  noise,
  type ModelSpec,
  type NodeSpec,
} from '../fixtures/onnx-models.ts'

const MAP = ['N', 2, 4, 4]
const relu: ModelSpec = { opset: 13, input: MAP, nodes: [['Relu', 'x', 'y']] }

describe('an ONNX model as a graph of ours', () => {
  it('takes in biases, padding and Softmax, and says so', async () => {
    const { graph, notes } = await imported(
      bytesOf({
        ...{ opset: 13, input: ['N', 2, 4, 4] },
        nodes: [
          ['Pad', 'x pads', 'p'],
          ['Conv', 'p w', 'conv'],
          ['Add', 'conv a', 'biased'],
          ['Flatten', 'biased', 'flat'],
          ['MatMul', 'flat v', 'dense'],
          ['Add', 'dense b', 'scores'],
          ['Softmax', 'scores', 'y'],
        ],
        weights: { pads: ints(0, 0, 1, 1, 0, 0, 1, 1), w: [3, 2, 3, 3], a: [3, 1, 1], v: [48, 2], b: [2] },
      }),
    )
    expect(graph.nodes.map((node) => `${node.id} ${node.op}`)).toEqual([
      'x input',
      'conv conv2d',
      'flat flatten',
      'dense dense',
    ])
    expect(graph.nodes[1]).toMatchObject({ padding: 1, bias: true })
    expect(graph.nodes[3]).toMatchObject({ bias: true })
    expect(notes).toEqual(['y (Softmax): left out: it does not change which class wins'])
  })

  it.each([
    [1e-5, 1e-5],
    [0.001, 0.001],
    [0, 0],
    [1, 1],
    // As many digits as a float32 needs.
    [0.123456789, 0.12345679],
  ])('has the epsilon %d that a float32 was made of', async (written, epsilon) => {
    const norm: NodeSpec = ['BatchNormalization', 'x s s s s', 'y', { epsilon: written }]
    const { graph } = await imported(bytesOf({ ...relu, nodes: [norm], weights: { s: floats([2], 1, 2) } }))
    expect(graph.nodes[1]).toMatchObject({ op: 'batchNorm', epsilon })
  })

  it.each([
    ['Conv', 'weight', /node 'y' \(Conv\): weight 3 is NaN/, [2, 2, 1, 1], [1, 2, 3, NaN]],
    ['Mul', 'factor', /node 'y' \(Mul\): gamma 1 is Infinity/, [2, 1, 1], [1, Infinity]],
    ['Div', 'divisor', /node 'y' \(Div\): gamma 0 is -Infinity/, [2, 1, 1], [-1e-45, 1]],
  ])(
    'is refused by node and name where numbers of %s are not finite',
    async (operator, weight, message, dims, data) => {
      const weights = { [weight]: floats(dims, ...data) }
      const file = bytesOf({ ...relu, nodes: [[operator, `x ${weight}`, 'y']], weights })
      await expect(imported(file)).rejects.toMatchObject({ code: 'model-invalid', message })
    },
  )

  it('has a mask of pixels where a PRelu has slopes of 0 and 1', async () => {
    const slopes = noise(1, 32).map((x) => (x > 0 ? 1 : 0))
    const weights = { s: { dims: [2, 4, 4], data: slopes } }
    const { graph, tensors } = await imported(bytesOf({ ...relu, nodes: [['PRelu', 'x s', 'y']], weights }))
    expect(graph.nodes[1]).toMatchObject({ id: 'y', op: 'relu', mask: 'element' })
    expect([...(tensors.get('y.mask')?.data ?? [])]).toEqual([...slopes].map((slope) => 1 - slope))
  })

  it('has a mask of channels where the slopes are by channel', async () => {
    const weights = { s: floats([2, 1, 1], 0, 1) }
    const { graph, tensors } = await imported(bytesOf({ ...relu, nodes: [['PRelu', 'x s', 'y']], weights }))
    expect(graph.nodes[1]).toMatchObject({ op: 'relu', mask: 'channel' })
    expect([...(tensors.get('y.mask')?.data ?? [])]).toEqual([1, 0])
  })

  it('takes pictures with channels first where the file has them last', async () => {
    const network = await imported(
      bytesOf({
        opset: 13,
        input: ['N', 5, 4, 3],
        nodes: [
          ['Transpose', 'x', 't', { perm: [0, 3, 1, 2] }],
          ['Relu', 't', 'y'],
        ],
      }),
    )
    expect(network.graph.nodes[0]).toMatchObject({ op: 'input', shape: [3, 5, 4] })
  })

  it('leaves out what the output does not need, whatever it is', async () => {
    const { graph } = await imported(bytesOf({ ...relu, nodes: [...relu.nodes, ['Sigmoid', 'x', 'z']] }))
    expect(graph.nodes).toHaveLength(2)
  })

  it('takes weights that are also listed as inputs', async () => {
    const model = modelOf({ ...relu, nodes: [['Conv', 'x w', 'y']], weights: { w: [2, 2, 3, 3] } })
    const input = [...(model.graph?.input ?? []), { name: 'w', type: { tensorType: { elemType: 1 } } }]
    expect(await difference(await imported(encodeModel({ ...model, graph: { ...model.graph, input } })))).toBeLessThan(
      1e-5,
    )
  })

  it.each([
    ['float16', 10, [0x3c00, 0xc000], [1, -2]],
    ['bfloat16', 16, [0x3f80, 0xc000], [1, -2]],
  ])('reads weights in %s', async (_, dataType, int32Data, expected) => {
    const model = modelOf({
      ...relu,
      nodes: [
        ['Cast', 'h', 'c', { to: 1 }],
        ['Mul', 'x c', 'y'],
      ],
    })
    const initializer = [{ name: 'h', dims: [2, 1, 1], dataType, int32Data }]
    const { tensors } = await imported(encodeModel({ ...model, graph: { ...model.graph, initializer } }))
    expect([...(tensors.get('y.gamma')?.data ?? [])]).toEqual(expected)
  })
})

describe('what an ONNX file says of itself', () => {
  const withMetadata = (entries: Readonly<Record<string, string>>): Uint8Array => {
    const metadataProps = Object.entries(entries).map(([key, value]) => ({ key, value }))
    return encodeModel({ ...modelOf(relu), producerVersion: '1.2', metadataProps })
  }
  const card = {
    ...{ name: 'net', dataset: 'none', classes: 2, classNames: ['a', 'b'], licence: 'CC0-1.0' },
    preprocessing: { mean: [0, 0], std: [1, 1], invert: false },
  }

  it('is its producer, its card, its stages and its calibration', async () => {
    const network = await imported(
      withMetadata({
        [METADATA.card]: JSON.stringify(card),
        [METADATA.stages]: JSON.stringify(['y']),
        [METADATA.calibration]: JSON.stringify({ y: { max: 2, linearised: 0 } }),
      }),
    )
    expect(network.producer).toBe('test 1.2')
    expect(network.card).toEqual(card)
    expect(network.graph.stages).toEqual(['y'])
    expect(network.calibration).toEqual({ y: { max: 2, linearised: 0 } })
    expect(network.graph.name).toBe('small')
  })

  it('is nothing where it has none, and stages that are no layers are left out', async () => {
    const network = await imported(withMetadata({ [METADATA.stages]: '["z"]' }))
    expect(network.card).toBeUndefined()
    expect(network.calibration).toBeUndefined()
    expect(network.graph.stages).toBeUndefined()
  })

  it.each([
    ['a card that is no JSON', { [METADATA.card]: '{' }, /metadata 'adyton.card' is not valid JSON/],
    ['a card with a wrong field', { [METADATA.card]: JSON.stringify({ ...card, classes: 'two' }) }, /classes/],
    ['stages that are no list', { [METADATA.stages]: '{}' }, /metadata 'adyton.stages'/],
    [
      'calibration below 0',
      { [METADATA.calibration]: '{"y":{"max":-1,"linearised":0}}' },
      /metadata 'adyton.calibration'/,
    ],
  ])('%s is refused', async (_, entries, message) => {
    await expect(imported(withMetadata(entries as Record<string, string>))).rejects.toEqual(
      failing('file-corrupt', message),
    )
  })
})

describe('which files are ONNX', () => {
  let folder: string
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'adyton-match-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  it.each([
    ['net.ONNX', Buffer.from('anything'), true],
    ['net.bin', bytesOf(relu), true],
    ['net.txt', Buffer.from('some text'), false],
    ['empty', Buffer.of(), false],
  ])('%s', async (name, bytes, expected) => {
    writeFileSync(join(folder, name), bytes)
    expect(await onnx.match(join(folder, name))).toBe(expected)
  })

  it('a folder and a missing file are not, and a missing file cannot be read', async () => {
    expect(await onnx.match(folder)).toBe(false)
    expect(await onnx.match(join(folder, 'missing'))).toBe(false)
    await expect(onnx.read(join(folder, 'missing.onnx'))).rejects.toEqual(failing('file-not-found', /cannot be read/))
    await expect(onnx.read(folder)).rejects.toEqual(failing('file-unsupported', /no file/))
  })
})
