/**
 * The engine's operations once more, as plain loops over double-precision numbers, and their derivatives by finite
 * differences. Feature maps are [n, h, w, channels], kernels [kh, kw, in / groups, out].
 */
export interface Values {
  readonly shape: readonly number[]
  readonly data: Float64Array
}

export type Forward = (inputs: readonly Values[]) => Values

/** Values in [-1, 1) that a seed fixes: a congruential generator is good enough for test data. */
export function values(shape: readonly number[], seed: number): Values {
  let state = (seed * 2654435761 + 12345) >>> 0
  const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    // Rounded as the engine will hold it, so that both start from the same numbers.
    return Math.fround(state / 2 ** 31 - 1)
  })
  return { shape, data }
}

export function fill(shape: readonly number[], make: (...index: number[]) => number): Values {
  const data = new Float64Array(shape.reduce((a, b) => a * b, 1))
  data.forEach((_, flat) => {
    const index: number[] = []
    let rest = flat
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index.unshift(rest % shape[axis])
      rest = Math.floor(rest / shape[axis])
    }
    data[flat] = make(...index)
  })
  return { shape, data }
}

/** The value at an index; undefined outside. */
export function at({ shape, data }: Values, ...index: number[]): number | undefined {
  let flat = 0
  for (const [axis, position] of index.entries()) {
    if (position < 0 || position >= shape[axis]) return undefined
    flat = flat * shape[axis] + position
  }
  return data[flat]
}

const size = (input: number, kernel: number, stride: number, padding: number): number =>
  Math.floor((input + padding - kernel) / stride) + 1

export function conv2d(
  x: Values,
  w: Values,
  stride: number,
  [top, bottom, left, right]: readonly number[],
  groups = 1,
): Values {
  const [n, height, width] = x.shape
  const [rows, columns, inputs, outputs] = w.shape
  const perGroup = outputs / groups
  const shape = [n, size(height, rows, stride, top + bottom), size(width, columns, stride, left + right), outputs]
  return fill(shape, (image, y, column, out) => {
    let sum = 0
    const first = Math.floor(out / perGroup) * inputs
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++)
        for (let i = 0; i < inputs; i++)
          sum +=
            (at(x, image, y * stride + r - top, column * stride + c - left, first + i) ?? 0) *
            (at(w, r, c, i, out) ?? 0)
    return sum
  })
}

export function pool(
  x: Values,
  kernel: readonly [number, number],
  stride: number,
  padding: number,
  type: 'max' | 'average',
): Values {
  const [n, height, width, channels] = x.shape
  const shape = [n, size(height, kernel[0], stride, 2 * padding), size(width, kernel[1], stride, 2 * padding), channels]
  return fill(shape, (image, y, column, channel) => {
    const window: number[] = []
    for (let r = 0; r < kernel[0]; r++)
      for (let c = 0; c < kernel[1]; c++) {
        const value = at(x, image, y * stride + r - padding, column * stride + c - padding, channel)
        window.push(value ?? (type === 'max' ? -Infinity : 0))
      }
    return type === 'max' ? Math.max(...window) : window.reduce((a, b) => a + b, 0) / window.length
  })
}

/** Mean and biased variance by channel. */
export function moments(x: Values): { mean: number[]; variance: number[] } {
  const channels = x.shape[3]
  const count = x.data.length / channels
  const mean = Array.from({ length: channels }, (_, c) => x.data.filter((_, i) => i % channels === c))
  const means = mean.map((all) => all.reduce((a, b) => a + b, 0) / count)
  const variance = mean.map((all, c) => all.reduce((a, b) => a + (b - means[c]) ** 2, 0) / count)
  return { mean: means, variance }
}

export function batchNorm(x: Values, gamma: Values, beta: Values, epsilon: number): Values {
  const { mean, variance } = moments(x)
  const data = x.data.map((value, i) => {
    const c = i % mean.length
    return (gamma.data[c] * (value - mean[c])) / Math.sqrt(variance[c] + epsilon) + beta.data[c]
  })
  return { shape: x.shape, data }
}

/** c * max(x, 0) + (1 - c) * x; c with 1 where it is shared. */
export function slopedRelu(x: Values, c: Values): Values {
  return fill(x.shape, (...index) => {
    const value = at(x, ...index) ?? Number.NaN
    const slope = at(c, ...index.map((position, axis) => (c.shape[axis] === 1 ? 0 : position))) ?? Number.NaN
    return slope * Math.max(value, 0) + (1 - slope) * value
  })
}

export function dense(x: Values, w: Values, b: Values): Values {
  return fill([x.shape[0], w.shape[1]], (row, column) => {
    let sum = b.data[column]
    for (let i = 0; i < w.shape[0]; i++) sum += (at(x, row, i) ?? 0) * (at(w, i, column) ?? 0)
    return sum
  })
}

export function softmaxCrossEntropy(labels: Values, logits: Values): Values {
  const [n, classes] = logits.shape
  let loss = 0
  for (let row = 0; row < n; row++) {
    const scores = logits.data.subarray(row * classes, (row + 1) * classes)
    const total = Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0))
    scores.forEach((score, k) => (loss -= ((at(labels, row, k) ?? 0) * (score - total)) / n))
  }
  return { shape: [], data: Float64Array.of(loss) }
}

/** The gradient of sum(weights * f(inputs)) in every value of inputs[which], by central differences. */
export function differences(f: Forward, inputs: readonly Values[], which: number, weights: Float64Array): Float64Array {
  const h = 1e-5
  const weighed = (changed: Float64Array): number =>
    f(inputs.map((input, i) => (i === which ? { shape: input.shape, data: changed } : input))).data.reduce(
      (sum, value, i) => sum + value * weights[i],
      0,
    )
  return inputs[which].data.map((value, i) => {
    const more = inputs[which].data.slice()
    const less = inputs[which].data.slice()
    more[i] = value + h
    less[i] = value - h
    return (weighed(more) - weighed(less)) / (2 * h)
  })
}

/** The largest difference between two lists, over the largest size in the second. */
export function distance(got: ArrayLike<number>, want: ArrayLike<number>): number {
  if (got.length !== want.length) return Infinity
  let difference = 0
  let scale = 0
  for (let i = 0; i < want.length; i++) {
    // A NaN must not pass for no difference.
    difference = Math.max(difference, Number.isNaN(got[i]) ? Infinity : Math.abs(got[i] - want[i]))
    scale = Math.max(scale, Math.abs(want[i]))
  }
  return difference === 0 ? 0 : difference / Math.max(scale, 1e-6)
}
