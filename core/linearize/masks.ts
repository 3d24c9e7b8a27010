/**
 * Which ReLUs a network keeps. A mask is 1 where the ReLU stays and 0 where the position becomes the identity, per
 * element of the feature map or per channel; see ReluNode in core/network/graph.ts for how a model stores it.
 */
import { AdytonError } from '../errors/errors.ts'
import type { Graph, Shape, Tensor, Tensors } from '../network/graph.ts'
import { elements, inferShapes } from '../network/shapes.ts'

export type Granularity = 'element' | 'channel'

export interface Mask {
  readonly granularity: Granularity
  /** 0 or 1; one an element, or one a channel. */
  readonly kept: Uint8Array
}

/** Masks by id of the ReLU node. */
export type Masks = ReadonlyMap<string, Mask>

/** A graph and its weights, the masks among them. */
export interface Network {
  readonly graph: Graph
  readonly tensors: Tensors
}

/** A ReLU node of a graph, in execution order. */
export interface ReluLayer {
  readonly id: string
  readonly shape: Shape
  /** ReLUs of the layer: the product of its shape. */
  readonly size: number
  readonly channels: number
  /** ReLUs of one channel. */
  readonly area: number
  /** Index into the graph's stages; 0 before the first boundary or when the graph names none. */
  readonly stage: number
}

/** The stage of every node, by id: nodes before the first boundary belong to stage 0. */
export function stageOfNodes(graph: Graph): ReadonlyMap<string, number> {
  const starts = new Map((graph.stages ?? []).map((id, index) => [id, index]))
  const stages = new Map<string, number>()
  let stage = 0
  for (const node of graph.nodes) {
    stage = starts.get(node.id) ?? stage
    stages.set(node.id, stage)
  }
  return stages
}

export function reluLayers(graph: Graph): ReluLayer[] {
  const shapes = inferShapes(graph)
  const stages = stageOfNodes(graph)
  return graph.nodes
    .filter((node) => node.op === 'relu')
    .map(({ id }) => {
      const shape = shapes.get(id) as Shape
      const size = elements(shape)
      return { id, shape, size, channels: shape[0], area: size / shape[0], stage: stages.get(id) as number }
    })
}

/** Entries that a layer's mask has. */
export function maskLength(layer: ReluLayer, granularity: Granularity): number {
  return granularity === 'element' ? layer.size : layer.channels
}

/** ReLUs that one entry of a layer's mask stands for. */
export function reluWeight(layer: ReluLayer, granularity: Granularity): number {
  return granularity === 'element' ? 1 : layer.area
}

/** A mask of one value for every ReLU of the graph. */
export function uniformMasks(graph: Graph, granularity: Granularity, value: 0 | 1): Map<string, Mask> {
  return new Map(
    reluLayers(graph).map((layer) => [
      layer.id,
      { granularity, kept: new Uint8Array(maskLength(layer, granularity)).fill(value) },
    ]),
  )
}

/**
 * Masks of a model as it is stored; a ReLU without one is kept entirely.
 * @throws AdytonError 'model-invalid' when a mask tensor is missing or has the wrong length
 */
export function masksOf({ graph, tensors }: Network): Map<string, Mask> {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]))
  return new Map(
    reluLayers(graph).map((layer) => {
      const node = nodes.get(layer.id)
      const granularity = node?.op === 'relu' && node.mask !== 'none' ? node.mask : undefined
      if (granularity === undefined) return [layer.id, everyChannel(layer)]
      const data = tensors.get(`${layer.id}.mask`)?.data
      const length = maskLength(layer, granularity)
      if (data?.length !== length) {
        throw new AdytonError(
          'model-invalid',
          `tensor '${layer.id}.mask': expected ${length} elements, got ${data?.length ?? 'no such tensor'}`,
        )
      }
      return [layer.id, { granularity, kept: Uint8Array.from(data, (value) => (value === 0 ? 0 : 1)) }]
    }),
  )
}

const everyChannel = (layer: ReluLayer): Mask => ({
  granularity: 'channel',
  kept: new Uint8Array(layer.channels).fill(1),
})

function maskOf(masks: Masks, layer: ReluLayer): Mask {
  const mask = masks.get(layer.id) ?? everyChannel(layer)
  const length = maskLength(layer, mask.granularity)
  if (mask.kept.length !== length) {
    throw new RangeError(`mask of '${layer.id}' has ${mask.kept.length} entries, expected ${length}`)
  }
  return mask
}

/** A layer's mask with one entry an element. */
export function perElement(masks: Masks, layer: ReluLayer): Uint8Array {
  const { granularity, kept } = maskOf(masks, layer)
  if (granularity === 'element') return Uint8Array.from(kept)
  const out = new Uint8Array(layer.size)
  kept.forEach((value, channel) => out.fill(value, channel * layer.area, (channel + 1) * layer.area))
  return out
}

const ones = (kept: Uint8Array): number => kept.reduce((sum, value) => sum + value, 0)

/** ReLUs that a layer keeps. */
export function keptOf(masks: Masks, layer: ReluLayer): number {
  const mask = maskOf(masks, layer)
  return ones(mask.kept) * reluWeight(layer, mask.granularity)
}

/** ReLUs that a network keeps. A layer without a mask is kept entirely. */
export function countKept(graph: Graph, masks: Masks): number {
  return reluLayers(graph).reduce((sum, layer) => sum + keptOf(masks, layer), 0)
}

/** ReLUs of a graph when nothing is masked. */
export function countAll(graph: Graph): number {
  return reluLayers(graph).reduce((sum, layer) => sum + layer.size, 0)
}

/** Keeps a ReLU where both keep it. Per element if either is. */
export function intersect(graph: Graph, a: Masks, b: Masks): Map<string, Mask> {
  return new Map(
    reluLayers(graph).map((layer) => {
      const [x, y] = [maskOf(a, layer), maskOf(b, layer)]
      if (x.granularity === y.granularity) {
        return [layer.id, { granularity: x.granularity, kept: x.kept.map((value, i) => value & y.kept[i]) }]
      }
      const other = perElement(b, layer)
      return [layer.id, { granularity: 'element', kept: perElement(a, layer).map((value, i) => value & other[i]) }]
    }),
  )
}

/**
 * The model with these masks in place of any it had. A mask of ones is not stored; a layer with none left keeps its
 * node, so that reports still show it. Weights are shared with the given model, not copied.
 */
export function withMasks({ graph, tensors }: Network, masks: Masks): Network {
  const layers = new Map(reluLayers(graph).map((layer) => [layer.id, layer]))
  const merged = new Map<string, Tensor>()
  for (const [name, tensor] of tensors) if (!layers.has(name.replace(/\.mask$/, ''))) merged.set(name, tensor)
  const nodes = graph.nodes.map((node) => {
    const layer = layers.get(node.id)
    if (node.op !== 'relu' || layer === undefined) return node
    const { granularity, kept } = maskOf(masks, layer)
    if (kept.every((value) => value === 1)) return { ...node, mask: 'none' as const }
    const shape = granularity === 'element' ? layer.shape : [layer.channels]
    merged.set(`${node.id}.mask`, { shape, data: Uint8Array.from(kept) })
    return { ...node, mask: granularity }
  })
  return { graph: { ...graph, nodes }, tensors: merged }
}

export interface LayerStatistics {
  readonly id: string
  /** Index of the stage, from 0. */
  readonly stage: number
  readonly shape: Shape
  /** ReLUs of the layer without masks. */
  readonly total: number
  readonly kept: number
}

export interface StageStatistics {
  readonly stage: number
  /** Id of the first node, or the graph's name when it names no stages. */
  readonly id: string
  readonly total: number
  readonly kept: number
}

/** ReLUs before and after, layer by layer (the paper's figure 4). */
export function layerStatistics(graph: Graph, masks: Masks): LayerStatistics[] {
  return reluLayers(graph).map((layer) => ({
    id: layer.id,
    stage: layer.stage,
    shape: layer.shape,
    total: layer.size,
    kept: keptOf(masks, layer),
  }))
}

/** ReLUs before and after, stage by stage; every stage of the graph is listed. */
export function stageStatistics(graph: Graph, masks: Masks): StageStatistics[] {
  const ids = graph.stages !== undefined && graph.stages.length > 0 ? graph.stages : [graph.name]
  const rows = ids.map((id, stage) => ({ stage, id, total: 0, kept: 0 }))
  for (const layer of layerStatistics(graph, masks)) {
    rows[layer.stage].total += layer.total
    rows[layer.stage].kept += layer.kept
  }
  return rows
}
