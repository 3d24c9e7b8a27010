/**
 * What a network computes, as a hash in which names and the order of independent nodes have no part: a node's hash covers
 * its operation, its numbers and the hashes of what it reads (Merkle), so that of the output covers the network.
 */
import { createHash } from 'node:crypto'
import { float16From } from '../formats/float16.ts'
import type { Graph, GraphNode, Tensors } from '../network/graph.ts'
import { inferShapes } from '../network/shapes.ts'
import { floats, keptPositions, tensorSpecs, type TensorSpec } from '../network/tensors.ts'

/** SHA-256 in hexadecimal; networks of which one is equal agree in what it covers. */
export interface NetworkHashes {
  /** Graph, weights to the bit, and which ReLUs are kept. */
  readonly exact: string
  /** As if every ReLU were kept. */
  readonly exactUnmasked: string
  /** Weights rounded to float16. */
  readonly rounded: string
  readonly roundedUnmasked: string
}

/** The caller has checked the tensors against the graph. */
export function hashNetwork(graph: Graph, tensors: Tensors): NetworkHashes {
  const shapes = inferShapes(graph)
  const specs = specsByNode(graph)
  const ofNodes = (content: (node: GraphNode, specs: readonly TensorSpec[]) => string): Map<string, string> =>
    new Map(graph.nodes.map((node) => [node.id, content(node, specs.get(node.id) ?? [])]))
  const exact = ofNodes((_, own) => digest(...own.map(({ name }) => floats(tensors, name))))
  const rounded = ofNodes((_, own) => digest(...own.map(({ name }) => float16From(floats(tensors, name)))))
  const kept = ofNodes((node) => {
    const positions = node.op === 'relu' ? keptPositions(node, shapes.get(node.id) ?? [], tensors) : 'all'
    return positions === 'all' ? '' : digest(positions)
  })
  const hash = (weights: Map<string, string>, masked: boolean): string =>
    hashGraph(graph, (id) => `${weights.get(id)} ${masked ? kept.get(id) : ''}`)
  return {
    exact: hash(exact, true),
    exactUnmasked: hash(exact, false),
    rounded: hash(rounded, true),
    roundedUnmasked: hash(rounded, false),
  }
}

/** Hash of a graph of which parts of the weights are known: the same for all that have the same `roundedUnmasked`. */
export function hashSample(graph: Graph, sample: (name: string) => Uint16Array): string {
  const specs = specsByNode(graph)
  return hashGraph(graph, (id) => digest(...(specs.get(id) ?? []).map(({ name }) => sample(name))))
}

function specsByNode(graph: Graph): Map<string, TensorSpec[]> {
  const specs = tensorSpecs(graph).filter(({ kind }) => kind !== 'mask')
  return Map.groupBy(specs, ({ name }) => name.slice(0, name.lastIndexOf('.')))
}

function digest(...parts: readonly ArrayBufferView[]): string {
  const hash = createHash('sha256')
  for (const part of parts) {
    hash.update(`${part.byteLength} `)
    hash.update(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
  }
  return hash.digest('hex')
}

/** Hash of the output; `content` is what a node has beside the graph. How a ReLU's mask is stored is none of it. */
function hashGraph(graph: Graph, content: (id: string) => string): string {
  const hashes = new Map<string, string>()
  for (const { id, inputs, ...rest } of graph.nodes) {
    const { mask: _, ...fields } = { mask: 'none', ...rest }
    const read = inputs.map((input) => hashes.get(input))
    // A sum has no order.
    if (rest.op === 'add') read.sort()
    const ordered = Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))
    hashes.set(
      id,
      createHash('sha256')
        .update(JSON.stringify([ordered, content(id), read]))
        .digest('hex'),
    )
  }
  return hashes.get(graph.nodes[graph.nodes.length - 1].id) as string
}
