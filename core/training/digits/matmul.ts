/** Matrix products on one core: TensorFlow.js's WASM backend (XNNPACK, SIMD), about 20 times plain JavaScript. */
import { createRequire } from 'node:module'
import { dirname, sep } from 'node:path'
import * as tf from '@tensorflow/tfjs-core'
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm'

/** Row-major [rows][columns] float32. */
export type Matrix = Float32Array

let ready: Promise<void> | undefined

/** Loads the backend; await it once before {@link multiply}. */
export function loadMatmul(): Promise<void> {
  ready ??= (async () => {
    const require = createRequire(import.meta.url)
    setWasmPaths(dirname(require.resolve('@tensorflow/tfjs-backend-wasm')) + sep)
    // One thread: sums are then always taken in the same order, which the seed's promise needs.
    setThreadsCount(1)
    if (!(await tf.setBackend('wasm'))) throw new Error('the WASM backend of TensorFlow.js did not start')
  })()
  return ready
}

/** a [m][k] times b [k][n]. */
export function multiply(a: Matrix, b: Matrix, m: number, k: number, n: number): Matrix {
  if (a.length !== m * k || b.length !== k * n) throw new RangeError(`matrices are not ${m} x ${k} and ${k} x ${n}`)
  const left = tf.tensor2d(a, [m, k])
  const right = tf.tensor2d(b, [k, n])
  const product = tf.matMul(left, right)
  const out = product.dataSync<'float32'>()
  tf.dispose([left, right, product])
  return out
}

/** [rows][columns] to [columns][rows], in blocks that fit the cache. The backend's own transposed product is slow. */
export function transpose(a: Matrix, rows: number, columns: number): Matrix {
  const block = 32
  const out = new Float32Array(a.length)
  for (let top = 0; top < rows; top += block) {
    const bottom = Math.min(top + block, rows)
    for (let left = 0; left < columns; left += block) {
      const right = Math.min(left + block, columns)
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) out[column * rows + row] = a[row * columns + column]
      }
    }
  }
  return out
}
