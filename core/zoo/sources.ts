/**
 * Ways into the catalog: whatever a path holds becomes a model folder in a staging folder. A model folder is copied, or its
 * weights linked; a file of another format is read, compared with a second implementation, and given a card.
 */
import { constants } from 'node:fs'
import { chmod, copyFile, readdir, stat, symlink } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { compareWithReference, randomImages, type Comparison } from '../formats/import/compare.ts'
import type { ImportedNetwork, ImportFormat } from '../formats/import/format.ts'
import { formatOf, IMPORT_FORMATS } from '../formats/import/index.ts'
import { writeModel, type Card } from '../formats/model-directory.ts'
import type { Shape } from '../network/graph.ts'
import { elements, inferShapes } from '../network/shapes.ts'
import { codeOf } from '../protocol/store/files.ts'
import { FILE_NAMES } from './file-names.ts'
import { ROLES } from './insert.ts'

/** What a file without a card leaves open; each has a default that says so. */
export interface CardFields {
  readonly name?: string
  readonly dataset?: string
  readonly classNames?: readonly string[]
  readonly preprocessing?: Card['preprocessing']
  readonly licence?: string
}

export interface SourceOptions {
  readonly card?: CardFields
  /** Real images to compare on, as the file's network takes them; random ones are always used. */
  readonly images?: (card: Card, shape: Shape) => Promise<readonly Float32Array[]>
  /** False leaves the comparison with a second implementation out. */
  readonly compare?: boolean
  /** Model folders only: the weights stay where they are, and the catalog refers to them. */
  readonly link?: boolean
}

export interface Sourced {
  /** 'folder', or the id of a format. */
  readonly format: string
  /** What was changed on the way, and what could not be compared. */
  readonly notes: readonly string[]
  readonly comparison: Comparison | null
}

const RANDOM_IMAGES = 8
/** Of the largest logit; float32 networks of two implementations stay far below it. */
const TOLERANCE = 1e-3

/** Puts the model at `path` into a folder that exists and is empty. `formats` is for tests. */
export async function stageSource(
  path: string,
  staging: string,
  options: SourceOptions = {},
  formats: readonly ImportFormat[] = IMPORT_FORMATS,
): Promise<Sourced> {
  const info = await stat(path).catch((cause: unknown) => {
    throw new AdytonError('file-not-found', `${path} cannot be read`, { advice: 'Check the path.', cause })
  })
  const [file, format] = info.isDirectory() ? await within(path, formats) : [path, await formatOf(path, formats)]
  if (format === undefined) {
    if (info.isDirectory()) return await stageFolder(path, staging, options.link ?? false)
    throw new AdytonError('file-unsupported', `${path} is of no format that can be imported`, {
      advice: `Formats: ${IMPORT_FORMATS.map(({ title }) => title).join(', ')}, a model folder, a bundle (.adyton).`,
    })
  }
  if (options.link === true) {
    throw new AdytonError('usage', `${file} is converted and cannot be linked`, { advice: 'Import it as a copy.' })
  }
  return await stageFile(file, format, staging, options)
}

/** The model in a folder: the folder itself, or the only file in it that can be imported. */
async function within(
  folder: string,
  formats: readonly ImportFormat[],
): Promise<readonly [string, ImportFormat | undefined]> {
  const names = await readdir(folder)
  if (names.includes(FILE_NAMES.graph)) return [folder, undefined]
  const whole = await formatOf(folder, formats)
  if (whole !== undefined) return [folder, whole]
  const found: [string, ImportFormat][] = []
  for (const name of names.sort()) {
    const file = join(folder, name)
    const format = (await isFile(file)) ? await formatOf(file, formats) : undefined
    if (format !== undefined) found.push([file, format])
  }
  if (found.length === 0) return [folder, undefined]
  if (found.length === 1) return found[0]
  const files = found.map(([file]) => basename(file)).join(', ')
  throw new AdytonError('usage', `${folder} holds several models: ${files}`, { advice: 'Name one of the files.' })
}

/** Copies the files of a model folder; a link is followed, since the person who names the folder may read its target. */
async function stageFolder(source: string, staging: string, link: boolean): Promise<Sourced> {
  for (const role of ROLES) {
    const from = join(source, FILE_NAMES[role])
    // Not a pipe or a device, which would be read for ever. What is missing is named by the check of the copy.
    if (!(await isFile(from))) continue
    const to = join(staging, FILE_NAMES[role])
    if (link && role === 'weights') {
      await symlink(from, to)
      continue
    }
    await copyFile(from, to, constants.COPYFILE_FICLONE)
    // A copy has the original's permissions, which may be none to write, or too many: weights are secret.
    await chmod(to, 0o600)
  }
  return { format: 'folder', notes: [], comparison: null }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

async function stageFile(
  file: string,
  format: ImportFormat,
  staging: string,
  options: SourceOptions,
): Promise<Sourced> {
  const network = await format.read(file)
  const { graph, tensors, producer } = network
  const shapes = inferShapes(graph)
  const shape = shapes.get(graph.nodes[0].id) as Shape
  const outputs = elements(shapes.get(graph.nodes[graph.nodes.length - 1].id) as Shape)
  const card = cardOf(network, { file, shape, outputs, given: options.card ?? {} })
  const { comparison, notes } = await compared(network, card, shape, options)
  const all = [...network.notes, ...notes]
  const imported = {
    format: format.title,
    ...(producer === undefined ? {} : { producer: producer.slice(0, 128) }),
    notes: all.slice(0, 100).map((note) => note.slice(0, 500)),
    ...(comparison === null ? {} : { comparison }),
  }
  const calibration = network.calibration === undefined ? {} : { calibration: network.calibration }
  await writeModel(staging, { graph, tensors, card: { ...card, imported }, ...calibration })
  return { format: format.id, notes: all, comparison }
}

/** What the caller gives, else what the file says, else what is certain. */
function cardOf(
  { card: own = {}, tensors: _ }: ImportedNetwork,
  { file, shape, outputs, given }: { file: string; shape: Shape; outputs: number; given: CardFields },
): Card {
  const names = given.classNames ?? own.classNames
  if (names !== undefined && names.length !== outputs) {
    throw new AdytonError('usage', `${names.length} names for the ${outputs} classes of ${file}`, {
      advice: 'Give one name a class, in the order of the outputs.',
    })
  }
  const channels = shape.length === 3 ? shape[0] : 1
  const preprocessing = given.preprocessing ?? own.preprocessing ?? { mean: [0], std: [1], invert: false }
  const { mean, std } = preprocessing
  if (![1, channels].includes(mean.length) || ![1, channels].includes(std.length)) {
    throw new AdytonError('usage', `mean and standard deviation of ${mean.length} and ${std.length} channels`, {
      advice: `The network of ${file} takes ${channels}: give one number, or one a channel.`,
    })
  }
  const spread = (values: readonly number[]): number[] =>
    values.length === channels ? [...values] : Array.from({ length: channels }, () => values[0])
  return {
    dataset: 'unknown',
    licence: 'unknown',
    ...own,
    name: given.name ?? own.name ?? basename(file, extname(file)).slice(0, 128),
    ...(given.dataset === undefined ? {} : { dataset: given.dataset }),
    ...(given.licence === undefined ? {} : { licence: given.licence }),
    classes: outputs,
    classNames: names === undefined ? Array.from({ length: outputs }, (_, i) => String(i)) : [...names],
    preprocessing: { ...preprocessing, mean: spread(mean), std: spread(std) },
  }
}

/** Runs the file's own network beside ours. A difference that rounding does not explain is an error. */
async function compared(
  network: ImportedNetwork,
  card: Card,
  shape: Shape,
  options: SourceOptions,
): Promise<{ comparison: Comparison | null; notes: string[] }> {
  if (options.compare === false) return { comparison: null, notes: ['not compared with another implementation'] }
  if (network.reference === undefined) {
    return { comparison: null, notes: ['not compared: there is no second implementation of this format here'] }
  }
  const reference = await network.reference().catch((error: unknown) => {
    if (error instanceof AdytonError && error.code === 'file-unsupported') return error
    throw error
  })
  if (reference instanceof AdytonError) return { comparison: null, notes: [`not compared: ${reference.message}`] }
  try {
    const real = (await options.images?.(card, shape)) ?? []
    const images = [...randomImages(shape, RANDOM_IMAGES), ...real]
    const comparison = await compareWithReference(network, reference, images)
    const { largestDifference, largestLogit, against } = comparison
    if (largestDifference > TOLERANCE * Math.max(1, largestLogit)) {
      const found = `logits differ from those of ${against} by up to ${largestDifference.toPrecision(3)}`
      throw new AdytonError('model-invalid', `the imported network is not the one in the file: ${found}`, {
        advice: 'Please report the file. Without the comparison it is imported nevertheless.',
      })
    }
    return { comparison, notes: [] }
  } finally {
    await reference.close()
  }
}
