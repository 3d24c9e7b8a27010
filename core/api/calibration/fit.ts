/** Three linear equations by Cramer's rule. */
export function solve(rows: readonly (readonly number[])[], right: readonly number[]): number[] {
  const determinant = ([a, b, c]: readonly (readonly number[])[]): number =>
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])
  const all = determinant(rows)
  return rows.map(
    (_, column) => determinant(rows.map((row, i) => row.map((x, j) => (j === column ? right[i] : x)))) / all,
  )
}

/** The line y = start + slope * x through points [x, y], y > 0, with the least squares of relative errors. */
export function fitLine(points: readonly (readonly [number, number])[]): { start: number; slope: number } {
  const sum = (of: (x: number, y: number) => number): number =>
    points.reduce((total, [x, y]) => total + of(x, y) / y ** 2, 0)
  const [weight, x, y] = [sum(() => 1), sum((x) => x), sum((_, y) => y)]
  const [xx, xy] = [sum((x) => x * x), sum((x, y) => x * y)]
  const slope = (weight * xy - x * y) / (weight * xx - x * x)
  return { start: (y - slope * x) / weight, slope }
}
