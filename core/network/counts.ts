/** ReLU, multiply-accumulate and parameter counts of a graph: in total, per node and per stage. */
import { convOutput } from '../ring/geometry.ts'
import type { Graph, GraphNode, Shape, Tensors } from './graph.ts'
import { convGeometry, elements, inferShapes } from './shapes.ts'

export interface Counts {
  /** ReLU evaluations for one image; only the kept ones where masks are known. */
  readonly relus: number
  /** Multiply-accumulates of convolutions and dense layers for one image. */
  readonly macs: number
  /** Learnable numbers: weights, biases, gamma and beta. */
  readonly params: number
}

export interface NetworkCounts extends Counts {
  readonly nodes: readonly (Counts & { readonly id: string })[]
  /** In order; `id` is the first node of the stage. Nodes before the first boundary (a stem) count with it. */
  readonly stages: readonly (Counts & { readonly id: string })[]
}

function relusOf(node: GraphNode, shape: Shape, tensors: Tensors | undefined): number {
  if (node.op !== 'relu') return 0
  const total = elements(shape)
  const mask = node.mask === 'none' ? undefined : tensors?.get(`${node.id}.mask`)?.data
  if (mask === undefined) return total
  let kept = 0
  for (const m of mask) if (m !== 0) kept++
  return (kept * total) / mask.length
}

function countNode(node: GraphNode, input: Shape, shape: Shape, tensors: Tensors | undefined): Counts {
  const relus = relusOf(node, shape, tensors)
  switch (node.op) {
    case 'conv2d': {
      const g = convGeometry(node, input)
      const out = convOutput(g)
      const weights = (g.outChannels * g.inChannels * g.kernelHeight * g.kernelWidth) / g.groups
      return { relus, macs: weights * out.height * out.width, params: weights + (node.bias ? g.outChannels : 0) }
    }
    case 'dense': {
      const weights = node.outFeatures * input[0]
      return { relus, macs: weights, params: weights + (node.bias ? node.outFeatures : 0) }
    }
    case 'batchNorm':
      return { relus, macs: 0, params: 2 * shape[0] }
    default:
      return { relus, macs: 0, params: 0 }
  }
}

const plus = (a: Counts, b: Counts): Counts => ({
  relus: a.relus + b.relus,
  macs: a.macs + b.macs,
  params: a.params + b.params,
})

const NONE: Counts = { relus: 0, macs: 0, params: 0 }

/** Counts of a network. With `tensors`, masked ReLUs count only where their mask is 1; without, everywhere. */
export function countNetwork(graph: Graph, tensors?: Tensors): NetworkCounts {
  const shapes = inferShapes(graph)
  const nodes = graph.nodes.map((node) => ({
    id: node.id,
    ...countNode(node, shapes.get(node.inputs[0]) ?? [], shapes.get(node.id) as Shape, tensors),
  }))
  const boundaries = new Set(graph.stages ?? [])
  const stages: { id: string; sum: Counts }[] = []
  let stem = NONE
  for (const node of nodes) {
    if (boundaries.has(node.id)) {
      stages.push({ id: node.id, sum: plus(stem, node) })
      stem = NONE
    } else if (stages.length === 0) stem = plus(stem, node)
    else stages[stages.length - 1].sum = plus(stages[stages.length - 1].sum, node)
  }
  return {
    ...nodes.reduce(plus, NONE),
    nodes,
    stages: stages.map(({ id, sum }) => ({ id, ...sum })),
  }
}
