/** Confidence intervals of shares that were counted. */

export interface Interval {
  readonly low: number
  readonly high: number
}

/** 97.5% quantile of the standard normal distribution. */
const Z = 1.959963984540054

/**
 * 95% interval of a share of which `matches` of `total` were seen, 0 to 1 (E. B. Wilson, JASA 22, 1927: the score
 * interval). Sound for few trials and for shares at 0 or 1, where the usual interval is empty.
 * @throws RangeError unless 0 <= matches <= total and total > 0
 */
export function wilson(matches: number, total: number): Interval {
  if (!(total > 0 && matches >= 0 && matches <= total)) throw new RangeError(`${matches} of ${total} is no share`)
  const share = matches / total
  const shrink = 1 + Z ** 2 / total
  const centre = (share + Z ** 2 / (2 * total)) / shrink
  const half = (Z / shrink) * Math.sqrt((share * (1 - share)) / total + Z ** 2 / (4 * total ** 2))
  // At 0 and 1 the bound is exact; rounding must not leave it beside.
  return {
    low: matches === 0 ? 0 : Math.max(0, centre - half),
    high: matches === total ? 1 : Math.min(1, centre + half),
  }
}
