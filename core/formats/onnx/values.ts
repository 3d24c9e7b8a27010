/**
 * What the names of an ONNX graph stand for while it is read: numbers that are known, or a value of our graph in the
 * layout that the file gives it.
 */
import type { Shape } from '../../network/graph.ts'
import { elements } from '../../network/shapes.ts'
import type { Pads } from '../import/builder.ts'

/** Known numbers; whole-number types are in a Float64Array. */
export interface Constant {
  readonly kind: 'constant'
  readonly dims: readonly number[]
  readonly data: Float32Array | Float64Array
}

/**
 * A value of our graph. `groups` says how the file sees it: one list for every axis after the batch, of the axes of our
 * `shape` that it runs over, slowest first, without those of size 1. [[0], [1], [2]] is channels, height, width;
 * [[1], [2], [0]] is channels last; [[0, 1, 2]] is flat.
 */
export interface Activation {
  readonly kind: 'activation'
  readonly id: string
  readonly shape: Shape
  readonly groups: readonly (readonly number[])[]
  /** Zeros to be put around the map, not yet part of any layer. */
  readonly pads?: Pads
  /** No element is below 0. */
  readonly nonNegative?: boolean
  /** The file applies this operator at the end; `input` is the value before it. */
  readonly ended?: { readonly operator: string; readonly input: string }
}

export type Value = Constant | Activation

/** Our own layout. */
export function standardGroups(shape: Shape): readonly (readonly number[])[] {
  return shape.map((size, axis) => (size > 1 ? [axis] : []))
}

/** Sizes of the axes after the batch, as the file sees them. */
export function dimsOf({ shape, groups }: Pick<Activation, 'shape' | 'groups'>): number[] {
  return groups.map((group) => elements(group.map((axis) => shape[axis])))
}

export function sameGroups(a: Activation['groups'], b: Activation['groups']): boolean {
  return a.length === b.length && a.every((group, i) => group.join() === b[i].join())
}

/** True when the file's axes are ours, one by one. */
export function isStandard(value: Activation): boolean {
  return sameGroups(value.groups, standardGroups(value.shape))
}

/** True when the elements follow each other as in our layout, however they are grouped into axes. */
export function inOurOrder(value: Activation): boolean {
  const axes = value.groups.flat()
  return axes.every((axis, i) => i === 0 || axes[i - 1] < axis)
}

/** The same elements in axes of other sizes; undefined where one of our axes would have to be cut. */
export function regroup(value: Activation, dims: readonly number[]): Activation['groups'] | undefined {
  const axes = value.groups.flat()
  let next = 0
  const groups = dims.map((size) => {
    const group: number[] = []
    let product = 1
    while (product < size && next < axes.length) {
      product *= value.shape[axes[next]]
      group.push(axes[next++])
    }
    return product === size ? group : undefined
  })
  return next === axes.length && groups.every((group) => group !== undefined) ? groups : undefined
}

/** For every element in the file's order, its place in ours. */
export function ourPlaces({ shape, groups }: Pick<Activation, 'shape' | 'groups'>): Int32Array {
  const axes = groups.flat()
  const places = new Int32Array(elements(shape))
  const strides = shape.map((_, axis) => elements(shape.slice(axis + 1)))
  // Axes of size 1 are in no group and add nothing.
  let filled = 1
  for (const axis of axes.toReversed()) {
    for (let i = shape[axis] - 1; i >= 0; i--)
      for (let j = 0; j < filled; j++) places[i * filled + j] = places[j] + i * strides[axis]
    filled *= shape[axis]
  }
  return places
}
