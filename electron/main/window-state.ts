/** Where the window was, for the next start. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Rectangle } from 'electron'
import * as v from 'valibot'

const side = v.pipe(v.number(), v.integer(), v.minValue(-100_000), v.maxValue(100_000))
const StateSchema = v.strictObject({
  bounds: v.strictObject({ x: side, y: side, width: v.pipe(side, v.minValue(1)), height: v.pipe(side, v.minValue(1)) }),
  maximized: v.boolean(),
})
export type WindowState = v.InferOutput<typeof StateSchema>

export const SMALLEST = { width: 800, height: 600 } as const
const FIRST = { width: 1280, height: 800 } as const
/** A window of which less can be seen, px, is lost on a screen that is gone. */
const VISIBLE = 80

/** The kept state; undefined when there is none, or none that can be read. */
export function readWindowState(file: string): WindowState | undefined {
  try {
    const parsed = v.safeParse(StateSchema, JSON.parse(readFileSync(file, 'utf8')))
    return parsed.success ? parsed.output : undefined
  } catch {
    return undefined
  }
}

export function writeWindowState(file: string, state: WindowState): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(`${file}.new`, JSON.stringify(state))
  renameSync(`${file}.new`, file)
}

/** Where to open the window: as it was, if that can still be seen on one of the screens; else in the middle. */
export function placeWindow(state: WindowState | undefined, screens: readonly Rectangle[]): Partial<Rectangle> {
  if (state === undefined) return FIRST
  const { bounds } = state
  const overlap = (a: number, aSize: number, b: number, bSize: number): number =>
    Math.min(a + aSize, b + bSize) - Math.max(a, b)
  const seen = screens.some(
    (screen) =>
      overlap(bounds.x, bounds.width, screen.x, screen.width) >= VISIBLE &&
      overlap(bounds.y, bounds.height, screen.y, screen.height) >= VISIBLE,
  )
  const width = Math.max(bounds.width, SMALLEST.width)
  const height = Math.max(bounds.height, SMALLEST.height)
  return seen ? { x: bounds.x, y: bounds.y, width, height } : { width, height }
}
