/** Live curves on the screen: their colours, and several of them as one picture. */

import type uPlot from 'uplot'

/** A chart as it is on the screen, for a picture of several. */
export interface ChartPicture {
  readonly title: string
  readonly legend: readonly { readonly label: string; readonly colour: string; readonly dash: boolean }[]
  readonly canvas: HTMLCanvasElement
}

export const DASH = [6, 4]

/** A token's colour in the theme that is on. */
export function colourOf(element: Element, token: string): string {
  const probe = document.createElement('span')
  probe.style.color = `var(${token})`
  probe.hidden = true
  element.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

/** Calls back whenever colours may be others; returns what ends it. */
export function onTheme(changed: () => void): () => void {
  const system = matchMedia('(prefers-color-scheme: dark)')
  system.addEventListener('change', changed)
  const chosen = new MutationObserver(changed)
  chosen.observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] })
  return () => {
    system.removeEventListener('change', changed)
    chosen.disconnect()
  }
}

/** A line for each piece without gaps. uPlot's own goes across and is cut, which leaves slivers of steep ones. */
export const pieces: uPlot.Series.PathBuilder = (u, series, first, last) => {
  const stroke = new Path2D()
  const scale = u.series[series].scale ?? 'y'
  let drawing = false
  for (let i = first; i <= last; i++) {
    const y = u.data[series][i]
    if (y === null || y === undefined) {
      drawing = false
      continue
    }
    const at = [u.valToPos(u.data[0][i], 'x', true), u.valToPos(y, scale, true)] as const
    if (drawing) stroke.lineTo(...at)
    else stroke.moveTo(...at)
    drawing = true
  }
  return { stroke, fill: null, clip: null, band: null, flags: 0 }
}

const PAD = 16
const TITLE = 20

/** Charts under one another with their titles and legends, as PNG. `within`: gives fonts and colours. */
export async function picturesPng(pictures: readonly ChartPicture[], within: Element): Promise<Blob> {
  const scale = devicePixelRatio
  const widest = Math.max(...pictures.map(({ canvas }) => canvas.width / scale))
  const height = pictures.reduce((sum, { canvas }) => sum + TITLE + PAD + canvas.height / scale, PAD)
  const sheet = document.createElement('canvas')
  sheet.width = Math.round((widest + 2 * PAD) * scale)
  sheet.height = Math.round(height * scale)
  const context = sheet.getContext('2d')
  if (context === null) throw new Error('this window cannot draw pictures')
  context.scale(scale, scale)
  context.fillStyle = colourOf(within, '--surface')
  context.fillRect(0, 0, widest + 2 * PAD, height)
  const { fontFamily } = getComputedStyle(within)
  const ink = colourOf(within, '--text')
  let top = PAD
  for (const { title, legend, canvas } of pictures) {
    context.font = `600 14px ${fontFamily}`
    context.fillStyle = ink
    context.fillText(title, PAD, top + 13)
    drawLegend(context, legend, PAD + context.measureText(title).width + 24, top + 8, `13px ${fontFamily}`)
    context.drawImage(canvas, PAD, top + TITLE, canvas.width / scale, canvas.height / scale)
    top += TITLE + PAD + canvas.height / scale
  }
  return await new Promise((resolve, reject) =>
    sheet.toBlob((blob) => (blob === null ? reject(new Error('the picture could not be made')) : resolve(blob))),
  )
}

function drawLegend(
  context: CanvasRenderingContext2D,
  legend: ChartPicture['legend'],
  left: number,
  middle: number,
  font: string,
): void {
  let at = left
  const ink = context.fillStyle
  context.font = font
  for (const { label, colour, dash } of legend) {
    context.strokeStyle = colour
    context.lineWidth = 2
    context.setLineDash(dash ? DASH : [])
    context.beginPath()
    context.moveTo(at, middle)
    context.lineTo(at + 22, middle)
    context.stroke()
    context.fillStyle = ink
    context.fillText(label, at + 28, middle + 5)
    at += 28 + context.measureText(label).width + 20
  }
}
