/** From slopes to the masks of core/network. */
import type { Shape, Tensor } from '../../network/graph.ts'

/** 1 where a slope is above the threshold; without one, slopes must be 0 or 1. Throws RangeError otherwise. */
export function exportMask(
  nodeId: string,
  slopes: Float32Array,
  shape: Shape,
  removed: 'identity' | 'zero',
  threshold: number | undefined,
): Tensor {
  const data = new Uint8Array(slopes.length)
  slopes.forEach((slope, i) => {
    if (threshold === undefined && slope !== 0 && slope !== 1) {
      throw new RangeError(`slope ${i} of '${nodeId}' is ${slope}: make slopes binary before the export`)
    }
    data[i] = slope > (threshold ?? 0) ? 1 : 0
    if (data[i] === 0 && removed === 'zero') {
      throw new RangeError(`slope ${i} of '${nodeId}' is removed to 0, which a mask does not express`)
    }
  })
  return { shape, data }
}
