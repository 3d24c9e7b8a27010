/**
 * Where a network comes from: a model folder (bundled or given by path), the catalog, or a named architecture with
 * random weights.
 */
import { existsSync, readdirSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as v from 'valibot'
import { architecture } from '../architectures/index.ts'
import { AdytonError } from '../errors/errors.ts'
import { readModel, type Card, type Model } from '../formats/model-directory.ts'
import type { Graph, Shape, Tensors } from '../network/graph.ts'
import type { Calibration } from '../network/lower/calibrate.ts'
import { lower, lowerCalibrated } from '../network/lower/lower.ts'
import type { LowerOptions } from '../network/lower/options.ts'
import type { LoweredModel } from '../network/plan.ts'
import { randomMasks, randomTensors } from '../network/tensors.ts'
import type { PublicCard } from '../protocol/hello.ts'
import { exportModel } from '../zoo/export.ts'
import { withZoo } from '../zoo/zoo.ts'
import { dataFolder } from './data-folder.ts'
import { HE_PLANNER } from './he-planner.ts'
import { derive, freshSeed, prgFor } from '../ring/prg.ts'

/** Folder of the models that come with the program. */
export const BUNDLED = fileURLToPath(new URL('../../resources/models', import.meta.url))

export const sourceSchema = v.union([
  v.strictObject({
    /** Id of a bundled model, `zoo:ID` of a model in the catalog, or path of a model folder. */
    model: v.pipe(v.string(), v.minLength(1)),
  }),
  v.strictObject({
    arch: v.pipe(v.string(), v.minLength(1)),
    classes: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(100_000)),
    /** Share of the ReLUs that a random mask keeps, 0 to 1. */
    reluKeep: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
    /** Height and width of the pictures in pixels; the architecture's usual ones when absent. */
    size: v.optional(v.pipe(v.number(), v.integer(), v.minValue(8), v.maxValue(512))),
    /** Text from which the random weights and masks follow; a fresh one when absent. */
    seed: v.optional(v.string()),
  }),
])
export type Source = v.InferOutput<typeof sourceSchema>

/** A network ready to run in the clear or to be lowered. */
export interface LoadedNetwork {
  readonly id: string
  readonly name: string
  readonly dataset: string | null
  readonly graph: Graph
  readonly tensors: Tensors
  readonly card: Card | null
  readonly inputShape: Shape
  readonly classNames: readonly string[]
  readonly preprocessing: PublicCard['preprocessing']
  /** Ranges that the model was calibrated with; null calls for calibration on random images. */
  readonly calibration: Calibration | null
}

/** Ids of the bundled models. */
export function bundledModels(): string[] {
  if (!existsSync(BUNDLED)) return []
  return readdirSync(BUNDLED, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(BUNDLED, entry.name, 'card.json')))
    .map((entry) => entry.name)
    .sort()
}

/** Folder of a bundled model; throws 'model-not-found'. */
export function bundledFolder(id: string): string {
  const bundled = bundledModels()
  if (bundled.includes(id)) return join(BUNDLED, id)
  throw new AdytonError('model-not-found', `no model '${id.slice(0, 64)}' comes with the program`, {
    advice: `Bundled models: ${bundled.join(', ') || 'none'}.`,
  })
}

/** Folder of a model; throws 'model-not-found' naming what there is. */
export function modelFolder(model: string): string {
  const bundled = bundledModels()
  if (bundled.includes(model)) return join(BUNDLED, model)
  const folder = isAbsolute(model) ? model : resolve(model)
  if (existsSync(join(folder, 'graph.json'))) return folder
  throw new AdytonError('model-not-found', `there is no model '${model}'`, {
    advice: `Bundled models: ${bundled.join(', ') || 'none'}. Or give the path of a model folder, which holds graph.json, or zoo:ID for one of the catalog.`,
  })
}

/** `data`: the folder whose catalog is meant; see dataFolder. */
export async function loadNetwork(source: Source, data?: string): Promise<LoadedNetwork> {
  return 'model' in source ? await loadModel(source.model, data) : randomNetwork(source)
}

function inputShapeOf(graph: Graph): Shape {
  const [input] = graph.nodes
  if (input.op !== 'input') throw new Error('the first node of a checked graph is its input')
  return input.shape
}

const CATALOG = 'zoo:'

/** A model of the catalog is read from a copy, whose checksums are compared and which a purge cannot take away. */
async function readAny(model: string, data: string | undefined): Promise<Model> {
  if (!model.startsWith(CATALOG)) return await readModel(modelFolder(model))
  return await withZoo(dataFolder(data), (zoo) =>
    // In the catalog's own place for what is under way: weights are secret, and 'zoo verify' finds what a kill leaves.
    zoo.files.staging(async (folder) => {
      const copy = join(folder, 'model')
      await exportModel(zoo, model.slice(CATALOG.length), copy)
      return await readModel(copy)
    }),
  )
}

async function loadModel(model: string, data: string | undefined): Promise<LoadedNetwork> {
  const { graph, tensors, card, calibration } = await readAny(model, data)
  const inputShape = inputShapeOf(graph)
  return {
    id: model,
    name: card.name,
    dataset: card.dataset,
    graph,
    tensors,
    card,
    inputShape,
    classNames: card.classNames,
    preprocessing: {
      kind: inputShape[0] === 1 ? 'digit' : 'image',
      mean: [...card.preprocessing.mean],
      std: [...card.preprocessing.std],
    },
    calibration: calibration ?? null,
  }
}

/** The graph of a named architecture; throws 'model-not-found' and 'usage'. */
export function architectureOf({ arch, classes, size }: Extract<Source, { arch: string }>): Graph {
  return architecture(arch, { classes, ...(size === undefined ? {} : { size }) })
}

function randomNetwork(source: Extract<Source, { arch: string }>): LoadedNetwork {
  const { arch, classes, reluKeep } = source
  const plain = architectureOf(source)
  const seed =
    source.seed === undefined ? freshSeed() : derive(new TextEncoder().encode(source.seed), 'random weights', 32)
  const weights = randomTensors(plain, prgFor(seed, 'weights'))
  const { graph, masks } =
    reluKeep === 1 ? { graph: plain, masks: new Map() } : randomMasks(plain, reluKeep, prgFor(seed, 'masks'))
  const inputShape = inputShapeOf(graph)
  return {
    id: arch,
    name: `${arch} with random weights`,
    dataset: null,
    graph,
    tensors: new Map([...weights, ...masks]),
    card: null,
    inputShape,
    classNames: Array.from({ length: classes }, (_, i) => String(i)),
    preprocessing: { kind: inputShape[0] === 1 ? 'digit' : 'image', mean: [0], std: [1] },
    calibration: null,
  }
}

/**
 * Seed of the noise that a network without ranges of its own is calibrated on. Public and always the same, so that
 * describe and infer lower a network alike.
 */
const CALIBRATION_SEED = derive(new TextEncoder().encode('calibration'), 'noise images', 32)

/** Images of uniform noise in the preprocessed range. */
export function noiseImages(
  network: Pick<LoadedNetwork, 'inputShape'>,
  count: number,
  seed: Uint8Array = freshSeed(),
): Float32Array[] {
  const length = network.inputShape.reduce((a, b) => a * b, 1)
  const prg = prgFor(seed, 'noise images')
  return Array.from({ length: count }, () => Float32Array.from(prg.bytes(length), (byte) => (byte / 255) * 2 - 1))
}

/** Lowers a network: with its own ranges, or calibrated on two images of noise. */
export function lowerNetwork(network: LoadedNetwork, options: LowerOptions = {}): LoweredModel {
  const { graph, tensors, calibration, card } = network
  const merged: LowerOptions = { ...card?.lowering, ...options }
  return calibration === null
    ? lower(graph, tensors, noiseImages(network, 2, CALIBRATION_SEED), HE_PLANNER, merged)
    : lowerCalibrated(graph, tensors, calibration, HE_PLANNER, merged)
}

/** The part of a card that a client is told. */
export function publicCard(network: LoadedNetwork): PublicCard {
  return {
    id: network.id,
    name: network.name,
    dataset: network.dataset ?? 'none',
    classNames: [...network.classNames],
    preprocessing: network.preprocessing,
  }
}
