/** Geometry of a ring convolution over one image, channels first. Output: [outChannels][outHeight][outWidth]. */
export interface ConvGeometry {
  readonly inChannels: number
  readonly inHeight: number
  readonly inWidth: number
  readonly outChannels: number
  readonly kernelHeight: number
  readonly kernelWidth: number
  readonly stride: number
  /** Zero padding on all four sides. */
  readonly padding: number
  /** Divides both channel counts; weights are [outChannels][inChannels / groups][kernelHeight][kernelWidth]. */
  readonly groups: number
}

/** Height and width of the output; floor division, as every framework does. */
export function convOutput(g: ConvGeometry): { readonly height: number; readonly width: number } {
  return {
    height: Math.floor((g.inHeight + 2 * g.padding - g.kernelHeight) / g.stride) + 1,
    width: Math.floor((g.inWidth + 2 * g.padding - g.kernelWidth) / g.stride) + 1,
  }
}
