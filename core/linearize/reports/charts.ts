/** Grouped bars and lines over numbers, as SVG. */
import { horizontalAxis, legend, line, ticks, verticalAxis, type Frame } from './axes.ts'
import { COLOURS, element, escapeXml, fill, mark, MAX_SERIES, svgDocument, textAt } from './svg.ts'

export interface Series {
  readonly name: string
  readonly values: readonly number[]
}

export interface BarChart {
  readonly title: string
  readonly description: string
  /** One a group of bars. */
  readonly labels: readonly string[]
  readonly series: readonly Series[]
  readonly valueLabel: string
  readonly labelsTitle: string
  readonly format?: (value: number) => string
}

function checkSeries(series: readonly Series[], length: number): void {
  if (series.length < 1 || series.length > MAX_SERIES) throw new RangeError(`1 to ${MAX_SERIES} series`)
  for (const { name, values } of series) {
    if (values.length !== length) throw new RangeError(`series '${name}': ${length} values, got ${values.length}`)
  }
}

/** Bars side by side in groups; each bar tells its numbers when pointed at. */
export function barChart(chart: BarChart): string {
  const { labels, series } = chart
  checkSeries(series, labels.length)
  const slot = Math.max(14 * series.length + 8, 30)
  const longest = Math.max(0, ...labels.map((label) => label.length))
  // The first label leans out to the left of its bars.
  const left = Math.max(64, Math.ceil(4.6 * longest - slot / 2))
  const frame: Frame = { left, top: 68, width: Math.max(280, slot * labels.length), height: 240 }
  const axis = {
    label: chart.valueLabel,
    ticks: ticks(0, Math.max(0, ...series.flatMap(({ values }) => values))),
    ...(chart.format === undefined ? {} : { format: chart.format }),
  }
  const { markup, y } = verticalAxis(frame, axis)
  const base = frame.top + frame.height
  const step = frame.width / Math.max(1, labels.length)
  const width = Math.min(24, (step - 6) / series.length)
  const bars = labels.flatMap((label, group) =>
    series.map(({ name, values }, i) => {
      const value = values[group]
      const x = frame.left + (group + 0.5) * step + (i - series.length / 2) * width
      const attributes = { x, y: y(value), width: width - 1, height: base - y(value) }
      const told = element('title', {}, [escapeXml(`${label}, ${name}: ${(chart.format ?? String)(value)}`)])
      return element('rect', { ...attributes, fill: fill(i), stroke: COLOURS[i] }, [told])
    }),
  )
  const names = labels.map((label, group) =>
    textAt(frame.left + (group + 0.5) * step + 4, base + 14, label, { anchor: 'end', rotate: -45 }),
  )
  const below = 24 + 5 * longest
  return svgDocument(
    {
      title: chart.title,
      description: chart.description,
      width: frame.left + frame.width + 24,
      height: base + below + 24,
    },
    [
      ...legend(
        frame.left,
        44,
        series.map(({ name }) => name),
        'fill',
      ),
      ...markup,
      ...bars,
      element('line', { x1: frame.left, x2: frame.left + frame.width, y1: base, y2: base, stroke: '#595959' }),
      ...names,
      textAt(frame.left + frame.width / 2, base + below + 12, chart.labelsTitle, { anchor: 'middle' }),
    ],
  )
}

/** A line through points; x ascends. */
export interface Curve {
  readonly name: string
  readonly xs: readonly number[]
  readonly ys: readonly number[]
}

export interface Panel {
  readonly label: string
  readonly curves: readonly Curve[]
  readonly format?: (value: number) => string
  /** The axis starts at 0 (the default) or at the lowest value. */
  readonly fromZero?: boolean
}

export interface LineChart {
  readonly title: string
  readonly description: string
  /** One below the other over the same x axis. */
  readonly panels: readonly Panel[]
  readonly xLabel: string
  /** A dashed vertical line with a word, where a phase begins. */
  readonly marks?: readonly { readonly x: number; readonly label: string }[]
}

const PANEL_HEIGHT = 190
const PANEL_STEP = PANEL_HEIGHT + 56

export function lineChart(chart: LineChart): string {
  const all = chart.panels.flatMap((panel) => panel.curves)
  const xs = all.flatMap((curve) => curve.xs)
  if (xs.length === 0) throw new RangeError('a chart has a point or more')
  const xTicks = ticks(Math.min(...xs), Math.max(...xs), 8)
  const content = chart.panels.flatMap((panel, index) => {
    if (panel.curves.length > MAX_SERIES) throw new RangeError(`a panel has at most ${MAX_SERIES} curves`)
    const frame: Frame = { left: 64, top: 72 + index * PANEL_STEP, width: 480, height: PANEL_HEIGHT }
    const ys = panel.curves.flatMap((curve) => curve.ys)
    const low = panel.fromZero === false ? Math.min(...ys) : Math.min(0, ...ys)
    const { markup, y } = verticalAxis(frame, {
      label: panel.label,
      ticks: ticks(low, Math.max(low, ...ys)),
      ...(panel.format === undefined ? {} : { format: panel.format }),
    })
    const across = horizontalAxis(frame, { label: chart.xLabel, ticks: xTicks })
    const curves = panel.curves.flatMap((curve, series) => {
      const px = curve.xs.map(across.x)
      const py = curve.ys.map(y)
      return [line(series, px, py), ...px.map((x, i) => mark(series, x, py[i]))]
    })
    const phases = (chart.marks ?? []).flatMap(({ x, label }) => [
      element('line', {
        x1: across.x(x),
        x2: across.x(x),
        y1: frame.top,
        y2: frame.top + frame.height,
        stroke: '#595959',
        'stroke-dasharray': '4 4',
      }),
      textAt(across.x(x) + 4, frame.top + 12, label, { size: 10 }),
    ])
    const named = panel.curves.length > 1 || index === 0 ? panel.curves.map(({ name }) => name) : []
    return [
      ...markup,
      ...across.markup,
      ...phases,
      ...curves,
      ...legend(frame.left + 150, frame.top - 8, named, 'line'),
    ]
  })
  return svgDocument(
    {
      title: chart.title,
      description: chart.description,
      width: 570,
      height: 72 + chart.panels.length * PANEL_STEP,
    },
    content,
  )
}
