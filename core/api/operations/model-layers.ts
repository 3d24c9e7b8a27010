/** model-layers and model-mask: a network layer by layer, for its picture; and which ReLUs of a layer are kept. */
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { layerReport } from '../../linearize/reports/reports.ts'
import { heatColour, heatMaps } from '../../linearize/reports/heat-map.ts'
import { masksOf, type StageStatistics } from '../../linearize/masks.ts'
import { countNetwork } from '../../network/counts.ts'
import type { GraphNode } from '../../network/graph.ts'
import { inferShapes } from '../../network/shapes.ts'
import type { Operation } from '../operation.ts'
import { pngUrl } from '../picture-url.ts'
import { loadNetwork, sourceSchema } from '../source.ts'

const data = v.exactOptional(v.string())

export interface ModelLayer {
  readonly id: string
  readonly kind: GraphNode['op']
  /** Of its output for one image: [channels, height, width] or [features]. */
  readonly shape: readonly number[]
  readonly macs: number
  readonly params: number
  /** ReLUs that the architecture has here and those that the mask keeps; 0 of 0 where there are none. */
  readonly relus: { readonly total: number; readonly kept: number }
  /** Stage of the network, from 0. */
  readonly stage: number | null
}

export interface ModelLayersResult {
  readonly name: string
  readonly layers: readonly ModelLayer[]
  /** From a layer to one that reads it, in the order in which it reads them. */
  readonly edges: readonly { readonly from: string; readonly to: string }[]
  readonly stages: readonly StageStatistics[]
  readonly total: { readonly macs: number; readonly params: number; readonly relus: number; readonly kept: number }
}

const layersInput = v.strictObject({ source: sourceSchema, data })

export const modelLayers: Operation<typeof layersInput, ModelLayersResult> = {
  name: 'model-layers',
  summary: 'Lists the layers of a network with shapes, counts and ReLUs before and after, and what feeds what.',
  input: layersInput,
  async run({ source, data: folder }) {
    const network = await loadNetwork(source, folder)
    const { graph, tensors, name } = network
    const counts = countNetwork(graph, tensors)
    const shapes = inferShapes(graph)
    const relus = layerReport(graph, masksOf(network))
    const relusOf = new Map(relus.layers.map((layer) => [layer.id, layer]))
    const layers = graph.nodes.map(({ id, op }, i): ModelLayer => {
      const { macs, params } = counts.nodes[i]
      const { total = 0, kept = 0, stage = null } = relusOf.get(id) ?? {}
      return { id, kind: op, shape: [...(shapes.get(id) ?? [])], macs, params, relus: { total, kept }, stage }
    })
    return {
      name,
      layers,
      edges: graph.nodes.flatMap((node) => node.inputs.map((from) => ({ from, to: node.id }))),
      stages: relus.stages,
      total: { macs: counts.macs, params: counts.params, relus: relus.total, kept: relus.kept },
    }
  },
}

export interface ModelMaskResult {
  readonly id: string
  readonly channels: number
  readonly height: number
  readonly width: number
  readonly total: number
  readonly kept: number
  /** Share of the channels that keep their ReLU at each position, 0 to 1: [height][width]. */
  readonly share: readonly (readonly number[])[]
  /** Share of the positions that each channel keeps. */
  readonly perChannel: readonly number[]
  /** A pixel a position, from white (none kept) to dark blue (all kept), as PNG. */
  readonly picture: string
}

const maskInput = v.strictObject({ source: sourceSchema, layer: v.string(), data })

export const modelMask: Operation<typeof maskInput, ModelMaskResult> = {
  name: 'model-mask',
  summary: 'Says which ReLUs of a layer are kept, position by position.',
  input: maskInput,
  async run({ source, layer, data: folder }) {
    const network = await loadNetwork(source, folder)
    const masks = masksOf(network)
    const maps = heatMaps(network.graph, masks)
    const map = maps.find(({ id }) => id === layer)
    if (map === undefined) {
      throw new AdytonError('usage', `${network.name} has no ReLU layer '${layer}'`, {
        advice: `Its ReLU layers: ${maps.map(({ id }) => id).join(', ')}.`,
      })
    }
    const { channels, height, width, pixels, perChannel } = map
    const total = channels * height * width
    return {
      ...{ id: layer, channels, height, width, total, kept: Math.round(map.share * total) },
      share: Array.from({ length: height }, (_, y) => [...pixels.subarray(y * width, (y + 1) * width)]),
      perChannel: [...perChannel],
      picture: await pngUrl(Uint8Array.from([...pixels].flatMap(heatColour)), width, height, 3),
    }
  },
}
