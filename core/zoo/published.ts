/** Results of the papers, to be shown beside one's own: see resources/published/README.md. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import { datasetKey } from './datasets.ts'

const FILE = fileURLToPath(new URL('../../resources/published/published.json', import.meta.url))

const text = v.pipe(v.string(), v.minLength(1))
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1))
const seconds = v.exactOptional(v.pipe(v.number(), v.finite(), v.minValue(0)))

const PointSchema = v.strictObject({
  source: v.strictObject({ paper: text, table: text }),
  dataset: text,
  method: text,
  /** What the method was applied to, where the source says. */
  network: v.exactOptional(text),
  relus: count,
  macs: v.exactOptional(count),
  params: v.exactOptional(count),
  /** Top-1 in percent. */
  accuracy: v.pipe(v.number(), v.minValue(0), v.maxValue(100)),
  /** Trained with knowledge distillation; null where the source does not say. */
  kd: v.nullable(v.boolean()),
  /** Latencies of one inference. */
  seconds: v.exactOptional(v.strictObject({ online: seconds, he: seconds, gc: seconds, total: seconds })),
  note: v.exactOptional(text),
})

const PublishedSchema = v.strictObject({
  papers: v.array(v.strictObject({ id: text, title: text, authors: text })),
  /** Results about which the papers disagree. */
  conflicts: v.array(v.strictObject({ point: text, values: v.array(v.number()) })),
  points: v.array(PointSchema),
})

export type PublishedPoint = v.InferOutput<typeof PointSchema>
export type Published = v.InferOutput<typeof PublishedSchema>

let read: Published | undefined

/** Everything in the file, which is read and checked once. */
export function published(): Published {
  read ??= v.parse(PublishedSchema, JSON.parse(readFileSync(FILE, 'utf8')))
  return read
}

/** The points of a data set, however its name is spelt. Throws 'usage' for one that no paper has. */
export function publishedOn(dataset: string): PublishedPoint[] {
  const { points } = published()
  const key = datasetKey(dataset)
  const found = points.filter((point) => datasetKey(point.dataset) === key)
  if (found.length > 0) return found
  const known = [...new Set(points.map((point) => point.dataset))].sort()
  throw new AdytonError('usage', `no published results on '${dataset.slice(0, 64)}'`, {
    advice: `There are some on ${known.join(', ')}.`,
  })
}
