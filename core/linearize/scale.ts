/**
 * Reshaping, DeepReDuce's last step (Jha et al. 2021): fewer channels, or smaller feature maps, in the whole network.
 * Both change the architecture, so its weights are trained anew; whole layers that were culled or thinned stay so.
 */
import { AdytonError } from '../errors/errors.ts'
import type { Graph, GraphNode, Shape } from '../network/graph.ts'
import { inferShapes } from '../network/shapes.ts'
import { keptOf, reluLayers, type Mask, type Masks } from './masks.ts'

/** An architecture without weights, and the masks that carry over to it. */
export interface Reshaped {
  readonly graph: Graph
  readonly masks: Map<string, Mask>
}

/** Nodes whose channels are those of the output: the classifier, and what only reshapes or adds up its answers. */
function outputNodes(graph: Graph): Set<string> {
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]))
  const found = new Set<string>()
  const open = [graph.nodes[graph.nodes.length - 1].id]
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (found.has(id)) continue
    found.add(id)
    const node = nodes.get(id) as GraphNode
    if (node.op !== 'conv2d' && node.op !== 'dense') open.push(...node.inputs)
  }
  return found
}

/** Layer masks on a graph of other sizes. Throws AdytonError 'usage' for a layer that is masked in part. */
function carryOver(before: Graph, masks: Masks, after: Graph): Map<string, Mask> {
  const sizes = new Map(reluLayers(before).map((layer) => [layer.id, layer]))
  return new Map(
    reluLayers(after).map((layer) => {
      const old = sizes.get(layer.id)
      const kept = old === undefined ? layer.size : keptOf(masks, old)
      if (old !== undefined && kept !== 0 && kept !== old.size) {
        throw new AdytonError(
          'usage',
          `network '${before.name}': ReLU layer '${layer.id}' is masked in part (${kept} of ${old.size}), which does not carry over to other sizes`,
          {
            advice: 'Scale channels and feature maps before SNL or random masks; culling and thinning may come first.',
          },
        )
      }
      return [layer.id, { granularity: 'channel', kept: new Uint8Array(layer.channels).fill(kept === 0 ? 0 : 1) }]
    }),
  )
}

function scaled(channels: number, factor: number, multiple: number): number {
  return multiple * Math.max(1, Math.round((channels * factor) / multiple))
}

/**
 * Multiplies the channels of every convolution and hidden dense layer by `factor`, rounded, at least one; the
 * classifier keeps its outputs. Depthwise convolutions stay depthwise; other grouped ones keep their groups.
 * @throws AdytonError 'usage' for masks that do not carry over, 'model-invalid' when the result does not fit together
 */
export function scaleChannels(graph: Graph, masks: Masks, factor: number): Reshaped {
  if (!(factor > 0 && factor <= 16)) {
    throw new AdytonError('usage', `channel scaling: expected a factor above 0 and at most 16, got ${factor}`)
  }
  const shapes = inferShapes(graph)
  const fixed = outputNodes(graph)
  const nodes = graph.nodes.map((node): GraphNode => {
    if (fixed.has(node.id)) return node
    if (node.op === 'dense') return { ...node, outFeatures: scaled(node.outFeatures, factor, 1) }
    if (node.op !== 'conv2d') return node
    const [inChannels] = shapes.get(node.inputs[0]) as Shape
    if (node.groups > 1 && node.groups === inChannels) {
      const perChannel = node.outChannels / node.groups
      const groups = scaled(inChannels, factor, 1)
      return { ...node, groups, outChannels: perChannel * groups }
    }
    return { ...node, outChannels: scaled(node.outChannels, factor, node.groups) }
  })
  const next: Graph = { ...graph, name: `${graph.name}-ch${factor}`, nodes: unmasked(nodes) }
  inferShapes(next)
  return { graph: next, masks: carryOver(graph, masks, next) }
}

const unmasked = (nodes: readonly GraphNode[]): GraphNode[] =>
  nodes.map((node) => (node.op === 'relu' ? { ...node, mask: 'none' } : node))

/**
 * Divides the height and width of every feature map by `divisor` (a whole number, 2 for DeepReDuce's factor 0.5), by
 * multiplying the stride of each convolution that reads the image.
 * @throws AdytonError 'usage' when no convolution reads the image, 'model-invalid' when a later window no longer fits
 */
export function scaleFeatureMaps(graph: Graph, masks: Masks, divisor: number): Reshaped {
  if (!Number.isInteger(divisor) || divisor < 2 || divisor > 16) {
    throw new AdytonError('usage', `feature-map scaling: expected a whole divisor from 2 to 16, got ${divisor}`)
  }
  const image = graph.nodes[0].id
  const readers = graph.nodes.filter((node) => node.inputs.includes(image))
  if (readers.some((node) => node.op !== 'conv2d')) {
    throw new AdytonError('usage', `network '${graph.name}': only convolutions may read the image to scale its maps`)
  }
  const nodes = graph.nodes.map((node) =>
    node.op === 'conv2d' && node.inputs[0] === image ? { ...node, stride: node.stride * divisor } : node,
  )
  const next: Graph = { ...graph, name: `${graph.name}-fm${divisor}`, nodes: unmasked(nodes) }
  inferShapes(next)
  return { graph: next, masks: carryOver(graph, masks, next) }
}
