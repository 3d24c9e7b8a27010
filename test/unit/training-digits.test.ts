/** The digits trainer against finite differences, and against the clear run of core/network, which shares nothing with it. */
import { beforeAll, describe, expect, test } from 'vitest'
import { floatRunner } from '../../core/network/float.ts'
import { distort, DISTORTION } from '../../core/training/digits/augment.ts'
import { loadMatmul, multiply, transpose } from '../../core/training/digits/matmul.ts'
import {
  forward,
  gradients,
  initialParameters,
  PARAMETER_NAMES,
  toTensors,
  type Parameters,
} from '../../core/training/digits/model.ts'
import { DIGITS, digitsGraph, type DigitsShape } from '../../core/training/digits/network.ts'
import { Adam } from '../../core/training/digits/optimizer.ts'
import { TrainingRandom } from '../../core/training/digits/random.ts'

/** 12 -> 10 -> 5 -> 3 -> 1: odd sizes where a pool drops a row, unequal channels so that no transposition goes unseen. */
const TINY: DigitsShape = { side: 12, kernel: 3, channels: [3, 2], hidden: 4, classes: 5 }

beforeAll(() => loadMatmul())

function batch(shape: DigitsShape, count: number, seed: number) {
  const random = new TrainingRandom(seed)
  const images = Float32Array.from({ length: count * shape.side ** 2 }, () => random.uniform())
  return { images, labels: Uint8Array.from({ length: count }, (_, i) => i % shape.classes) }
}

/** Biases away from zero, as in no freshly made network. */
function parametersOf(shape: DigitsShape, seed: number): Parameters {
  const random = new TrainingRandom(seed)
  const parameters = initialParameters(shape, random)
  for (const name of PARAMETER_NAMES) {
    if (name.endsWith('.bias')) parameters[name].forEach((_, i, data) => (data[i] = random.symmetric(0.3)))
  }
  return parameters
}

test('multiply and transpose are what they say', () => {
  const [m, k, n] = [5, 37, 3]
  const random = new TrainingRandom(5)
  const a = Float32Array.from({ length: m * k }, () => random.symmetric(1))
  const b = Float32Array.from({ length: k * n }, () => random.symmetric(1))
  const product = multiply(a, b, m, k, n)
  const flipped = transpose(a, m, k)
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) expect(flipped[p * m + i]).toBe(a[i * k + p])
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let p = 0; p < k; p++) sum += a[i * k + p] * b[p * n + j]
      expect(product[i * n + j]).toBeCloseTo(sum, 4)
    }
  }
  expect(() => multiply(a, b, m, k, n + 1)).toThrow(RangeError)
})

describe('gradients', () => {
  test.each([
    {},
    { smoothing: 0.2 },
    { dropped: Float32Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? 0 : 1.5)) },
  ])('agree with finite differences: %o', (options) => {
    const { images, labels } = batch(TINY, 3, 11)
    const parameters = parametersOf(TINY, 12)
    const lossOf = () => gradients(parameters, TINY, images, labels, options).loss
    const { grads } = gradients(parameters, TINY, images, labels, options)
    const step = 2e-3
    for (const name of PARAMETER_NAMES) {
      const data = parameters[name]
      let [error, size] = [0, 0]
      for (let i = 0; i < data.length; i++) {
        const value = data[i]
        data[i] = value + step
        const above = lossOf()
        data[i] = value - step
        const below = lossOf()
        data[i] = value
        const slope = (above - below) / (2 * step)
        error += (grads[name][i] - slope) ** 2
        size += slope ** 2
      }
      // float32 sums, and the kinks of ReLU and maximum within a step, leave a little.
      expect(size, name).toBeGreaterThan(0)
      expect(Math.sqrt(error / size), name).toBeLessThan(0.03)
    }
  })

  test('lead to a lower loss', () => {
    const shape = { ...TINY, channels: [8, 8], hidden: 16 } as const
    const { images, labels } = batch(shape, 5, 21)
    const adam = new Adam(parametersOf(shape, 22), { decay: 0.01, averaging: 0.9 })
    const loss = (parameters: Parameters) => gradients(parameters, shape, images, labels).loss
    const first = loss(adam.parameters)
    for (let i = 0; i < 200; i++) adam.step(gradients(adam.parameters, shape, images, labels).grads, 0.01)
    expect(loss(adam.parameters)).toBeLessThan(first / 4)
    expect(loss(adam.average)).toBeLessThan(first / 4)
  })
})

test.each([TINY, DIGITS])('forward is what the exported graph computes (side $side)', (shape) => {
  const parameters = parametersOf(shape, 31)
  const { images } = batch(shape, 4, 32)
  const run = floatRunner(digitsGraph(shape), toTensors(parameters, shape))
  const logits = forward(parameters, shape, images)
  for (let index = 0; index < 4; index++) {
    const expected = run(images.slice(index * shape.side ** 2, (index + 1) * shape.side ** 2)).logits
    const found = logits.subarray(index * shape.classes, (index + 1) * shape.classes)
    expected.forEach((value, c) => expect(found[c]).toBeCloseTo(value, 3))
  }
})

describe('distort', () => {
  const still = { rotation: 0, scale: 0, shear: 0, shift: 0, elastic: 0, smoothing: 4, fade: 0 }
  const image = Uint8Array.from({ length: 784 }, (_, at) => (at * 37) % 256)

  test('without distortion gives the image', () => {
    const out = new Float32Array(784)
    distort(image, out, new TrainingRandom(1), still)
    out.forEach((value, at) => expect(value).toBeCloseTo(image[at] / 255, 4))
  })

  test('is the same for the same seed, another for another, and stays in 0 to 1', () => {
    const draw = (seed: number) => {
      const out = new Float32Array(784)
      distort(image, out, new TrainingRandom(seed), DISTORTION)
      return out
    }
    expect(draw(3)).toEqual(draw(3))
    expect(draw(3)).not.toEqual(draw(4))
    expect(Math.min(...draw(3))).toBeGreaterThanOrEqual(0)
    expect(Math.max(...draw(3))).toBeLessThanOrEqual(1)
  })

  test('turns about the middle by at most the angle it is given', () => {
    // One bright spot 8 pixels right of the middle ends on the circle of that radius.
    const spot = new Uint8Array(784)
    spot.fill(255, 13 * 28 + 21, 13 * 28 + 23)
    spot.fill(255, 14 * 28 + 21, 14 * 28 + 23)
    for (let seed = 0; seed < 20; seed++) {
      const out = new Float32Array(784)
      distort(spot, out, new TrainingRandom(seed), { ...still, rotation: 0.5 })
      let [mass, x, y] = [0, 0, 0]
      out.forEach((value, at) => {
        mass += value
        x += value * ((at % 28) - 13.5)
        y += value * (Math.floor(at / 28) - 13.5)
      })
      expect(Math.hypot(x / mass, y / mass)).toBeCloseTo(8, 0)
      expect(Math.abs(Math.atan2(y, x))).toBeLessThanOrEqual(0.51)
    }
  })
})

describe('TrainingRandom', () => {
  test('is uniform, and normal, to within five standard errors', () => {
    const random = new TrainingRandom(7)
    const count = 20_000
    let [mean, square, normal, normalSquare] = [0, 0, 0, 0]
    for (let i = 0; i < count; i++) {
      const u = random.uniform()
      expect(u >= 0 && u < 1).toBe(true)
      const z = random.normal()
      mean += u / count
      square += (u * u) / count
      normal += z / count
      normalSquare += (z * z) / count
    }
    const errors = 5 / Math.sqrt(count)
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(errors * Math.sqrt(1 / 12))
    expect(Math.abs(square - 1 / 3)).toBeLessThan(errors * Math.sqrt(4 / 45))
    expect(Math.abs(normal)).toBeLessThan(errors)
    expect(Math.abs(normalSquare - 1)).toBeLessThan(errors * Math.SQRT2)
  })

  test('shuffles without loss', () => {
    const items = new TrainingRandom(8).shuffle(Uint32Array.from({ length: 50 }, (_, i) => i))
    expect([...items].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
    expect([...items]).not.toEqual([...items].sort((a, b) => a - b))
  })
})
