/** Every report of a finished recipe, as data and as SVG files by name. */
import type { CapacityReport } from '../capacity.ts'
import { reluLayers } from '../masks.ts'
import type { RecipeResult } from '../recipe/run.ts'
import { heatMaps, heatMapSvg } from './heat-map.ts'
import {
  capacitySvg,
  historySvg,
  layerReport,
  layerReportSvg,
  networkCapacity,
  type HistoryRow,
  type LayerReport,
} from './reports.ts'

export interface Reports {
  readonly data: {
    readonly layers: LayerReport
    /** Kept share of each layer's channels by pixel, in the order of `layers.layers`; rounded to thousandths. */
    readonly heatMaps: readonly {
      readonly id: string
      readonly height: number
      readonly width: number
      readonly pixels: readonly number[]
    }[]
    readonly history: readonly HistoryRow[]
    readonly capacity: CapacityReport
  }
  /** SVG text by file name. */
  readonly pictures: ReadonlyMap<string, string>
}

/** Epochs of every step that trained, one after the other. */
export function historyRows({ history }: Pick<RecipeResult, 'history'>): HistoryRow[] {
  return history.flatMap((record, index) =>
    record.epochs.map(({ phase, epoch, relus, accuracy }) => ({
      phase: `${index + 1} ${phase}`,
      epoch,
      relus,
      ...(accuracy === undefined ? {} : { accuracy }),
    })),
  )
}

export function reportsOf(result: Pick<RecipeResult, 'graph' | 'masks' | 'history'>): Reports {
  const { graph, masks } = result
  const layers = layerReport(graph, masks)
  const maps = heatMaps(graph, masks)
  const history = historyRows(result)
  const capacity = networkCapacity(graph, masks)
  const pictures = new Map([
    ['layers.svg', layerReportSvg(layers)],
    ['masks.svg', heatMapSvg(maps, 'Kept ReLUs by pixel')],
  ])
  if (history.length > 0) pictures.set('history.svg', historySvg(history))
  if (reluLayers(graph).length > 1) pictures.set('capacity.svg', capacitySvg(capacity))
  return {
    data: {
      layers,
      heatMaps: maps.map(({ id, height, width, pixels }) => ({
        id,
        height,
        width,
        pixels: Array.from(pixels, (share) => Math.round(1000 * share) / 1000),
      })),
      history,
      capacity,
    },
    pictures,
  }
}
