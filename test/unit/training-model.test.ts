import type { Scalar, Tensor1D, Variable } from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { architecture } from '../../core/architectures/index.ts'
import { Draws } from '../../core/datasets/random.ts'
import { floatRunner } from '../../core/network/float.ts'
import type { Graph } from '../../core/network/graph.ts'
import { normals, randomMasks, randomTensors } from '../../core/network/tensors.ts'
import type { Engine } from '../../core/training/engine/index.ts'
import { imagesToTf, permute } from '../../core/training/model/layout.ts'
import { TrainableModel, type ModelOptions } from '../../core/training/model/model.ts'
import { bits, differences, distance, engineOf } from '../fixtures/training.ts'
import { prg } from './network-helpers.ts'

let engine: Engine
beforeAll(async () => {
  engine = await engineOf('wasm')
})
afterAll(() => engine.dispose())

/** 2x4x4 image, convolution, batch norm, ReLU, flatten, classifier. */
const SMALL: Graph = {
  name: 'small',
  nodes: [
    { id: 'in', op: 'input', inputs: [], shape: [2, 4, 4] },
    {
      id: 'conv',
      op: 'conv2d',
      inputs: ['in'],
      outChannels: 3,
      kernel: [3, 3],
      stride: 1,
      padding: 1,
      groups: 1,
      bias: true,
    },
    { id: 'bn', op: 'batchNorm', inputs: ['conv'], epsilon: 1e-5 },
    { id: 'relu', op: 'relu', inputs: ['bn'], mask: 'none' },
    { id: 'flat', op: 'flatten', inputs: ['relu'] },
    { id: 'fc', op: 'dense', inputs: ['flat'], outFeatures: 3, bias: true },
    { id: 'relu2', op: 'relu', inputs: ['fc'], mask: 'none' },
    { id: 'out', op: 'dense', inputs: ['relu2'], outFeatures: 3, bias: false },
  ],
}
const masked = (graph: Graph, mask: 'element' | 'channel'): Graph => ({
  ...graph,
  nodes: graph.nodes.map((node) => (node.op === 'relu' ? { ...node, mask } : node)),
})
const N = 3
const IMAGES = normals(prg(4), N * 32)

const small = (options: ModelOptions = {}, seed = 5): TrainableModel =>
  TrainableModel.create(engine, SMALL, randomTensors(SMALL, prg(seed)), options)

const input = () => engine.tf.tensor4d(imagesToTf(IMAGES, N, [2, 4, 4]), [N, 4, 4, 2])

describe('layouts', () => {
  test('permute is a transpose', () => {
    const data = Float32Array.from({ length: 24 }, (_, i) => i)
    const { tf } = engine
    const want = tf.tidy(() => tf.transpose(tf.tensor(data, [2, 3, 4]), [2, 0, 1]).dataSync())
    expect([...permute(data, [2, 3, 4], [2, 0, 1])]).toEqual([...want])
  })
})

describe('resnet20', () => {
  test('gives the logits of the clear float run, on WASM', async () => {
    const { tf } = engine
    const graph = architecture('resnet20', { classes: 10 })
    const thinned = randomMasks(graph, 0.5, prg(2))
    const tensors = new Map([...randomTensors(graph, prg(1)), ...thinned.masks])
    const model = TrainableModel.create(engine, thinned.graph, tensors)
    expect(await model.countRelus()).toMatchObject({ kept: 94208, total: 188416 })
    const images = normals(prg(3), 2 * 3072)
    const logits = tf.tidy(() =>
      model.forward(tf.tensor4d(imagesToTf(images, 2, [3, 32, 32]), [2, 32, 32, 3])).logits.dataSync(),
    )
    const run = floatRunner(thinned.graph, tensors)
    for (const image of [0, 1]) {
      const want = run(images.slice(image * 3072, (image + 1) * 3072)).logits
      const scale = want.reduce((a, b) => Math.max(a, Math.abs(b)), 1)
      expect(distance(logits.slice(image * 10, (image + 1) * 10), want)).toBeLessThan(1e-4 * scale)
    }
    model.dispose()
  })
})

describe('batch norm in training', () => {
  test('normalises by the batch and moves the running statistics', async () => {
    const { tf } = engine
    const model = small({ statisticsMomentum: 0.3 })
    const before = await model.state()
    const [conv, bn] = tf.tidy(() => {
      const { values } = model.forward(input(), { training: true, values: ['conv', 'bn'] })
      return ['conv', 'bn'].map((id) => values.get(id)?.dataSync() as Float32Array)
    })
    const after = await model.state()
    const get = (state: typeof before, name: string) => state.get(`bn.${name}`)?.data as Float32Array
    for (let c = 0; c < 3; c++) {
      const x = [...conv].filter((_, i) => i % 3 === c)
      const mean = x.reduce((a, b) => a + b, 0) / x.length
      const variance = x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length
      const [gamma, beta] = [get(before, 'gamma')[c], get(before, 'beta')[c]]
      const want = x.map((value) => (gamma * (value - mean)) / Math.sqrt(variance + 1e-5) + beta)
      expect(
        distance(
          [...bn].filter((_, i) => i % 3 === c),
          want,
        ),
      ).toBeLessThan(1e-4)
      expect(get(after, 'mean')[c]).toBeCloseTo(0.7 * get(before, 'mean')[c] + 0.3 * mean, 5)
      const unbiased = (variance * x.length) / (x.length - 1)
      expect(get(after, 'variance')[c]).toBeCloseTo(0.7 * get(before, 'variance')[c] + 0.3 * unbiased, 5)
    }
    model.dispose()
  })

  test('leaves the statistics alone in evaluation', async () => {
    const model = small()
    const before = bits(await model.state())
    engine.tf.tidy(() => void model.forward(input()))
    expect(bits(await model.state())).toEqual(before)
    model.dispose()
  })
})

describe('gradients', () => {
  const weights = Float32Array.from({ length: N * 3 }, () => new Draws(1, 'weights').normal())

  /** Finite differences of a random linear function of the logits, for every trainable parameter. */
  async function check(model: TrainableModel): Promise<Set<string>> {
    const { tf } = engine
    const objective = () =>
      tf.sum(tf.mul(model.forward(input(), { training: true }).logits, tf.tensor2d(weights, [N, 3])))
    const trainable = model.trainable()
    const gradients = new Map<string, Float32Array>()
    tf.tidy(() => {
      const { grads } = tf.variableGrads(
        () => objective() as Scalar,
        trainable.map(({ variable }) => variable),
      )
      for (const { name, variable } of trainable) {
        gradients.set(name, (grads[variable.name]?.dataSync() as Float32Array | undefined) ?? new Float32Array())
      }
    })
    for (const { name, variable } of trainable) {
      const start = Float32Array.from(await variable.data())
      const assign = (x: Float32Array) => tf.tidy(() => variable.assign(tf.tensor(x, variable.shape)))
      const f = (x: Float32Array): number => {
        assign(x)
        return tf.tidy(() => objective().dataSync()[0])
      }
      const want = differences(f, start, 2 ** -8)
      assign(start)
      const got = gradients.get(name) as Float32Array
      expect(got.length, name).toBe(want.length)
      const scale = want.reduce((a, b) => Math.max(a, Math.abs(b)), 1)
      // A ReLU may change sides within a difference: most elements agree closely, none is far off.
      const off = want.map((value, i) => Math.abs(value - got[i]) / scale)
      expect(off.filter((x) => x > 0.01).length / off.length, name).toBeLessThan(0.1)
    }
    return new Set(gradients.keys())
  }

  test.each([{}, { slopes: 'element' }, { slopes: 'channel' }, { slopes: 'element', removed: 'zero' }] as const)(
    'agree with finite differences: %j',
    async (options: ModelOptions) => {
      const model = small(options)
      // Slopes between 0 and 1, as they are while SNL runs.
      for (const [id, { variable }] of model.slopes()) {
        const draws = new Draws(2, id)
        model.setSlopes(
          id,
          Float32Array.from({ length: variable.size }, () => draws.unit()),
        )
      }
      const names = await check(model)
      expect(names.has('relu.slope')).toBe('slopes' in options)
      expect(names.has('bn.mean')).toBe(false)
      model.dispose()
    },
  )
})

describe('slopes', () => {
  test('are set and read in the order of core/network', async () => {
    const model = small({ slopes: 'element' })
    expect([...model.slopes().keys()]).toEqual(['relu', 'relu2'])
    const values = Float32Array.from({ length: 48 }, (_, i) => (i % 5 === 0 ? 0 : 1))
    model.setSlopes('relu', values)
    expect((await model.readSlopes()).get('relu')).toEqual(values)
    const { graph, tensors } = await model.exportModel()
    expect(tensors.get('relu.mask')).toEqual({ shape: [3, 4, 4], data: Uint8Array.from(values) })
    expect(graph.nodes.flatMap((node) => (node.op === 'relu' ? [node.mask] : []))).toEqual(['element', 'element'])
    expect(() => model.setSlopes('relu', values.subarray(1))).toThrow(RangeError)
    expect(() => model.setSlopes('conv', values)).toThrow(RangeError)
    model.dispose()
  })

  test('are counted above a threshold, channels by their size', async () => {
    const model = small({ slopes: 'channel' })
    model.setSlopes('relu', [0.005, 0.5, -0.3])
    expect(await model.countRelus(0.01)).toEqual({
      kept: 16 + 3,
      total: 51,
      nodes: [
        { id: 'relu', kept: 16, total: 48 },
        { id: 'relu2', kept: 3, total: 3 },
      ],
    })
    expect((await model.countRelus()).kept).toBe(32 + 3)
    await expect(model.exportModel()).rejects.toThrow(/binary/)
    const { graph, tensors } = await model.exportModel({ threshold: 0.01 })
    expect(tensors.get('relu.mask')).toEqual({ shape: [3], data: Uint8Array.of(0, 1, 0) })
    expect(graph.nodes.find(({ id }) => id === 'relu')).toMatchObject({ mask: 'channel' })
    model.dispose()
  })

  test('count every ReLU of a model without masks', async () => {
    const model = small()
    expect(model.slopes().size).toBe(0)
    expect(await model.countRelus()).toMatchObject({ kept: 51, total: 51 })
    model.dispose()
  })

  test('of what a mask has removed get no gradient, others do', () => {
    const { tf } = engine
    const graph = masked(SMALL, 'element')
    const tensors = randomTensors(graph, prg(8))
    const mask = Uint8Array.from({ length: 48 }, (_, i) => i % 2)
    tensors.set('relu.mask', { shape: [3, 4, 4], data: mask })
    const model = TrainableModel.create(engine, graph, tensors, { slopes: 'element' })
    const { variable } = model.slopes().get('relu') as { variable: Variable }
    const gradient = tf.tidy(() => {
      const { grads } = tf.variableGrads(
        () => tf.sum<Scalar>(model.forward(input(), { values: ['relu'] }).values.get('relu') as Tensor1D),
        [variable],
      )
      return grads[variable.name].dataSync()
    })
    const inOrder = permute(gradient, [4, 4, 3], [2, 0, 1])
    inOrder.forEach((g, i) => mask[i] === 0 && expect(Math.abs(g)).toBe(0))
    expect(inOrder.filter((g) => g !== 0).length).toBeGreaterThan(12)
    model.dispose()
  })

  test('by channel refuse a mask by element; masks of channels become slopes of elements', async () => {
    const fine = masked(SMALL, 'element')
    expect(() => TrainableModel.create(engine, fine, randomTensors(fine, prg(1)), { slopes: 'channel' })).toThrow(
      expect.objectContaining({ code: 'model-invalid' }),
    )
    const coarse = masked(SMALL, 'channel')
    const tensors = randomTensors(coarse, prg(1))
    tensors.set('relu.mask', { shape: [3], data: Uint8Array.of(1, 0, 1) })
    const model = TrainableModel.create(engine, coarse, tensors, { slopes: 'element' })
    const slopes = (await model.readSlopes()).get('relu')
    expect(slopes).toEqual(Float32Array.from({ length: 48 }, (_, i) => (i >= 16 && i < 32 ? 0 : 1)))
    model.dispose()
  })

  test('that zero out are not exported as masks', async () => {
    const model = small({ slopes: 'channel', removed: 'zero' })
    await expect(model.exportModel()).resolves.toBeDefined()
    model.setSlopes('relu', [0, 1, 1])
    await expect(model.exportModel()).rejects.toThrow(/removed to 0/)
    model.dispose()
  })
})

describe('parameters', () => {
  test('are frozen and freed, but for statistics', () => {
    const model = small({ slopes: 'element' })
    const names = () => model.trainable().map(({ name }) => name)
    expect(names()).toContain('relu.slope')
    model.setTrainable(({ kind }) => kind === 'slope', false)
    expect(names()).toEqual(['conv.weight', 'conv.bias', 'bn.gamma', 'bn.beta', 'fc.weight', 'fc.bias', 'out.weight'])
    model.setTrainable(() => true, true)
    expect(names()).toContain('relu2.slope')
    expect(names()).not.toContain('bn.mean')
    model.dispose()
    const plain = TrainableModel.create(engine, masked(SMALL, 'element'), { init: 1 })
    expect(plain.trainable().some(({ kind }) => kind === 'slope')).toBe(false)
    plain.dispose()
  })

  test('are fresh by seed, He-normal, each by its name', async () => {
    const graph = architecture('resnet20', { classes: 10 })
    const make = async (init: number) => {
      const model = TrainableModel.create(engine, graph, { init })
      const state = await model.state()
      model.dispose()
      return state
    }
    const [one, again, other] = [await make(1), await make(1), await make(2)]
    expect(bits(one)).toEqual(bits(again))
    expect(bits(one).get('fc.weight')).not.toBe(bits(other).get('fc.weight'))
    const spread = (name: string) => {
      const data = one.get(name)?.data as Float32Array
      return Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length)
    }
    // 64 * 9 inputs; 36,864 numbers give the deviation to within 1%.
    expect(spread('stage3.1.a.conv.weight') / Math.sqrt(2 / 576)).toBeCloseTo(1, 1)
    expect(spread('fc.weight') / Math.sqrt(1 / 64)).toBeCloseTo(1, 1)
    expect(new Set(one.get('stem.bn.gamma')?.data)).toEqual(new Set([1]))
    expect(new Set(one.get('stem.bn.mean')?.data)).toEqual(new Set([0]))
  })

  test('are restored to the bit; another network is refused', async () => {
    const one = small({ slopes: 'element' }, 5)
    const two = small({ slopes: 'element' }, 6)
    const state = await one.state()
    two.restore(state)
    expect(bits(await two.state())).toEqual(bits(state))
    state.delete('relu.slope')
    expect(() => two.restore(state)).toThrow(expect.objectContaining({ code: 'checkpoint-mismatch' }))
    one.dispose()
    two.dispose()
  })
})
