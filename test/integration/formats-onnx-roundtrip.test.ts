/** What we write as ONNX computes the same in onnxruntime, and is the same network when it is read again. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundledModels, modelFolder } from '../../core/api/source.ts'
import { compareWithReference, randomImages } from '../../core/formats/import/compare.ts'
import { readModel, type Model } from '../../core/formats/model-directory.ts'
import { onnx } from '../../core/formats/onnx/read.ts'
import { writeOnnx } from '../../core/formats/onnx/write.ts'
import { runFloat } from '../../core/network/float.ts'
import type { Graph, GraphNode, Shape, Tensor, Tensors } from '../../core/network/graph.ts'
import { elements, inferShapes } from '../../core/network/shapes.ts'
import { normals } from '../../core/network/tensors.ts'
import { EVERY_KIND, modelOf, onnxruntime, tensorsFor } from '../fixtures/onnx-networks.ts'
import { DENSE } from '../fixtures/tiny-networks.ts'
import { prg, randomGraph } from '../unit/network-helpers.ts'

const OPSETS = [13, 17, 21]

const inputOf = (graph: Graph): Shape => inferShapes(graph).get(graph.nodes[0].id) as Shape

const largest = (values: Iterable<number>): number => {
  let most = 1
  for (const value of values) most = Math.max(most, Math.abs(value))
  return most
}

/** Largest difference from onnxruntime over a few random images, and what it is to be seen against. */
async function difference(model: Model, opset: number, images = 4): Promise<{ difference: number; scale: number }> {
  const shape = inputOf(model.graph)
  await using ort = await onnxruntime(writeOnnx(model, { opset }), shape)
  const runner = { name: 'onnxruntime', run: ort.run, close: () => Promise.resolve() }
  const found = await compareWithReference(model, runner, randomImages(shape, images))
  return { difference: found.largestDifference, scale: Math.max(1, found.largestLogit) }
}

describe('onnxruntime runs what we write', () => {
  describe.each(bundledModels())('%s', (id) => {
    it.each(OPSETS)('opset %i', async (opset) => {
      const { difference: found, scale } = await difference(await readModel(modelFolder(id)), opset)
      expect(found).toBeLessThan(1e-5 * scale)
    })
  })

  it.each([13, 14, 15, 16, 17, 18, 19, 20, 21])('every kind of node, opset %i', async (opset) => {
    const { difference: found, scale } = await difference(modelOf(EVERY_KIND), opset)
    expect(found).toBeLessThan(1e-5 * scale)
  })

  it('random networks', async () => {
    const choices = fc.array(fc.nat(1000), { minLength: 20, maxLength: 120 })
    await fc.assert(
      fc.asyncProperty(
        choices,
        fc.integer({ min: 1, max: 12 }),
        fc.nat(),
        fc.constantFrom(...OPSETS),
        async (list, size, seed, opset) => {
          const graph = randomGraph(list, size)
          const tensors = tensorsFor(graph, seed)
          const image = normals(prg(seed + 1), 72)
          const { logits, values } = runFloat(graph, tensors, image, { values: true })
          await using ort = await onnxruntime(writeOnnx(modelOf(graph, tensors), { opset }), [2, 6, 6])
          const theirs = await ort.run(image)
          // Sums of large values that cancel leave a small logit with the rounding of the large ones.
          const scale = largest([...(values?.values() ?? [])].map((value) => largest(value)))
          expect(theirs).toHaveLength(logits.length)
          logits.forEach((logit, i) => expect(Math.abs(logit - theirs[i])).toBeLessThan(1e-5 * scale))
        },
      ),
      { numRuns: 100 },
    )
  })

  it('several images at once, each as on its own', async () => {
    const model = modelOf(EVERY_KIND)
    const shape = inputOf(EVERY_KIND)
    const images = randomImages(shape, 3)
    await using ort = await onnxruntime(writeOnnx(model), shape)
    const together = await ort.run(Float32Array.from(images.flatMap((image) => [...image])))
    const alone = []
    for (const image of images) alone.push(...(await ort.run(image)))
    expect(together).toHaveLength(9)
    const scale = largest(alone)
    alone.forEach((logit, i) => expect(Math.abs(logit - together[i])).toBeLessThan(1e-5 * scale))
  })
})

describe('a masked ReLU in onnxruntime', () => {
  /** Float32 numbers of every exponent and sign, subnormal ones and both zeros among them; no NaN, no infinity. */
  const numbers = (count: number): Float32Array => {
    const words = new Uint32Array(prg(5).bytes(4 * count).buffer)
    words.set([0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x7f7fffff, 0xff7fffff])
    return new Float32Array(
      words.map((word) => ((word & 0x7f800000) === 0x7f800000 ? word & ~0x40000000 : word)).buffer,
    )
  }
  const bits = (values: Float32Array): number[] => [...new Uint32Array(values.buffer, values.byteOffset, values.length)]

  const cases = [
    { mask: 'element', shape: [3, 40, 30] },
    { mask: 'channel', shape: [64, 8, 8] },
    { mask: 'element', shape: [60] },
    { mask: 'channel', shape: [60] },
  ] as const
  const levels = OPSETS.flatMap((opset) => (['disabled', 'all'] as const).map((level) => ({ opset, level })))

  describe.each(cases)('$mask on $shape', ({ mask, shape }) => {
    it.each(levels)('opset $opset, optimisation $level', async ({ opset, level }) => {
      const graph: Graph = {
        name: 'relu',
        nodes: [
          { id: 'in', op: 'input', inputs: [], shape },
          { id: 'relu', op: 'relu', inputs: ['in'], mask },
        ],
      }
      const tensors = tensorsFor(graph, 3)
      const kept = tensors.get('relu.mask')?.data as Uint8Array
      const run = elements(shape) / kept.length
      const image = numbers(elements(shape))
      await using ort = await onnxruntime(writeOnnx(modelOf(graph, tensors), { opset }), shape, level)
      const out = await ort.run(image)
      const [before, after] = [bits(image), bits(out)]
      let passing = 0
      for (let i = 0; i < image.length; i++) {
        if (kept[Math.floor(i / run)] === 0) {
          passing++
          if (before[i] !== after[i]) expect.fail(`position ${i}: ${image[i]} became ${out[i]}`)
        } else if (out[i] !== Math.max(0, image[i])) expect.fail(`position ${i}: ReLU of ${image[i]} is ${out[i]}`)
      }
      expect(passing).toBeGreaterThan(image.length / 4)
    })
  })
})

describe('what we write, read again', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'adyton-onnx-'))
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const reread = async (model: Model, opset: number) => {
    const file = join(folder, 'model.onnx')
    await writeFile(file, writeOnnx(model, { opset, version: '1.2.3' }))
    return onnx.read(file)
  }
  /** Type, shape and bytes of every tensor. */
  const bytesOf = (tensors: Tensors) =>
    [...tensors]
      .map(([name, { shape, data }]) => ({
        ...{ name, type: data.constructor.name, shape: [...shape] },
        bytes: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  const expectSame = async (model: Model, opset: number): Promise<void> => {
    const back = await reread(model, opset)
    const [found, expected] = [canonical(back), canonical(model)]
    expect(found.graph).toEqual(expected.graph)
    expect(bytesOf(found.tensors)).toEqual(bytesOf(expected.tensors))
    expect(back.card).toEqual(model.card)
    expect(back.calibration).toEqual(model.calibration)
    expect(back.producer).toBe('adyton 1.2.3')
    expect(back.notes).toEqual([])
  }

  describe.each(bundledModels())('%s', (id) => {
    it.each(OPSETS)('opset %i', async (opset) => {
      await expectSame(await readModel(modelFolder(id)), opset)
    })
  })

  it.each(OPSETS)('every kind of node, opset %i', async (opset) => {
    await expectSame(modelOf(EVERY_KIND), opset)
  })

  it('a network on features', async () => {
    await expectSame(modelOf(DENSE), 17)
  })

  it('and compared with its file as an import is', async () => {
    const back = await reread(modelOf(EVERY_KIND), 17)
    const reference = await back.reference?.()
    if (reference === undefined) throw new Error('no reference')
    const images = randomImages(inputOf(back.graph), 5)
    const found = await compareWithReference(back, reference, images)
    await reference.close()
    expect(found).toMatchObject({ against: expect.stringMatching(/^onnxruntime-node \d/) as string, images: 5 })
    const { logits } = runFloat(EVERY_KIND, tensorsFor(EVERY_KIND, 1), images[0])
    for (const logit of logits) expect(found.largestLogit).toBeGreaterThan(0.999 * Math.abs(logit))
    expect(found.largestDifference).toBeLessThan(1e-5 * Math.max(1, found.largestLogit))
  })

  it('random networks, without what the output does not need', async () => {
    const choices = fc.array(fc.nat(1000), { minLength: 20, maxLength: 120 })
    await fc.assert(
      fc.asyncProperty(
        choices,
        fc.integer({ min: 1, max: 12 }),
        fc.nat(),
        fc.constantFrom(...OPSETS),
        async (list, size, seed, opset) => {
          const graph = randomGraph(list, size)
          await expectSame(modelOf(graph, tensorsFor(graph, seed)), opset)
        },
      ),
      { numRuns: 100 },
    )
  })
})

/**
 * What ONNX does not tell apart, told one way: the input is called 'image', an average over the whole
 * map is a global one, a mask is by channel where a channel has one element; and only what the output needs.
 */
function canonical({ graph, tensors }: { readonly graph: Graph; readonly tensors: Tensors }) {
  const shapes = inferShapes(graph)
  const kept = new Map<string, Tensor>()
  const needed = new Set([graph.nodes[graph.nodes.length - 1].id, graph.nodes[0].id])
  for (const node of graph.nodes.toReversed()) if (needed.has(node.id)) node.inputs.forEach((id) => needed.add(id))
  const rename = (id: string): string => (id === graph.nodes[0].id ? 'image' : id)
  const nodes = graph.nodes
    .filter(({ id }) => needed.has(id))
    .map((given): GraphNode => {
      const node = { ...given, id: rename(given.id), inputs: given.inputs.map(rename) }
      const [channels, height = 1, width = 1] = shapes.get(given.inputs[0] ?? given.id) as Shape
      for (const [name, tensor] of tensors) {
        if (name.slice(0, name.lastIndexOf('.')) === node.id) kept.set(name, tensor)
      }
      if (node.op === 'averagePool' && node.padding === 0 && node.kernel[0] === height && node.kernel[1] === width) {
        return { id: node.id, op: 'globalAveragePool', inputs: node.inputs }
      }
      const mask = kept.get(`${node.id}.mask`)
      if (node.op !== 'relu' || mask === undefined || height * width !== 1) return node
      kept.set(`${node.id}.mask`, { shape: [channels], data: mask.data })
      return { ...node, mask: 'channel' }
    })
  return { graph: { ...graph, nodes }, tensors: kept }
}
