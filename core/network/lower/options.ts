/** What the caller of the lowering decides, and what it must supply from core/he. */
import type { ConvGeometry } from '../../ring/geometry.ts'
import type { HeParameters, Tiling } from '../plan.ts'

/** What the HE layer must know of a linear step to bound its rounding failures. */
export interface RoundingDemand {
  readonly geometry: ConvGeometry
  /** |w| < 2^weightBits. */
  readonly weightBits: number
  /** Products that are summed into one output element. */
  readonly taps: number
  /** Output channels that share an answer (its tiling's `outputs`), and with it their noise. */
  readonly outputs: number
  /** Output elements. */
  readonly elements: number
}

/**
 * The three questions that the lowering asks of the HE layer. core/network may not import core/he, so the caller
 * passes them in: `{ parameters: heParameters, tiling: chooseTiling, roundingFailure }`.
 */
export interface HePlanner {
  /** SEAL parameters for plaintext modulus 2^plainBits that carry these steps. Throws AdytonError when none do. */
  parameters(plainBits: number, demand: readonly RoundingDemand[]): HeParameters
  /** How a convolution is cut into ciphertexts of `polyDegree` coefficients. */
  tiling(geometry: ConvGeometry, polyDegree: number): Tiling
  /** Bound on the chance that *one element* of an answer decrypts wrongly. */
  roundingFailure(parameters: HeParameters, demand: RoundingDemand): number
}

export interface LowerOptions {
  /**
   * Magnitude bits of the input image and of every activation at their calibrated maximum; 4 to 20. Default 10, of a
   * partly linearised network 12, or less when it does not fit otherwise (only where weightBits is left open as well).
   */
  readonly activationBits?: number
  /** Magnitude bits of integer weights, |w| < 2^weightBits; 2 to 24, default as for activationBits. */
  readonly weightBits?: number
  /** Bits kept free above the calibrated maximum of every tensor; 0 to 16, default 2. */
  readonly headroomBits?: number
  /** What the client learns; default 'logits'. */
  readonly reveal?: 'logits' | 'label'
  /**
   * How a value that must be re-shared between two linear layers, with no ReLU there, is treated: 'exact' keeps its
   * scale (no failure, wider circuits later), 'truncate' brings it to activation precision (needs the wide ring).
   * Default 'auto': exact unless some ReLU is partly linearised, which needs the wide ring anyway.
   */
  readonly rescale?: 'auto' | 'exact' | 'truncate'
  /** Factor on the calibrated sum of |x| in the bound on truncation failures; 1 to 1024, default 1.5. */
  readonly failureMargin?: number
}

export type ResolvedOptions = Required<LowerOptions>

function inRange(name: string, value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be an integer from ${min} to ${max}, got ${value}`)
  }
  return value
}

/**
 * Default precisions, [activationBits, weightBits], most precise first. A bit of activations is a bit of every circuit,
 * a bit of weights can cost a third prime, half of all HE work again.
 */
export const PRECISIONS: readonly (readonly [number, number])[] = [
  [10, 10],
  [10, 9],
  [9, 9],
  [9, 8],
  [8, 8],
  [8, 7],
]

/**
 * The same where ReLUs are partly linearised: values go farther there, and each position that nothing cuts off at zero
 * hands its rounding on. Circuits are few, and HE's ring is the wide one anyway.
 */
export const MASKED_PRECISIONS: readonly (readonly [number, number])[] = [[12, 10], [11, 10], ...PRECISIONS]

/** Options with defaults; throws RangeError for values out of range. */
export function resolveOptions(options: LowerOptions): ResolvedOptions {
  const failureMargin = options.failureMargin ?? 1.5
  if (!(failureMargin >= 1 && failureMargin <= 1024)) {
    throw new RangeError(`failureMargin must be from 1 to 1024, got ${failureMargin}`)
  }
  return {
    activationBits: inRange('activationBits', options.activationBits ?? PRECISIONS[0][0], 4, 20),
    weightBits: inRange('weightBits', options.weightBits ?? PRECISIONS[0][1], 2, 24),
    headroomBits: inRange('headroomBits', options.headroomBits ?? 2, 0, 16),
    failureMargin,
    reveal: options.reveal ?? 'logits',
    rescale: options.rescale ?? 'auto',
  }
}

/** The bound that every plan meets: chance that any element of one inference is wrong. */
export const MAX_FAILURE = 2 ** -20
