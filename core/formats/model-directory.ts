/**
 * A model folder: `graph.json` (public architecture), `weights.safetensors` (weights and masks, secret) and
 * `card.json` (what the model is, how to feed it, where it comes from).
 */
import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import type { Graph, Tensor, Tensors } from '../network/graph.ts'
import type { Calibration } from '../network/lower/calibrate.ts'
import { parseGraph } from '../network/schema.ts'
import { elements, inferShapes } from '../network/shapes.ts'
import { checkTensors } from '../network/tensors.ts'
import { readSafetensors, writeSafetensors } from './safetensors.ts'

const text = (max: number) => v.pipe(v.string(), v.maxLength(max))
const finite = v.pipe(v.number(), v.finite())
const channelNumbers = v.pipe(v.array(finite), v.minLength(1), v.maxLength(64))
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1))

/** From pixels to the network's input: x = (pixel / 255, or 1 - that when inverted, - mean) / std, per channel. */
export const PreprocessingSchema = v.strictObject({
  mean: channelNumbers,
  std: v.pipe(v.array(v.pipe(finite, v.gtValue(0))), v.minLength(1), v.maxLength(64)),
  /** Dark on light pictures for a network that was trained on light on dark. */
  invert: v.boolean(),
})

const TrainingSchema = v.strictObject({
  epochs: v.exactOptional(v.pipe(v.number(), v.minValue(0))),
  images: v.exactOptional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  summary: text(4000),
})

export const CardSchema = v.strictObject({
  name: v.pipe(text(128), v.minLength(1)),
  description: v.exactOptional(text(4000)),
  dataset: text(128),
  classes: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(2 ** 16)),
  /** One a class, in the order of the logits. */
  classNames: v.pipe(v.array(text(128)), v.maxLength(2 ** 16)),
  preprocessing: PreprocessingSchema,
  licence: text(128),
  /** Top-1 on the test set, as a fraction, with the number of images it was measured on. */
  accuracy: v.exactOptional(v.strictObject({ top1: share, images: v.pipe(v.number(), v.integer(), v.minValue(1)) })),
  training: v.exactOptional(TrainingSchema),
  /** Of a model that another program made: its format, what was changed, and how far it is from the original. */
  imported: v.exactOptional(
    v.strictObject({
      format: text(64),
      producer: v.exactOptional(text(128)),
      notes: v.pipe(v.array(text(500)), v.maxLength(100)),
      comparison: v.exactOptional(
        v.strictObject({
          /** The implementation that ran the original. */
          against: text(128),
          images: v.pipe(v.number(), v.integer(), v.minValue(1)),
          /** Of a logit, absolute. */
          largestDifference: v.pipe(finite, v.minValue(0)),
          largestLogit: v.pipe(finite, v.minValue(0)),
        }),
      ),
    }),
  ),
  /** Precision that the model is lowered with; see LowerOptions. */
  lowering: v.exactOptional(
    v.strictObject({
      activationBits: v.pipe(v.number(), v.integer(), v.minValue(4), v.maxValue(20)),
      weightBits: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(24)),
    }),
  ),
})

export type Card = v.InferOutput<typeof CardSchema>

/** Ranges of every operation on training images, by which the network is lowered; see core/network/lower. */
export const CalibrationSchema = v.record(
  text(200),
  v.strictObject({ max: v.pipe(finite, v.gtValue(0)), linearised: v.pipe(finite, v.minValue(0)) }),
)

export interface Model {
  readonly graph: Graph
  readonly tensors: Tensors
  readonly card: Card
  /** Kept as calibration.json; a model without it is calibrated on noise. */
  readonly calibration?: Calibration
}

const GRAPH = 'graph.json'
const WEIGHTS = 'weights.safetensors'
const CARD = 'card.json'
const CALIBRATION = 'calibration.json'
/** A Node buffer holds no more, and no network we run comes near it. */
const MAX_JSON_BYTES = 16 * 2 ** 20

async function readBytes(dir: string, file: string): Promise<Uint8Array> {
  try {
    return await readFile(join(dir, file))
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
    throw new AdytonError(missing ? 'file-not-found' : 'file-corrupt', `${join(dir, file)} cannot be read`, {
      advice: `A model folder holds ${GRAPH}, ${WEIGHTS} and ${CARD}.`,
      cause,
    })
  }
}

async function readJson(dir: string, file: string): Promise<unknown> {
  const bytes = await readBytes(dir, file)
  const path = join(dir, file)
  if (bytes.length > MAX_JSON_BYTES) throw new AdytonError('file-corrupt', `${path}: more than ${MAX_JSON_BYTES} bytes`)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new AdytonError('file-corrupt', `${path}: not valid JSON in UTF-8`, { cause })
  }
}

/** A card from parsed JSON; throws AdytonError 'file-corrupt' naming the file and the field. */
export function parseCard(json: unknown, file = CARD): Card {
  const result = v.safeParse(CardSchema, json, { abortEarly: true })
  if (!result.success) {
    const issue = result.issues[0]
    throw new AdytonError('file-corrupt', `${file}: ${v.getDotPath(issue) ?? '(root)'}: ${issue.message}`)
  }
  return result.output
}

/** Card, graph and tensors must speak of the same network. */
function checkModel({ graph, tensors, card }: Model, where: string): void {
  const shapes = inferShapes(graph)
  checkTensors(graph, tensors)
  const { nodes } = graph
  const outputs = elements(shapes.get(nodes[nodes.length - 1].id) ?? [])
  const input = shapes.get(nodes[0].id) ?? []
  // Numbers that are no picture share one mean.
  const channels = input.length === 3 ? input[0] : 1
  const { classes, classNames, preprocessing } = card
  const fail = (what: string): never => {
    throw new AdytonError('model-invalid', `${where}: ${what}`, { advice: `Correct ${CARD}.` })
  }
  if (classes !== outputs) fail(`the card says ${classes} classes, the network has ${outputs} outputs`)
  if (classNames.length !== classes) fail(`the card names ${classNames.length} of ${classes} classes`)
  const { mean, std } = preprocessing
  if (mean.length !== channels || std.length !== channels) {
    fail(`the card has mean and std of ${mean.length} and ${std.length} channels, the network takes ${channels}`)
  }
}

/**
 * Reads and checks a model folder. Throws AdytonError: 'file-not-found', 'file-corrupt' naming file and reason, or
 * 'model-invalid' when the parts do not fit each other.
 */
export async function readModel(dir: string): Promise<Model> {
  const graph = parseGraph(await readJson(dir, GRAPH))
  const card = parseCard(await readJson(dir, CARD), join(dir, CARD))
  const { tensors } = readSafetensors(await readBytes(dir, WEIGHTS), join(dir, WEIGHTS))
  const calibration = existsSync(join(dir, CALIBRATION)) ? parseCalibration(await readJson(dir, CALIBRATION), dir) : {}
  const model = { graph, tensors, card, ...calibration }
  checkModel(model, dir)
  return model
}

function parseCalibration(json: unknown, dir: string): { calibration: Calibration } {
  const result = v.safeParse(CalibrationSchema, json, { abortEarly: true })
  if (result.success) return { calibration: result.output }
  const [issue] = result.issues
  const where = `${join(dir, CALIBRATION)}: ${v.getDotPath(issue) ?? '(root)'}`
  throw new AdytonError('file-corrupt', `${where}: ${issue.message}`)
}

/** Only the tensors that the graph names: a folder never carries stray data. */
function ownTensors({ graph, tensors }: Model): Map<string, Tensor> {
  const ids = new Set(graph.nodes.map((node) => node.id))
  return new Map([...tensors].filter(([name]) => ids.has(name.slice(0, name.lastIndexOf('.')))))
}

/**
 * Writes a model folder, making it if need be; each file appears whole or not at all. With `half`, weights are
 * stored as F16. Throws AdytonError 'model-invalid' for a model that {@link readModel} would refuse.
 */
export async function writeModel(dir: string, model: Model, options: { readonly half?: boolean } = {}): Promise<void> {
  checkModel(model, dir)
  const card = parseCard(model.card)
  await mkdir(dir, { recursive: true })
  const put = async (file: string, data: string | Uint8Array): Promise<void> => {
    const temporary = join(dir, `.${file}.${process.pid}.tmp`)
    await writeFile(temporary, data)
    await rename(temporary, join(dir, file))
  }
  await put(WEIGHTS, writeSafetensors(ownTensors(model), options))
  await put(GRAPH, `${JSON.stringify(model.graph, undefined, 1)}\n`)
  if (model.calibration !== undefined) await put(CALIBRATION, `${JSON.stringify(model.calibration, undefined, 1)}\n`)
  await put(CARD, `${JSON.stringify(card, undefined, 2)}\n`)
}
