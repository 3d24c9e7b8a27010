/**
 * The lowered network: what both parties agree on before anything runs. Everything in a {@link Plan} is
 * public (architecture, which positions are linearised, widths, scales, tilings); the integer weights are in
 * {@link LoweredWeights} and never leave the server.
 *
 * A plan is a list of steps over numbered tensors ("values"). In every value the client's share is known
 * offline and the server's share online:
 *
 * - `linear`  runs under HE offline (client share of the result: W*c - s) and in the clear ring online;
 * - `add`, `sumPool`, `concat`, `reshape`  are local on both shares;
 * - `activation`  draws a fresh client share r for every position. Kept positions go through a garbled circuit
 *   that takes l-bit shares, applies ReLU, truncates by `shift` exactly and subtracts r; linearised positions
 *   are truncated locally and re-shared with the offline message delta;
 * - `maxPool`  is a garbled circuit (optionally ReLU and truncation in the same circuit) over pooling windows;
 * - `reveal`  ends the network: the client learns the logits, or only the label (garbled argmax).
 */
import type { ConvGeometry } from '../ring/geometry.ts'
import type { Shape } from './graph.ts'

/** Version of this structure and of the protocol that runs it; peers must agree. */
export const PLAN_VERSION = 1

export interface Value {
  readonly shape: Shape
  /** Product of the shape. */
  readonly length: number
  /** k: both shares are in Z_2^k. */
  readonly bits: number
  /** Fractional bits: an integer v stands for v / 2^scale / divisor. */
  readonly scale: number
  /** Pending division by the window size of average pools that is not a power of two, folded into the next weights; else 1. */
  readonly divisor: number
}

/** How a convolution is cut into ciphertexts; see core/he/encoding.ts for what each field does. */
export interface Tiling {
  /** Input channels a ciphertext carries. */
  readonly channels: number
  /** Output channels packed in one product. */
  readonly outputs: number
  /** Height and width of a tile of the padded (and, for 1x1 strides, subsampled) input, halo included. */
  readonly height: number
  readonly width: number
}

export interface LinearStep {
  readonly op: 'linear'
  readonly id: string
  readonly input: number
  readonly output: number
  /** Dense layers are 1x1 convolutions over a 1x1 image. */
  readonly geometry: ConvGeometry
  readonly tiling: Tiling
  /** Public bound: every integer weight has |w| < 2^weightBits. */
  readonly weightBits: number
  /** Fractional bits of the integer weights: output scale = input scale + weightScale. */
  readonly weightScale: number
}

export interface AddStep {
  readonly op: 'add'
  readonly id: string
  readonly inputs: readonly [number, number]
  /** Left shifts that align the scales of the two operands. */
  readonly shifts: readonly [number, number]
  readonly output: number
}

/** Sum over windows; division is by scale and divisor of the output value. */
export interface SumPoolStep {
  readonly op: 'sumPool'
  readonly id: string
  readonly input: number
  readonly output: number
  readonly kernel: readonly [number, number]
  readonly stride: number
  readonly padding: number
}

export interface ConcatStep {
  readonly op: 'concat'
  readonly id: string
  readonly inputs: readonly number[]
  /** Left shifts that align the scales. */
  readonly shifts: readonly number[]
  readonly output: number
}

/** The same elements under another shape (flatten). */
export interface ReshapeStep {
  readonly op: 'reshape'
  readonly id: string
  readonly input: number
  readonly output: number
}

export interface ActivationStep {
  readonly op: 'activation'
  readonly id: string
  readonly input: number
  readonly output: number
  /** Kept positions, ascending, or 'all'; [] for a pure rescale. Stored as a bit mask in the plan file. */
  readonly kept: 'all' | Uint32Array
  /** l: width of the garbled circuit, l <= k of the input. Meaningless when nothing is kept. */
  readonly circuitBits: number
  /** f: bits that are dropped. */
  readonly shift: number
}

export interface MaxPoolStep {
  readonly op: 'maxPool'
  readonly id: string
  readonly input: number
  readonly output: number
  readonly kernel: readonly [number, number]
  readonly stride: number
  readonly padding: number
  /** ReLU in the same circuit, after the maximum (the two commute). */
  readonly relu: boolean
  readonly circuitBits: number
  readonly shift: number
}

export interface RevealStep {
  readonly op: 'reveal'
  readonly id: string
  readonly input: number
  readonly kind: 'logits' | 'label'
  /** Width of the argmax circuit for 'label'. */
  readonly circuitBits: number
}

export type Step =
  LinearStep | AddStep | SumPoolStep | ConcatStep | ReshapeStep | ActivationStep | MaxPoolStep | RevealStep

/** HE parameters of one plaintext width; both parties build the same SEAL context from it. */
export interface HeParameters {
  /** t = 2^plainBits: the ring of the linear layers that use this context. */
  readonly plainBits: number
  readonly polyDegree: number
  /** Bits of each coefficient prime, the last one being SEAL's key prime. */
  readonly primeBits: readonly number[]
}

export interface Plan {
  readonly version: number
  readonly name: string
  readonly classes: number
  /** values[0] is the input image. */
  readonly values: readonly Value[]
  readonly steps: readonly Step[]
  readonly he: readonly HeParameters[]
  /** Bound on the chance that any element of one inference is wrong, and its parts. */
  readonly failure: { readonly truncation: number; readonly rounding: number; readonly total: number }
}

/** Secret part of a lowered model, by step id: integer weights and the bias at the scale of the output. */
export interface LoweredWeights {
  readonly weights: ReadonlyMap<string, Int32Array>
  /** Signed integers, |b| <= 2^53, one an output channel. */
  readonly biases: ReadonlyMap<string, Float64Array>
}

export interface LoweredModel {
  readonly plan: Plan
  readonly secret: LoweredWeights
}
