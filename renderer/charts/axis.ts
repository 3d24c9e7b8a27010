/** What charts with two axes share. */

export interface AxisSpec {
  readonly label: string
  readonly log: boolean
  readonly format: (value: number) => string
}

/** Pixels that ticks and labels take. */
export const MARGIN = { top: 14, right: 18, bottom: 46, left: 66 } as const

/** 50000 → '50k': as short as it can be said. */
export function compact(n: number): string {
  for (const [size, unit] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (Math.abs(n) >= size) return `${Number((n / size).toPrecision(3))}${unit}`
  }
  return String(Number(n.toPrecision(3)))
}

/** Some room around the values, so that no point lies on an axis. */
export function roomy(values: readonly number[], log: boolean): [number, number] {
  let least = Infinity
  let most = -Infinity
  for (const value of values) {
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  if (least > most) return log ? [1, 10] : [0, 1]
  if (log) return [least / 1.35, most * 1.35]
  const room = (most - least) * 0.06 || Math.abs(most) * 0.1 || 1
  return [least >= 0 ? Math.max(0, least - room) : least - room, most + room]
}

/** Between about four and nine ticks: of a log axis 1, 2, 5 of each decade, or the decades alone. */
export function ticksOf(scale: { ticks: (count?: number) => number[] }, log: boolean, count: number): number[] {
  const all = scale.ticks(count)
  if (!log) return all
  const digit = (n: number): number => Math.round(n / 10 ** Math.floor(Math.log10(n) + 1e-9))
  const some = all.filter((n) => [1, 2, 5].includes(digit(n)))
  return some.length <= count + 3 ? some : all.filter((n) => digit(n) === 1)
}
