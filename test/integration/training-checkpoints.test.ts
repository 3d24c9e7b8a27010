import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { generatedDataset } from '../../core/datasets/generated.ts'
import { readSafetensors, writeSafetensors } from '../../core/formats/safetensors.ts'
import type { Graph } from '../../core/network/graph.ts'
import type { Engine } from '../../core/training/engine/index.ts'
import { TrainableModel } from '../../core/training/model/model.ts'
import { partBatches, type BatchSource } from '../../core/training/trainer/batches.ts'
import { readCheckpoint, type CheckpointFormat } from '../../core/training/trainer/checkpoint.ts'
import type { TrainingHook } from '../../core/training/trainer/hook.ts'
import { train, type TrainOptions } from '../../core/training/trainer/trainer.ts'
import { engineOf } from '../fixtures/training.ts'
import { batches, GRAPH, lasting, OPTIMISER, options, Pull, stateOf, tiny } from '../fixtures/training-runs.ts'

let engine: Engine
let folder: string
beforeAll(async () => {
  engine = await engineOf('wasm')
  folder = await mkdtemp(join(tmpdir(), 'adyton-training-'))
})
afterAll(async () => {
  engine.dispose()
  await rm(folder, { recursive: true, force: true })
})

const format: CheckpointFormat = { read: readSafetensors, write: writeSafetensors }
const fresh = (seed?: number): TrainableModel => tiny(engine, seed)

describe('checkpoints', () => {
  /** Aborts in the given step (of all epochs), resumes with another model, as a new process would. */
  async function interrupted(name: string, atStep: number, optimiser: TrainOptions['optimiser']) {
    const checkpoint = { file: join(folder, name), format, resume: true, every: 2 }
    const stop = new AbortController()
    let steps = 0
    const aborting = new Pull()
    const hook: TrainingHook = Object.assign(aborting, {
      afterStep: () => {
        if (++steps === atStep) stop.abort()
      },
    })
    const first = fresh()
    const run = train(options(first, { hooks: [hook], checkpoint, optimiser, signal: stop.signal }))
    await expect(run).rejects.toMatchObject({ code: 'cancelled' })
    first.dispose()
    const second = fresh(99)
    const { reports } = await train(options(second, { checkpoint, optimiser }))
    const state = await stateOf(second)
    second.dispose()
    return { state, reports }
  }

  test.each([
    ['sgd', 1],
    ['sgd', 7],
    ['sgd', 10],
    ['adam', 13],
  ] as const)('%s, stopped after step %i and resumed, ends with the bits of a run that was not', async (kind, step) => {
    const optimiser = kind === 'sgd' ? OPTIMISER : ({ kind, decay: 0.01, decayKind: 'decoupled' } as const)
    const whole = fresh()
    const { reports } = await train(options(whole, { optimiser }))
    const want = await stateOf(whole)
    whole.dispose()
    const got = await interrupted(`${kind}-${step}.safetensors`, step, optimiser)
    expect(got.state).toEqual(want)
    expect(lasting(got.reports)).toEqual(lasting(reports))
  })

  test('hold shuffled, augmented, mixed batches to the same course', async () => {
    const { parts } = await generatedDataset({ train: 40, test: 10, side: 8, channels: 1 })
    const source = partBatches(parts.train, {
      size: 12,
      shuffle: true,
      flip: true,
      crop: 1,
      seed: 5,
      mix: { kind: 'mixup', alpha: 0.5 },
      depth: 2,
    })
    const graph = { ...GRAPH, nodes: [...GRAPH.nodes.slice(0, 6), { ...GRAPH.nodes[6], outFeatures: 10 }] } as Graph
    const make = (init: number) => TrainableModel.create(engine, graph, { init })
    const whole = make(1)
    await train(options(whole, { batches: source, hooks: [] }))
    const want = await stateOf(whole)
    const checkpoint = { file: join(folder, 'mixed.safetensors'), format, resume: true }
    const stop = new AbortController()
    let steps = 0
    const abort: TrainingHook = { name: 'abort', afterStep: () => void (++steps === 6 && stop.abort()) }
    const half = make(1)
    const run = train(options(half, { batches: source, hooks: [abort], checkpoint, signal: stop.signal }))
    await expect(run).rejects.toMatchObject({ code: 'cancelled' })
    const rest = make(2)
    await train(options(rest, { batches: source, hooks: [{ name: 'abort' }], checkpoint }))
    expect(await stateOf(rest)).toEqual(want)
    for (const model of [whole, half, rest]) model.dispose()
  })

  test('stopped during the evaluation go on with it', async () => {
    const checkpoint = { file: join(folder, 'evaluation.safetensors'), format, resume: true }
    const stop = new AbortController()
    const plain = batches(3)
    const stopping: BatchSource = {
      ...plain,
      open: (start) => {
        stop.abort()
        return plain.open(start)
      },
    }
    const one = fresh()
    const run = train(options(one, { checkpoint, evaluation: stopping, signal: stop.signal }))
    await expect(run).rejects.toMatchObject({ code: 'cancelled' })
    const two = fresh()
    const { reports } = await train(options(two, { checkpoint, evaluation: plain }))
    const three = fresh()
    const whole = await train(options(three, { evaluation: plain }))
    expect(lasting(reports)).toEqual(lasting(whole.reports))
    expect(await stateOf(two)).toEqual(await stateOf(three))
    for (const model of [one, two, three]) model.dispose()
  })

  test('of a finished run train no more', async () => {
    const checkpoint = { file: join(folder, 'finished.safetensors'), format, resume: true }
    const one = fresh()
    const first = await train(options(one, { checkpoint }))
    const two = fresh(8)
    const again = await train(
      options(two, { checkpoint, batches: { ...batches(1), open: () => expect.unreachable('no batch is needed') } }),
    )
    expect(again).toEqual(first)
    const notices: string[] = []
    const elsewhere = TrainableModel.create(
      { ...engine, description: 'an abacus' },
      GRAPH,
      { init: 1 },
      { slopes: 'element' },
    )
    await train(options(elsewhere, { checkpoint, onNotice: (notice) => notices.push(notice) }))
    expect(notices).toEqual([
      expect.stringMatching(/^resumed on an abacus, begun on TensorFlow\.js [^,]+, WebAssembly/),
    ])
    elsewhere.dispose()
    expect(await stateOf(two)).toEqual(await stateOf(one))
    // No temporary files are left.
    expect((await readdir(folder)).filter((file) => file.includes('.tmp'))).toEqual([])
    one.dispose()
    two.dispose()
  })

  test('of another run are refused, and damaged ones', async () => {
    const checkpoint = { file: join(folder, 'refused.safetensors'), format, resume: true }
    const model = fresh()
    await train(options(model, { checkpoint, epochs: 1 }))
    const refused = (more: Partial<TrainOptions>) =>
      expect(train(options(model, { checkpoint, epochs: 1, ...more }))).rejects
    await refused({ epochs: 2 }).toMatchObject({
      code: 'checkpoint-mismatch',
      message: expect.stringMatching(/epochs 1, now 2/) as string,
    })
    await refused({ optimiser: { kind: 'adam' } }).toMatchObject({ code: 'checkpoint-mismatch' })
    await refused({ hooks: [] }).toMatchObject({ code: 'checkpoint-mismatch' })
    const other = TrainableModel.create(engine, GRAPH, { init: 1 })
    await refused({ model: other }).toMatchObject({ code: 'checkpoint-mismatch' })
    const bytes = await readFile(checkpoint.file)
    const { tensors, metadata } = readSafetensors(bytes)
    for (const damage of [{ adytonCheckpoint: '2' }, { state: '{"epoch": 1}' }, { state: '{' }]) {
      await writeFile(checkpoint.file, writeSafetensors(tensors, { metadata: { ...metadata, ...damage } }))
      await refused({}).toMatchObject({ code: 'file-corrupt' })
    }
    await writeFile(checkpoint.file, bytes.subarray(0, bytes.length - 10))
    await refused({}).toMatchObject({ code: 'file-corrupt' })
    await writeFile(checkpoint.file, writeSafetensors(new Map()))
    await refused({}).toMatchObject({ code: 'file-corrupt' })
    other.dispose()
    model.dispose()
  })

  test('are written when a timer stops a run whose batches need no waiting', async () => {
    const checkpoint = { file: join(folder, 'timer.safetensors'), format }
    const model = fresh()
    const run = train(
      options(model, { checkpoint: { ...checkpoint, every: 1e6 }, epochs: 1e6, signal: AbortSignal.timeout(200) }),
    )
    await expect(run).rejects.toMatchObject({ code: 'cancelled' })
    expect(await readCheckpoint(checkpoint)).toMatchObject({ finished: false })
    model.dispose()
  })

  test('need the teacher to be the same', async () => {
    const checkpoint = { file: join(folder, 'teacher.safetensors'), format, resume: true }
    const model = fresh()
    const [one, two] = [fresh(1), fresh(2)]
    const run = (teacher: TrainableModel) =>
      train(options(model, { checkpoint, epochs: 1, teacher, loss: { kind: 'distillation' } }))
    await run(one)
    await expect(run(one)).resolves.toBeDefined()
    await expect(run(two)).rejects.toMatchObject({ code: 'checkpoint-mismatch' })
    for (const each of [model, one, two]) each.dispose()
  })

  test('leave variables where they were when a run is stopped without one', async () => {
    const model = fresh()
    const run = train(options(model, { signal: AbortSignal.abort() }))
    await expect(run).rejects.toMatchObject({ code: 'cancelled' })
    const untouched = fresh()
    expect(await stateOf(model)).toEqual(await stateOf(untouched))
    expect(model.parameters[0].variable.isDisposed).toBe(false)
    model.dispose()
    untouched.dispose()
  })
})
