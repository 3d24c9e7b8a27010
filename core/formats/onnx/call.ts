/** One node of an ONNX graph while it is read: its inputs, its attributes, and how it is refused. */
import { LIMITS, shapeText } from '../../network/shapes.ts'
import type { NetworkBuilder, Origin } from '../import/builder.ts'
import { refuseNode } from '../import/format.ts'
import type { OnnxAttribute, OnnxNode, OnnxTensor } from './proto.ts'
import { dimsOf, inOurOrder, isStandard, standardGroups, type Activation, type Constant, type Value } from './values.ts'

/** Numbers in a list of axes, pads or the like. */
const MAX_LIST = 64

/** What all nodes of a graph share while it is read. */
export interface Reading {
  readonly builder: NetworkBuilder
  readonly opset: number
  /** Images in a batch; 1 where the file leaves it open. */
  readonly batch: number
  /** Value of a name, undefined when nothing before has made it. */
  readonly lookup: (name: string) => Value | undefined
  readonly tensor: (tensor: OnnxTensor) => Constant
  /** The only node that reads `name`, where there is one and the network does not end in it. */
  readonly onlyReader: (name: string) => OnnxNode | undefined
  /** Some node, or the end of the network, reads `name`. */
  readonly isRead: (name: string) => boolean
  /** Counts numbers that are kept; refuses the file when there are too many. */
  readonly spend: (numbers: number) => void
  /** Additions that the layer before them has taken in as its bias. */
  readonly fused: Set<OnnxNode>
}

export type Operator = (call: Call) => Value

export class Call {
  readonly node: OnnxNode
  readonly reading: Reading
  readonly origin: Origin
  readonly #attributes: ReadonlyMap<string, OnnxAttribute>

  constructor(node: OnnxNode, reading: Reading) {
    this.node = node
    this.reading = reading
    this.origin = { name: nameOf(node), operator: node.opType ?? '' }
    this.#attributes = new Map(node.attribute.map((attribute) => [attribute.name ?? '', attribute]))
  }

  get builder(): NetworkBuilder {
    return this.reading.builder
  }

  get opset(): number {
    return this.reading.opset
  }

  refuse(reason: string, advice: string): never {
    return refuseNode(this.origin.name, this.origin.operator, reason, advice)
  }

  note(text: string): void {
    this.builder.note(this.origin, text)
  }

  has(i: number): boolean {
    return (this.node.input[i] ?? '') !== ''
  }

  value(i: number): Value {
    const name = this.node.input[i] ?? ''
    if (name === '') this.refuse(`has no input ${i + 1}`, 'The file is damaged: export it again.')
    const value = this.reading.lookup(name)
    if (value !== undefined) return value
    return this.refuse(
      `reads '${name.slice(0, 128)}', which no node before it writes`,
      'A graph lists its nodes in the order in which they run, without cycles: export it again.',
    )
  }

  values(): Value[] {
    return this.node.input.map((_, i) => this.value(i))
  }

  /** A value of the network; zeros around it that no layer has taken are refused unless asked for. */
  activation(i: number, options: { readonly padded?: boolean } = {}): Activation {
    const value = this.value(i)
    if (value.kind === 'constant') this.refuse('works on constants only', 'Fold constants when the model is exported.')
    if (value.ended !== undefined) {
      const { operator } = value.ended
      this.refuse(`reads the result of ${operator}`, `${operator} is possible as the last operation only.`)
    }
    if (value.pads !== undefined && options.padded !== true) {
      const advice = 'Padding is possible before a convolution or a pooling layer only.'
      this.refuse('reads a value with padding around it', advice)
    }
    return value
  }

  /** A value that is [N, channels, height, width] in the file, and a map of ours. */
  map(i: number, options: { readonly padded?: boolean } = {}): Activation {
    const value = this.activation(i, options)
    if (value.shape.length === 3 && isStandard(value)) return value
    const found = shapeText(['N', ...dimsOf(value)] as unknown as number[])
    const moved = value.groups.length === 3 && !inOurOrder(value)
    return this.refuse(
      moved
        ? `its input ${found} has its channels not in second place`
        : `needs [N, channels, height, width], got ${found}`,
      moved ? 'Export with channels first (NCHW).' : 'Only layers over pictures can be run.',
    )
  }

  /** A known input; `what` names it in the refusal: 'weights'. */
  constant(i: number, what: string): Constant {
    const value = this.value(i)
    if (value.kind === 'constant') return value
    return this.refuse(`its ${what} are computed by the network`, `Only layers with constant ${what} can be run.`)
  }

  /** A known input of floating-point numbers. */
  floats(i: number, what: string): { readonly dims: readonly number[]; readonly data: Float32Array } {
    const { dims, data } = this.constant(i, what)
    if (data instanceof Float32Array) return { dims, data }
    return this.refuse(`its ${what} are whole numbers`, 'Export the model with float32 weights.')
  }

  /** A known input that is a list of whole numbers: axes, pads, a shape. */
  integers(i: number, what: string): number[] {
    return this.#checked(this.constant(i, what).data, what)
  }

  int(name: string, otherwise: number): number {
    const attribute = this.#attributes.get(name)
    return attribute === undefined ? otherwise : this.#checked([attribute.i ?? 0], `attribute ${name}`)[0]
  }

  ints(name: string): number[] | undefined {
    const attribute = this.#attributes.get(name)
    return attribute === undefined ? undefined : this.#checked(attribute.ints, `attribute ${name}`)
  }

  float(name: string, otherwise: number): number {
    const attribute = this.#attributes.get(name)
    return attribute === undefined ? otherwise : (attribute.f ?? 0)
  }

  text(name: string, otherwise: string): string {
    const attribute = this.#attributes.get(name)
    return attribute === undefined ? otherwise : Buffer.from((attribute.s ?? new Uint8Array()).slice(0, 128)).toString()
  }

  attribute(name: string): OnnxAttribute | undefined {
    return this.#attributes.get(name)
  }

  /** Axes or the like, an attribute before opset `since` and input `input` from then on; undefined when not given. */
  listed(name: string, since: number, input: number): number[] | undefined {
    if (this.opset < since) return this.ints(name)
    return this.has(input) ? this.integers(input, name) : undefined
  }

  /** 0 to rank - 1, from an axis that may count from the end. */
  axis(axis: number, rank: number): number {
    if (axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis
    return this.refuse(`axis ${axis} of a value with ${rank} axes`, 'The file is damaged: export it again.')
  }

  /** The value `id` of our graph, in our own layout. */
  result(id: string): Activation {
    const shape = this.builder.shape(id)
    return { kind: 'activation', id, shape, groups: standardGroups(shape) }
  }

  /** The value `id` of our graph, of the shape of `like` and laid out as it is. */
  laidOut(like: Activation, id: string): Activation {
    return { kind: 'activation', id, shape: like.shape, groups: like.groups }
  }

  /** The same value as the file sees it now; becomes flat in our graph where it is flat in the file. */
  seenAs(value: Activation, groups: Activation['groups']): Activation {
    const seen = { ...value, groups }
    if (groups.length !== 1 || value.shape.length === 1 || !inOurOrder(seen)) return seen
    const flat = this.result(this.builder.flatten(this.origin, value.id))
    return value.nonNegative === true ? { ...flat, nonNegative: true } : flat
  }

  #checked(numbers: ArrayLike<number>, what: string): number[] {
    if (numbers.length > MAX_LIST) this.refuse(`its ${what} has ${numbers.length} numbers`, 'The file is damaged.')
    if (Array.from(numbers).every((n) => Number.isInteger(n) && Math.abs(n) <= 2 ** 63)) return Array.from(numbers)
    return this.refuse(`its ${what} is no whole number`, 'The file is damaged: export it again.')
  }
}

/** Name of a node, or of its first output where it has none. */
export function nameOf(node: OnnxNode): string {
  return ((node.name ?? '') || (node.output[0] ?? '')).slice(0, LIMITS.idLength)
}
