/** Where the elements of ours are in a file's: element i of ours, flattened, is element order[i] of the file's. */

/** The file's numbers in our order. */
export function reorder(values: Float32Array, order: Int32Array | undefined): Float32Array {
  return order === undefined ? values : values.map((_, i) => values[order[i]])
}

/** Of a map: element [c][p] of ours is element [p][c] of the file's. */
export function channelsLast(channels: number, pixels: number): Int32Array {
  return Int32Array.from({ length: channels * pixels }, (_, i) => (i % pixels) * channels + Math.floor(i / pixels))
}

/** Undefined where both are the same. */
export function toOrder(order: Int32Array): Int32Array | undefined {
  return order.every((from, i) => from === i) ? undefined : order
}

export function sameOrder(a: Int32Array | undefined, b: Int32Array | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.length === b.length && a.every((from, i) => from === b[i])
}
