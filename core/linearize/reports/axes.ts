/** Scales, ticks, axes and legends that the charts share. */
import { COLOURS, DASHES, element, fill, mark, textAt } from './svg.ts'

/** A rectangle of the picture, in its units. */
export interface Frame {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** Round numbers that cover low to high: about `count` of them, one, two or five times a power of ten apart. */
export function ticks(low: number, high: number, count = 5): number[] {
  if (!Number.isFinite(low) || !Number.isFinite(high)) throw new RangeError(`a finite range, got ${low} to ${high}`)
  const span = high - low || Math.abs(high) || 1
  const raw = span / count
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= raw * 0.999) ?? 10)
  const first = Math.floor(low / step + 1e-9)
  const last = Math.max(Math.ceil(high / step - 1e-9), first + 1)
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}

/** 12.3K, 4M: three figures at most. */
export function compact(value: number): string {
  const size = Math.abs(value)
  const short = (scaled: number): string => String(Number(scaled.toPrecision(3)))
  if (size >= 1e6) return `${short(value / 1e6)}M`
  return size >= 1e3 ? `${short(value / 1e3)}K` : short(value)
}

export interface Axis {
  readonly label: string
  readonly ticks: readonly number[]
  readonly format?: (value: number) => string
}

export const scaleOf =
  (axis: Axis, from: number, to: number) =>
  (value: number): number => {
    const low = axis.ticks[0]
    const high = axis.ticks[axis.ticks.length - 1]
    return from + ((value - low) / (high - low)) * (to - from)
  }

/** The vertical axis with its grid, and where a value stands. */
export function verticalAxis(
  frame: Frame,
  axis: Axis,
): { readonly markup: string[]; readonly y: (value: number) => number } {
  const y = scaleOf(axis, frame.top + frame.height, frame.top)
  const format = axis.format ?? compact
  const right = frame.left + frame.width
  const markup = axis.ticks.flatMap((value) => [
    element('line', { x1: frame.left, x2: right, y1: y(value), y2: y(value), stroke: '#d9d9d9' }),
    textAt(frame.left - 6, y(value) + 4, format(value), { anchor: 'end' }),
  ])
  markup.push(textAt(frame.left, frame.top - 8, axis.label))
  return { markup, y }
}

export function horizontalAxis(
  frame: Frame,
  axis: Axis,
): { readonly markup: string[]; readonly x: (value: number) => number } {
  const x = scaleOf(axis, frame.left, frame.left + frame.width)
  const format = axis.format ?? compact
  const base = frame.top + frame.height
  const markup = axis.ticks.map((value) => textAt(x(value), base + 16, format(value), { anchor: 'middle' }))
  markup.push(
    element('line', { x1: frame.left, x2: frame.left + frame.width, y1: base, y2: base, stroke: '#595959' }),
    textAt(frame.left + frame.width / 2, base + 34, axis.label, { anchor: 'middle' }),
  )
  return { markup, x }
}

/** Names of the series in a row, each with its fill or its line and mark. */
export function legend(x: number, y: number, names: readonly string[], kind: 'fill' | 'line'): string[] {
  let at = x
  return names.flatMap((name, series) => {
    const left = at
    at += 44 + 6.5 * name.length
    const sign =
      kind === 'fill'
        ? [element('rect', { x: left, y: y - 10, width: 18, height: 11, fill: fill(series), stroke: COLOURS[series] })]
        : [line(series, [left, left + 22], [y - 4, y - 4]), mark(series, left + 11, y - 4)]
    return [...sign, textAt(left + 26, y, name)]
  })
}

/** A broken line through points. */
export function line(series: number, xs: readonly number[], ys: readonly number[]): string {
  const points = xs.map((x, i) => `${Number(x.toFixed(2))},${Number(ys[i].toFixed(2))}`).join(' ')
  return element('polyline', {
    points,
    fill: 'none',
    stroke: COLOURS[series],
    'stroke-width': 1.6,
    'stroke-dasharray': DASHES[series] === 'none' ? undefined : DASHES[series],
  })
}
