/** Which ReLUs a mask keeps, as pictures: for each layer the share of channels that keep the ReLU at each pixel. */
import type { Graph } from '../../network/graph.ts'
import { perElement, reluLayers, type Masks } from '../masks.ts'
import { element, escapeXml, svgDocument, textAt } from './svg.ts'

export interface HeatMap {
  readonly id: string
  readonly stage: number
  readonly height: number
  readonly width: number
  readonly channels: number
  /** Kept share of the channels at each pixel, 0 to 1, [height][width] flattened. A dense layer is 1 pixel high. */
  readonly pixels: Float32Array
  /** Kept share of the pixels of each channel, 0 to 1. */
  readonly perChannel: Float32Array
  /** Kept share of the layer. */
  readonly share: number
}

/** Heat maps of every ReLU layer. The features of a dense layer are laid out in a row. */
export function heatMaps(graph: Graph, masks: Masks): HeatMap[] {
  return reluLayers(graph).map((layer) => {
    const kept = perElement(masks, layer)
    const [channels, height, width] = layer.shape.length === 3 ? layer.shape : [1, 1, layer.size]
    const area = height * width
    const pixels = new Float32Array(area)
    const perChannel = new Float32Array(channels)
    let sum = 0
    kept.forEach((value, i) => {
      pixels[i % area] += value / channels
      perChannel[Math.floor(i / area)] += value / area
      sum += value
    })
    const share = sum / layer.size
    return { id: layer.id, stage: layer.stage, height, width, channels, pixels, perChannel, share }
  })
}

const LEVELS = 10
const SIDE = 96
const CELL = 128
const PER_ROW = 6

/** A kept share of 0 to 1 as red, green and blue: 0 is white, 1 is dark. A scale of lightness, readable without colour. */
export function heatColour(share: number): [number, number, number] {
  const channel = (dark: number): number => Math.round(255 + (dark - 255) * share)
  return [channel(8), channel(48), channel(107)]
}

function shade(level: number): string {
  const hex = heatColour(level / LEVELS).map((channel) => channel.toString(16).padStart(2, '0'))
  return `#${hex.join('')}`
}

/** Pixels of one level side by side become one rectangle. */
function draw(map: HeatMap, left: number, top: number): string[] {
  const dx = SIDE / map.width
  const dy = Math.min(SIDE / map.height, SIDE)
  const out: string[] = []
  for (let row = 0; row < map.height; row++) {
    for (let from = 0; from < map.width;) {
      const level = Math.round(map.pixels[row * map.width + from] * LEVELS)
      let to = from + 1
      while (to < map.width && Math.round(map.pixels[row * map.width + to] * LEVELS) === level) to++
      if (level > 0) {
        const [x, y] = [left + from * dx, top + row * dy]
        out.push(element('rect', { x, y, width: (to - from) * dx, height: dy, fill: shade(level) }))
      }
      from = to
    }
  }
  return out
}

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`

export function heatMapSvg(maps: readonly HeatMap[], title: string): string {
  const cells = maps.flatMap((map, index) => {
    const left = 16 + (index % PER_ROW) * CELL
    const top = 60 + Math.floor(index / PER_ROW) * (CELL + 12)
    const told = `${map.id}: ${percent(map.share)} of ${map.channels} x ${map.height} x ${map.width} kept`
    return [
      element('g', {}, [
        element('title', {}, [escapeXml(told)]),
        ...draw(map, left, top),
        element('rect', { x: left, y: top, width: SIDE, height: SIDE, fill: 'none', stroke: '#595959' }),
        textAt(left, top - 4, map.id, { size: 10 }),
        textAt(left, top + SIDE + 12, `${percent(map.share)} kept`, { size: 10 }),
      ]),
    ]
  })
  const rows = Math.ceil(maps.length / PER_ROW)
  const height = 60 + rows * (CELL + 12) + 24
  const scale = Array.from({ length: LEVELS + 1 }, (_, level) =>
    element('rect', {
      x: 90 + level * 14,
      y: height - 26,
      width: 14,
      height: 12,
      fill: shade(level),
      stroke: '#bfbfbf',
    }),
  )
  return svgDocument(
    {
      title,
      description:
        `Kept ReLUs of ${maps.length} layers. Each square is a feature map; the darker a pixel, the more channels keep ` +
        `their ReLU there. ${maps.map((map) => `${map.id} ${percent(map.share)}`).join(', ')}.`,
      width: 16 + PER_ROW * CELL,
      height,
    },
    [
      ...cells,
      textAt(16, height - 16, 'none kept'),
      ...scale,
      textAt(90 + (LEVELS + 1) * 14 + 6, height - 16, 'all kept'),
    ],
  )
}
