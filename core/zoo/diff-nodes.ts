/** Which nodes of two graphs are the same ones, and in what these differ. */
import type { Graph, GraphNode, Shape } from '../network/graph.ts'
import { inferShapes } from '../network/shapes.ts'

export interface NodePair {
  readonly a: GraphNode
  readonly b: GraphNode
}

export interface Matching {
  /** In the order of b. */
  readonly pairs: readonly NodePair[]
  readonly removed: readonly GraphNode[]
  readonly added: readonly GraphNode[]
}

/** By id; nodes whose ids only one graph has are paired in order by operation and shape of their output. */
export function matchNodes(a: Graph, b: Graph): Matching {
  const inA = new Map(a.nodes.map((node) => [node.id, node]))
  const inB = new Map(b.nodes.map((node) => [node.id, node]))
  const partner = new Map<GraphNode, GraphNode>()
  for (const node of b.nodes) {
    const same = inA.get(node.id)
    if (same !== undefined) partner.set(node, same)
  }
  const restA = a.nodes.filter(({ id }) => !inB.has(id))
  const restB = b.nodes.filter(({ id }) => !inA.has(id))
  for (const [i, j] of longestCommon(signatures(a, restA), signatures(b, restB))) partner.set(restB[j], restA[i])
  const paired = new Set(partner.values())
  return {
    pairs: b.nodes.flatMap((node) => (partner.has(node) ? [{ a: partner.get(node) as GraphNode, b: node }] : [])),
    removed: a.nodes.filter((node) => !paired.has(node)),
    added: b.nodes.filter((node) => !partner.has(node)),
  }
}

function signatures(graph: Graph, nodes: readonly GraphNode[]): string[] {
  const shapes = inferShapes(graph)
  return nodes.map(({ id, op }) => `${op} ${(shapes.get(id) as Shape).join('x')}`)
}

/** Index pairs of a longest common subsequence, ascending. At most 2,000 by 2,000 (LIMITS.nodes). */
export function longestCommon(a: readonly string[], b: readonly string[]): [number, number][] {
  const width = b.length + 1
  /** Length for the rest of a from i and of b from j. */
  const length = new Uint16Array((a.length + 1) * width)
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      const skip = Math.max(length[(i + 1) * width + j], length[i * width + j + 1])
      length[i * width + j] = a[i] === b[j] ? length[(i + 1) * width + j + 1] + 1 : skip
    }
  }
  const pairs: [number, number][] = []
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) pairs.push([i++, j++])
    else if (length[(i + 1) * width + j] >= length[i * width + j + 1]) i++
    else j++
  }
  return pairs
}

export interface ChangedField {
  readonly field: string
  readonly a: unknown
  readonly b: unknown
}

/** Fields of two paired nodes that differ, `id` included; inputs that are paired themselves count as equal. */
export function changedFields(pair: NodePair, partnerOfA: ReadonlyMap<string, string>): ChangedField[] {
  const fieldsA = new Map(Object.entries(pair.a))
  const fieldsB = new Map(Object.entries(pair.b))
  const names = new Set([...fieldsA.keys(), ...fieldsB.keys()])
  return [...names].flatMap((field) => {
    const a: unknown = fieldsA.get(field) ?? null
    const b: unknown = fieldsB.get(field) ?? null
    const compared = field === 'inputs' ? pair.a.inputs.map((id) => partnerOfA.get(id) ?? null) : a
    return JSON.stringify(compared) === JSON.stringify(b) ? [] : [{ field, a, b }]
  })
}
