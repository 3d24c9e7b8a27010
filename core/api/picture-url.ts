/** Pixels as PNG data: URLs, for windows. */
import sharp from 'sharp'

/** Bytes [height][width][channels], 1 (grey) or 3 (colour) channels. */
export async function pngUrl(bytes: Uint8Array, width: number, height: number, channels: 1 | 3): Promise<string> {
  const image = sharp(bytes, { raw: { width, height, channels } })
  const png = await (channels === 1 ? image.toColourspace('b-w') : image).png().toBuffer()
  return `data:image/png;base64,${png.toString('base64')}`
}

/** [channels][height][width] as [height][width][channels]. */
export function interleave(planes: ArrayLike<number>, channels: number): Uint8Array {
  const area = planes.length / channels
  return Uint8Array.from({ length: planes.length }, (_, i) => planes[(i % channels) * area + Math.floor(i / channels)])
}
