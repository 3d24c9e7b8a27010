/**
 * Which channels of a network stand or fall together: a convolution's filters with the batch norms, ReLUs and pools
 * after them, the weights that read them, and, through additions, the filters of other convolutions.
 */
import type { Graph, GraphNode, Shape } from '../network/graph.ts'
import { inferShapes } from '../network/shapes.ts'

/** A layer that reads the channels of a group; `block` consecutive inputs belong to each channel (after flatten). */
export interface Reader {
  readonly id: string
  readonly block: number
}

export interface ChannelGroup {
  /** Of the first producer. */
  readonly id: string
  readonly channels: number
  /** Convolutions and dense layers that make these channels, in execution order. */
  readonly producers: readonly string[]
  readonly norms: readonly string[]
  readonly relus: readonly string[]
  readonly readers: readonly Reader[]
  /**
   * 'inner': one producer, as between the two convolutions of a residual block; 'residual': several, tied by
   * additions; 'fixed': the image, the output, a concatenation or a grouped convolution, whose channels must stay.
   */
  readonly kind: 'inner' | 'residual' | 'fixed'
}

class UnionFind {
  readonly #parent: number[] = []

  make(): number {
    this.#parent.push(this.#parent.length)
    return this.#parent.length - 1
  }

  find(i: number): number {
    while (this.#parent[i] !== i) i = this.#parent[i] = this.#parent[this.#parent[i]]
    return i
  }

  join(a: number, b: number): number {
    const [x, y] = [this.find(a), this.find(b)]
    this.#parent[Math.max(x, y)] = Math.min(x, y)
    return Math.min(x, y)
  }
}

interface Building {
  channels: number
  producers: string[]
  norms: string[]
  relus: string[]
  readers: Reader[]
  fixed: boolean
}

/** Where a value's channels come from: a group, and how many consecutive entries each of its channels has. */
interface Origin {
  readonly group: number
  readonly block: number
}

/** The groups of a graph, in execution order of their first producer. Throws 'model-invalid' for an invalid graph. */
export function channelGroups(graph: Graph): ChannelGroup[] {
  const shapes = inferShapes(graph)
  const sets = new UnionFind()
  const origins = new Map<string, Origin>()
  const frozen: number[] = []
  const fresh = (): Origin => ({ group: sets.make(), block: 1 })

  const originOf = (node: GraphNode): Origin => {
    const [first, ...others] = node.inputs.map((id) => origins.get(id) as Origin)
    switch (node.op) {
      case 'input': {
        const image = fresh()
        frozen.push(image.group)
        return image
      }
      case 'conv2d': {
        const made = fresh()
        if (node.groups > 1) frozen.push(first.group, made.group)
        return made
      }
      case 'dense':
        return fresh()
      case 'add': {
        const second = others[0]
        const group = sets.join(first.group, second.group)
        // Two different flattenings of one length: no channel of one is a channel of the other.
        if (first.block !== second.block) frozen.push(group)
        return { group, block: first.block }
      }
      case 'concat': {
        const made = fresh()
        frozen.push(made.group, first.group, ...others.map((other) => other.group))
        return made
      }
      case 'flatten': {
        const shape = shapes.get(node.inputs[0]) as Shape
        return { group: first.group, block: shape.slice(1).reduce((a, b) => a * b, first.block) }
      }
      default:
        return first
    }
  }
  for (const node of graph.nodes) origins.set(node.id, originOf(node))
  frozen.push((origins.get(graph.nodes[graph.nodes.length - 1].id) as Origin).group)
  // A batch norm or ReLU after flatten has an entry for each pixel: rare, and not worth rewriting.
  for (const node of graph.nodes) {
    const { group, block } = origins.get(node.id) as Origin
    if (block > 1 && (node.op === 'batchNorm' || node.op === 'relu')) frozen.push(group)
  }

  const fixed = new Set(frozen.map((group) => sets.find(group)))
  const building = new Map<number, Building>()
  for (const node of graph.nodes) {
    const { group } = origins.get(node.id) as Origin
    const root = sets.find(group)
    let entry = building.get(root)
    if (entry === undefined) {
      const [channels] = shapes.get(node.id) as Shape
      entry = { channels, producers: [], norms: [], relus: [], readers: [], fixed: fixed.has(root) }
      building.set(root, entry)
    }
    if (node.op === 'conv2d' || node.op === 'dense') {
      entry.producers.push(node.id)
      const read = origins.get(node.inputs[0]) as Origin
      building.get(sets.find(read.group))?.readers.push({ id: node.id, block: read.block })
    } else if (node.op === 'batchNorm') entry.norms.push(node.id)
    else if (node.op === 'relu') entry.relus.push(node.id)
  }
  return [...building.values()]
    .filter((entry) => entry.producers.length > 0)
    .map(({ fixed: stays, ...group }) => ({
      ...group,
      id: group.producers[0],
      kind: stays ? 'fixed' : group.producers.length === 1 ? 'inner' : 'residual',
    }))
}
