/**
 * The hot loops, behind one interface with two implementations: `reference` (TypeScript) and `native` (C++).
 * Both give the same bytes on the same inputs; `test/property/kernels.test.ts` holds them to it.
 *
 * Layouts. A *label* is 16 bytes. A label array of w wires over n instances is `[wire][instance][16]`.
 * A bit array of w wires over n instances is packed, least significant bit first, each wire starting on a
 * byte: `[wire][ceil(n / 8)]`, unused bits zero. Garbled tables are `[and gate][instance][32]`: the generator
 * row (16 bytes), then the evaluator row. Gates run in circuit order; "and gate" counts AND gates only.
 */

import type { ConvGeometry } from '../ring/geometry.ts'

/** Gate opcodes of {@link Circuit.gates}. */
export const GATE_XOR = 0
export const GATE_AND = 1
export const GATE_NOT = 2

/** A Boolean circuit over numbered wires: garbler inputs first, then evaluator inputs, then one wire a gate. */
export interface Circuit {
  readonly garblerInputs: number
  readonly evaluatorInputs: number
  /** Quadruples (opcode, input a, input b, output); b is ignored for NOT. Outputs are numbered consecutively. */
  readonly gates: Int32Array
  readonly andGates: number
  readonly wires: number
  /** Wire of each output bit. A wire may appear more than once; an input wire may be an output. */
  readonly outputs: Int32Array
}

/** What is common to garbling and evaluating one batch of instances of one circuit. */
export interface GarbleContext {
  readonly circuit: Circuit
  /** Instances garbled side by side. */
  readonly instances: number
  /** The execution's random MiTCCR start point, 16 bytes, public, fresh per execution. */
  readonly start: Uint8Array
  /**
   * Tweak of the first half gate of this batch, < 2^53. Half gate h (2 * and gate, or + 1 for the evaluator
   * half) of instance j has tweak `firstTweak + h * instances + j`, added to `start` as a 128-bit
   * little-endian integer (mod 2^128) to give its AES key. A batch uses 2 * andGates * instances tweaks; no
   * tweak is used twice with one `start`.
   */
  readonly firstTweak: number
}

export interface GarbleInput extends GarbleContext {
  /** Free-XOR offset, 16 bytes, bit 0 of byte 0 set (the colour bit). */
  readonly delta: Uint8Array
  /** Zero labels of the garbler's inputs, [garblerInputs][instances][16]. */
  readonly garblerZero: Uint8Array
  /** Zero labels of the evaluator's inputs, [evaluatorInputs][instances][16]. */
  readonly evaluatorZero: Uint8Array
  /**
   * Where to write the tables, andGates * instances * 32 bytes; default is new memory. Passing the tables of an
   * earlier call, once they are sent, saves the page faults of fresh memory, which can cost more than the garbling.
   */
  readonly tables?: Uint8Array
}

export interface GarbleOutput {
  /** [andGates][instances][32]; may be a view into a larger ArrayBuffer, where alignment asks for it. */
  readonly tables: Uint8Array
  /** Colour bit of each output's zero label, packed [outputs][ceil(instances / 8)]. */
  readonly decode: Uint8Array
}

export interface EvaluateInput extends GarbleContext {
  readonly garblerLabels: Uint8Array
  readonly evaluatorLabels: Uint8Array
  readonly tables: Uint8Array
}

export interface Kernels {
  /** For people: 'reference', or 'native' with the instruction set, as 'native vaes-avx512'. */
  readonly name: string

  /**
   * Half gates (Zahur, Rosulek, Evans 2015) over the hash MiTCCR of Guo et al. 2020:
   * H(x, i) = AES_{start + i}(x) xor x, one key per half gate and instance.
   */
  garble(input: GarbleInput): GarbleOutput
  /** Colour bits of the active output labels, packed [outputs][ceil(instances / 8)]. */
  evaluate(input: EvaluateInput): Uint8Array

  /**
   * Pseudorandom labels: AES-128-CTR keystream of `key` from block `firstBlock` (16-byte big-endian block
   * counter), `count` blocks. Equal to `Prg(key)` of core/ring after skipping `16 * firstBlock` bytes.
   */
  expandLabels(key: Uint8Array, firstBlock: number, count: number): Uint8Array
  /** Active labels: zero[w][j] xor (bit[w][j] ? delta : 0); `bits` is a packed bit array of `wires` x `instances`. */
  selectLabels(zero: Uint8Array, bits: Uint8Array, wires: number, instances: number, delta: Uint8Array): Uint8Array

  /** Transposes a 128 x n bit matrix: rows of n / 8 bytes (n a multiple of 128), bits LSB first -> n rows of 16 bytes. */
  transpose128(matrix: Uint8Array, n: number): Uint8Array

  /**
   * Bit-slices ring elements: element j bit i -> packed [bits][ceil(n / 8)]. `words` has stride 1 (bits <= 32)
   * or 2 words an element; `bits` may be smaller than the ring's width.
   */
  sliceBits(words: Uint32Array, stride: 1 | 2, n: number, bits: number): Uint8Array
  /** Inverse of sliceBits: packed [bits][ceil(n / 8)] -> words with the given stride. */
  joinBits(sliced: Uint8Array, stride: 1 | 2, n: number, bits: number): Uint32Array

  /**
   * Ring convolution modulo 2^32 (stride 1) or 2^64 (stride 2); the caller reduces to its ring.
   * Weights are signed, |w| < 2^31.
   */
  conv2d(words: Uint32Array, stride: 1 | 2, weights: Int32Array, geometry: ConvGeometry): Uint32Array
  /** Matrix-vector product modulo 2^32 or 2^64: weights [rows][cols] by words [cols]. */
  matvec(words: Uint32Array, stride: 1 | 2, weights: Int32Array, rows: number, cols: number): Uint32Array
}
