import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generatedDataset } from '../../core/datasets/generated.ts'
import { runFloat } from '../../core/network/float.ts'
import type { Graph } from '../../core/network/graph.ts'
import type { Engine } from '../../core/training/engine/index.ts'
import { TrainableModel } from '../../core/training/model/model.ts'
import { partBatches } from '../../core/training/trainer/batches.ts'
import { evaluate } from '../../core/training/trainer/evaluate.ts'
import type { TrainingHook } from '../../core/training/trainer/hook.ts'
import type { EpochReport } from '../../core/training/trainer/report.ts'
import { train } from '../../core/training/trainer/trainer.ts'
import { engineOf } from '../fixtures/training.ts'
import { batches, GRAPH, options, Pull, stateOf, tiny } from '../fixtures/training-runs.ts'

let engine: Engine
beforeAll(async () => {
  engine = await engineOf('wasm')
})
afterAll(() => engine.dispose())

const fresh = (seed?: number): TrainableModel => tiny(engine, seed)

describe('a run', () => {
  test('learns pictures that a linear model does not, and tells how it goes', async () => {
    const { parts, normalisation } = await generatedDataset({ train: 600, test: 100, side: 12, channels: 1, noise: 10 })
    const graph: Graph = {
      ...GRAPH,
      nodes: [
        { id: 'in', op: 'input', inputs: [], shape: [1, 12, 12] },
        {
          id: 'c',
          op: 'conv2d',
          inputs: ['in'],
          outChannels: 16,
          kernel: [5, 5],
          stride: 1,
          padding: 2,
          groups: 1,
          bias: false,
        },
        ...GRAPH.nodes.slice(2, 6),
        { id: 'fc', op: 'dense', inputs: ['flat'], outFeatures: 10, bias: true },
      ],
    }
    const model = TrainableModel.create(engine, graph, { init: 3 })
    const evaluation = partBatches(parts.test, { size: 40, normalisation, depth: 0 })
    const before = await evaluate(model, evaluation)
    const epochs: EpochReport[] = []
    const { reports, stopped } = await train({
      model,
      batches: partBatches(parts.train, { size: 50, normalisation, shuffle: true, seed: 4, depth: 0 }),
      epochs: 6,
      loss: { kind: 'cross-entropy', smoothing: 0.05 },
      optimiser: { kind: 'adam' },
      schedule: { kind: 'cosine', rate: 0.01, warmup: 0.5 },
      evaluation,
      evaluateEvery: 3,
      onEpoch: (report) => epochs.push(report),
    })
    expect(stopped).toBe(false)
    expect(reports).toEqual(epochs)
    expect(reports.map(({ epoch, evaluation: e }) => [epoch, e?.images])).toEqual([
      [0, undefined],
      [1, undefined],
      [2, 100],
      [3, undefined],
      [4, undefined],
      [5, 100],
    ])
    expect(reports[5].loss).toBeLessThan(0.8 * reports[0].loss)
    const after = reports[5].evaluation
    expect(after?.top1).toBeGreaterThan(before.top1 + 0.25)
    expect(after?.top1).toBe((after?.correct ?? 0) / 100)
    expect(reports[5].relus).toBeUndefined()
    expect(reports.every(({ imagesPerSecond }) => imagesPerSecond > 0)).toBe(true)
    expect(reports[5].secondsLeft).toBe(0)
    model.dispose()
  })

  test('evaluates as the exported network does', async () => {
    const model = fresh()
    await train(options(model, { hooks: [], epochs: 2 }))
    const source = batches(9, 3)
    // By hand, over the same batches.
    const { graph, tensors } = await model.exportModel({ threshold: 0 })
    for (const [id, slopes] of await model.readSlopes())
      model.setSlopes(
        id,
        slopes.map((c) => (c > 0 ? 1 : 0)),
      )
    const { correct, images, top1 } = await evaluate(model, source)
    const open = source.open({ epoch: 0, step: 0 })
    let right = 0
    for (let step = 0; step < 3; step++) {
      const { value: batch } = await open.next()
      batch?.labels.forEach((label, i) => {
        const { logits } = runFloat(graph, tensors, batch.images.slice(i * 64, (i + 1) * 64))
        if (logits.indexOf(Math.max(...logits)) === label) right++
      })
    }
    expect(images).toBe(36)
    expect(correct).toBe(right)
    expect(top1).toBe(right / 36)
    model.dispose()
  })

  test('gives the same bits again, and others by another seed', async () => {
    const results = []
    for (const seed of [1, 1, 2]) {
      const model = fresh(seed)
      await train(options(model))
      results.push(await stateOf(model))
      model.dispose()
    }
    expect(results[1]).toEqual(results[0])
    expect(results[2]).not.toEqual(results[0])
  })

  test('keeps no tensors from step to step', async () => {
    const { tf } = engine
    const teacher = fresh(7)
    const model = fresh()
    const counts: number[] = []
    const before = tf.memory().numTensors
    const counting: TrainingHook = { name: 'count', afterStep: () => void counts.push(tf.memory().numTensors) }
    for (const loss of [
      { kind: 'distillation' },
      { kind: 'decoupled-distillation' },
      { kind: 'logit-regression' },
    ] as const) {
      counts.length = 0
      await train(
        options(model, {
          teacher,
          loss,
          epochs: 2,
          optimiser: { kind: 'adam', clip: 1 },
          hooks: [new Pull(), counting],
          evaluation: batches(3),
        }),
      )
      expect(counts.length).toBe(10)
      expect(new Set(counts.slice(1)).size).toBe(1)
      expect(tf.memory().numTensors).toBe(before)
    }
    model.dispose()
    teacher.dispose()
  })

  test('does not change its teacher', async () => {
    const teacher = fresh(7)
    const model = fresh()
    const before = await stateOf(teacher)
    await train(options(model, { teacher, loss: { kind: 'distillation', temperature: 2 } }))
    expect(await stateOf(teacher)).toEqual(before)
    await expect(train(options(model, { loss: { kind: 'distillation' } }))).rejects.toThrow(/teacher/)
    model.dispose()
    teacher.dispose()
  })

  test('says that it has diverged', async () => {
    const model = fresh()
    const run = train(options(model, { optimiser: { kind: 'sgd' }, schedule: { kind: 'constant', rate: 1e30 } }))
    await expect(run).rejects.toMatchObject({ code: 'training-diverged' })
    model.dispose()
  })
})

describe('hooks', () => {
  test('add to the loss, are reported, and stop the run', async () => {
    const model = fresh()
    const order: string[] = []
    const stopper: TrainingHook = {
      name: 'stopper',
      values: ['relu'],
      start: ({ epoch, step }) => void order.push(`start ${epoch} ${step}`),
      penalty: ({ engine: { tf } }, { values }) => {
        expect(values.get('relu')?.shape).toEqual([12, 4, 4, 6])
        return tf.scalar(0.25)
      },
      afterEpoch: ({ epoch }, { penalty, relus }) => {
        order.push(`epoch ${epoch}`)
        expect(penalty).toBeCloseTo(0.25, 5)
        expect(relus).toEqual({ kept: 96, total: 96 })
        return epoch === 1 ? 'stop' : undefined
      },
    }
    const { reports, stopped } = await train(options(model, { hooks: [stopper], epochs: 9 }))
    expect(order).toEqual(['start 0 0', 'epoch 0', 'epoch 1'])
    expect(reports.length).toBe(2)
    expect(stopped).toBe(true)
    model.dispose()
  })

  test('pull slopes to the count that reports give', async () => {
    const model = fresh()
    const { reports } = await train(options(model, { hooks: [new Pull()], reluThreshold: 0.9999 }))
    const { kept } = await model.countRelus(0.9999)
    expect(reports.at(-1)?.relus).toEqual({ kept, total: 96 })
    expect(kept).toBeLessThan(96)
    model.dispose()
  })

  test('that freeze parameters keep them as they are', async () => {
    const model = fresh()
    const before = await stateOf(model)
    const freeze: TrainingHook = {
      name: 'freeze',
      start: ({ model: m }) => m.setTrainable(({ kind }) => kind !== 'weight', false),
    }
    await train(options(model, { hooks: [freeze] }))
    const after = await stateOf(model)
    const changed = [...after].filter(([name, value]) => before.get(name) !== value).map(([name]) => name)
    // Running statistics move with every forward pass.
    expect(changed.sort()).toEqual(['bn.mean', 'bn.variance', 'c.weight', 'fc.weight'])
    model.dispose()
  })
})
