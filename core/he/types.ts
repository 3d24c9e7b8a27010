/** What a linear step under HE is described by. Structurally the same as the types of core/network/plan.ts. */
import type { ConvGeometry } from '../ring/geometry.ts'

/** HE parameters of one plaintext width; both parties build the same SEAL context from it. */
export interface HeParameters {
  /** t = 2^plainBits: the ring of the linear layers that use this context. */
  readonly plainBits: number
  /** N: the ciphertext ring is Z_q[X] / (X^N + 1). */
  readonly polyDegree: number
  /** Bits of each coefficient prime, the last one being SEAL's key prime. */
  readonly primeBits: readonly number[]
}

/** How a convolution is cut into ciphertexts; core/he/encoding.ts says what each field does. */
export interface Tiling {
  /** Input channels a ciphertext carries. */
  readonly channels: number
  /** Output channels packed in one answer. */
  readonly outputs: number
  /** Height and width of a tile of the padded (for 1x1 kernels: subsampled and flattened) input, halo included. */
  readonly height: number
  readonly width: number
}

/** A linear layer as both parties see it. */
export interface HeStep {
  readonly geometry: ConvGeometry
  readonly tiling: Tiling
}
