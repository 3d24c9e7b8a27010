/** Pooling windows over [channels][height][width], shared by the clear runs. */
import type { Shape } from './graph.ts'
import { poolOutput } from './shapes.ts'

export interface Window {
  readonly kernel: readonly [number, number]
  readonly stride: number
  readonly padding: number
}

/**
 * Folds every window with `sum` (positions outside count as 0) or `max` (they are left out), into `out`, which
 * must have channels * outHeight * outWidth elements.
 */
export function pool<T extends Float32Array | Float64Array>(
  kind: 'sum' | 'max',
  x: ArrayLike<number>,
  shape: Shape,
  window: Window,
  out: T,
): T {
  const [channels, height, width] = shape
  const { height: outHeight, width: outWidth } = poolOutput(window, height, width)
  if (out.length !== channels * outHeight * outWidth) throw new RangeError(`output has ${out.length} elements`)
  let at = 0
  for (let c = 0; c < channels; c++) {
    for (let oy = 0; oy < outHeight; oy++) {
      const top = oy * window.stride - window.padding
      const y0 = Math.max(0, top)
      const y1 = Math.min(height, top + window.kernel[0])
      for (let ox = 0; ox < outWidth; ox++) {
        const left = ox * window.stride - window.padding
        const x0 = Math.max(0, left)
        const x1 = Math.min(width, left + window.kernel[1])
        let acc = kind === 'sum' ? 0 : -Infinity
        for (let y = y0; y < y1; y++) {
          const row = (c * height + y) * width
          for (let i = x0; i < x1; i++) {
            const v = x[row + i]
            if (kind === 'sum') acc += v
            else if (v > acc) acc = v
          }
        }
        out[at++] = acc
      }
    }
  }
  return out
}
