import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runFloat } from '../../core/network/float.ts'
import type { Graph, Shape, Tensor } from '../../core/network/graph.ts'
import { normals, randomTensors } from '../../core/network/tensors.ts'
import type { Engine } from '../../core/training/engine/index.ts'
import { imagesToTf } from '../../core/training/model/layout.ts'
import { TrainableModel, type ModelOptions } from '../../core/training/model/model.ts'
import { bits, distance, engineOf, imageOf } from '../fixtures/training.ts'
import { prg, randomGraph } from '../unit/network-helpers.ts'

let engine: Engine
beforeAll(async () => {
  engine = await engineOf('cpu')
})
afterAll(() => engine.dispose())

const IMAGES = 2
const SIZE = 72

function tensorsOf(graph: Graph, seed: number): Map<string, Tensor> {
  const source = prg(seed)
  const tensors = randomTensors(graph, source)
  for (const [name, { shape, data }] of tensors) {
    if (name.endsWith('.mask')) tensors.set(name, { shape, data: source.bytes(data.length).map((b) => b & 1) })
  }
  return tensors
}

/** Values of every node by the model, checked against core/network/float.ts on the model's own export. */
async function check(graph: Graph, tensors: Map<string, Tensor>, options: ModelOptions, seed: number): Promise<void> {
  const { tf } = engine
  const before = tf.memory().numTensors
  const model = TrainableModel.create(engine, graph, tensors, options)
  const exported = await model.exportModel()
  const input = model.inputShape
  const images = normals(prg(seed + 1), IMAGES * SIZE)
  const values = new Map<string, Float32Array>()
  tf.tidy(() => {
    const x = tf.tensor4d(imagesToTf(images, IMAGES, input), [IMAGES, 6, 6, 2])
    const forward = model.forward(x, { values: 'all' })
    expect(forward.values.size).toBe(graph.nodes.length)
    for (const [id, value] of forward.values) values.set(id, value.dataSync() as Float32Array)
  })
  for (let image = 0; image < IMAGES; image++) {
    const one = images.slice(image * SIZE, (image + 1) * SIZE)
    const expected = runFloat(exported.graph, exported.tensors, one, { values: true }).values
    for (const [id, want] of expected ?? []) {
      const got = imageOf(values.get(id) as Float32Array, image, model.shapes.get(id) as Shape)
      expect(got.length).toBe(want.length)
      const scale = want.reduce((a, b) => Math.max(a, Math.abs(b)), 1)
      // A dozen roundings to float32 in a row with growth; see network-float.test.ts.
      expect(distance(got, want), id).toBeLessThan(1e-4 * scale)
    }
  }
  model.dispose()
  expect(tf.memory().numTensors).toBe(before)
}

const choices = fc.array(fc.nat(1000), { minLength: 20, maxLength: 120 })

describe('trainable model', () => {
  it('computes at every node what core/network computes', async () => {
    await fc.assert(
      fc.asyncProperty(choices, fc.integer({ min: 1, max: 12 }), fc.nat(), async (list, size, seed) => {
        const graph = randomGraph(list, size)
        await check(graph, tensorsOf(graph, seed), {}, seed)
      }),
      { numRuns: 40 },
    )
  })

  it('does so with slopes for every ReLU, which begin as the masks', async () => {
    await fc.assert(
      fc.asyncProperty(choices, fc.integer({ min: 1, max: 12 }), fc.nat(), async (list, size, seed) => {
        const graph = randomGraph(list, size)
        await check(graph, tensorsOf(graph, seed), { slopes: 'element' }, seed)
      }),
      { numRuns: 20 },
    )
  })

  it('does so for grouped convolutions, also with several channels a group', async () => {
    for (const [groups, outChannels] of [
      [2, 6],
      [4, 8],
      [4, 4],
    ]) {
      const graph: Graph = {
        name: 'groups',
        nodes: [
          { id: 'in', op: 'input', inputs: [], shape: [2, 6, 6] },
          {
            id: 'wide',
            op: 'conv2d',
            inputs: ['in'],
            outChannels: 4,
            kernel: [1, 1],
            stride: 1,
            padding: 0,
            groups: 1,
            bias: true,
          },
          {
            id: 'grouped',
            op: 'conv2d',
            inputs: ['wide'],
            outChannels,
            kernel: [3, 2],
            stride: 2,
            padding: 1,
            groups,
            bias: false,
          },
        ],
      }
      await check(graph, tensorsOf(graph, groups), {}, groups)
    }
  })

  it('exports the tensors it was made from, to the bit', async () => {
    await fc.assert(
      fc.asyncProperty(choices, fc.integer({ min: 1, max: 12 }), fc.nat(), async (list, size, seed) => {
        const graph = randomGraph(list, size)
        const tensors = tensorsOf(graph, seed)
        const model = TrainableModel.create(engine, graph, tensors)
        const exported = await model.exportModel()
        model.dispose()
        expect(exported.graph).toEqual(graph)
        expect(bits(exported.tensors)).toEqual(bits(tensors))
      }),
      { numRuns: 20 },
    )
  })
})
