/** CIFAR-10, binary version: data_batch_1.bin to data_batch_5.bin and test_batch.bin, one label byte a record. */
import type { DatasetFormat, Part } from './dataset.ts'
import { CIFAR_SHAPE, joinLabels, readNames, scanRecords, unofficialNotice, type ScannedFile } from './cifar.ts'
import { makePart } from './part.ts'
import { notFound } from './problems.ts'

export const CIFAR10_CLASSES = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
] as const

const TRAIN = /^data_batch_\d+\.bin$/
const TEST = 'test_batch.bin'
const LAYOUT = [{ name: 'label', classes: CIFAR10_CLASSES.length }]

const part = (name: Part['name'], files: readonly ScannedFile[]): Part =>
  makePart(name, joinLabels(files, 0), {
    kind: 'records',
    files: files.map(({ path, count }) => ({ path, count })),
    skip: LAYOUT.length,
    shape: CIFAR_SHAPE,
  })

export const cifar10: DatasetFormat = {
  kind: 'cifar-10',
  looksFor: 'data_batch_1.bin to data_batch_5.bin and test_batch.bin',
  match: ({ files }) => files.some((name) => TRAIN.test(name)) || files.includes(TEST),
  async open({ path, files }) {
    const batches = files.filter((name) => TRAIN.test(name))
    if (batches.length === 0) throw notFound(path, 'has test_batch.bin and no data_batch_1.bin')
    if (!files.includes(TEST)) throw notFound(path, 'has data_batch_1.bin and no test_batch.bin')
    const train: ScannedFile[] = []
    for (const name of batches) train.push(await scanRecords(path, name, LAYOUT))
    const test = [await scanRecords(path, TEST, LAYOUT)]
    return {
      kind: 'cifar-10',
      name: 'CIFAR-10',
      path,
      classes: CIFAR10_CLASSES.length,
      classNames: await readNames(path, 'batches.meta.txt', CIFAR10_CLASSES),
      shape: CIFAR_SHAPE,
      parts: { train: part('train', train), test: part('test', test) },
      normalisation: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616], source: 'published' },
      augmentation: { flip: true, crop: 4 },
      notices: unofficialNotice([...train, ...test]),
    }
  },
}
