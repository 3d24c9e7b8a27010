/** The pictures of a linearised network: figure 4 of the SNL paper, its course by epoch, capacity, the Pareto front. */
import type { Graph } from '../../network/graph.ts'
import { capacityReport, type CapacityReport } from '../capacity.ts'
import { layerStatistics, stageStatistics, type LayerStatistics, type Masks, type StageStatistics } from '../masks.ts'
import { compact } from './axes.ts'
import { barChart, lineChart } from './charts.ts'

export interface LayerReport {
  readonly total: number
  readonly kept: number
  readonly layers: readonly LayerStatistics[]
  readonly stages: readonly StageStatistics[]
}

export function layerReport(graph: Graph, masks: Masks): LayerReport {
  const layers = layerStatistics(graph, masks)
  const sum = (key: 'total' | 'kept'): number => layers.reduce((all, row) => all + row[key], 0)
  return { total: sum('total'), kept: sum('kept'), layers, stages: stageStatistics(graph, masks) }
}

/** Figure 4: ReLUs of each layer before and after. */
export function layerReportSvg(
  { layers, total, kept }: LayerReport,
  title = 'ReLUs before and after by layer',
): string {
  return barChart({
    title,
    description:
      `${compact(kept)} of ${compact(total)} ReLUs are kept. ` +
      layers.map((row) => `${row.id}: ${row.kept} of ${row.total}`).join('; '),
    labels: layers.map((row) => row.id),
    labelsTitle: 'layer',
    valueLabel: 'ReLUs for one image',
    series: [
      { name: 'before', values: layers.map((row) => row.total) },
      { name: 'after', values: layers.map((row) => row.kept) },
    ],
    format: compact,
  })
}

/** An epoch of any phase, in order. */
export interface HistoryRow {
  readonly phase: string
  /** From 0, within its phase. */
  readonly epoch: number
  /** Share of test images that are right, 0 to 1; absent when the epoch was not evaluated. */
  readonly accuracy?: number
  /** ReLUs kept after the epoch. */
  readonly relus: number
}

const percent = (share: number): string => `${Number((100 * share).toFixed(1))}%`

/** Accuracy and ReLU count by epoch, phases one after the other. */
export function historySvg(rows: readonly HistoryRow[], title = 'Accuracy and ReLUs by epoch'): string {
  const epochs = rows.map((_, index) => index + 1)
  const seen = rows
    .map((row, index) => ({ x: epochs[index], accuracy: row.accuracy }))
    .filter((row) => row.accuracy !== undefined)
  const last = rows.at(-1)
  const finalAccuracy = seen.at(-1)?.accuracy
  return lineChart({
    title,
    description:
      `${rows.length} epochs; at the end ${compact(last?.relus ?? 0)} ReLUs` +
      (finalAccuracy === undefined ? '.' : ` and ${percent(finalAccuracy)} of test images right.`),
    xLabel: 'epoch',
    marks: rows.flatMap((row, index) =>
      row.phase === rows[index - 1]?.phase ? [] : [{ x: epochs[index], label: row.phase }],
    ),
    panels: [
      ...(seen.length === 0
        ? []
        : [
            {
              label: 'accuracy',
              fromZero: false,
              format: percent,
              curves: [{ name: 'test images', xs: seen.map(({ x }) => x), ys: seen.map((row) => row.accuracy ?? 0) }],
            },
          ]),
      { label: 'ReLUs', curves: [{ name: 'kept', xs: epochs, ys: rows.map((row) => row.relus) }] },
    ],
  })
}

/** Bounds of section 5 for the allocation of a network, over its ReLU layers; see capacity.ts. */
export function networkCapacity(graph: Graph, masks: Masks): CapacityReport {
  return capacityReport(layerStatistics(graph, masks))
}

/** log10 of the bounds of each two consecutive ReLU layers. */
export function capacitySvg(report: CapacityReport, title = 'Memorisation capacity, upper bounds'): string {
  const log = (pick: (pair: CapacityReport['pairs'][number]) => number): number[] =>
    report.pairs.map((pair) => Math.log10(pick(pair)))
  const { full, linearised, pruned } = report.log10
  return barChart({
    title,
    description:
      'Powers of ten that bound the number of points which two consecutive layers can fit. For the whole network: ' +
      `10^${full.toFixed(1)} with every ReLU, 10^${linearised.toFixed(1)} with this allocation, ` +
      `10^${pruned.toFixed(1)} when the other neurons are removed.`,
    labels: report.pairs.map(({ layers }) => layers.map((index) => index + 1).join('+')),
    labelsTitle: 'two consecutive ReLU layers, numbered from 1',
    valueLabel: 'log10 of the bound',
    series: [
      { name: 'all ReLUs', values: log((pair) => pair.full) },
      { name: 'this allocation', values: log((pair) => pair.linearised) },
      { name: 'best split', values: log((pair) => pair.best.bound) },
      { name: 'pruned', values: log((pair) => pair.pruned) },
    ],
    format: (value) => value.toFixed(1),
  })
}

export interface FrontPoint {
  readonly relus: number
  /** 0 to 1. */
  readonly accuracy: number
}

/** Points that no other point beats: fewer or as many ReLUs and more accuracy. By rising ReLUs. */
export function paretoFront<T extends FrontPoint>(points: readonly T[]): T[] {
  const sorted = [...points].sort((a, b) => a.relus - b.relus || b.accuracy - a.accuracy)
  let best = -Infinity
  return sorted.filter((point) => {
    if (point.accuracy <= best) return false
    best = point.accuracy
    return true
  })
}

/** Accuracy against ReLUs, one line a method. */
export function paretoSvg(
  methods: readonly { readonly name: string; readonly points: readonly FrontPoint[] }[],
  title = 'Accuracy against ReLUs',
): string {
  return lineChart({
    title,
    description: methods
      .map(
        ({ name, points }) =>
          `${name}: ${points.map((p) => `${compact(p.relus)} ReLUs ${percent(p.accuracy)}`).join(', ')}`,
      )
      .join('. '),
    xLabel: 'ReLUs for one image',
    panels: [
      {
        label: 'accuracy',
        fromZero: false,
        format: percent,
        curves: methods.map(({ name, points }) => {
          const sorted = [...points].sort((a, b) => a.relus - b.relus)
          return { name, xs: sorted.map((p) => p.relus), ys: sorted.map((p) => p.accuracy) }
        }),
      },
    ],
  })
}
