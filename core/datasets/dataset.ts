/**
 * A set of labelled pictures, whatever it is stored as. {@link openDataset} recognises the format by what a path
 * holds; the formats are in files of their own.
 */
import { dirname, join } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { archiveIn, unpackArchive, type UnpackOptions } from './archives.ts'
import { inspect, type Candidate } from './candidate.ts'
import { cifar10 } from './cifar10.ts'
import { cifar100 } from './cifar100.ts'
import { generatedDataset, type GeneratedOptions } from './generated.ts'
import { idx } from './idx-dataset.ts'
import { imageFolder } from './image-folder.ts'
import type { Labels } from './part.ts'
import type { ImageShape, PixelSource } from './pixels.ts'
import { tinyImageNet } from './tiny-imagenet.ts'

export const DATASET_KINDS = ['cifar-10', 'cifar-100', 'tiny-imagenet-200', 'idx', 'image-folder', 'generated'] as const

export type DatasetKind = (typeof DATASET_KINDS)[number]

/** Pictures are fed as (pixel / 255 - mean) / std, per channel. */
export interface Normalisation {
  readonly mean: readonly number[]
  /** Above 0. */
  readonly std: readonly number[]
  /** The customary figures of this data set, computed from its training images, or what a model was trained with. */
  readonly source: 'published' | 'measured' | 'model'
}

/** Plain data, so that it can be sent to a worker. `readImages` of part.ts and openBatches of batches.ts read it. */
export interface Part {
  readonly name: 'train' | 'test'
  readonly count: number
  /** [count], each 0 to classes - 1. */
  readonly labels: Labels
  /** Of one image: bytes [channels][height][width]. */
  readonly shape: ImageShape
  readonly pixels: PixelSource
}

export interface Dataset {
  readonly kind: DatasetKind
  /** For people: CIFAR-10, the name of a folder. */
  readonly name: string
  /** The folder; empty for a generated set. */
  readonly path: string
  readonly classes: number
  /** One a class, in the order of the labels. */
  readonly classNames: readonly string[]
  readonly shape: ImageShape
  readonly parts: { readonly train: Part; readonly test: Part }
  readonly normalisation: Normalisation
  /** What is customary for training: mirror images (not for digits), and padding before a random crop. */
  readonly augmentation: { readonly flip: boolean; readonly crop: number }
  /** What is unusual and no error: an unknown checksum, files that were passed over. */
  readonly notices: readonly string[]
}

export interface OpenOptions extends UnpackOptions {
  /** Only this format is tried. */
  readonly kind?: DatasetKind
  /** CIFAR-100: 100 classes (fine, the default) or 20 (coarse). */
  readonly labels?: 'fine' | 'coarse'
  /** A folder of images: height and width that pictures are scaled and cut to, 8 to 512. */
  readonly side?: number
  /** A folder of images: 1 for greyscale, 3 (the default) for colour. */
  readonly channels?: 1 | 3
  readonly generated?: GeneratedOptions
  /** False passes archives in a folder over instead of unpacking them. */
  readonly unpack?: boolean
}

/** One on-disk format. */
export interface DatasetFormat {
  readonly kind: DatasetKind
  /** What it is recognised by, for the message when nothing is. */
  readonly looksFor: string
  match(candidate: Candidate): boolean | Promise<boolean>
  open(candidate: Candidate, options: OpenOptions): Promise<Dataset>
}

/** Those with unmistakable names come first: to a folder of images almost anything is one. */
const FORMATS: readonly DatasetFormat[] = [cifar10, cifar100, tinyImageNet, idx, imageFolder]

/**
 * Opens the data set at a path: its folder, a folder around it, one of its files, or an official archive, which is
 * unpacked beside itself. 'generated' (or that kind) needs no files.
 * @throws AdytonError 'file-not-found', 'file-unsupported' (nothing recognised: says what was looked for),
 *   'file-corrupt' (names file, record and expected size), 'usage' (several data sets in one folder), 'cancelled'
 */
export async function openDataset(path: string, options: OpenOptions = {}): Promise<Dataset> {
  if (options.kind === 'generated' || (path === 'generated' && options.kind === undefined)) {
    return generatedDataset(options.generated)
  }
  const given = await inspect(path)
  if (!given.isFolder) {
    const archive = await archiveIn(given.path)
    if (archive !== undefined) return openUnpacked(given.path, options)
    const around = await inspect(dirname(path))
    const format = await firstMatch(around, options, isStrict)
    if (format === undefined) throw unrecognised(path, options)
    return format.open(around, options)
  }
  const strict = await firstMatch(given, options, isStrict)
  if (strict !== undefined) return strict.open(given, options)

  const inner: { format: DatasetFormat; candidate: Candidate }[] = []
  for (const name of given.folders.slice(0, MAX_FOLDERS)) {
    const candidate = await inspect(join(path, name))
    const format = await firstMatch(candidate, options, isStrict)
    if (format !== undefined) inner.push({ format, candidate })
  }
  if (inner.length > 1) {
    throw new AdytonError('usage', `${path}: holds several data sets`, {
      advice: `Name one of ${inner.map(({ candidate }) => candidate.path).join(', ')}.`,
    })
  }
  if (inner.length === 1) return inner[0].format.open(inner[0].candidate, options)

  const archives = options.unpack === false ? [] : given.files
  for (const name of archives.filter((file) => /\.(tar\.gz|tgz|tar|zip)$/i.test(file)).slice(0, MAX_ARCHIVES)) {
    const spec = await archiveIn(join(path, name))
    if (spec !== undefined) return openUnpacked(join(path, name), options)
  }
  const loose = await firstMatch(given, options, (format) => !isStrict(format))
  if (loose !== undefined) return loose.open(given, options)
  throw unrecognised(path, options)
}

const MAX_FOLDERS = 64
const MAX_ARCHIVES = 8
const isStrict = (format: DatasetFormat): boolean => format !== imageFolder

async function firstMatch(
  candidate: Candidate,
  { kind }: OpenOptions,
  filter: (format: DatasetFormat) => boolean,
): Promise<DatasetFormat | undefined> {
  for (const format of FORMATS) {
    if (kind !== undefined && kind !== format.kind) continue
    if (filter(format) && (await format.match(candidate))) return format
  }
  return undefined
}

async function openUnpacked(archive: string, options: OpenOptions): Promise<Dataset> {
  const { folder, notices } = await unpackArchive(archive, options)
  const candidate = await inspect(folder)
  const format = await firstMatch(candidate, options, isStrict)
  if (format === undefined) throw unrecognised(folder, options)
  const dataset = await format.open(candidate, options)
  return { ...dataset, notices: [...notices, ...dataset.notices] }
}

function unrecognised(path: string, { kind }: OpenOptions): AdytonError {
  const looked = FORMATS.filter((format) => kind === undefined || kind === format.kind)
  const list = looked.map((format) => `${format.kind} (${format.looksFor})`).join('; ')
  return new AdytonError('file-unsupported', `${path}: no data set is recognised. Looked for: ${list}`, {
    advice: 'Name the folder that holds the files, or an official archive of CIFAR-10, CIFAR-100 or Tiny ImageNet.',
  })
}
