import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generatedDataset } from '../../core/datasets/generated.ts'
import type { Graph } from '../../core/network/graph.ts'
import type { Engine } from '../../core/training/engine/index.ts'
import { TrainableModel } from '../../core/training/model/model.ts'
import { batchTensors } from '../../core/training/trainer/batch-tensors.ts'
import { partBatches, type TrainingBatch } from '../../core/training/trainer/batches.ts'
import { evaluate } from '../../core/training/trainer/evaluate.ts'
import type { Progress } from '../../core/training/trainer/report.ts'
import { train } from '../../core/training/trainer/trainer.ts'
import { engineOf, memoryBatches } from '../fixtures/training.ts'

const GRAPH: Graph = {
  name: 'linear',
  nodes: [
    { id: 'in', op: 'input', inputs: [], shape: [2] },
    { id: 'fc', op: 'dense', inputs: ['in'], outFeatures: 3, bias: false },
  ],
}

let engine: Engine
let model: TrainableModel
beforeAll(async () => {
  engine = await engineOf('cpu')
  // Logits x0, x1, x0 + x1.
  const weight = { shape: [3, 2], data: Float32Array.of(1, 0, 0, 1, 1, 1) }
  model = TrainableModel.create(engine, GRAPH, new Map([['fc.weight', weight]]))
})
afterAll(() => engine.dispose())

const batch = (images: number[], labels: number[], mix?: TrainingBatch['mix']): TrainingBatch => ({
  count: labels.length,
  images: Float32Array.from(images),
  labels: Int32Array.from(labels),
  ...(mix === undefined ? {} : { mix }),
})

describe('a batch as tensors', () => {
  const tensors = (given: TrainingBatch) =>
    engine.tf.tidy(() => {
      const { labels, targets } = batchTensors(model, given)
      return { labels: [...labels.dataSync()], targets: [...targets.dataSync()] }
    })

  test('has targets of one class', () => {
    expect(tensors(batch([1, 2, 3, 4], [2, 0]))).toEqual({ labels: [2, 0], targets: [0, 0, 1, 1, 0, 0] })
  })

  test('has targets of two classes where images are mixed, and the label of the larger share', () => {
    const mix = { labels: Int32Array.of(1, 0), share: 0.25 }
    expect(tensors(batch([1, 2, 3, 4], [2, 0], mix))).toEqual({ labels: [1, 0], targets: [0, 0.75, 0.25, 1, 0, 0] })
    expect(tensors(batch([1, 2], [2], { labels: Int32Array.of(1), share: 0.75 }))).toEqual({
      labels: [2],
      targets: [0, 0.25, 0.75],
    })
  })

  test('must fit the model', () => {
    expect(() => tensors(batch([1, 2, 3], [2, 0]))).toThrow(RangeError)
    expect(() => tensors(batch([1, 2], [3]))).toThrow(RangeError)
    expect(() => tensors(batch([1, 2], [0], { labels: Int32Array.of(3), share: 0.5 }))).toThrow(RangeError)
  })
})

describe('evaluation', () => {
  test('counts and averages over images, not batches', async () => {
    // Logits [1, 0, 1]: a tie, which counts for class 0; [0, 2, 2]; [-1, -1, -2]; [-5, 1, -4].
    const source = memoryBatches([batch([1, 0, 0, 2, -1, -1], [0, 2, 0]), batch([-5, 1], [1])])
    const seen: number[] = []
    const { top1, correct, images, loss } = await evaluate(model, source, { onProgress: (n) => seen.push(n) })
    expect({ top1, correct, images, seen }).toEqual({ top1: 0.75, correct: 3, images: 4, seen: [3, 4] })
    const nll = (logits: number[], label: number) =>
      Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0)) - logits[label]
    const want = nll([1, 0, 1], 0) + nll([0, 2, 2], 2) + nll([-1, -1, -2], 0) + nll([-5, 1, -4], 1)
    expect(loss).toBeCloseTo(want / 4, 5)
  })

  test('stops when asked', async () => {
    const source = memoryBatches([batch([1, 0], [0])])
    await expect(evaluate(model, source, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' })
  })
})

describe('the report of an epoch', () => {
  test('averages over images, begins anew in each epoch, and counts penalties apart', async () => {
    // A rate so low that nothing moves: training sees what the evaluation sees.
    const source = memoryBatches([batch([1, 0, 0, 2, -1, -1], [0, 2, 0]), batch([-5, 1], [1])])
    const still = await evaluate(model, source)
    const { tf } = engine
    const { reports } = await train({
      model,
      batches: source,
      epochs: 2,
      optimiser: { kind: 'sgd', momentum: 0 },
      schedule: { kind: 'constant', rate: 1e-30 },
      hooks: [
        { name: 'one', penalty: ({ epoch, step }) => tf.scalar(epoch + step) },
        { name: 'two', penalty: () => tf.scalar(0.5) },
      ],
    })
    expect(reports.length).toBe(2)
    for (const report of reports) {
      expect(report.loss).toBeCloseTo(still.loss, 5)
      expect(report.accuracy).toBe(0.75)
      expect(report.penalty).toBeCloseTo(0.5 + 1 / 4 + report.epoch, 6)
      expect(report.rate).toBe(1e-30)
    }
  })

  test('is preceded by progress within the epoch', async () => {
    const slow = memoryBatches(Array.from({ length: 3 }, () => batch([1, 0], [0])))
    const seen: Progress[] = []
    const wait = {
      name: 'wait',
      afterStep: () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600),
    }
    await train({
      model,
      batches: slow,
      epochs: 1,
      optimiser: { kind: 'sgd' },
      schedule: { kind: 'constant', rate: 1e-30 },
      hooks: [wait],
      onProgress: (progress) => seen.push(progress),
    })
    expect(seen.map(({ epoch, step, stepsPerEpoch }) => [epoch, step, stepsPerEpoch])).toEqual([
      [0, 1, 3],
      [0, 2, 3],
      [0, 3, 3],
    ])
    expect(seen[0].secondsLeft).toBeGreaterThan(0)
    expect(seen[0].imagesPerSecond).toBeLessThan(2)
  })
})

describe('batches of a part', () => {
  test('begin where they are asked to, and tell what they are', async () => {
    const { parts } = await generatedDataset({ train: 25, test: 10, side: 8, channels: 1 })
    const options = { size: 10, shuffle: true, seed: 3, depth: 0 } as const
    const source = partBatches(parts.train, options)
    expect([source.images, source.stepsPerEpoch]).toEqual([25, 3])
    expect(partBatches(parts.train, { ...options, dropLast: true }).images).toBe(20)
    const read = async (epoch: number, step: number, count: number) => {
      const open = source.open({ epoch, step })
      const out: number[][] = []
      for (let i = 0; i < count; i++) out.push([...((await open.next()).value?.images ?? [])])
      await open.close()
      return out
    }
    const all = await read(0, 0, 7)
    expect(all.map(({ length }) => length / 64)).toEqual([10, 10, 5, 10, 10, 5, 10])
    expect(await read(1, 1, 2)).toEqual(all.slice(4, 6))
    const identity = (more: object) => JSON.stringify(partBatches(parts.train, { ...options, ...more }).identity)
    for (const more of [{ seed: 4 }, { flip: true }, { size: 5 }, { subset: Uint32Array.of(1, 2, 3) }]) {
      expect(identity(more)).not.toBe(identity({}))
    }
    expect(identity({ depth: 3 })).toBe(identity({}))
  })
})
