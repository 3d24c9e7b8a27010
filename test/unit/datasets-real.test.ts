/** The data sets beside the repository, where there are any. */
import { beforeAll, describe, expect, test } from 'vitest'
import { openBatches } from '../../core/datasets/batches.ts'
import { openDataset, type Dataset } from '../../core/datasets/dataset.ts'
import { readImages, statistics } from '../../core/datasets/part.ts'
import { datasetFolder } from '../fixtures/datasets.ts'

const cifar = datasetFolder('cifar-10-batches-bin')
const mnist = datasetFolder('mnist-10k')
const WHERE = 'skipped unless ADYTON_DATASETS or ../shared/datasets has it'

const counts = (labels: ArrayLike<number>): number[] => {
  const out = Array<number>(10).fill(0)
  for (let i = 0; i < labels.length; i++) out[labels[i]]++
  return out
}

describe.skipIf(cifar === undefined)(`CIFAR-10 (${WHERE})`, () => {
  let dataset: Dataset
  beforeAll(async () => {
    dataset = await openDataset(cifar ?? '')
  })

  test('has 50,000 and 5,000 records, the same number of each class', () => {
    const { train, test: held } = dataset.parts
    expect([train.count, held.count]).toEqual([50_000, 5000])
    expect(counts(train.labels)).toEqual(Array(10).fill(5000))
    expect(counts(held.labels)).toEqual(Array(10).fill(500))
    expect(dataset.classNames[9]).toBe('truck')
  })

  test('has the mean and deviation that are published, nearly: its pixels come from a JPEG copy', async () => {
    const records = Array.from({ length: 10_000 }, (_, i) => i * 5)
    const { mean, std } = statistics(await readImages(dataset.parts.train, records), dataset.shape)
    for (let c = 0; c < 3; c++) {
      expect(Math.abs(mean[c] - dataset.normalisation.mean[c])).toBeLessThan(0.005)
      expect(Math.abs(std[c] - dataset.normalisation.std[c])).toBeLessThan(0.005)
    }
    expect(dataset.notices.join()).toMatch(/test_batch\.bin \(5,000 records\)/)
  })

  test('makes normalised batches', async () => {
    const { parts, normalisation, augmentation } = dataset
    const stream = openBatches(parts.train, { size: 128, seed: 1, shuffle: true, normalisation, ...augmentation })
    expect(stream.stepsPerEpoch).toBe(391)
    const { value } = await stream.next()
    await stream.close()
    expect(value?.images.length).toBe(128 * 3072)
    const mean = (value?.images ?? new Float32Array()).reduce((sum, x) => sum + x, 0) / (128 * 3072)
    // Black padding lowers it a little.
    expect(Math.abs(mean)).toBeLessThan(0.4)
  })
})

describe.skipIf(mnist === undefined)(`MNIST (${WHERE})`, () => {
  test('is read as IDX files', async () => {
    const { kind, parts, normalisation, notices } = await openDataset(mnist ?? '')
    expect([kind, parts.train.count, parts.test.count]).toEqual(['idx', 7497, 1498])
    // Near the customary figures of the whole set.
    expect(Math.abs(normalisation.mean[0] - 0.1307)).toBeLessThan(0.005)
    expect(Math.abs(normalisation.std[0] - 0.3081)).toBeLessThan(0.005)
    expect(notices.length).toBe(1)
  })
})
