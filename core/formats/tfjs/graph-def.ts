/**
 * A GraphDef in JSON, as TensorFlow.js converts it: nodes with attributes by name, where texts are in base64 and whole
 * numbers may be texts. Layout: tfjs-converter/src/data/compiled_api.ts of github.com/tensorflow/tfjs.
 */
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { LIMITS } from '../../network/shapes.ts'
import { refuseNode } from '../import/format.ts'

const MAX_NODES = 20_000
const text = v.pipe(v.string(), v.maxLength(2048))
const whole = v.union([
  v.pipe(v.number(), v.safeInteger()),
  v.pipe(v.string(), v.regex(/^-?\d{1,15}$/), v.transform(Number)),
])
const AttributeSchema = v.object({
  s: v.optional(v.union([text, v.array(v.number())])),
  i: v.optional(whole),
  f: v.optional(v.number()),
  b: v.optional(v.boolean()),
  type: v.optional(v.union([text, v.number()])),
  shape: v.optional(
    v.nullable(
      v.object({ dim: v.nullish(v.array(v.object({ size: v.optional(whole) }))), unknownRank: v.nullish(v.boolean()) }),
    ),
  ),
  list: v.optional(
    v.nullable(
      v.object({
        i: v.optional(v.pipe(v.array(whole), v.maxLength(64))),
        s: v.optional(v.pipe(v.array(v.union([text, v.array(v.number())])), v.maxLength(64))),
      }),
    ),
  ),
})
const NodeSchema = v.object({
  name: text,
  op: text,
  input: v.nullish(v.pipe(v.array(text), v.maxLength(LIMITS.concat + 1))),
  attr: v.nullish(v.record(v.string(), v.unknown())),
})
const GraphDefSchema = v.object({ node: v.pipe(v.array(NodeSchema), v.maxLength(MAX_NODES)) })
const SignatureSchema = v.object({ outputs: v.nullish(v.record(v.string(), v.object({ name: v.optional(text) }))) })

type Attribute = v.InferOutput<typeof AttributeSchema>

/** One node with its attributes. */
export class GraphNode {
  readonly name: string
  readonly op: string
  /** Names of nodes, without those that only have to come before. */
  readonly inputs: readonly string[]
  readonly #attributes: Readonly<Record<string, unknown>>

  constructor(raw: v.InferOutput<typeof NodeSchema>) {
    this.name = raw.name
    this.op = raw.op
    this.inputs = (raw.input ?? []).filter((input) => !input.startsWith('^')).map((input) => input.replace(/:0$/, ''))
    this.#attributes = raw.attr ?? {}
  }

  refuse(reason: string, advice: string): never {
    return refuseNode(this.name, this.op, reason, advice)
  }

  text(key: string, otherwise: string): string {
    const value = this.#attribute(key)?.s
    return value === undefined ? otherwise : decoded(value)
  }

  texts(key: string): string[] {
    return (this.#attribute(key)?.list?.s ?? []).map(decoded)
  }

  flag(key: string): boolean {
    return this.#attribute(key)?.b ?? false
  }

  number(key: string, otherwise: number): number {
    const value = this.#attribute(key)
    return value?.f ?? value?.i ?? otherwise
  }

  integers(key: string): readonly number[] | undefined {
    return this.#attribute(key)?.list?.i
  }

  /** Sizes of a shape, -1 where it is open; undefined when nothing is known of it. */
  shape(key: string): number[] | undefined {
    const shape = this.#attribute(key)?.shape
    if (shape === undefined || shape === null || shape.unknownRank === true) return undefined
    return (shape.dim ?? []).map((dim) => dim.size ?? 0)
  }

  #attribute(key: string): Attribute | undefined {
    const raw = Object.hasOwn(this.#attributes, key) ? this.#attributes[key] : undefined
    if (raw === undefined) return undefined
    const result = v.safeParse(AttributeSchema, raw)
    if (result.success) return result.output
    return this.refuse(`attribute '${key}' cannot be read`, 'The file is damaged.')
  }
}

function decoded(value: string | readonly number[]): string {
  return typeof value === 'string'
    ? Buffer.from(value, 'base64').toString('latin1')
    : Buffer.from(value).toString('latin1')
}

export interface GraphDef {
  readonly nodes: ReadonlyMap<string, GraphNode>
  /** Name of the one output. */
  readonly output: string
}

/** Throws AdytonError 'file-corrupt' naming the place, or 'file-unsupported' for several outputs. */
export function parseGraphDef(topology: unknown, signature: unknown, file: string): GraphDef {
  const result = v.safeParse(GraphDefSchema, topology, { abortEarly: true })
  if (!result.success) {
    const [issue] = result.issues
    throw corrupt(file, `modelTopology.${v.getDotPath(issue) ?? ''}: ${issue.message}`)
  }
  const nodes = new Map<string, GraphNode>()
  for (const raw of result.output.node) {
    if (nodes.has(raw.name)) throw corrupt(file, `two nodes are called '${raw.name.slice(0, 128)}'`)
    nodes.set(raw.name, new GraphNode(raw))
  }
  const outputs = outputsOf(nodes, signature, file)
  if (outputs.length !== 1) {
    throw new AdytonError('file-unsupported', `${file}: the graph has ${outputs.length} outputs`, {
      advice: 'Only models of one output can be run.',
    })
  }
  return { nodes, output: outputs[0] }
}

function outputsOf(nodes: ReadonlyMap<string, GraphNode>, signature: unknown, file: string): string[] {
  const declared = v.safeParse(SignatureSchema, signature ?? {})
  if (!declared.success) throw corrupt(file, 'signature cannot be read')
  const named = Object.entries(declared.output.outputs ?? {}).map(([key, { name }]) => (name ?? key).replace(/:0$/, ''))
  if (named.length > 0) return named
  const read = new Set([...nodes.values()].flatMap((node) => node.inputs))
  return [...nodes.values()]
    .filter(({ name, op }) => !read.has(name) && op !== 'Const' && op !== 'NoOp')
    .map(({ name }) => name)
}

function corrupt(file: string, reason: string): AdytonError {
  return new AdytonError('file-corrupt', `${file}: ${reason.slice(0, 400)}`, { advice: 'Export the model again.' })
}
