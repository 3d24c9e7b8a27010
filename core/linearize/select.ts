/**
 * Masks at a ReLU budget: the largest slopes (the stated final step after SNL), and random ones, the baseline that any
 * method must beat.
 */
import { AdytonError } from '../errors/errors.ts'
import { Draws, type Seed } from '../datasets/random.ts'
import type { Graph } from '../network/graph.ts'
import { countAll, maskLength, reluLayers, reluWeight, type Granularity, type Mask, type Masks } from './masks.ts'

/** Slopes by id of the ReLU node: one an element or one a channel. */
export type Slopes = ReadonlyMap<string, Float32Array>

/** Throws AdytonError 'usage' unless `budget` is a whole number from 0 to `available`. */
export function checkBudget(budget: number, available: number): void {
  if (Number.isInteger(budget) && budget >= 0 && budget <= available) return
  throw new AdytonError('usage', `a budget of ${budget} ReLUs: expected a whole number from 0 to ${available}`, {
    advice: 'The budget is the number of ReLUs to keep; it cannot exceed what the network still has.',
  })
}

interface Candidates {
  /** Score of every entry of every mask, layer after layer. */
  readonly scores: Float32Array
  /** ReLUs an entry stands for; 0 for an entry that is not to be chosen. */
  readonly weights: Uint32Array
  masks(chosen: Uint8Array): Map<string, Mask>
}

function candidates(
  graph: Graph,
  granularity: Granularity,
  within: Masks | undefined,
  scoreOf: (id: string, length: number) => ArrayLike<number>,
): Candidates {
  const layers = reluLayers(graph)
  const total = layers.reduce((sum, layer) => sum + maskLength(layer, granularity), 0)
  const scores = new Float32Array(total)
  const weights = new Uint32Array(total)
  let at = 0
  for (const layer of layers) {
    const length = maskLength(layer, granularity)
    const allowed = within?.get(layer.id)
    if (allowed !== undefined && allowed.kept.length !== length && !uniform(allowed.kept)) {
      throw new RangeError(`masks of '${layer.id}' are per ${allowed.granularity}, expected per ${granularity}`)
    }
    scores.set(scoreOf(layer.id, length), at)
    for (let i = 0; i < length; i++) {
      const open = allowed === undefined || allowed.kept[allowed.kept.length === length ? i : 0] === 1
      weights[at + i] = open ? reluWeight(layer, granularity) : 0
    }
    at += length
  }
  return {
    scores,
    weights,
    masks: (chosen) => {
      let from = 0
      return new Map(
        layers.map((layer) => {
          const length = maskLength(layer, granularity)
          from += length
          return [layer.id, { granularity, kept: chosen.slice(from - length, from) }]
        }),
      )
    },
  }
}

const uniform = (kept: Uint8Array): boolean => kept.every((value) => value === kept[0])

/** Entries by falling score; equal scores in execution order, then by index. */
function ranked(scores: Float32Array): Uint32Array {
  const order = Uint32Array.from(scores, (_, index) => index)
  return order.sort((a, b) => scores[b] - scores[a] || a - b)
}

function take(order: Uint32Array, weights: Uint32Array, budget: number): Uint8Array {
  const chosen = new Uint8Array(weights.length)
  let left = budget
  for (const index of order) {
    if (left === 0) break
    if (weights[index] === 0 || weights[index] > left) continue
    chosen[index] = 1
    left -= weights[index]
  }
  return chosen
}

export interface SelectOptions {
  /** Only ReLUs kept here may be chosen; all by default. */
  readonly within?: Masks
}

/**
 * Keeps the largest slopes. Per element, exactly `budget` ReLUs are kept. Per channel, channels are taken by falling
 * slope and one that no longer fits is passed over, so the count is at or under the budget by less than a channel.
 * Slopes that are equal go in execution order, then by index.
 * @throws AdytonError 'usage' when fewer than `budget` ReLUs may be chosen
 */
export function selectLargest(
  graph: Graph,
  slopes: Slopes,
  budget: number,
  granularity: Granularity = 'element',
  options: SelectOptions = {},
): Map<string, Mask> {
  const all = candidates(graph, granularity, options.within, (id, length) => {
    const scores = slopes.get(id)
    if (scores?.length !== length) {
      throw new RangeError(`slopes of '${id}': expected ${length}, got ${scores?.length ?? 'none'}`)
    }
    if (scores.some(Number.isNaN)) throw new RangeError(`slopes of '${id}' contain NaN`)
    return scores
  })
  checkBudget(
    budget,
    all.weights.reduce((sum, weight) => sum + weight, 0),
  )
  return all.masks(take(ranked(all.scores), all.weights, budget))
}

export interface RandomMaskOptions extends SelectOptions {
  readonly granularity?: Granularity
}

/**
 * Random masks. Per element, exactly `budget` ReLUs of the network are kept and every set of that size is equally
 * likely; per channel, channels are taken in a random order while they fit. The seed decides everything.
 * @throws AdytonError 'usage' when fewer than `budget` ReLUs may be chosen
 */
export function randomMasks(
  graph: Graph,
  budget: number,
  seed: Seed,
  options: RandomMaskOptions = {},
): Map<string, Mask> {
  const all = candidates(graph, options.granularity ?? 'element', options.within, (_, length) => new Uint8Array(length))
  checkBudget(
    budget,
    all.weights.reduce((sum, weight) => sum + weight, 0),
  )
  const order = Uint32Array.from(all.weights, (_, index) => index)
  return all.masks(take(new Draws(seed, 'random masks').shuffle(order), all.weights, budget))
}

/** The ReLUs that a share of the network's makes, rounded to a whole number; share is 0 to 1. */
export function shareOfRelus(graph: Graph, share: number): number {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`a share is 0 to 1, got ${share}`)
  return Math.round(share * countAll(graph))
}
