/**
 * From a graph to operations: dead nodes and identities go, batch norms fold into the convolution before them,
 * ReLU and max-pool fuse, and a re-sharing is inserted wherever a linear layer would read an HE answer.
 */
import type { Graph, GraphNode, Shape, Tensors } from '../graph.ts'
import { batchNormAffine } from '../float.ts'
import { convGeometry, denseGeometry, inferShapes } from '../shapes.ts'
import { floats, keptPositions } from '../tensors.ts'
import type { LinearOperation, Operation } from './operations.ts'

type Relu = GraphNode & { readonly op: 'relu' }
type BatchNorm = GraphNode & { readonly op: 'batchNorm' }
type Weighted = GraphNode & { readonly op: 'conv2d' | 'dense' }

/** A graph without identities and dead nodes. */
interface Live {
  readonly nodes: readonly GraphNode[]
  readonly output: string
  readonly kept: ReadonlyMap<string, 'all' | Uint32Array>
  readonly consumers: ReadonlyMap<string, readonly GraphNode[]>
}

/** Drops ReLUs that keep nothing and reshapes that change nothing, then everything the output does not need. */
function liveNodes(graph: Graph, shapes: ReadonlyMap<string, Shape>, tensors: Tensors): Live {
  const alias = new Map<string, string>()
  const kept = new Map<string, 'all' | Uint32Array>()
  const nodes: GraphNode[] = []
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => alias.get(id) ?? id)
    if (node.op === 'relu') kept.set(node.id, keptPositions(node, shapes.get(node.id) as Shape, tensors))
    const identity =
      (node.op === 'relu' && kept.get(node.id)?.length === 0) ||
      (node.op === 'flatten' && shapes.get(inputs[0])?.length === 1)
    if (identity) alias.set(node.id, inputs[0])
    else nodes.push({ ...node, inputs })
  }
  const last = graph.nodes[graph.nodes.length - 1].id
  const output = alias.get(last) ?? last
  const needed = new Set([output, graph.nodes[0].id])
  for (const node of nodes.toReversed()) if (needed.has(node.id)) node.inputs.forEach((id) => needed.add(id))
  const live = nodes.filter((node) => needed.has(node.id))
  const consumers = new Map<string, GraphNode[]>(live.map((node) => [node.id, []]))
  for (const node of live) for (const id of node.inputs) consumers.get(id)?.push(node)
  return { nodes: live, output, kept, consumers }
}

/** The only reader of a node, unless it is the output or has several. */
function onlyConsumer(live: Live, id: string): GraphNode | undefined {
  const readers = live.consumers.get(id) ?? []
  return id !== live.output && readers.length === 1 ? readers[0] : undefined
}

function realWeights(node: Weighted, tensors: Tensors): { weights: Float64Array; bias: Float64Array } {
  const weights = Float64Array.from(floats(tensors, `${node.id}.weight`))
  const outputs = node.op === 'conv2d' ? node.outChannels : node.outFeatures
  const bias = node.bias ? Float64Array.from(floats(tensors, `${node.id}.bias`)) : new Float64Array(outputs)
  return { weights, bias }
}

/** Convolution or dense layer, with the batch norm that follows it folded in. */
function weighted(
  node: Weighted,
  norm: BatchNorm | undefined,
  input: number,
  shapes: ReadonlyMap<string, Shape>,
  tensors: Tensors,
): LinearOperation {
  const inputShape = shapes.get(node.inputs[0]) as Shape
  const geometry =
    node.op === 'conv2d' ? convGeometry(node, inputShape) : denseGeometry(inputShape[0], node.outFeatures)
  const { weights, bias } = realWeights(node, tensors)
  if (norm !== undefined) {
    const { scale, shift } = batchNormAffine(norm, tensors)
    const run = weights.length / geometry.outChannels
    for (let i = 0; i < weights.length; i++) weights[i] *= scale[Math.floor(i / run)]
    for (let c = 0; c < bias.length; c++) bias[c] = bias[c] * scale[c] + shift[c]
  }
  const origin = norm?.id ?? node.id
  return {
    op: 'linear',
    id: node.id,
    origin,
    shape: shapes.get(origin) as Shape,
    inputs: [input],
    geometry,
    weights,
    bias,
  }
}

/** A batch norm on its own: a depthwise 1x1 convolution with secret weights. */
function depthwise(node: BatchNorm, input: number, shape: Shape, tensors: Tensors): LinearOperation {
  const { scale, shift } = batchNormAffine(node, tensors)
  const geometry = {
    inChannels: shape[0],
    inHeight: shape[1] ?? 1,
    inWidth: shape[2] ?? 1,
    outChannels: shape[0],
    kernelHeight: 1,
    kernelWidth: 1,
    stride: 1,
    padding: 0,
    groups: shape[0],
  }
  return { op: 'linear', id: node.id, origin: node.id, shape, inputs: [input], geometry, weights: scale, bias: shift }
}

/** Collects operations; knows which values depend on an HE answer. */
class Emitter {
  readonly operations: Operation[] = []
  readonly #dependent: boolean[] = []
  readonly #rescaled = new Map<number, number>()
  readonly #ids: Set<string>

  constructor(ids: Iterable<string>) {
    this.#ids = new Set(ids)
  }

  emit(operation: Operation): number {
    const { op, inputs } = operation
    const fresh = op === 'input' || op === 'activation' || op === 'maxPool'
    this.#dependent.push(op === 'linear' || (!fresh && inputs.some((i) => this.#dependent[i])))
    return this.operations.push(operation) - 1
  }

  /**
   * A value whose client share is known before any HE answer: this one, or its re-sharing. Without it the
   * encryption of one layer's share would have to wait for the answer of an earlier layer.
   */
  fresh(value: number): number {
    if (!this.#dependent[value]) return value
    const known = this.#rescaled.get(value)
    if (known !== undefined) return known
    const { id, origin, shape } = this.operations[value]
    let name = `${id}.rescale`
    while (this.#ids.has(name)) name += '_'
    this.#ids.add(name)
    const kept = new Uint32Array(0)
    const made = this.emit({ op: 'activation', id: name, origin, shape, inputs: [value], kept, rescale: true })
    this.#rescaled.set(value, made)
    return made
  }
}

/** True when a ReLU keeps every position. */
function keepsAll(live: Live, node: GraphNode | undefined): node is Relu {
  return node?.op === 'relu' && live.kept.get(node.id) === 'all'
}

/** Operations of a graph whose tensors have been checked. The last value of the result is the network's output. */
export function simplify(graph: Graph, tensors: Tensors): Operation[] {
  const shapes = inferShapes(graph)
  const live = liveNodes(graph, shapes, tensors)
  const emitter = new Emitter(live.nodes.map((node) => node.id))
  const value = new Map<string, number>()
  /** Pools that apply a ReLU in their circuit, with the node whose value they then hold. */
  const poolRelu = new Map<string, string>()
  const foldedNorm = new Map<string, BatchNorm>()
  for (const node of live.nodes) {
    const reader = onlyConsumer(live, node.id)
    if ((node.op === 'conv2d' || node.op === 'dense') && reader?.op === 'batchNorm') foldedNorm.set(node.id, reader)
    if (keepsAll(live, node) && reader?.op === 'maxPool') poolRelu.set(reader.id, reader.id)
    if (node.op === 'maxPool' && keepsAll(live, reader)) poolRelu.set(node.id, reader.id)
  }
  const norms = new Set([...foldedNorm.values()].map((node) => node.id))
  const fusedAfter = new Set(poolRelu.values())
  for (const node of live.nodes) {
    const inputs = node.inputs.map((id) => value.get(id) as number)
    const shape = shapes.get(node.id) as Shape
    const base = { id: node.id, origin: node.id, shape, inputs }
    switch (node.op) {
      case 'input':
        value.set(node.id, emitter.emit({ op: 'input', ...base }))
        break
      case 'conv2d':
      case 'dense': {
        const input = emitter.fresh(inputs[0])
        value.set(node.id, emitter.emit(weighted(node, foldedNorm.get(node.id), input, shapes, tensors)))
        break
      }
      case 'batchNorm':
        value.set(
          node.id,
          norms.has(node.id) ? inputs[0] : emitter.emit(depthwise(node, emitter.fresh(inputs[0]), shape, tensors)),
        )
        break
      case 'relu': {
        const next = onlyConsumer(live, node.id)
        const fused = fusedAfter.has(node.id) || (keepsAll(live, node) && next?.op === 'maxPool')
        const kept = live.kept.get(node.id) as 'all' | Uint32Array
        value.set(node.id, fused ? inputs[0] : emitter.emit({ op: 'activation', ...base, kept, rescale: false }))
        break
      }
      case 'add':
      case 'concat':
        value.set(node.id, emitter.emit({ op: node.op, ...base }))
        break
      case 'flatten':
        value.set(node.id, emitter.emit({ op: 'reshape', ...base }))
        break
      case 'maxPool': {
        const origin = poolRelu.get(node.id)
        const operation = { op: 'maxPool' as const, ...base, window: node, relu: origin !== undefined }
        value.set(node.id, emitter.emit(origin === undefined ? operation : { ...operation, origin }))
        break
      }
      case 'averagePool':
        value.set(node.id, emitter.emit({ op: 'sumPool', ...base, window: node }))
        break
      case 'globalAveragePool': {
        const [, height, width] = shapes.get(node.inputs[0]) as Shape
        const window = { kernel: [height, width] as const, stride: 1, padding: 0 }
        value.set(node.id, emitter.emit({ op: 'sumPool', ...base, window }))
        break
      }
    }
  }
  return emitter.operations
}
