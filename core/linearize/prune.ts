/**
 * Structured pruning by the l1 norm of filters, the baseline of the SNL paper's figure 3 (Li, Kadav, Durdanovic, Samet,
 * Graf: "Pruning Filters for Efficient ConvNets", ICLR 2017): the filters with the smallest sum of absolute weights go,
 * with their feature maps and the following weights that read them. The graph and its tensors really shrink.
 */
import { AdytonError } from '../errors/errors.ts'
import type { Graph, GraphNode, Tensor, Tensors } from '../network/graph.ts'
import { inferShapes } from '../network/shapes.ts'
import { floats } from '../network/tensors.ts'
import { channelGroups, type ChannelGroup } from './channel-groups.ts'
import { countKept, masksOf, perElement, reluLayers, type Network } from './masks.ts'
import { checkBudget } from './select.ts'

export interface PruneOptions {
  /**
   * 'inner' (the default) leaves the channels that residual connections tie together; 'coupled' prunes those as well,
   * a channel of all tied convolutions at once, ranked by the sum of their norms. Inner pruning alone cannot remove
   * the ReLUs after additions.
   */
  readonly residual?: 'inner' | 'coupled'
}

/** Ascending indices of the channels to keep, by id of the group's first producer. */
export type Selection = ReadonlyMap<string, Uint32Array>

/** l1 norm of each channel's filters, summed over the producers of the group. */
export function filterNorms(group: ChannelGroup, tensors: Tensors): Float64Array {
  const norms = new Float64Array(group.channels)
  for (const id of group.producers) {
    const weight = floats(tensors, `${id}.weight`)
    const taps = weight.length / group.channels
    for (let i = 0; i < weight.length; i++) norms[Math.floor(i / taps)] += Math.abs(weight[i])
  }
  return norms
}

interface Ranked {
  readonly group: ChannelGroup
  /** Channels by falling norm. */
  readonly order: Uint32Array
  /** Kept ReLUs of each channel. */
  readonly relus: Float64Array
}

function rank(network: Network, options: PruneOptions): { readonly open: Ranked[]; readonly fixedRelus: number } {
  const masks = masksOf(network)
  const layers = new Map(reluLayers(network.graph).map((layer) => [layer.id, layer]))
  const relusOf = (group: ChannelGroup): Float64Array => {
    const relus = new Float64Array(group.channels)
    for (const id of group.relus) {
      const layer = layers.get(id)
      if (layer === undefined) continue
      const area = layer.size / group.channels
      perElement(masks, layer).forEach((kept, i) => (relus[Math.floor(i / area)] += kept))
    }
    return relus
  }
  const open: Ranked[] = []
  let fixedRelus = countKept(network.graph, masks)
  for (const group of channelGroups(network.graph)) {
    if (group.kind !== 'inner' && !(group.kind === 'residual' && options.residual === 'coupled')) continue
    const relus = relusOf(group)
    fixedRelus -= relus.reduce((a, b) => a + b, 0)
    const norms = filterNorms(group, network.tensors)
    const order = Uint32Array.from(norms, (_, i) => i).sort((a, b) => norms[b] - norms[a] || a - b)
    open.push({ group, order, relus })
  }
  return { open, fixedRelus }
}

const sumFirst = ({ order, relus }: Ranked, count: number): number =>
  order.subarray(0, count).reduce((sum, channel) => sum + relus[channel], 0)

// The margin is for shares such as (0.5 / 3) * 3 that come out a hair below the half they stand for.
const keptAt = (share: number, { group }: Ranked): number =>
  Math.max(1, Math.floor(share * group.channels + 0.5 + 1e-9))

/**
 * The channels to keep so that at most `budget` ReLUs are left: the same share in every group, as large as the budget
 * allows (each keeps a channel at least), then single channels, by falling norm within a group and group after group,
 * as far as they fit.
 * @throws AdytonError 'usage' for a budget that pruning cannot reach
 */
export function selectFilters(network: Network, budget: number, options: PruneOptions = {}): Selection {
  const { open, fixedRelus } = rank(network, options)
  const countAt = (share: number): number =>
    open.reduce((sum, ranked) => sum + sumFirst(ranked, keptAt(share, ranked)), fixedRelus)
  checkBudget(budget, countAt(1))
  const least = countAt(0)
  if (least > budget) {
    throw new AdytonError(
      'usage',
      `network '${network.graph.name}': pruning filters leaves at least ${least} ReLUs, more than the budget of ${budget}`,
      options.residual === 'coupled'
        ? {}
        : { advice: "Inner pruning keeps the ReLUs after additions; 'residual': 'coupled' prunes those too." },
    )
  }
  // Every share at which some group's count changes, once; the count grows with the share.
  const shares = [...new Set(open.flatMap(({ group: { channels } }) => steps(channels)))].sort((a, b) => a - b)
  let [low, high] = [-1, shares.length]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (countAt(shares[middle]) <= budget) low = middle
    else high = middle
  }
  const share = low < 0 ? 0 : shares[low]
  let left = budget - countAt(share)
  return new Map(
    open.map((ranked) => {
      let count = keptAt(share, ranked)
      for (; count < ranked.group.channels && ranked.relus[ranked.order[count]] <= left; count++) {
        left -= ranked.relus[ranked.order[count]]
      }
      return [ranked.group.id, ranked.order.slice(0, count).sort()]
    }),
  )
}

/** Shares at which share * channels, rounded, grows to 1, 2, ..., channels. */
const steps = (channels: number): number[] => Array.from({ length: channels }, (_, i) => (i + 0.5) / channels)

/** Rows of a tensor along an axis, each entry of which has `block` neighbours that go with it. */
function gather(tensor: Tensor, axis: number, kept: Uint32Array, block = 1): Tensor {
  const { shape, data } = tensor
  const outer = shape.slice(0, axis).reduce((a, b) => a * b, 1)
  const run = block * shape.slice(axis + 1).reduce((a, b) => a * b, 1)
  const channels = shape[axis] / block
  const out =
    data instanceof Uint8Array ? new Uint8Array(outer * kept.length * run) : new Float32Array(outer * kept.length * run)
  let at = 0
  for (let row = 0; row < outer; row++) {
    for (const channel of kept) {
      const from = (row * channels + channel) * run
      out.set(data.subarray(from, from + run), at)
      at += run
    }
  }
  return { shape: shape.map((d, i) => (i === axis ? kept.length * block : d)), data: out }
}

const PER_CHANNEL = ['weight', 'bias', 'gamma', 'beta', 'mean', 'variance', 'mask']

/** The network with only the selected channels of each group; groups that are not named stay whole. */
export function keepFilters({ graph, tensors }: Network, selection: Selection): Network {
  const next = new Map(tensors)
  const counts = new Map<string, number>()
  const slice = (name: string, axis: number, kept: Uint32Array, block?: number): void => {
    const tensor = next.get(name)
    if (tensor !== undefined) next.set(name, gather(tensor, axis, kept, block))
  }
  for (const group of channelGroups(graph)) {
    const kept = selection.get(group.id)
    if (kept === undefined || kept.length === group.channels) continue
    if (group.kind === 'fixed') throw new RangeError(`the channels of '${group.id}' cannot be pruned`)
    for (const id of group.producers) counts.set(id, kept.length)
    for (const id of [...group.producers, ...group.norms, ...group.relus]) {
      for (const name of PER_CHANNEL) slice(`${id}.${name}`, 0, kept)
    }
    for (const { id, block } of group.readers) slice(`${id}.weight`, 1, kept, block)
  }
  const nodes = graph.nodes.map((node): GraphNode => {
    const count = counts.get(node.id)
    if (count === undefined) return node
    return node.op === 'dense' ? { ...node, outFeatures: count } : ({ ...node, outChannels: count } as GraphNode)
  })
  const pruned: Graph = { ...graph, name: `${graph.name}-pruned`, nodes }
  inferShapes(pruned)
  return { graph: pruned, tensors: next }
}

/** l1 filter pruning to at most `budget` ReLUs; see {@link selectFilters}. The result is to be fine-tuned. */
export function pruneFilters(network: Network, budget: number, options: PruneOptions = {}): Network {
  return keepFilters(network, selectFilters(network, budget, options))
}
