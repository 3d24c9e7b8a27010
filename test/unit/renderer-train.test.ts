/** What the training screen makes of a run's history and of what people type. */
import { expect, test } from 'vitest'
import type { TrainingPoint } from '../../core/api/data/training.ts'
import { placed } from '../../renderer/train/curves.ts'
import { folderName, numbersOf, wordsOf } from '../../renderer/train/input.ts'

const point = (part: number, epoch: number): TrainingPoint => ({
  ...{ part, stage: part === 0 ? 'sparsify' : 'finetune', epoch, loss: part + epoch / 10, accuracy: 0.5, test: null },
  ...{ relus: 100, rate: null, imagesPerSecond: null, seconds: 1 },
})

test('epochs of all stages lie in one row, parted where a stage ends, which may be early', () => {
  const plan = [
    { stage: 'sparsify', epochs: 20, step: 0 },
    { stage: 'finetune', epochs: 2, step: 0 },
  ]
  const history = [point(0, 1), point(0, 2), point(0, 3), point(1, 1), point(1, 2)]
  const { xs, points, sections } = placed(history, plan)
  expect(xs).toEqual([1, 2, 3, 3.5, 4, 5])
  expect(points.map((one) => one?.loss ?? null)).toEqual([0.1, 0.2, 0.3, null, 1.1, 1.2])
  expect(sections).toEqual([
    { from: 1, to: 3, label: 'Removing ReLUs' },
    { from: 4, to: 5, label: 'Fine-tuning' },
  ])
})

test('points that were thinned out keep the places of the others', () => {
  const { xs } = placed([point(0, 1), point(0, 9), point(1, 1)], [])
  expect(xs).toEqual([1, 9, 9.5, 10])
})

test.each([
  ['100, 2000', [100, 2000]],
  ['100 2000; 30', [100, 2000, 30]],
  ['', null],
  ['100, many', null],
  ['100, 100', null],
  ['1e3', null],
  ['-5', null],
  ['5001', null],
])('budgets typed as %j', (typed, numbers) => {
  expect(numbersOf(typed, 5000, 20)).toEqual(numbers)
})

test('folders of runs are apart, and of safe characters', () => {
  const names = [folderName('../ResNet-20, "full"'), folderName('../ResNet-20, "full"')]
  for (const name of names) expect(name).toMatch(/^resnet-20-full-[0-9a-f]{8}$/)
  expect(names[0]).not.toBe(names[1])
  expect(folderName('数字')).toMatch(/^run-[0-9a-f]{8}$/)
  expect(wordsOf('trial, Shapes  trial')).toEqual(['trial', 'Shapes'])
})
