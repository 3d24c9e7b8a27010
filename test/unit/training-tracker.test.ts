/** What a training job tells: curves, a fraction that never falls, what is left; and what it rebuilds after a stop. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TrainingTracker } from '../../core/api/curation/tracker.ts'
import { isTrainingDetail, MAX_POINTS, thinned } from '../../core/api/data/training.ts'
import type { PlannedPart, TrainingDetail, TrainingPoint } from '../../core/api/data/training.ts'
import type { OperationProgress } from '../../core/api/operation.ts'
import type { PhaseEpoch } from '../../core/linearize/phase.ts'
import { plannedPhases } from '../../core/linearize/recipe/phases.ts'
import { parseRecipe } from '../../core/linearize/recipe/schema.ts'
import { TOY } from '../fixtures/linearize-toy.ts'

const PLAN: PlannedPart[] = [
  { stage: 'sparsify', epochs: 4, step: 0 },
  { stage: 'finetune', epochs: 2, step: 0 },
]

let folder: string
let told: OperationProgress[]
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'adyton-tracker-'))
  told = []
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const tracker = (plan = PLAN): TrainingTracker =>
  new TrainingTracker({
    context: { onProgress: (progress) => told.push(progress), onNotice: () => undefined },
    ...{ plan, engine: 'an engine', images: 1000, relus: 900, budget: 300, folder },
  })
const last = (): TrainingDetail => {
  const { detail } = told.at(-1) as OperationProgress
  if (!isTrainingDetail(detail)) throw new Error('no training detail')
  return detail
}
const epoch = (phase: string, number: number, more: Partial<PhaseEpoch> = {}): PhaseEpoch => ({
  ...{ phase, epoch: number, epochs: 4, loss: 1 / (number + 1), penalty: 0, accuracy: 0.5 },
  ...{ rate: 0.1, imagesPerSecond: 100, secondsLeft: 30 - 10 * number, kept: 900 - 100 * number },
  ...more,
})
const progress = (phase: string, number: number, step: number, secondsLeft: number) => ({
  ...{ phase, epoch: number, epochs: 4, step, stepsPerEpoch: 10, imagesPerSecond: 100, secondsLeft },
})

describe('a run', () => {
  test('counts its share over all stages, also when one ends early, and never falls', () => {
    const { hooks } = tracker()
    hooks.onPhase('sparsify', [])
    expect(told.at(-1)?.fraction).toBe(0)
    hooks.onProgress(progress('sparsify', 0, 5, 35))
    expect(told.at(-1)?.fraction).toBeCloseTo((0.99 * 0.5) / 6)
    hooks.onEpoch(epoch('sparsify', 0))
    // The budget was reached after one of four epochs.
    hooks.onPhase('finetune', [], 300)
    expect(told.at(-1)?.fraction).toBeCloseTo((0.99 * 4) / 6)
    expect(last()).toMatchObject({ stage: 'finetune', part: 1, epoch: 1, epochs: 2, relus: 300, budget: 300 })
    hooks.onEpoch(epoch('finetune', 0, { epochs: 2 }))
    hooks.onEpoch(epoch('finetune', 1, { epochs: 2, secondsLeft: 0 }))
    const fractions = told.map(({ fraction }) => fraction as number)
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b))
    expect(fractions.at(-1)).toBeLessThan(1)
    expect(last().secondsLeft).toBe(0)
  })

  test('estimates later stages at the speed of this one', () => {
    const { hooks } = tracker()
    hooks.onPhase('sparsify', [])
    expect(last().secondsLeft).toBeNull()
    // Three and a half epochs are left and take 35 s: the two of fine-tuning take 20 more.
    hooks.onProgress(progress('sparsify', 0, 5, 35))
    expect(last().secondsLeft).toBeCloseTo(55)
    expect(last()).toMatchObject({ imagesPerSecond: 100, step: 5, steps: 10, epoch: 1 })
  })

  test('keeps a point for each epoch, with the time since the job began', () => {
    const { hooks } = tracker()
    hooks.onPhase('sparsify', [])
    for (const number of [0, 1]) hooks.onEpoch(epoch('sparsify', number))
    hooks.onEpoch(epoch('sparsify', 2, { evaluation: { top1: 0.75, correct: 3, images: 4, loss: 1 } }))
    const points = last().history
    // 1,000 images at 100 a second.
    expect(points.map(({ seconds }) => seconds)).toEqual([10, 20, 30])
    expect(points.map(({ relus }) => relus)).toEqual([900, 800, 700])
    expect(points.map(({ test: measured }) => measured)).toEqual([null, null, 0.75])
    expect(JSON.parse(JSON.stringify(last()))).toEqual(last())
  })
})

describe('going on after a stop', () => {
  const until = (count: number): void => {
    const { hooks } = tracker()
    hooks.onPhase('sparsify', [])
    for (let i = 0; i < count; i++) hooks.onEpoch(epoch('sparsify', i))
  }

  test('the history of before is there at once', () => {
    until(3)
    const before = last().history
    tracker().hooks.onPhase(
      'sparsify',
      [0, 1, 2].map((i) => epoch('sparsify', i)),
    )
    expect(last().history).toEqual(before)
    expect(last().epoch).toBe(4)
  })

  test('an epoch that the checkpoint does not know is forgotten, one that only it knows is added', () => {
    until(3)
    tracker().hooks.onPhase('sparsify', [epoch('sparsify', 0)])
    expect(last().history.map((point) => point.epoch)).toEqual([1])
    tracker().hooks.onPhase(
      'sparsify',
      [0, 1, 2, 3].map((i) => epoch('sparsify', i)),
    )
    expect(last().history.map((point) => point.epoch)).toEqual([1, 2, 3, 4])
  })

  test.each(['gone', 'damaged', 'of another shape'])('a history file that is %s is rebuilt', (how) => {
    until(2)
    const file = join(folder, 'history.json')
    expect(JSON.parse(readFileSync(file, 'utf8'))).toHaveLength(2)
    if (how === 'gone') rmSync(file)
    else writeFileSync(file, how === 'damaged' ? '[{' : '[{"epoch":1}]')
    tracker().hooks.onPhase(
      'sparsify',
      [0, 1].map((i) => epoch('sparsify', i)),
    )
    expect(last().history.map(({ epoch: number, relus }) => [number, relus])).toEqual([
      [1, 900],
      [2, 800],
    ])
  })

  test('steps of a recipe that an earlier run finished are in the history', () => {
    const again = tracker()
    const row = { loss: 1, trainAccuracy: 0.5, relus: 500 }
    const epochs = [
      ...[0, 1].map((number) => ({ phase: 'sparsify', epoch: number, ...row })),
      { phase: 'finetune', epoch: 0, ...row },
    ]
    again.record({ step: 'snl', relus: 500, macs: 1, params: 1, seconds: 1, epochs }, 0)
    expect(again.history.map(({ part, epoch: number }) => [part, number])).toEqual([
      [0, 1],
      [0, 2],
      [1, 1],
    ])
  })
})

test('runs of a sweep are told apart by seed and budget', () => {
  const plan = [1, 2].flatMap((seed) =>
    [100, 200].map((budget): PlannedPart => ({ stage: 'finetune', epochs: 1, step: 1, seed, budget })),
  )
  const sweep = tracker(plan)
  sweep.enter(2, 100)
  sweep.hooks.onBegin(1)
  sweep.hooks.onPhase('finetune', [])
  sweep.hooks.onEpoch(epoch('finetune', 0))
  expect(last()).toMatchObject({ part: 2, budget: 100 })
  expect(sweep.history.map(({ part }) => part)).toEqual([2])
})

test('a long history is thinned, and the ends of its stages stay', () => {
  const points = Array.from({ length: 5000 }, (_, i): TrainingPoint => ({
    ...{ part: i < 3000 ? 0 : 1, stage: 'train', epoch: i + 1, loss: 1, accuracy: 0, test: null, relus: null },
    ...{ rate: null, imagesPerSecond: null, seconds: i },
  }))
  const few = thinned(points)
  expect(few.length).toBeLessThanOrEqual(MAX_POINTS)
  expect(few.length).toBeGreaterThan(MAX_POINTS / 3)
  for (const i of [0, 2999, 3000, 4999]) expect(few).toContain(points[i])
  expect(few.map(({ epoch: number }) => number)).toEqual(
    few.map(({ epoch: number }) => number).toSorted((a, b) => a - b),
  )
})

test('the training runs of a recipe are known before it starts', () => {
  const recipe = parseRecipe({
    ...{ version: 1, name: 'all' },
    steps: [
      { step: 'train', epochs: 3 },
      { step: 'teacher' },
      { step: 'criticality', epochs: 2 },
      { step: 'snl', budget: 10, sparsify: { epochs: 5 }, finetune: false },
      // The paper's 100.
      { step: 'finetune' },
    ],
  })
  const phases = plannedPhases(recipe, TOY).map(({ step, phase, epochs }) => [step, phase, epochs])
  expect(phases.filter(([step]) => step !== 2)).toEqual([
    [0, 'train', 3],
    [3, 'sparsify', 5],
    [4, 'finetune', 100],
  ])
  expect(
    phases
      .filter(([step]) => step === 2)
      .every(([, phase, epochs]) => /^criticality-\d$/.test(String(phase)) && epochs === 2),
  ).toBe(true)
})
