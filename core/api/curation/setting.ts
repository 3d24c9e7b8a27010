/** What every training operation needs: an engine, a data set, batches, and a folder of the job. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { partBatches } from '../../training/trainer/batches.ts'
import type { BatchSource } from '../../training/trainer/batches.ts'
import { openDataset, type Dataset } from '../../datasets/dataset.ts'
import { Draws, identity, type Seed } from '../../datasets/random.ts'
import { AdytonError } from '../../errors/errors.ts'
import { readSafetensors, writeSafetensors } from '../../formats/safetensors.ts'
import type { Card } from '../../formats/model-directory.ts'
import type { PhaseEpoch, Storage, Surroundings } from '../../linearize/phase.ts'
import type { Graph, Tensors } from '../../network/graph.ts'
import type { Calibration } from '../../network/lower/calibrate.ts'
import { calibrateNetwork } from '../../network/lower/lower.ts'
import { loadEngine, type Engine } from '../../training/engine/index.ts'
import { networkImages } from '../network-images.ts'
import { engineFolders } from '../engines/adopted.ts'
import type { OperationContext } from '../operation.ts'
import type { LoadedNetwork } from '../source.ts'

/** Training images by which a trained model is calibrated for lowering. */
const CALIBRATION_IMAGES = 256

export interface Setting {
  readonly engine: Engine
  readonly dataset: Dataset
  readonly around: Surroundings
  /** Training images that an epoch takes: whole batches. */
  readonly perEpoch: number
}

export interface SettingOptions {
  readonly dataset: string
  readonly batch: number
  /** A model that goes in: images are normalised as its card says, and not as is customary for the data set. */
  readonly network?: LoadedNetwork
  /** Where an engine may have been adopted; see dataFolder. */
  readonly data: string | undefined
  readonly context: OperationContext
}

/** Loads the engine and the data set. The caller disposes the engine. */
export async function openSetting({ dataset: path, batch, network, data, context }: SettingOptions): Promise<Setting> {
  const opened = await openDataset(path)
  if (network !== undefined) checkFits(opened, network.graph, network.classNames.length)
  const dataset = !network?.card ? opened : { ...opened, normalisation: ofModel(network) }
  for (const notice of dataset.notices) context.onNotice(notice)
  const engine = await loadEngine({ folders: engineFolders(data) })
  context.onNotice(`engine: ${engine.description}`)
  for (const { backend, why } of engine.reasons) context.onNotice(`not ${backend}: ${why}`)
  const normalisation = dataset.normalisation
  const batches = (seed: Seed): BatchSource =>
    partBatches(dataset.parts.train, {
      size: batch,
      seed,
      shuffle: true,
      ...dataset.augmentation,
      normalisation,
      dropLast: true,
    })
  const evaluation = partBatches(dataset.parts.test, { size: 256, normalisation })
  return {
    engine,
    dataset,
    perEpoch: Math.floor(dataset.parts.train.count / batch) * batch,
    around: {
      engine,
      batches,
      evaluation,
      signal: context.signal,
    },
  }
}

/** A line for each epoch. */
export function epochNotice(report: PhaseEpoch): string {
  const test = report.evaluation === undefined ? '' : `, test ${(100 * report.evaluation.top1).toFixed(2)}%`
  const relus = report.relus === undefined ? '' : `, ${report.relus.kept} ReLUs`
  return (
    `${report.phase} epoch ${report.epoch + 1} of ${report.epochs}: loss ${report.loss.toFixed(4)}, ` +
    `train ${(100 * report.accuracy).toFixed(2)}%${test}${relus}, ${Math.round(report.imagesPerSecond)} images/s`
  )
}

function ofModel({ preprocessing: { mean, std } }: LoadedNetwork): Dataset['normalisation'] {
  return { mean, std, source: 'model' }
}

/** Checkpoints in a folder of their own, made when there is none; a job that was stopped goes on from them. */
export async function jobStorage(folder: string): Promise<Storage> {
  await mkdir(folder, { recursive: true }).catch((cause: unknown) => {
    throw new AdytonError('usage', `${folder} cannot be made`, {
      advice: 'Choose a folder that can be written, on a disk that is there.',
      cause,
    })
  })
  return { folder, format: { read: readSafetensors, write: writeSafetensors }, resume: true }
}

/** Writes a text file that appears whole or not at all. */
export async function writeText(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, text)
  await rename(temporary, path)
}

/** The data set must be what the network was made for. */
export function checkFits(dataset: Dataset, graph: Graph, classes: number): void {
  const [input] = graph.nodes
  const shape = input.op === 'input' ? input.shape.join('x') : 'nothing'
  if (shape === dataset.shape.join('x') && classes === dataset.classes) return
  throw new AdytonError(
    'usage',
    `the network takes ${shape} images of ${classes} classes, ${dataset.name} has ${dataset.shape.join('x')} of ${dataset.classes}`,
    { advice: 'Choose another data set or another network.' },
  )
}

/** Ranges of a trained network on training images, drawn by seed. */
export async function calibrateOn(dataset: Dataset, graph: Graph, tensors: Tensors): Promise<Calibration> {
  const { train } = dataset.parts
  const records = identity(train.count)
  new Draws(0, 'calibration images').shuffle(records)
  return calibrateNetwork(
    graph,
    tensors,
    await networkImages(train, records.subarray(0, CALIBRATION_IMAGES), dataset.normalisation),
  )
}

/** What the card of a trained model says of its data; a model made from another keeps what that one's card says. */
export function datasetCard(
  dataset: Dataset,
  from: Card | null = null,
): Pick<Card, 'dataset' | 'classes' | 'classNames' | 'preprocessing'> {
  if (from !== null) {
    const { dataset: name, classes, classNames, preprocessing } = from
    return { dataset: name, classes, classNames, preprocessing }
  }
  return {
    dataset: dataset.name,
    classes: dataset.classes,
    classNames: [...dataset.classNames],
    preprocessing: {
      mean: [...dataset.normalisation.mean],
      std: [...dataset.normalisation.std],
      invert: false,
    },
  }
}
