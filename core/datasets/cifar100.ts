/** CIFAR-100, binary version: train.bin and test.bin, a coarse and a fine label byte a record. */
import type { DatasetFormat, Part } from './dataset.ts'
import { CIFAR_SHAPE, joinLabels, readNames, scanRecords, unofficialNotice, type ScannedFile } from './cifar.ts'
import { makePart } from './part.ts'
import { notFound } from './problems.ts'

const LAYOUT = [
  { name: 'coarse label', classes: 20 },
  { name: 'fine label', classes: 100 },
]
/** Which of the label bytes. */
const BYTE = { coarse: 0, fine: 1 } as const

export const cifar100: DatasetFormat = {
  kind: 'cifar-100',
  looksFor: 'train.bin and test.bin',
  match: ({ files }) => files.includes('train.bin') || files.includes('test.bin'),
  async open({ path, files }, { labels = 'fine' }) {
    for (const [there, missing] of [
      ['train.bin', 'test.bin'],
      ['test.bin', 'train.bin'],
    ]) {
      if (!files.includes(missing)) throw notFound(path, `has ${there} and no ${missing}`)
    }
    const { classes } = LAYOUT[BYTE[labels]]
    const train = await scanRecords(path, 'train.bin', LAYOUT)
    const test = await scanRecords(path, 'test.bin', LAYOUT)
    const part = (name: Part['name'], file: ScannedFile): Part =>
      makePart(name, joinLabels([file], BYTE[labels]), {
        kind: 'records',
        files: [{ path: file.path, count: file.count }],
        skip: LAYOUT.length,
        shape: CIFAR_SHAPE,
      })
    const numbered = Array.from({ length: classes }, (_, i) => `${labels} class ${i}`)
    return {
      kind: 'cifar-100',
      name: labels === 'fine' ? 'CIFAR-100' : 'CIFAR-100 (20 superclasses)',
      path,
      classes,
      classNames: await readNames(path, `${labels}_label_names.txt`, numbered),
      shape: CIFAR_SHAPE,
      parts: { train: part('train', train), test: part('test', test) },
      normalisation: { mean: [0.5071, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2762], source: 'published' },
      augmentation: { flip: true, crop: 4 },
      notices: unofficialNotice([train, test]),
    }
  },
}
