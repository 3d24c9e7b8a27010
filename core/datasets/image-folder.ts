/**
 * A folder of pictures (PNG, JPEG, WebP), one subfolder a class: either `train/` and `test/` (or `val/`) with the same
 * classes in each, or the classes at once. Then a fifth of each class is the test part: the pictures whose SHA-256 of
 * `class/file name` is lowest, so that the split depends on nothing but the names.
 */
import { createHash } from 'node:crypto'
import { basename, join, resolve } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { inspect, type Candidate } from './candidate.ts'
import type { DatasetFormat, Part } from './dataset.ts'
import { labelArray, makePart, measuredNormalisation } from './part.ts'
import type { ImageShape } from './pixels.ts'
import { corrupt, digits, notFound } from './problems.ts'

const PICTURE = /\.(png|jpe?g|webp)$/i
const TEST_FOLDERS = ['test', 'val', 'valid', 'validation']
/** One test picture for so many of a class. */
const TEST_SHARE = 5
/** Height and width, unless asked otherwise: pictures are made no larger than the first one. */
const LARGEST_SIDE = 64
const MAX_CLASSES = 65_535

interface ClassFolder {
  readonly name: string
  /** Relative to the data set's folder. */
  readonly files: readonly string[]
  readonly passedOver: number
}

/** Subfolders of `inner` that hold pictures. */
async function classFolders(root: string, inner: string): Promise<ClassFolder[]> {
  const { folders } = await inspect(join(root, inner))
  const out: ClassFolder[] = []
  for (const name of folders) {
    const { files } = await inspect(join(root, inner, name))
    const pictures = files.filter((file) => PICTURE.test(file)).map((file) => join(inner, name, file))
    if (pictures.length > 0) out.push({ name, files: pictures, passedOver: files.length - pictures.length })
  }
  return out
}

/** The first picture, which tells that this is such a folder, without listing all of it. */
async function holdsClasses({ path, folders }: Candidate): Promise<boolean> {
  let classes = 0
  for (const name of folders) {
    const { files } = await inspect(join(path, name))
    if (files.some((file) => PICTURE.test(file)) && ++classes === 2) return true
  }
  return false
}

const rank = (name: string): string => createHash('sha256').update(name).digest('hex')

/** The pictures of one class, parted by the hash of their names. */
export function splitByName(className: string, files: readonly string[]): { train: string[]; test: string[] } {
  const ranked = files
    .map((file) => ({ file, rank: rank(`${className}/${basename(file)}`) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
  const count = files.length < 2 ? 0 : Math.max(1, Math.floor(files.length / TEST_SHARE))
  const names = (part: typeof ranked): string[] => part.map(({ file }) => file).sort()
  return { test: names(ranked.slice(0, count)), train: names(ranked.slice(count)) }
}

async function sizeOf(first: string, side: number | undefined): Promise<number> {
  if (side !== undefined) {
    if (!Number.isInteger(side) || side < 8 || side > 512) {
      throw new AdytonError('usage', `images of ${side} pixels a side; 8 to 512 are possible`)
    }
    return side
  }
  const { imageSize } = await import('./image.ts')
  return Math.max(8, Math.min(LARGEST_SIDE, ...(await imageSize(first))))
}

export const imageFolder: DatasetFormat = {
  kind: 'image-folder',
  looksFor: 'two or more subfolders of PNG, JPEG or WebP pictures, one a class, or train/ and test/ of them',
  async match(candidate) {
    if (!candidate.isFolder) return false
    if (candidate.folders.includes('train') && (await holdsClasses(await inspect(join(candidate.path, 'train'))))) {
      return true
    }
    return holdsClasses(candidate)
  },
  async open({ path, folders }, { side, channels = 3 }) {
    const testFolder = TEST_FOLDERS.find((name) => folders.includes(name))
    const parted = folders.includes('train')
    if (parted && testFolder === undefined) throw notFound(path, `has train/ and none of ${TEST_FOLDERS.join(', ')}`)
    const training = await classFolders(path, parted ? 'train' : '.')
    const testing = parted && testFolder !== undefined ? await classFolders(path, testFolder) : []
    const classNames = training.map(({ name }) => name)
    if (classNames.length > MAX_CLASSES) throw corrupt(path, `${digits(classNames.length)} classes are too many`)
    const stranger = testing.find(({ name }) => !classNames.includes(name))
    if (stranger !== undefined) {
      throw corrupt(join(path, testFolder ?? ''), `class ${stranger.name} is not in train/`)
    }
    const lists = {
      train: { files: [] as string[], labels: [] as number[] },
      test: { files: [] as string[], labels: [] as number[] },
    }
    const add = (part: Part['name'], label: number, files: readonly string[]) => {
      for (const file of files) {
        lists[part].files.push(file)
        lists[part].labels.push(label)
      }
    }
    for (const [label, { name, files }] of training.entries()) {
      if (parted) {
        add('train', label, files)
        add('test', label, testing.find((other) => other.name === name)?.files ?? [])
      } else {
        const split = splitByName(name, files)
        add('train', label, split.train)
        add('test', label, split.test)
      }
    }
    if (lists.test.files.length === 0) throw notFound(path, 'has no picture for testing')
    const size = await sizeOf(join(path, lists.train.files[0]), side)
    const shape: ImageShape = [channels, size, size]
    const part = (name: Part['name']) =>
      makePart(name, labelArray(lists[name].labels, classNames.length), {
        kind: 'pictures',
        folder: path,
        files: lists[name].files,
        shape,
        exact: false,
      })
    const parts = { train: part('train'), test: part('test') }
    const passedOver = [...training, ...testing].reduce((sum, folder) => sum + folder.passedOver, 0)
    const notices: string[] = []
    if (!parted) notices.push(`parted by file name: a picture of every ${TEST_SHARE} in each class is for testing`)
    if (passedOver > 0) notices.push(`${digits(passedOver)} files are no PNG, JPEG or WebP and were passed over`)
    return {
      kind: 'image-folder',
      name: basename(resolve(path)),
      path,
      classes: classNames.length,
      classNames,
      shape,
      parts,
      normalisation: await measuredNormalisation(parts.train, 512),
      augmentation: { flip: true, crop: Math.max(1, Math.round(size / 8)) },
      notices,
    }
  },
}
