/** Two networks of the catalog, node by node: what was added, removed or changed, in graph, masks and weights. */
import type { Graph, GraphNode, Shape, Tensor, Tensors } from '../network/graph.ts'
import { elements, inferShapes, sameShape } from '../network/shapes.ts'
import { keptPositions } from '../network/tensors.ts'
import { changedFields, matchNodes, type ChangedField, type NodePair } from './diff-nodes.ts'
import { findModel } from './models.ts'
import { networkOf } from './version-files.ts'
import type { Zoo } from './zoo.ts'

export interface DiffNode {
  readonly id: string
  readonly op: GraphNode['op']
  /** Of the output. */
  readonly shape: Shape
}

export interface DiffMask {
  readonly a: string
  readonly b: string
  /** Kept positions. */
  readonly keptA: number
  readonly keptB: number
  /** Positions that one keeps and the other does not; null when the shapes differ. */
  readonly differing: number | null
  /** Of a. */
  readonly positions: number
}

export interface DiffTensor {
  readonly a: string
  readonly b: string
  /** Largest absolute difference; null when the shapes differ. */
  readonly largest: number | null
  readonly shapeA: Shape
  readonly shapeB: Shape
}

export interface GraphDiff {
  readonly a: { readonly id: string; readonly name: string }
  readonly b: { readonly id: string; readonly name: string }
  /** Nothing differs but names. */
  readonly same: boolean
  readonly removed: readonly DiffNode[]
  readonly added: readonly DiffNode[]
  /** Paired nodes with the fields that differ; a node that only has another name has the field 'id'. */
  readonly changed: readonly { readonly a: string; readonly b: string; readonly fields: readonly ChangedField[] }[]
  /** Every pair of ReLUs. */
  readonly masks: readonly DiffMask[]
  /** Every pair of tensors but masks, by name. */
  readonly tensors: readonly DiffTensor[]
  /** Tensors of paired nodes that only one has, such as a bias. */
  readonly tensorsRemoved: readonly string[]
  readonly tensorsAdded: readonly string[]
}

/** Of the newest versions. Throws 'model-not-found'. */
export async function diffGraphs(zoo: Zoo, idA: string, idB: string): Promise<GraphDiff> {
  const [a, b] = [findModel(zoo.db, idA), findModel(zoo.db, idB)]
  const diff = diffNetworks(await networkOf(zoo, a.version), await networkOf(zoo, b.version))
  return { a: { id: a.id, name: a.name }, b: { id: b.id, name: b.name }, ...diff }
}

interface Network {
  readonly graph: Graph
  readonly tensors: Tensors
}

export function diffNetworks(a: Network, b: Network): Omit<GraphDiff, 'a' | 'b'> {
  const { pairs, removed, added } = matchNodes(a.graph, b.graph)
  const [shapesA, shapesB] = [inferShapes(a.graph), inferShapes(b.graph)]
  const partnerOfA = new Map(pairs.map((pair) => [pair.a.id, pair.b.id]))
  const changed = pairs.flatMap((pair) => {
    const fields = changedFields(pair, partnerOfA)
    return fields.length === 0 ? [] : [{ a: pair.a.id, b: pair.b.id, fields }]
  })
  const masks = pairs.flatMap((pair) =>
    diffMask(pair, a, b, shapesA.get(pair.a.id) ?? [], shapesB.get(pair.b.id) ?? []),
  )
  const tensors = diffTensors(pairs, a.tensors, b.tensors)
  const nodes = (list: readonly GraphNode[], shapes: ReadonlyMap<string, Shape>): DiffNode[] =>
    list.map(({ id, op }) => ({ id, op, shape: shapes.get(id) ?? [] }))
  const same =
    removed.length + added.length + tensors.tensorsRemoved.length + tensors.tensorsAdded.length === 0 &&
    // How a mask is stored is told by the masks themselves.
    changed.every(({ fields }) => fields.every(({ field }) => field === 'id' || field === 'mask')) &&
    masks.every(({ differing }) => differing === 0) &&
    tensors.tensors.every(({ largest }) => largest === 0)
  return { same, removed: nodes(removed, shapesA), added: nodes(added, shapesB), changed, masks, ...tensors }
}

function diffMask({ a, b }: NodePair, inA: Network, inB: Network, shapeA: Shape, shapeB: Shape): DiffMask[] {
  if (a.op !== 'relu' || b.op !== 'relu') return []
  const [maskA, maskB] = [keptMap(a, shapeA, inA.tensors), keptMap(b, shapeB, inB.tensors)]
  const count = (mask: Uint8Array): number => mask.reduce((sum, kept) => sum + kept, 0)
  const differing = sameShape(shapeA, shapeB)
    ? maskA.reduce((sum, kept, i) => sum + (kept === maskB[i] ? 0 : 1), 0)
    : null
  return [{ a: a.id, b: b.id, keptA: count(maskA), keptB: count(maskB), differing, positions: maskA.length }]
}

/** 1 for every position that keeps its ReLU, however the mask is stored. */
function keptMap(node: GraphNode & { readonly op: 'relu' }, shape: Shape, tensors: Tensors): Uint8Array {
  const map = new Uint8Array(elements(shape))
  const kept = keptPositions(node, shape, tensors)
  if (kept === 'all') return map.fill(1)
  for (const position of kept) map[position] = 1
  return map
}

function diffTensors(
  pairs: readonly NodePair[],
  inA: Tensors,
  inB: Tensors,
): Pick<GraphDiff, 'tensors' | 'tensorsRemoved' | 'tensorsAdded'> {
  const [ofA, ofB] = [byNode(inA), byNode(inB)]
  const tensors: DiffTensor[] = []
  const tensorsRemoved: string[] = []
  const tensorsAdded: string[] = []
  for (const { a, b } of pairs) {
    const [kindsA, kindsB] = [ofA.get(a.id) ?? [], ofB.get(b.id) ?? []]
    for (const kind of new Set([...kindsA, ...kindsB])) {
      const [nameA, nameB] = [`${a.id}.${kind}`, `${b.id}.${kind}`]
      const [one, other] = [inA.get(nameA), inB.get(nameB)]
      if (one === undefined) tensorsAdded.push(nameB)
      else if (other === undefined) tensorsRemoved.push(nameA)
      else tensors.push({ a: nameA, b: nameB, largest: largest(one, other), shapeA: one.shape, shapeB: other.shape })
    }
  }
  return { tensors, tensorsRemoved, tensorsAdded }
}

/** Kinds of tensors but masks, by node. */
function byNode(tensors: Tensors): Map<string, string[]> {
  const kinds = new Map<string, string[]>()
  for (const name of [...tensors.keys()].sort()) {
    const dot = name.lastIndexOf('.')
    const kind = name.slice(dot + 1)
    if (kind !== 'mask') kinds.set(name.slice(0, dot), [...(kinds.get(name.slice(0, dot)) ?? []), kind])
  }
  return kinds
}

function largest(a: Tensor, b: Tensor): number | null {
  if (!sameShape(a.shape, b.shape)) return null
  let most = 0
  for (let i = 0; i < a.data.length; i++) most = Math.max(most, Math.abs(a.data[i] - b.data[i]))
  return most
}
