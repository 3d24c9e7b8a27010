/** The JSON form of a layer graph (`graph.json` of a model folder), checked before anything reads it. */
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import type { Graph } from './graph.ts'
import { inferShapes, LIMITS } from './shapes.ts'

const id = v.pipe(
  v.string(),
  v.maxLength(LIMITS.idLength),
  v.regex(/^[A-Za-z0-9_][A-Za-z0-9_./-]*$/, 'expected letters, digits and _ . / - only'),
)
const whole = (min: number, max: number) => v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max))
const inputs = v.pipe(v.array(id), v.maxLength(LIMITS.concat))
const kernel = v.strictTuple([whole(1, LIMITS.kernel), whole(1, LIMITS.kernel)])
const stride = whole(1, LIMITS.stride)
const padding = whole(0, LIMITS.padding)
const channels = whole(1, LIMITS.channels)
const base = { id, inputs }

const NodeSchema = v.variant('op', [
  v.strictObject({
    ...base,
    op: v.literal('input'),
    shape: v.pipe(v.array(channels), v.minLength(1), v.maxLength(3)),
  }),
  v.strictObject({
    ...base,
    op: v.literal('conv2d'),
    outChannels: channels,
    kernel,
    stride,
    padding,
    groups: channels,
    bias: v.boolean(),
  }),
  v.strictObject({ ...base, op: v.literal('dense'), outFeatures: channels, bias: v.boolean() }),
  v.strictObject({
    ...base,
    op: v.literal('batchNorm'),
    epsilon: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  }),
  v.strictObject({ ...base, op: v.literal('relu'), mask: v.picklist(['none', 'element', 'channel']) }),
  v.strictObject({ ...base, op: v.literal('add') }),
  v.strictObject({ ...base, op: v.literal('concat') }),
  v.strictObject({ ...base, op: v.literal('averagePool'), kernel, stride, padding }),
  v.strictObject({ ...base, op: v.literal('maxPool'), kernel, stride, padding }),
  v.strictObject({ ...base, op: v.literal('globalAveragePool') }),
  v.strictObject({ ...base, op: v.literal('flatten') }),
])

/** Shape of `graph.json`, sizes bounded; {@link parseGraph} checks how the nodes fit together as well. */
export const GraphSchema = v.strictObject({
  name: v.pipe(v.string(), v.minLength(1), v.maxLength(128)),
  nodes: v.pipe(v.array(NodeSchema), v.maxLength(LIMITS.nodes)),
  stages: v.exactOptional(v.pipe(v.array(id), v.maxLength(64))),
})

/** A validated graph from parsed JSON; throws AdytonError 'model-invalid' naming the field or the node. */
export function parseGraph(json: unknown): Graph {
  const result = v.safeParse(GraphSchema, json, { abortEarly: true })
  if (!result.success) {
    const issue = result.issues[0]
    const path = v.getDotPath(issue) ?? '(root)'
    throw new AdytonError('model-invalid', `graph: ${path}: ${issue.message}`)
  }
  const graph: Graph = result.output
  inferShapes(graph)
  return graph
}
