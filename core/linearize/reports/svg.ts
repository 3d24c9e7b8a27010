/**
 * Writes SVG as text. Every picture has a title and a description for people who cannot see it, tells its series apart
 * by pattern, dash or mark as well as by colour, and holds no script and no reference to anything outside.
 */

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text for an element or an attribute. Characters that XML forbids are left out. */
export function escapeXml(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '')
    .replace(/[&<>"']/g, (c) => ESCAPES[c])
}

/** A number with at most two decimals, as short as can be: coordinates. */
export function coordinate(value: number): string {
  if (!Number.isFinite(value)) throw new RangeError(`a coordinate must be finite, got ${value}`)
  return String(Math.round(value * 100) / 100)
}

export type Attributes = Readonly<Record<string, string | number | undefined>>

/** An element; children are markup already. Attributes that are undefined are left out. */
export function element(name: string, attributes: Attributes, children: readonly string[] = []): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? coordinate(value) : escapeXml(value as string)}"`)
    .join('')
  return children.length === 0 ? `<${name}${written}/>` : `<${name}${written}>${children.join('')}</${name}>`
}

export interface TextOptions {
  readonly anchor?: 'start' | 'middle' | 'end'
  readonly size?: number
  /** Degrees, clockwise, about the point. */
  readonly rotate?: number
  readonly weight?: 'bold'
}

export function textAt(x: number, y: number, text: string, options: TextOptions = {}): string {
  return element(
    'text',
    {
      x,
      y,
      'text-anchor': options.anchor,
      'font-size': options.size ?? 11,
      'font-weight': options.weight,
      transform:
        options.rotate === undefined ? undefined : `rotate(${options.rotate} ${coordinate(x)} ${coordinate(y)})`,
    },
    [escapeXml(text)],
  )
}

/** Colours that stay apart with the common colour deficiencies (Okabe, Ito 2008), dark enough on white. */
export const COLOURS = ['#0072b2', '#d55e00', '#007a5a', '#8a4f9e'] as const
export const DASHES = ['none', '6 3', '2 2', '8 3 2 3'] as const
export const MAX_SERIES = COLOURS.length

/** Fill of series i: plain, diagonals, dots, cross-hatch. */
export const fill = (series: number): string => (series === 0 ? COLOURS[0] : `url(#pattern-${series})`)

function patterns(): string {
  const pattern = (series: number, marks: string[]): string =>
    element('pattern', { id: `pattern-${series}`, width: 6, height: 6, patternUnits: 'userSpaceOnUse' }, [
      element('rect', { width: 6, height: 6, fill: '#ffffff' }),
      ...marks,
    ])
  const stroke = (series: number, d: string): string =>
    element('path', { d, stroke: COLOURS[series], 'stroke-width': 1.5, fill: 'none' })
  const diagonal = 'M-1 1L1 -1M0 6L6 0M5 7L7 5'
  return element('defs', {}, [
    pattern(1, [stroke(1, diagonal)]),
    pattern(2, [element('circle', { cx: 3, cy: 3, r: 1.6, fill: COLOURS[2] })]),
    pattern(3, [stroke(3, diagonal), stroke(3, 'M-1 5L1 7M0 0L6 6M5 -1L7 1')]),
  ])
}

/** A mark at a point: circle, square, triangle, diamond. */
export function mark(series: number, x: number, y: number): string {
  const colour = COLOURS[series]
  if (series === 0) return element('circle', { cx: x, cy: y, r: 3, fill: colour })
  if (series === 1) return element('rect', { x: x - 2.7, y: y - 2.7, width: 5.4, height: 5.4, fill: colour })
  const c = (dx: number, dy: number): string => `${coordinate(x + dx)} ${coordinate(y + dy)}`
  const d =
    series === 2
      ? `M${c(0, -3.6)}L${c(3.4, 2.8)}L${c(-3.4, 2.8)}Z`
      : `M${c(0, -3.8)}L${c(3.8, 0)}L${c(0, 3.8)}L${c(-3.8, 0)}Z`
  return element('path', { d, fill: colour })
}

export interface DocumentOptions {
  readonly title: string
  /** What the picture shows, in a sentence or two with its main numbers. */
  readonly description: string
  readonly width: number
  readonly height: number
}

/** The whole file. The title is drawn as well, at the top left. */
export function svgDocument(options: DocumentOptions, content: readonly string[]): string {
  const { width, height } = options
  const root = element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      role: 'img',
      'aria-labelledby': 'title description',
      viewBox: `0 0 ${coordinate(width)} ${coordinate(height)}`,
      width,
      height,
      'font-family': 'system-ui, sans-serif',
      fill: '#1a1a1a',
    },
    [
      element('title', { id: 'title' }, [escapeXml(options.title)]),
      element('desc', { id: 'description' }, [escapeXml(options.description)]),
      patterns(),
      element('rect', { width, height, fill: '#ffffff' }),
      textAt(12, 20, options.title, { size: 14, weight: 'bold' }),
      ...content,
    ],
  )
  return `${root}\n`
}
