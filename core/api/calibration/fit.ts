/** The line y = start + slope * x through points [x, y], y > 0, with the least squares of relative errors. */
export function fitLine(points: readonly (readonly [number, number])[]): { start: number; slope: number } {
  const sum = (of: (x: number, y: number) => number): number =>
    points.reduce((total, [x, y]) => total + of(x, y) / y ** 2, 0)
  const [weight, x, y] = [sum(() => 1), sum((x) => x), sum((_, y) => y)]
  const [xx, xy] = [sum((x) => x * x), sum((x, y) => x * y)]
  const slope = (weight * xy - x * y) / (weight * xx - x * x)
  return { start: (y - slope * x) / weight, slope }
}

/** The factors of y = a * x1 + b * x2 for points [x1, x2, y], y > 0, with the least squares of relative errors. */
export function fitFactors(points: readonly (readonly [number, number, number])[]): readonly [number, number] {
  const sum = (of: (x1: number, x2: number) => number): number =>
    points.reduce((total, [x1, x2, y]) => total + of(x1 / y, x2 / y), 0)
  const [x1, x2] = [sum((x1) => x1), sum((_, x2) => x2)]
  const [x11, x12, x22] = [sum((x1) => x1 * x1), sum((x1, x2) => x1 * x2), sum((_, x2) => x2 * x2)]
  const determinant = x11 * x22 - x12 * x12
  return [(x1 * x22 - x2 * x12) / determinant, (x2 * x11 - x1 * x12) / determinant]
}
