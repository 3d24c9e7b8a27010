/**
 * Upper bounds on memorisation capacity, section 5 of "Selective Network Linearization for Efficient Private Inference"
 * (Cho et al., ICML 2022): how many points a feed-forward network with piecewise linear activations can fit. They are
 * stated for dense networks. Shared weights (convolutions) and skip connections leave them upper bounds, if looser
 * ones: neither makes a value bend in more places than the count allows. Max-pooling does, and is not covered.
 */

/** Pieces of the ReLU. */
const RELU_PIECES = 2

/** Throws RangeError unless d is a whole number above 0 and 0 <= kept <= d. */
function checkLayer(d: number, kept: number): void {
  if (!Number.isInteger(d) || d < 1) throw new RangeError(`a layer has 1 neuron or more, got ${d}`)
  if (!(kept >= 0 && kept <= d)) throw new RangeError(`a layer of ${d} neurons keeps 0 to ${d}, got ${kept}`)
}

/** Theorem 1 (Yun et al. 2019): two hidden layers of width d1 and d2; p pieces in the activation. */
export function capacityBound(d1: number, d2: number, pieces: number = RELU_PIECES): number {
  return linearisedCapacityBound(d1, d2, d1, d2, pieces)
}

/** Corollary 1: of d1 and d2 neurons, kept1 and kept2 have the activation and the others are linear. */
export function linearisedCapacityBound(
  d1: number,
  d2: number,
  kept1: number,
  kept2: number,
  pieces: number = RELU_PIECES,
): number {
  checkLayer(d1, kept1)
  checkLayer(d2, kept2)
  const p = pieces
  return kept1 * kept2 * p * (p - 1) + kept2 * (p - 1) + kept1 * (d2 - kept2) * (p - 1) + 2
}

/** Corollary 2: the neurons without activation are removed altogether. */
export function prunedCapacityBound(kept1: number, kept2: number, pieces: number = RELU_PIECES): number {
  const p = pieces
  return kept1 * kept2 * p * (p - 1) + kept2 * (p - 1) + 2
}

export interface Allocation {
  readonly kept1: number
  readonly kept2: number
}

/**
 * Theorem 2: the split of a budget of ReLUs that maximises the bound of corollary 1, real-valued and within 0 to d1 and
 * 0 to d2. The theorem states the inner optimum; the bound is concave along the budget, so where that lies outside,
 * the nearest end of the range is best.
 * @throws RangeError unless 0 <= budget <= d1 + d2
 */
export function bestAllocation(d1: number, d2: number, budget: number): Allocation {
  checkLayer(d1, 0)
  checkLayer(d2, 0)
  if (!(budget >= 0 && budget <= d1 + d2)) throw new RangeError(`budget from 0 to ${d1 + d2}, got ${budget}`)
  const inner = (budget + d2 - 1) / 2
  const kept1 = Math.min(Math.max(inner, budget - d2, 0), d1, budget)
  return { kept1, kept2: budget - kept1 }
}

export interface Layer {
  /** Neurons of the layer. */
  readonly total: number
  /** Those with an activation. */
  readonly kept: number
}

const log10Sum = (a: number, b: number): number => {
  if (a === -Infinity) return b
  if (b === -Infinity) return a
  const [high, low] = a > b ? [a, b] : [b, a]
  return high + Math.log10(1 + 10 ** (low - high))
}

/**
 * The counting argument of the proof of corollary 1, carried on to any depth, as log10 of the bound. Along a line of
 * inputs the value fed to a layer bends in b places; an activation of p pieces makes that p(b + 1) - 1, a linear neuron
 * leaves it; sums add the places up. For two layers it is corollary 1 (`linear: 'keep'`) or 2 (`'remove'`) exactly.
 */
export function deepCapacityLog10(
  layers: readonly Layer[],
  linear: 'keep' | 'remove',
  pieces: number = RELU_PIECES,
): number {
  let bends = -Infinity
  for (const { total, kept } of layers) {
    checkLayer(total, kept)
    // kept * (p * (b + 1) - 1) = kept * p * b + kept * (p - 1)
    const each = log10Sum(Math.log10(pieces) + bends, Math.log10(pieces - 1))
    const bent = Math.log10(kept) + each
    const straight = linear === 'keep' ? Math.log10(total - kept) + bends : -Infinity
    bends = log10Sum(bent, straight)
  }
  return log10Sum(bends, Math.log10(2))
}

export interface CapacityPair {
  /** Indices of two consecutive ReLU layers. */
  readonly layers: readonly [number, number]
  readonly widths: readonly [number, number]
  readonly kept: readonly [number, number]
  /** Theorem 1: every ReLU kept. */
  readonly full: number
  /** Corollary 1: this allocation. */
  readonly linearised: number
  /** Corollary 2: as many neurons, the others removed. */
  readonly pruned: number
  /** Theorem 2: the best split of the two layers' ReLUs, and its bound. */
  readonly best: Allocation & { readonly bound: number }
}

export interface CapacityReport {
  readonly pairs: readonly CapacityPair[]
  /** The whole network, log10: all ReLUs, this allocation, and pruning to it. */
  readonly log10: { readonly full: number; readonly linearised: number; readonly pruned: number }
}

/** Bounds for an allocation, over each two consecutive ReLU layers and over the network. */
export function capacityReport(layers: readonly Layer[]): CapacityReport {
  const pairs = layers.slice(1).map((second, index): CapacityPair => {
    const first = layers[index]
    const best = bestAllocation(first.total, second.total, first.kept + second.kept)
    return {
      layers: [index, index + 1],
      widths: [first.total, second.total],
      kept: [first.kept, second.kept],
      full: capacityBound(first.total, second.total),
      linearised: linearisedCapacityBound(first.total, second.total, first.kept, second.kept),
      pruned: prunedCapacityBound(first.kept, second.kept),
      best: { ...best, bound: linearisedCapacityBound(first.total, second.total, best.kept1, best.kept2) },
    }
  })
  const full = layers.map(({ total }) => ({ total, kept: total }))
  return {
    pairs,
    log10: {
      full: deepCapacityLog10(full, 'keep'),
      linearised: deepCapacityLog10(layers, 'keep'),
      pruned: deepCapacityLog10(layers, 'remove'),
    },
  }
}
