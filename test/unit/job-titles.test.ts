/** Titles for the queue. */
import { expect, test } from 'vitest'
import { jobTitle } from '../../core/api/data/jobs.ts'
import { JOB_KINDS } from '../../core/api/jobs/kinds.ts'

test.each([
  [
    'train',
    { arch: 'resnet20', dataset: '/data/cifar-10-batches-bin/', epochs: 40 },
    'Train resnet20 on cifar-10-batches-bin, 40 epochs',
  ],
  ['train', { arch: 'lenet-tiny', dataset: 'generated' }, 'Train lenet-tiny on generated, 30 epochs'],
  ['linearize', { model: 'zoo:abc', budget: 23552 }, 'Linearise abc to 23,552 ReLUs'],
  ['linearize', { model: 'C:\\models\\mine', recipe: { name: 'SNL' } }, "Linearise mine by 'SNL'"],
  ['sweep', { model: 'digits', sweep: { budgets: [1, 2, 3] } }, 'Sweep digits over 3 ReLU budgets'],
  ['infer', { source: { model: 'digits' } }, 'Private inference with digits'],
  ['infer', { source: { arch: 'resnet18' } }, 'Private inference with resnet18'],
  ['datasetFetch', { id: 'cifar-10' }, 'Fetch cifar-10'],
])('%s %j', (operation, input, title) => {
  expect(jobTitle(operation, input)).toBe(title)
})

test('every job has a title, whatever its input is', () => {
  for (const operation of [...Object.keys(JOB_KINDS), 'unknown', 'constructor', '']) {
    for (const input of [undefined, null, 7, [], {}, { model: 'x'.repeat(500), arch: 'y'.repeat(500) }]) {
      const title = jobTitle(operation, input)
      expect(title.length).toBeGreaterThan(0)
      expect(title.length).toBeLessThanOrEqual(200)
      expect(title).not.toContain('undefined')
    }
  }
  // A name of its own, not that of the function.
  for (const operation of Object.keys(JOB_KINDS)) expect(jobTitle(operation, {})).not.toBe(operation)
})
