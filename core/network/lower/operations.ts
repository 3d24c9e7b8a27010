/**
 * The intermediate form between a graph and a plan: one operation per value, in order, weights still real numbers.
 * Operation i produces value i; operation 0 is the input image.
 */
import type { ConvGeometry } from '../../ring/geometry.ts'
import type { Shape } from '../graph.ts'
import type { Window } from '../pooling.ts'

interface Base {
  /** Step id of the plan. */
  readonly id: string
  /** Graph node whose float value this value stands for (before integer scaling). */
  readonly origin: string
  readonly shape: Shape
  /** Values it reads, all earlier. */
  readonly inputs: readonly number[]
}

export interface InputOperation extends Base {
  readonly op: 'input'
}

export interface LinearOperation extends Base {
  readonly op: 'linear'
  readonly geometry: ConvGeometry
  /** Real weights with any batch norm folded in. */
  readonly weights: Float64Array
  /** One an output channel. */
  readonly bias: Float64Array
}

export interface LocalOperation extends Base {
  readonly op: 'add' | 'concat' | 'reshape'
}

export interface SumPoolOperation extends Base {
  readonly op: 'sumPool'
  readonly window: Window
}

export interface ActivationOperation extends Base {
  readonly op: 'activation'
  readonly kept: 'all' | Uint32Array
  /** True for a re-sharing that the lowering inserted, where nothing is kept. */
  readonly rescale: boolean
}

export interface MaxPoolOperation extends Base {
  readonly op: 'maxPool'
  readonly window: Window
  readonly relu: boolean
}

export type Operation =
  InputOperation | LinearOperation | LocalOperation | SumPoolOperation | ActivationOperation | MaxPoolOperation

/** Positions of an activation that are linearised. */
export function linearisedCount(op: ActivationOperation): number {
  let length = 1
  for (const d of op.shape) length *= d
  return op.kept === 'all' ? 0 : length - op.kept.length
}

/** True when some ReLU keeps part of its positions, and the network so needs the wide ring. */
export function isMasked(operations: readonly Operation[]): boolean {
  return operations.some((op) => op.op === 'activation' && !op.rescale && op.kept !== 'all')
}

/** How many later operations read each value. */
export function consumerCounts(operations: readonly Operation[]): number[] {
  const counts = operations.map(() => 0)
  for (const { inputs } of operations) for (const i of inputs) counts[i]++
  return counts
}
