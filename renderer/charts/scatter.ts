/** Points of a scatter plot, and what of them is drawn as one. */
export interface ScatterPoint {
  readonly key: string
  readonly x: number
  readonly y: number
  readonly label: string
  /** On the front: drawn by itself and joined to its neighbours. */
  readonly front: boolean
  /** Own models are discs, published results diamonds. */
  readonly kind: 'own' | 'published'
}

export interface Placed {
  readonly point: ScatterPoint
  /** Pixels. */
  readonly x: number
  readonly y: number
}

const at = (n: number): string => n.toFixed(1)

/** Thousands of marks as one path: an element each would take too long to make. */
export function marksPath(placed: readonly Placed[], kind: ScatterPoint['kind'], radius: number): string {
  let path = ''
  for (const one of placed) {
    if (one.point.kind === kind && !one.point.front) path += markPath(one, radius)
  }
  return path
}

export function markPath({ point, x, y }: Placed, r: number): string {
  if (point.kind === 'published') {
    return `M${at(x)} ${at(y - r)}L${at(x + r)} ${at(y)}L${at(x)} ${at(y + r)}L${at(x - r)} ${at(y)}Z`
  }
  return `M${at(x - r)} ${at(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`
}

/** Through the points of a front, by x. */
export function frontPath(placed: readonly Placed[], kind: ScatterPoint['kind']): string {
  const line = placed
    .filter(({ point }) => point.kind === kind && point.front)
    .toSorted((a, b) => a.x - b.x || b.y - a.y)
  return line.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${at(x)} ${at(y)}`).join('')
}

/** The nearest within so many pixels; of points on top of each other one of the front. */
export function nearest(placed: readonly Placed[], x: number, y: number, within: number): Placed | undefined {
  let best: Placed | undefined
  let least = within ** 2
  for (const one of placed) {
    const distance = (one.x - x) ** 2 + (one.y - y) ** 2
    if (distance < least || (distance === least && one.point.front)) {
      least = distance
      best = one
    }
  }
  return best
}
