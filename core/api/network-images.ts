/** Pictures of a data set as a network takes them. */
import type { Part } from '../datasets/dataset.ts'
import { readImages } from '../datasets/part.ts'

/** (pixel / 255 - mean) / std of each record, in the order of core/network: [channels][height][width]. */
export async function networkImages(
  part: Part,
  records: ArrayLike<number>,
  { mean, std }: { readonly mean: readonly number[]; readonly std: readonly number[] },
): Promise<Float32Array[]> {
  const bytes = await readImages(part, records)
  const [channels, height, width] = part.shape
  const plane = height * width
  const length = channels * plane
  return Array.from({ length: records.length }, (_, i) =>
    Float32Array.from(bytes.subarray(i * length, (i + 1) * length), (byte, j) => {
      const channel = Math.floor(j / plane)
      return (byte / 255 - mean[channel]) / std[channel]
    }),
  )
}
