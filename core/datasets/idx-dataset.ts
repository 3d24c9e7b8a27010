/**
 * Data sets in IDX files: MNIST and its relatives (Fashion-MNIST, KMNIST, EMNIST), greyscale of any size, one file of
 * images and one of labels for each part. Labels start at 0 or 1 (EMNIST letters) and any number of classes is taken.
 */
import { join } from 'node:path'
import { findOfficial } from './checksum.ts'
import type { Dataset, DatasetFormat, Part } from './dataset.ts'
import { readIdx, type IdxArray } from './idx.ts'
import { FASHION_MNIST, MNIST, type OfficialDataset } from './official.ts'
import { labelArray, makePart, measuredNormalisation } from './part.ts'
import { shared, type ImageShape } from './pixels.ts'
import { corrupt, notFound } from './problems.ts'

/** train-images-idx3-ubyte.gz, t10k-labels.idx1-ubyte, emnist-letters-test-images-idx3-ubyte.gz */
const NAME = /^(?:.*-)?(train|t10k|test)-(images|labels)[-.]idx[13]-ubyte(?:\.gz)?$/
const MAX_SIDE = 512

const FASHION_CLASSES = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
]

interface Files {
  readonly images: string
  readonly labels: string
}

function find(path: string, names: readonly string[], part: Part['name']): Files {
  const pick = (content: string): string => {
    const found = names.find((name) => {
      const match = NAME.exec(name)
      return match?.[2] === content && (match[1] === 'train') === (part === 'train')
    })
    const usual = `${part === 'train' ? 'train' : 't10k'}-${content}-idx${content === 'images' ? 3 : 1}-ubyte.gz`
    if (found === undefined) throw notFound(path, `has no ${usual}`)
    return join(path, found)
  }
  return { images: pick('images'), labels: pick('labels') }
}

interface Loaded {
  readonly images: IdxArray
  readonly labels: IdxArray
  readonly files: Files
}

function load(files: Files): Loaded {
  const images = readIdx(files.images)
  const labels = readIdx(files.labels)
  const [count, height, width] = images.shape
  if (images.shape.length !== 3 || height > MAX_SIDE || width > MAX_SIDE) {
    const found = images.shape.join(' x ')
    throw corrupt(files.images, `holds ${found}, expected N images of at most ${MAX_SIDE} x ${MAX_SIDE}`)
  }
  if (labels.shape.length !== 1 || labels.shape[0] !== count) {
    const found = labels.shape.join(' x ')
    throw corrupt(files.labels, `holds ${found} labels, expected one for each of the ${count} images`)
  }
  return { images, labels, files }
}

/** The published set that all four files belong to, when all do. */
async function recognise(files: readonly string[]): Promise<OfficialDataset | undefined> {
  for (const official of [MNIST, FASHION_MNIST]) {
    let all = true
    for (const file of files) all &&= (await findOfficial(file, official.downloads)) !== undefined
    if (all) return official
  }
  return undefined
}

export const idx: DatasetFormat = {
  kind: 'idx',
  looksFor: 'train-images-idx3-ubyte, train-labels-idx1-ubyte and the two of t10k, gzipped or not',
  match: ({ files }) => files.some((name) => NAME.test(name)),
  async open({ path, files }): Promise<Dataset> {
    const train = load(find(path, files, 'train'))
    const test = load(find(path, files, 'test'))
    const [, height, width] = train.images.shape
    if (test.images.shape[1] !== height || test.images.shape[2] !== width) {
      throw corrupt(
        test.files.images,
        `holds images of ${test.images.shape.slice(1).join(' x ')}, those for training are ${height} x ${width}`,
      )
    }
    const largest = (labels: Uint8Array): number => labels.reduce((most, label) => Math.max(most, label), 0)
    const classes = Math.max(10, largest(train.labels.data) + 1)
    const beyond = test.labels.data.findIndex((label) => label >= classes)
    if (beyond >= 0) {
      const label = test.labels.data[beyond]
      throw corrupt(test.files.labels, `record ${beyond}: label ${label}, those for training are 0 to ${classes - 1}`)
    }
    const shape: ImageShape = [1, height, width]
    const part = (name: Part['name'], { images, labels }: Loaded): Part =>
      makePart(name, labelArray(labels.data, classes), { kind: 'memory', data: shared(images.data), shape })
    const parts = { train: part('train', train), test: part('test', test) }
    const official = await recognise([train, test].flatMap((loaded) => Object.values(loaded.files) as string[]))
    const notices = official === undefined ? ['not the official files of MNIST or Fashion-MNIST, by checksum'] : []
    return {
      kind: 'idx',
      name: official?.title ?? 'IDX images',
      path,
      classes,
      classNames: official === FASHION_MNIST ? FASHION_CLASSES : Array.from({ length: classes }, (_, i) => String(i)),
      shape,
      parts,
      normalisation:
        official === MNIST
          ? { mean: [0.1307], std: [0.3081], source: 'published' }
          : await measuredNormalisation(parts.train, 10_000),
      augmentation: { flip: official === FASHION_MNIST, crop: 2 },
      notices,
    }
  },
}
