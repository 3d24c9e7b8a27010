/**
 * Tiny ImageNet (200 classes of 64 x 64 pictures) as its archive unpacks: wnids.txt, words.txt,
 * train/<wnid>/images/*.JPEG, val/images/*.JPEG with val/val_annotations.txt. The pictures in test/ have no labels, so
 * that val is the test part, as in the papers. Classes are in the order of their WordNet ids, which is what a folder
 * reader of other frameworks makes of train/.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from './candidate.ts'
import type { DatasetFormat } from './dataset.ts'
import { labelArray, makePart } from './part.ts'
import type { ImageShape } from './pixels.ts'
import { corrupt, digits, notFound } from './problems.ts'

const SHAPE: ImageShape = [3, 64, 64]
const WNID = /^n\d{8}$/
const PICTURE = /\.jpe?g$/i
const OFFICIAL = { classes: 200, train: 100_000, test: 10_000 }

async function lines(file: string): Promise<string[]> {
  try {
    return (await readFile(file, 'utf8')).split(/\r?\n/)
  } catch (cause) {
    throw notFound(file, 'cannot be read', cause)
  }
}

async function classIds(path: string): Promise<string[]> {
  const file = join(path, 'wnids.txt')
  const ids: string[] = []
  for (const [number, line] of (await lines(file)).entries()) {
    const id = line.trim()
    if (id === '') continue
    if (!WNID.test(id)) throw corrupt(file, `line ${number + 1}: expected a WordNet id such as n02124075`)
    ids.push(id)
  }
  const sorted = [...new Set(ids)].sort()
  if (sorted.length !== ids.length) throw corrupt(file, 'names a class twice')
  if (ids.length === 0) throw corrupt(file, 'names no class')
  return sorted
}

/** The first of the synonyms of each class; its id when words.txt does not have it. */
async function classWords(path: string, ids: readonly string[]): Promise<string[]> {
  const words = new Map<string, string>()
  for (const line of await lines(join(path, 'words.txt'))) {
    const [id, text] = line.split('\t')
    if (text !== undefined) words.set(id, text.split(',')[0].trim())
  }
  return ids.map((id) => words.get(id) ?? id)
}

interface Listing {
  readonly files: string[]
  readonly labels: number[]
}

async function trainingFiles(path: string, ids: readonly string[]): Promise<Listing> {
  const files: string[] = []
  const labels: number[] = []
  for (const [label, id] of ids.entries()) {
    const folder = `train/${id}/images`
    const pictures = (await inspect(join(path, folder))).files.filter((name) => PICTURE.test(name))
    if (pictures.length === 0) throw corrupt(join(path, folder), 'holds no JPEG picture')
    for (const name of pictures) {
      files.push(`${folder}/${name}`)
      labels.push(label)
    }
  }
  return { files, labels }
}

async function validationFiles(path: string, ids: readonly string[]): Promise<Listing> {
  const annotations = join(path, 'val/val_annotations.txt')
  const there = new Set((await inspect(join(path, 'val/images'))).files)
  const labelOf = new Map(ids.map((id, label) => [id, label]))
  const files: string[] = []
  const labels: number[] = []
  for (const [number, line] of (await lines(annotations)).entries()) {
    if (line.trim() === '') continue
    const [name, id] = line.split('\t')
    const label = labelOf.get(id)
    if (label === undefined) throw corrupt(annotations, `record ${number}: class ${id ?? '(none)'} is not in wnids.txt`)
    if (!there.has(name)) throw corrupt(annotations, `record ${number}: val/images/${name} is not there`)
    files.push(`val/images/${name}`)
    labels.push(label)
  }
  if (files.length === 0) throw corrupt(annotations, 'names no picture')
  return { files, labels }
}

export const tinyImageNet: DatasetFormat = {
  kind: 'tiny-imagenet-200',
  looksFor: 'wnids.txt, words.txt, train/<wnid>/images and val/val_annotations.txt',
  match: ({ files, folders }) => files.includes('wnids.txt') && folders.includes('train'),
  async open({ path }) {
    const ids = await classIds(path)
    const classNames = await classWords(path, ids)
    const train = await trainingFiles(path, ids)
    const test = await validationFiles(path, ids)
    const found = { classes: ids.length, train: train.files.length, test: test.files.length }
    const expected = `${OFFICIAL.classes} classes, ${digits(OFFICIAL.train)} and ${digits(OFFICIAL.test)} pictures`
    const usual = Object.entries(OFFICIAL).every(([key, count]) => found[key as keyof typeof found] === count)
    const part = (name: 'train' | 'test', { files, labels }: Listing) =>
      makePart(name, labelArray(labels, ids.length), {
        kind: 'pictures',
        folder: path,
        files,
        shape: SHAPE,
        exact: true,
      })
    return {
      kind: 'tiny-imagenet-200',
      name: 'Tiny ImageNet',
      path,
      classes: ids.length,
      classNames,
      shape: SHAPE,
      parts: { train: part('train', train), test: part('test', test) },
      normalisation: { mean: [0.4802, 0.4481, 0.3975], std: [0.277, 0.2691, 0.2821], source: 'published' },
      augmentation: { flip: true, crop: 4 },
      notices: usual
        ? []
        : [
            `has ${found.classes} classes, ${digits(found.train)} training and ${digits(found.test)} validation ` +
              `pictures; the official set has ${expected}`,
          ],
    }
  },
}
