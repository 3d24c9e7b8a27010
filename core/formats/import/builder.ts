/**
 * Builds one of our graphs node by node from what other formats say, with what they allow and we do not have rewritten
 * exactly: uneven padding and dilation as zeros in a larger kernel, scales and shifts as a batch norm, PReLU and ReLU6 as
 * sums of ReLUs. Layouts are ours: one image, [channels, height, width]; weights [out][in / groups][height][width].
 */
import { AdytonError } from '../../errors/errors.ts'
import type { Graph, GraphNode, Shape, Tensor } from '../../network/graph.ts'
import { elements, inferShapes, LIMITS, sameShape, shapeText } from '../../network/shapes.ts'
import { refuseNode } from './format.ts'

/** Padding at the top, the left, the bottom and the right. */
export type Pads = readonly [number, number, number, number]

/** Where a value of the file comes from, for messages. */
export interface Origin {
  /** Name in the file; becomes the node's id. */
  readonly name: string
  /** Operator as the file calls it. */
  readonly operator: string
}

export interface ConvSpec {
  /** [outChannels][inChannels / groups][kernel height][kernel width] */
  readonly weight: Float32Array
  readonly bias?: Float32Array
  readonly outChannels: number
  readonly kernel: readonly [number, number]
  readonly strides: readonly [number, number]
  readonly dilations?: readonly [number, number]
  readonly pads: Pads
  readonly groups: number
}

export interface PoolSpec {
  readonly kernel: readonly [number, number]
  readonly strides: readonly [number, number]
  readonly pads: Pads
  /** Averages only: padding counts as zeros. */
  readonly countPadding?: boolean
}

/** Weights, zeros included, of all convolutions that grow to be ours: a small file must not become a huge network. */
const MAX_GROWN = 2 ** 26

const WHY_SQUARE = 'Export the model with equal strides.'

export class NetworkBuilder {
  readonly #nodes: GraphNode[] = []
  readonly #shapes = new Map<string, Shape>()
  readonly #tensors = new Map<string, Tensor>()
  readonly #notes: string[] = []
  readonly #name: string
  #grown = 0
  #numbers = 0

  constructor(name: string) {
    this.#name = name.slice(0, 128) || 'imported'
  }

  /** Shape of a value; [channels, height, width] or [features]. */
  shape(id: string): Shape {
    const shape = this.#shapes.get(id)
    if (shape === undefined) throw new RangeError(`there is no node '${id}'`)
    return shape
  }

  note(origin: Origin, text: string): void {
    if (this.#notes.length < 100) this.#notes.push(`${origin.name} (${origin.operator}): ${text}`)
  }

  input(origin: Origin, shape: Shape): string {
    return this.#add(origin, (id) => ({ op: 'input', id, inputs: [], shape }))
  }

  conv(origin: Origin, input: string, spec: ConvSpec): string {
    const [channels] = this.#map(origin, input)
    const stride = this.#stride(origin, spec.strides)
    const kernel = this.#grow(origin, spec)
    const perGroup = channels / spec.groups
    if (!Number.isInteger(perGroup)) {
      refuseNode(origin.name, origin.operator, `${spec.groups} groups of ${channels} channels`, 'The file is damaged.')
    }
    const { outChannels, groups, bias } = spec
    const { weight, size, padding } = kernel
    return this.#add(
      origin,
      (id) => ({
        ...{ op: 'conv2d', id, inputs: [input], outChannels, kernel: size, stride, padding, groups },
        bias: bias !== undefined,
      }),
      {
        weight: { shape: [outChannels, perGroup, ...size], data: weight },
        ...(bias === undefined ? {} : { bias: { shape: [outChannels], data: bias } }),
      },
    )
  }

  /** `weight` [outFeatures][inFeatures]; a feature map is flattened first. */
  dense(origin: Origin, input: string, weight: Float32Array, outFeatures: number, bias?: Float32Array): string {
    const flat = this.flatten({ ...origin, name: `${origin.name}_flat` }, input)
    const [features] = this.shape(flat)
    return this.#add(origin, (id) => ({ op: 'dense', id, inputs: [flat], outFeatures, bias: bias !== undefined }), {
      weight: { shape: [outFeatures, features], data: weight },
      ...(bias === undefined ? {} : { bias: { shape: [outFeatures], data: bias } }),
    })
  }

  batchNorm(
    origin: Origin,
    input: string,
    given: Readonly<Record<'gamma' | 'beta' | 'mean' | 'variance', Float32Array>>,
    epsilon: number,
  ): string {
    const shape = [this.shape(input)[0]]
    return this.#add(origin, (id) => ({ op: 'batchNorm', id, inputs: [input], epsilon }), {
      gamma: { shape, data: given.gamma },
      beta: { shape, data: given.beta },
      mean: { shape, data: given.mean },
      variance: { shape, data: given.variance },
    })
  }

  /** x * scale + shift, one of each a channel. */
  affine(origin: Origin, input: string, scale: Float32Array, shift: Float32Array): string {
    const mean = new Float32Array(scale.length)
    return this.batchNorm(origin, input, { gamma: scale, beta: shift, mean, variance: mean.slice().fill(1) }, 0)
  }

  /** `mask`: 1 keeps the ReLU, 0 lets the value through; one a channel, or one an element of the value. */
  relu(origin: Origin, input: string, mask?: Uint8Array): string {
    const shape = this.shape(input)
    if (mask === undefined || mask.every((kept) => kept === 1)) {
      return this.#add(origin, (id) => ({ op: 'relu', id, inputs: [input], mask: 'none' }))
    }
    const byChannel = shape.length === 3 && mask.length === shape[0]
    return this.#add(origin, (id) => ({ op: 'relu', id, inputs: [input], mask: byChannel ? 'channel' : 'element' }), {
      mask: { shape: byChannel ? [shape[0]] : shape, data: mask },
    })
  }

  /**
   * max(x, slope * x) for slopes up to 1, one a channel or one an element. Slopes of 0 and 1 are a masked ReLU; others, by
   * channel only, become slope * x + (1 - slope) * ReLU(x).
   */
  prelu(origin: Origin, input: string, slope: Float32Array): string {
    if (slope.every((a) => a === 0 || a === 1)) {
      return this.relu(
        origin,
        input,
        Uint8Array.from(slope, (a) => 1 - a),
      )
    }
    if (slope.length !== this.shape(input)[0]) {
      const advice = 'Use slopes of 0 and 1, or one slope a channel.'
      refuseNode(origin.name, origin.operator, 'slopes by element other than 0 and 1', advice)
    }
    this.note(origin, 'slopes other than 0 and 1 cost two scalings and an addition')
    const zero = new Float32Array(slope.length)
    const { name } = origin
    const part = (suffix: string): Origin => ({ ...origin, name: `${name}_${suffix}` })
    const relu = this.affine(
      part('positive'),
      this.relu(part('relu'), input),
      slope.map((a) => 1 - a),
      zero,
    )
    return this.add(origin, [this.affine(part('linear'), input, slope, zero), relu])
  }

  /** min(ReLU(x), bound) as ReLU(x) - ReLU(x - bound): two ReLUs an element. */
  boundedRelu(origin: Origin, input: string, bound: number): string {
    this.note(origin, `a ReLU that ends at ${bound} counts two ReLUs an element`)
    const ones = new Float32Array(this.shape(input)[0]).fill(1)
    const zero = new Float32Array(ones.length)
    const part = (suffix: string): Origin => ({ ...origin, name: `${origin.name}_${suffix}` })
    const lower = this.relu(part('lower'), input)
    const shifted = this.affine(
      part('shifted'),
      input,
      ones,
      ones.map(() => -bound),
    )
    const upper = this.affine(
      part('negated'),
      this.relu(part('upper'), shifted),
      ones.map(() => -1),
      zero,
    )
    return this.add(origin, [lower, upper])
  }

  /** Sum of one or more values of one shape. */
  add(origin: Origin, inputs: readonly string[]): string {
    const [first, ...rest] = inputs
    let sum = first
    rest.forEach((next, i) => {
      const last = i === rest.length - 1
      const part = last ? origin : { ...origin, name: `${origin.name}_${i}` }
      const before = sum
      sum = this.#add(part, (id) => ({ op: 'add', id, inputs: [before, next] }))
    })
    return sum
  }

  /** Along channels. */
  concat(origin: Origin, inputs: readonly string[]): string {
    return inputs.length === 1 ? inputs[0] : this.#add(origin, (id) => ({ op: 'concat', id, inputs: [...inputs] }))
  }

  averagePool(origin: Origin, input: string, spec: PoolSpec): string {
    const [channels, height, width] = this.#map(origin, input)
    const { kernel, strides, pads, countPadding = false } = spec
    const [top, left, bottom, right] = pads
    const padded = pads.some((pad) => pad > 0)
    if (!padded && kernel[0] === height && kernel[1] === width) return this.globalAveragePool(origin, input)
    if (padded && !countPadding) {
      const advice = 'Average without padding, or count the padding (count_include_pad = 1).'
      refuseNode(origin.name, origin.operator, 'an average that leaves its padding out', advice)
    }
    const even = pads.every((pad) => pad === top) && 2 * top <= Math.min(...kernel)
    if (even && strides[0] === strides[1]) {
      const stride = strides[0]
      return this.#add(origin, (id) => ({ op: 'averagePool', id, inputs: [input], kernel, stride, padding: top }))
    }
    this.note(origin, `uneven padding (${[top, left, bottom, right].join(', ')}): becomes a convolution by channel`)
    const weight = new Float32Array(channels * kernel[0] * kernel[1]).fill(1 / (kernel[0] * kernel[1]))
    return this.conv(origin, input, { weight, outChannels: channels, kernel, strides, pads, groups: channels })
  }

  maxPool(origin: Origin, input: string, spec: PoolSpec): string {
    this.#map(origin, input)
    const stride = this.#stride(origin, spec.strides)
    const { kernel, pads } = spec
    const padding = pads[0]
    if (pads.some((pad) => pad !== padding)) {
      const advice = 'Use the same padding on all sides, or none.'
      refuseNode(origin.name, origin.operator, `uneven padding (${pads.join(', ')}) of a maximum`, advice)
    }
    return this.#add(origin, (id) => ({ op: 'maxPool', id, inputs: [input], kernel, stride, padding }))
  }

  /** [channels, height, width] to [channels, 1, 1]. */
  globalAveragePool(origin: Origin, input: string): string {
    this.#map(origin, input)
    return this.#add(origin, (id) => ({ op: 'globalAveragePool', id, inputs: [input] }))
  }

  /** Nothing happens to a value that is flat already. */
  flatten(origin: Origin, input: string): string {
    if (this.shape(input).length === 1) return input
    return this.#add(origin, (id) => ({ op: 'flatten', id, inputs: [input] }))
  }

  /** The network with `output` as its last node; what the output does not need is left out. */
  finish(output: string): { graph: Graph; tensors: Map<string, Tensor>; notes: string[] } {
    const needed = new Set([output, ...this.#nodes.slice(0, 1).map((node) => node.id)])
    for (const node of this.#nodes.toReversed()) {
      if (needed.has(node.id)) node.inputs.forEach((id) => needed.add(id))
    }
    const nodes = this.#nodes.filter((node) => needed.has(node.id))
    // The last node is the output: nodes after it need it and are not needed by it.
    const graph = { name: this.#name, nodes }
    inferShapes(graph)
    const ids = new Set(nodes.map((node) => node.id))
    const tensors = [...this.#tensors].filter(([name]) => ids.has(name.slice(0, name.lastIndexOf('.'))))
    return { graph, tensors: new Map(tensors), notes: this.#notes }
  }

  #add(origin: Origin, make: (id: string) => GraphNode, tensors: Readonly<Record<string, Tensor>> = {}): string {
    if (this.#nodes.length >= LIMITS.nodes) {
      throw new AdytonError('file-unsupported', `the network has more than ${LIMITS.nodes} layers`, {
        advice: 'Only networks of up to that size can be run privately.',
      })
    }
    const node = make(this.#freshId(origin.name))
    const shape = this.#shapeOf(origin, node)
    for (const [name, tensor] of Object.entries(tensors)) {
      if (elements(tensor.shape) !== tensor.data.length) {
        const what = `${name} has ${tensor.data.length} numbers, expected ${shapeText(tensor.shape)}`
        refuseNode(origin.name, origin.operator, what, 'The file is damaged.')
      }
      const odd = tensor.data.findIndex((number) => !Number.isFinite(number))
      if (odd >= 0) {
        const what = `node '${origin.name.slice(0, 128)}' (${origin.operator.slice(0, 64)}): ${name} ${odd} is ${tensor.data[odd]}`
        throw new AdytonError('model-invalid', what, {
          advice: 'Its training overflowed, or the file is damaged: fetch it again, or export an earlier state.',
        })
      }
      this.#numbers += tensor.data.length
      if (this.#numbers > LIMITS.weights) {
        refuseNode(origin.name, origin.operator, `more than ${LIMITS.weights} weights in all`, 'Use a smaller network.')
      }
      this.#tensors.set(`${node.id}.${name}`, tensor)
    }
    this.#nodes.push(node)
    this.#shapes.set(node.id, shape)
    return node.id
  }

  /** The shape of a new node, by the checks that every graph passes, on as few nodes as will do. */
  #shapeOf(origin: Origin, node: GraphNode): Shape {
    if (node.op === 'input') return node.shape
    const sources = [...new Set(node.inputs)].map((id): GraphNode => ({
      op: 'input',
      id,
      inputs: [],
      shape: this.shape(id),
    }))
    if (sources.length > 1 && (node.op === 'add' || node.op === 'concat')) return this.#joined(origin, node)
    try {
      return inferShapes({ name: this.#name, nodes: [sources[0], node] }).get(node.id) as Shape
    } catch (error) {
      if (!(error instanceof AdytonError)) throw error
      const advice = error.advice ?? 'Change the layer, or leave it out.'
      throw new AdytonError('file-unsupported', `${origin.operator} ${error.message}`, { advice, cause: error })
    }
  }

  #joined(origin: Origin, node: GraphNode): Shape {
    const shapes = node.inputs.map((id) => this.shape(id))
    const [first] = shapes
    const comparable = node.op === 'add' ? shapes : shapes.map((shape) => [0, ...shape.slice(1)])
    if (comparable.some((shape) => !sameShape(shape, comparable[0]))) {
      const found = shapes.map(shapeText).join(' and ')
      refuseNode(origin.name, origin.operator, `joins values of shapes ${found}`, 'Give it values of one shape.')
    }
    if (node.op === 'add') return first
    return [shapes.reduce((sum, shape) => sum + shape[0], 0), ...first.slice(1)]
  }

  #map(origin: Origin, input: string): readonly [number, number, number] {
    const shape = this.shape(input)
    if (shape.length !== 3) {
      const what = `needs [channels, height, width], got ${shapeText(shape)}`
      refuseNode(origin.name, origin.operator, what, 'Only layers over pictures can be run.')
    }
    return [shape[0], shape[1], shape[2]]
  }

  #stride(origin: Origin, [vertical, horizontal]: readonly [number, number]): number {
    if (vertical !== horizontal) {
      refuseNode(origin.name, origin.operator, `strides ${vertical} and ${horizontal} differ`, WHY_SQUARE)
    }
    return vertical
  }

  /** The same convolution with even padding and without dilation, in a kernel with zeros. */
  #grow(origin: Origin, spec: ConvSpec): { weight: Float32Array; size: readonly [number, number]; padding: number } {
    const [top, left, bottom, right] = spec.pads
    const [dilationY, dilationX] = spec.dilations ?? [1, 1]
    const [height, width] = spec.kernel
    const padding = Math.max(...spec.pads)
    const size = [
      (height - 1) * dilationY + 1 + 2 * padding - top - bottom,
      (width - 1) * dilationX + 1 + 2 * padding - left - right,
    ] as const
    if (size[0] === height && size[1] === width) return { weight: spec.weight, size, padding }
    if (size.some((side) => side > LIMITS.kernel)) {
      refuseNode(
        origin.name,
        origin.operator,
        `a kernel of ${size.join(' by ')}`,
        `At most ${LIMITS.kernel} is possible.`,
      )
    }
    const planes = spec.weight.length / (height * width)
    this.#grown += planes * size[0] * size[1]
    if (this.#grown > MAX_GROWN) {
      refuseNode(origin.name, origin.operator, 'too many weights once its padding is even', 'Use even padding.')
    }
    this.note(origin, `kernel ${height}x${width} becomes ${size.join('x')} with zeros: uneven padding or dilation`)
    const weight = new Float32Array(planes * size[0] * size[1])
    for (let plane = 0; plane < planes; plane++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          const row = padding - top + y * dilationY
          const column = padding - left + x * dilationX
          weight[(plane * size[0] + row) * size[1] + column] = spec.weight[(plane * height + y) * width + x]
        }
      }
    }
    return { weight, size, padding }
  }

  /** An id of the letters that ids may have, not used so far. */
  #freshId(name: string): string {
    const clean = name
      .replaceAll(/[^A-Za-z0-9_./-]/g, '_')
      .replace(/^[./-]+/, '')
      .slice(0, LIMITS.idLength - 8)
    const base = clean === '' ? 'node' : clean
    let id = base
    for (let i = 2; this.#shapes.has(id); i++) id = `${base}_${i}`
    return id
  }
}
