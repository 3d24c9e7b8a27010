/** Convolutions of any size, stride and padding, on every backend that loads. */
import fc from 'fast-check'
import type { Tensor4D } from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ENGINE_NAMES } from '../../core/training/engine/index.ts'
import { only } from '../unit/engine-helpers.ts'
import { conv2d, distance, values } from '../unit/engine-reference.ts'

const few = fc.integer({ min: 1, max: 3 })
const side = fc.integer({ min: 0, max: 3 })
const geometry = fc
  .record({
    images: few,
    inputs: few,
    outputs: few,
    height: fc.integer({ min: 1, max: 8 }),
    width: fc.integer({ min: 1, max: 8 }),
    rows: fc.integer({ min: 1, max: 5 }),
    columns: fc.integer({ min: 1, max: 5 }),
    stride: few,
    padding: fc.tuple(side, side, side, side),
    seed: fc.nat(1000),
  })
  .filter(
    ({ height, width, rows, columns, padding: [top, bottom, left, right] }) =>
      height + top + bottom >= rows && width + left + right >= columns,
  )

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0)

describe.each(ENGINE_NAMES)('%s', (name) => {
  let found: Awaited<ReturnType<typeof only>>
  beforeAll(async () => {
    found = await only(name)
  })
  afterAll(() => {
    if ('engine' in found) found.engine.dispose()
  })

  it('computes it as plain loops do, and its gradients are its adjoints', (context) => {
    if ('why' in found) return context.skip(`${name} does not load: ${found.why}`)
    const { tf, ops } = found.engine
    fc.assert(
      fc.property(geometry, ({ images, inputs, outputs, height, width, rows, columns, stride, padding, seed }) => {
        const x = values([images, height, width, inputs], seed)
        const w = values([rows, columns, inputs, outputs], seed + 1)
        const want = conv2d(x, w, stride, padding)
        const dy = values(want.shape, seed + 2)
        const given = (v: typeof x): Tensor4D =>
          tf.tensor4d(Float32Array.from(v.data), v.shape as [number, number, number, number])
        tf.tidy(() => {
          const run = (input: Tensor4D, kernel: Tensor4D): Tensor4D =>
            ops.conv2d(input, kernel, { stride, padding: padding })
          const y = run(given(x), given(w))
          expect(y.shape).toEqual(want.shape)
          expect(distance(y.dataSync(), want.data)).toBeLessThan(1e-5)
          const [dx, dw] = tf.grads((input, kernel) => run(input as Tensor4D, kernel as Tensor4D))(
            [given(x), given(w)],
            given(dy),
          )
          // <conv(x, w), dy> = <x, dx> = <w, dw>, for any x and w: tried with others than the gradients were taken at.
          const other = values(x.shape, seed + 3)
          const kernel = values(w.shape, seed + 4)
          const tolerance = 1e-4 * Math.max(1, want.data.length)
          const inX = dot(conv2d(other, w, stride, padding).data, dy.data)
          expect(Math.abs(dot(other.data, dx.dataSync()) - inX)).toBeLessThan(tolerance)
          const inW = dot(conv2d(x, kernel, stride, padding).data, dy.data)
          expect(Math.abs(dot(kernel.data, dw.dataSync()) - inW)).toBeLessThan(tolerance)
        })
      }),
      {
        numRuns: 60,
        // Windows that see nothing but padding.
        examples: [
          [
            {
              images: 1,
              inputs: 1,
              outputs: 1,
              height: 1,
              width: 1,
              rows: 2,
              columns: 1,
              stride: 3,
              padding: [3, 0, 0, 0],
              seed: 0,
            },
          ],
        ],
      },
    )
  })
})
