import { describe, expect, it } from 'vitest'
import type { Card } from '../../core/formats/model-directory.ts'
import { decodeModel, type OnnxGraph, type OnnxModel, type OnnxNode } from '../../core/formats/onnx/proto.ts'
import { writeOnnx } from '../../core/formats/onnx/write.ts'
import { floatRunner } from '../../core/network/float.ts'
import type { Graph, GraphNode, Tensor } from '../../core/network/graph.ts'
import { failing } from '../fixtures/errors.ts'
import { EVERY_KIND, modelOf, onnxruntime, tensorsFor } from '../fixtures/onnx-networks.ts'

const decoded = (bytes: Uint8Array): OnnxModel & { readonly graph: OnnxGraph } => {
  const model = decodeModel(bytes, 'written.onnx')
  if (model.graph === undefined) throw new Error('no graph')
  return { ...model, graph: model.graph }
}

const nodeOf = (graph: OnnxGraph, name: string): OnnxNode => {
  const found = graph.node.filter((node) => node.name === name)
  expect(found, name).toHaveLength(1)
  return found[0]
}

/** Attributes as plain values. */
const attributes = (node: OnnxNode): Record<string, unknown> =>
  Object.fromEntries(node.attribute.map((a): [string, unknown] => [a.name ?? '', a.f ?? a.i ?? a.ints]))

/** Shape and numbers of an initializer. */
function constant(graph: OnnxGraph, name: string): { dims: readonly number[]; data: number[] } {
  const found = graph.initializer.filter((t) => t.name === name)
  expect(found, name).toHaveLength(1)
  const [{ dims, dataType, rawData }] = found
  expect(dataType).toBe(1)
  return { dims, data: [...new Float32Array(Uint8Array.from(rawData ?? []).buffer)] }
}

const tensors = tensorsFor(EVERY_KIND, 1)
const model = modelOf(EVERY_KIND, tensors)

describe('the written graph', () => {
  const { graph } = decoded(writeOnnx(model))

  it('has a batch of any size, and our names', () => {
    const dims = (value: OnnxGraph['input'][number]) =>
      value.type?.tensorType?.shape?.dim.map((d) => d.dimParam ?? d.dimValue)
    expect(graph.name).toBe('every-kind')
    expect(graph.input.map((value) => [value.name, dims(value)])).toEqual([['image', ['N', 4, 9, 8]]])
    expect(graph.output.map((value) => [value.name, dims(value)])).toEqual([['logits', ['N', 3]]])
    expect(graph.node.map((node) => node.name)).toEqual(EVERY_KIND.nodes.slice(1).map((node) => node.id))
    expect(graph.node.map((node) => node.output)).toEqual([
      ...EVERY_KIND.nodes.slice(1, -1).map((node) => [node.id]),
      ['logits'],
    ])
  })

  it('uses standard operators with the attributes of our nodes', () => {
    expect(graph.node.every((node) => (node.domain ?? '') === '')).toBe(true)
    const expected: Record<string, [string, Record<string, unknown>]> = {
      stem: ['Conv', { kernel_shape: [3, 2], strides: [1, 1], pads: [1, 1, 1, 1], group: 2 }],
      strided: ['Conv', { kernel_shape: [1, 1], strides: [2, 2], pads: [2, 2, 2, 2], group: 1 }],
      norm: ['BatchNormalization', { epsilon: Math.fround(1e-3) }],
      'flat.norm': ['BatchNormalization', { epsilon: 0 }],
      plain: ['Relu', {}],
      sum: ['Add', {}],
      max: ['MaxPool', { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 1, 1, 1] }],
      average: ['AveragePool', { kernel_shape: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], count_include_pad: 1 }],
      joined: ['Concat', { axis: 1 }],
      global: ['GlobalAveragePool', {}],
      flat: ['Flatten', { axis: 1 }],
      classes: ['Gemm', { transB: 1 }],
    }
    for (const [name, [opType, values]] of Object.entries(expected)) {
      const node = nodeOf(graph, name)
      expect([node.opType, attributes(node)], name).toEqual([opType, values])
    }
    expect(nodeOf(graph, 'joined').input).toEqual(['average', 'max', 'average'])
  })

  it('holds every weight bit for bit under its name', () => {
    for (const [name, { shape, data }] of tensors) {
      if (name.endsWith('.mask')) continue
      expect(constant(graph, name), name).toEqual({ dims: shape, data: [...data] })
    }
    expect(nodeOf(graph, 'stem').input).toEqual(['image', 'stem.weight', 'stem.bias'])
    expect(nodeOf(graph, 'dense').input).toEqual(['flat', 'dense.weight'])
    const norm = ['norm.gamma', 'norm.beta', 'norm.mean', 'norm.variance']
    expect(nodeOf(graph, 'norm').input).toEqual(['stem', ...norm])
  })

  it.each([
    ['pixels', [6, 9, 9]],
    ['channels', [6, 1, 1]],
    ['flat.relu', [7]],
  ])('writes the mask of %s as slopes %j', (id, dims) => {
    const { opType, input } = nodeOf(graph, id)
    expect([opType, input[1]]).toEqual(['PRelu', `${id}.slope`])
    const mask = tensors.get(`${id}.mask`)?.data ?? []
    expect(constant(graph, `${id}.slope`)).toEqual({ dims, data: [...mask].map((kept) => (kept === 1 ? 0 : 1)) })
  })
})

describe('the written file', () => {
  // github.com/onnx/onnx, docs/Versioning.md: IR version of the release that brought the operator set.
  it.each([
    [13, 7],
    [14, 7],
    [15, 8],
    [16, 8],
    [17, 8],
    [18, 8],
    [19, 9],
    [20, 9],
    [21, 10],
  ])('of opset %i is of IR version %i', (opset, ir) => {
    const { opsetImport, irVersion } = decoded(writeOnnx(model, { opset }))
    expect(irVersion).toBe(ir)
    expect(opsetImport.map(({ domain, version }) => [domain ?? '', version])).toEqual([['', opset]])
  })

  it('is of opset 17 unless told otherwise, and of no other than 13 to 21', () => {
    expect(writeOnnx(model)).toEqual(writeOnnx(model, { opset: 17 }))
    for (const opset of [12, 22, 17.5, NaN]) expect(() => writeOnnx(model, { opset })).toThrow(RangeError)
  })

  it('carries card, stages and calibration', () => {
    const calibration = { stem: { max: 3.25, linearised: 0 } }
    const file = decoded(writeOnnx({ ...model, calibration }, { version: '1.2.3' }))
    expect([file.producerName, file.producerVersion]).toEqual(['adyton', '1.2.3'])
    expect(file.metadataProps.map(({ key, value }) => [key, JSON.parse(value ?? '') as unknown])).toEqual([
      ['adyton.card', model.card],
      ['adyton.stages', ['stem', 'max', 'dense']],
      ['adyton.calibration', calibration],
    ])
    const { stages: _, ...plain } = EVERY_KIND
    expect(decoded(writeOnnx({ ...model, graph: plain })).metadataProps.map(({ key }) => key)).toEqual(['adyton.card'])
  })

  it('has the same bytes for the same model, in whatever order its parts are', () => {
    const reversed = new Map([...tensors].toReversed())
    const card = Object.fromEntries(Object.entries(model.card).toReversed()) as Card
    const stray = reversed.set('other.weight', { shape: [1], data: Float32Array.of(1) })
    expect(writeOnnx({ graph: EVERY_KIND, tensors: stray, card })).toEqual(writeOnnx(model))
  })
})

describe('names', () => {
  it('that ours and those of ONNX have in common stay apart', async () => {
    const dense = (id: string, input: string, bias = true): GraphNode => ({
      ...{ id, op: 'dense', inputs: [input], outFeatures: 2, bias },
    })
    const graph: Graph = {
      name: 'clashes',
      nodes: [
        { id: 'logits', op: 'input', inputs: [], shape: [2] },
        dense('image', 'logits'),
        dense('a', 'image'),
        dense('a.weight', 'a'),
        { id: 'a.bias', op: 'add', inputs: ['a.weight', 'image'] },
        dense('image_2', 'a.bias', false),
      ],
    }
    const clashing = modelOf(graph)
    const bytes = writeOnnx(clashing)
    const { graph: written } = decoded(bytes)
    const names = [...written.input, ...written.initializer].map(({ name }) => name)
    const all = [...names, ...written.node.flatMap(({ output }) => output)]
    expect(new Set(all).size).toBe(all.length)
    expect(written.node.map(({ name }) => name)).toEqual(graph.nodes.slice(1).map(({ id }) => id))
    const image = Float32Array.of(0.5, -2)
    const ours = floatRunner(graph, clashing.tensors)(image).logits
    await using ort = await onnxruntime(bytes, [2])
    const theirs = await ort.run(image)
    ours.forEach((logit, i) => expect(theirs[i]).toBeCloseTo(logit, 5))
  })
})

describe('refused', () => {
  const without = (name: string): Map<string, Tensor> => new Map([...tensors].filter(([key]) => key !== name))

  it.each(['stem.weight', 'norm.variance', 'pixels.mask'])('a model without %s', (name) => {
    const error = failing('model-invalid', new RegExp(`tensor '${name}'`))
    expect(() => writeOnnx({ ...model, tensors: without(name) })).toThrow(error)
  })

  it('a graph and a card that are not valid', () => {
    const graph = { ...EVERY_KIND, stages: ['nowhere'] }
    expect(() => writeOnnx({ ...model, graph })).toThrow(failing('model-invalid', /nowhere/))
    const card = { ...model.card, classes: 0 }
    expect(() => writeOnnx({ ...model, card })).toThrow(failing('file-corrupt', /classes/))
  })

  it('weights of 2 GiB', () => {
    const dense = (id: string, input: string): GraphNode => ({
      ...{ id, op: 'dense', inputs: [input], outFeatures: 2 ** 14, bias: false },
    })
    const nodes: GraphNode[] = [
      { id: 'in', op: 'input', inputs: [], shape: [2 ** 14] },
      dense('one', 'in'),
      dense('two', 'one'),
    ]
    const error = failing('file-unsupported', /'large': 2147483648 bytes/)
    expect(() => writeOnnx({ ...model, graph: { name: 'large', nodes }, tensors: new Map() })).toThrow(error)
  })
})
