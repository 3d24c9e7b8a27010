/** Drawn lines: as points, as SVG paths, and as a picture. */

/** x and y, from 0 to {@link SIDE}. */
export type Point = readonly [number, number]
export type Stroke = readonly Point[]

export const SIDE = 280
/** Of the pen, in the same units: about as thick as the digits that networks learn from. */
export const PEN = 22

const round = (x: number): number => Math.round(x * 10) / 10

/** A smooth path through the middles between the points; a single point is a dot. */
export function strokePath(stroke: Stroke): string {
  const [[x, y], ...rest] = stroke
  const parts = [`M${round(x)} ${round(y)}`]
  if (rest.length === 0) parts.push(`l0.1 0`)
  rest.forEach(([px, py], i) => {
    const next = rest.at(i + 1)
    if (next === undefined) parts.push(`L${round(px)} ${round(py)}`)
    else parts.push(`Q${round(px)} ${round(py)} ${round((px + next[0]) / 2)} ${round((py + next[1]) / 2)}`)
  })
  return parts.join('')
}

/** Dark on white, as a PNG. */
export async function strokesPicture(strokes: readonly Stroke[]): Promise<Blob> {
  const canvas = new OffscreenCanvas(SIDE, SIDE)
  const context = canvas.getContext('2d')
  if (context === null) throw new Error('this window cannot draw pictures')
  context.fillStyle = 'white'
  context.fillRect(0, 0, SIDE, SIDE)
  context.lineWidth = PEN
  context.lineCap = 'round'
  context.lineJoin = 'round'
  for (const stroke of strokes) context.stroke(new Path2D(strokePath(stroke)))
  return await canvas.convertToBlob({ type: 'image/png' })
}

/** Lines of each digit on a square of 100, for whoever does not draw. */
const DIGITS: readonly (readonly (readonly number[])[])[] = [
  [[56, 18, 40, 22, 30, 38, 28, 55, 32, 74, 46, 84, 60, 80, 70, 64, 71, 45, 65, 26, 52, 18]],
  [[38, 32, 46, 26, 52, 17, 52, 40, 52, 62, 52, 85]],
  [[30, 36, 34, 22, 50, 16, 65, 22, 67, 38, 56, 54, 42, 68, 29, 83, 45, 82, 60, 82, 74, 82]],
  [[31, 24, 45, 16, 62, 20, 66, 34, 58, 45, 45, 48, 60, 50, 70, 62, 66, 78, 50, 86, 30, 79]],
  [
    [44, 16, 38, 32, 30, 52, 28, 58, 44, 59, 60, 58, 76, 56],
    [64, 30, 62, 48, 60, 66, 59, 87],
  ],
  [
    [38, 20, 36, 32, 34, 46, 48, 43, 63, 49, 69, 63, 63, 78, 48, 85, 30, 79],
    [38, 20, 52, 19, 70, 18],
  ],
  [[62, 15, 46, 26, 34, 44, 29, 64, 36, 80, 52, 85, 66, 76, 66, 60, 54, 53, 40, 58, 32, 70]],
  [[27, 22, 40, 21, 55, 21, 72, 20, 64, 38, 56, 56, 50, 72, 46, 87]],
  [
    [
      52, 48, 38, 40, 34, 28, 42, 18, 56, 17, 66, 26, 62, 38, 52, 48, 38, 60, 33, 74, 44, 85, 58, 84, 67, 73, 62, 58,
      52, 48,
    ],
  ],
  [[65, 34, 56, 46, 42, 47, 34, 36, 39, 22, 53, 16, 64, 24, 66, 36, 65, 52, 62, 70, 58, 87]],
]

/** Strokes of a digit, 0 to 9. */
export function sampleDigit(digit: number): Stroke[] {
  const scale = SIDE / 100
  return DIGITS[digit].map((line) =>
    Array.from({ length: line.length / 2 }, (_, i): Point => [line[2 * i] * scale, line[2 * i + 1] * scale]),
  )
}
