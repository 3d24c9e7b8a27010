/**
 * Whole-layer methods of DeepReDuce (Jha, Ghodsi, Garg, Reagen: "DeepReDuce: ReLU Reduction for Fast Private
 * Inference", ICML 2021): culling of a stage, thinning of alternate layers, and dropping layers down to a budget.
 */
import { AdytonError } from '../errors/errors.ts'
import type { Graph } from '../network/graph.ts'
import { countKept, intersect, keptOf, reluLayers, uniformMasks, type Mask, type Masks } from './masks.ts'
import { checkBudget } from './select.ts'

/** The masks with every ReLU of the named layers dropped. */
export function dropLayers(graph: Graph, masks: Masks, ids: Iterable<string>): Map<string, Mask> {
  const drop = uniformMasks(graph, 'channel', 1)
  for (const id of ids) {
    const mask = drop.get(id)
    if (mask === undefined) throw new AdytonError('usage', `no ReLU layer is called '${id}'`)
    mask.kept.fill(0)
  }
  return intersect(graph, masks, drop)
}

/**
 * Culling: drops every ReLU of one stage, numbered from 0.
 * @throws AdytonError 'usage' when the graph has no such stage, or it has no ReLUs
 */
export function cull(graph: Graph, masks: Masks, stage: number): Map<string, Mask> {
  const layers = reluLayers(graph).filter((layer) => layer.stage === stage)
  if (layers.length === 0) {
    throw new AdytonError('usage', `network '${graph.name}': stage ${stage} has no ReLUs to cull`, {
      advice: `Stages are numbered from 0 to ${Math.max(0, (graph.stages?.length ?? 1) - 1)}.`,
    })
  }
  return dropLayers(
    graph,
    masks,
    layers.map((layer) => layer.id),
  )
}

/** Keeps the ReLUs of one stage only: the networks whose accuracy the criticality metric compares. */
export function onlyStage(graph: Graph, masks: Masks, stage: number): Map<string, Mask> {
  const others = reluLayers(graph).filter((layer) => layer.stage !== stage)
  return dropLayers(
    graph,
    masks,
    others.map((layer) => layer.id),
  )
}

export interface ThinOptions {
  /** Whether the first layer that still has ReLUs keeps them ('keep', the default) or the second does ('drop'). */
  readonly first?: 'keep' | 'drop'
  /** Only these stages are thinned; all by default. */
  readonly stages?: readonly number[]
}

/**
 * ReLU-thinning: drops the ReLUs of alternate layers, whatever their criticality (DeepReShape, section 3.3 and table
 * 5). Layers that have no ReLU left, culled ones for instance, are not counted. A residual block has two ReLU layers of
 * one size, so a network of them loses half of its ReLUs (beside the stem's).
 */
export function thin(graph: Graph, masks: Masks, options: ThinOptions = {}): Map<string, Mask> {
  const live = reluLayers(graph).filter(
    (layer) => keptOf(masks, layer) > 0 && (options.stages === undefined || options.stages.includes(layer.stage)),
  )
  const dropped = options.first === 'drop' ? 0 : 1
  return dropLayers(
    graph,
    masks,
    live.filter((_, index) => index % 2 === dropped).map((layer) => layer.id),
  )
}

export interface DropOptions {
  /** Layers from the first to drop to the last; execution order by default, as early ReLUs matter least. */
  readonly order?: readonly string[]
  /** Take back dropped layers, the last dropped first, that fit under the budget after all. True by default. */
  readonly refill?: boolean
}

/**
 * Coarse baseline: drops whole layers in order until at most `budget` ReLUs are left. Whole layers seldom add up to a
 * budget exactly; {@link layerBudgets} lists the counts that dropping in order reaches.
 */
export function dropToBudget(graph: Graph, masks: Masks, budget: number, options: DropOptions = {}): Map<string, Mask> {
  const layers = new Map(reluLayers(graph).map((layer) => [layer.id, layer]))
  let kept = countKept(graph, masks)
  checkBudget(budget, kept)
  const dropped: string[] = []
  const relusOf = (id: string): number => {
    const layer = layers.get(id)
    if (layer === undefined) throw new AdytonError('usage', `no ReLU layer is called '${id}'`)
    return keptOf(masks, layer)
  }
  for (const id of dropOrder(layers.keys(), options.order)) {
    if (kept <= budget) break
    dropped.push(id)
    kept -= relusOf(id)
  }
  const gone = new Set(dropped)
  if (options.refill !== false) {
    for (const id of dropped.reverse()) {
      if (kept + relusOf(id) > budget) continue
      gone.delete(id)
      kept += relusOf(id)
    }
  }
  return dropLayers(graph, masks, gone)
}

/** Every layer once: those of `order`, then the others in execution order. */
function dropOrder(all: Iterable<string>, order: readonly string[] = []): Set<string> {
  return new Set([...order, ...all])
}

/** ReLU counts left after dropping no layer, one, two, ... in order; falling, from all ReLUs to 0. */
export function layerBudgets(graph: Graph, masks: Masks, order?: readonly string[]): number[] {
  const layers = new Map(reluLayers(graph).map((layer) => [layer.id, layer]))
  const counts = [countKept(graph, masks)]
  for (const id of dropOrder(layers.keys(), order)) {
    const layer = layers.get(id)
    if (layer !== undefined) counts.push(counts[counts.length - 1] - keptOf(masks, layer))
  }
  return counts
}
