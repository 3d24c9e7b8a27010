/** Means over seeds and intervals of paired differences. */

/** Two-sided 95% quantiles of Student's t by degrees of freedom, from 1 (NIST/SEMATECH e-Handbook, section 1.3.6.7.2). */
const T95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228]

export interface Interval {
  readonly mean: number
  /** Half of the width of the 95% interval; absent with one value. */
  readonly half?: number
}

/** Mean and 95% interval of 1 to 11 values, by Student's t. */
export function interval(values: readonly number[]): Interval {
  const n = values.length
  if (n === 0 || n > T95.length + 1) throw new RangeError(`1 to ${T95.length + 1} values, got ${n}`)
  const mean = values.reduce((sum, value) => sum + value, 0) / n
  if (n === 1) return { mean }
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1)
  return { mean, half: T95[n - 2] * Math.sqrt(variance / n) }
}
