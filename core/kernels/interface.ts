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

/** Z_q[X] / (X^N + 1), q the product of some primes; made by heRing of reference/ntt-tables.ts. */
export interface HeRing {
  /** N, a power of two. */
  readonly degree: number
  /** 33 to 61 bits, each 1 mod 2N. */
  readonly primes: readonly bigint[]
  /** 64-bit words as pairs, low before high: [primes][8 + 4N]. */
  readonly tables: Uint32Array
}

/** Sums of products of ciphertexts and weight plaintexts. */
export interface HeSums {
  /** Primes of the ciphertexts: the first so many of the ring. */
  readonly primes: number
  /** Ciphertexts in NTT form, [uploads][2][primes][N]. */
  readonly inputs: Uint32Array
  /** Ciphertext of tile 0 and block 0; block b of tile t is number first + t * tileStride + b. */
  readonly first: number
  readonly tiles: number
  readonly tileStride: number
  /** Signed coefficients of the plaintexts, [blocks][N]. */
  readonly weights: Int32Array
  /** NTT form, [tiles][2][primes][N]; the products are added to it. */
  readonly sums: Uint32Array
}

/** A secret key as the kernels read it; made by heKey of reference/he-client.ts. Whoever makes it wipes `words`. */
export interface HeKey {
  /** Primes of the ciphertexts that it serves: the first so many of the ring. */
  readonly primes: number
  /** NTT form, [primes][2][N]: a residue's place in the second half has floor(residue 2^64 / prime). */
  readonly words: Uint32Array
}

/** A symmetric encryption. */
export interface HeEncryption {
  readonly key: HeKey
  /** t = 2^bits, bits 1 to 60. */
  readonly bits: number
  /** 64 random bytes that stand for the second polynomial and are sent. */
  readonly seed: Uint8Array
  /** [N][6] secret random bytes, independent of the seed: see HeKernels.addEncryptedZero. */
  readonly noise: Uint8Array
  /** Two words a coefficient below t, [N]. */
  readonly plain: Uint32Array
}

/**
 * BFV on raw residues. A residue takes two words, low before high, and is below its prime; a call throws
 * RangeError where one is not. Polynomials are [primes][N], at the first primes of the ring; arrays start at a multiple
 * of 8 bytes. NTT form has Microsoft SEAL's order and root of unity, so all results equal its evaluator's bit for bit.
 */
export interface HeKernels {
  /** Transforms [polynomials][primes][N] in place into NTT form, and back. */
  nttForward(ring: HeRing, primes: number, words: Uint32Array): void
  nttInverse(ring: HeRing, primes: number, words: Uint32Array): void
  /** sums[t] += sum over b of input(t, b) * weights[b]. After a RangeError the sums are of no use. */
  accumulate(ring: HeRing, sums: HeSums): void
  /** round(x / last prime): [polynomials][primes][N] -> [polynomials][primes - 1][N], out of NTT form; SEAL's modulus switch. */
  divideRound(ring: HeRing, primes: number, words: Uint32Array): Uint32Array
  /**
   * Adds a public-key encryption of zero, as SEAL makes it, to a ciphertext [2][primes - 1][N] out of NTT form: both
   * polynomials of round((key u + e) / last prime), over all primes of the ring. `key` is [2][primes][N] in NTT form,
   * `ternary` u with coefficients -1, 0, 1; `noise` [2][N][6] random bytes, of which the low 21 bits of each half make
   * a coefficient of e: bits of the first less bits of the second.
   */
  addEncryptedZero(ring: HeRing, key: Uint32Array, ternary: Int8Array, noise: Uint8Array, words: Uint32Array): void
  /**
   * An answer's mask of `count` coefficients (core/he/mask.ts): of residues y, the low bits of 64-bit words
   * stream [count][primes], as many as their prime has, y times the product of the other primes, and
   * -round(2^bits sum of y / q) mod 2^bits, with 124 fractional bits in every term. Undefined when a y is not below its
   * prime; bits is 1 to 63.
   */
  maskShares(ring: HeRing, primes: number, bits: number, stream: Uint32Array): HeMask | undefined
  /** Fills a polynomial with what SEAL expands a 64-byte seed to (BLAKE2xb, rejection), in NTT form or out of it. */
  expandSeed(ring: HeRing, primes: number, seed: Uint8Array, words: Uint32Array): void
  /**
   * First polynomial of a symmetric encryption, round(q plain / t) - a s - e: SEAL's, from given randomness. It is written to
   * `memory`, [primes][N], if that is given: what the collector has to take away can cost as much as the encryption.
   */
  encryptSeeded(ring: HeRing, encryption: HeEncryption, memory?: Uint32Array): Uint32Array
  /**
   * A plaintext's coefficients at `places`, in N of two words each whose others are zero, or left as they are in `memory` if
   * that is given, from a ciphertext [2][primes][N] out of NTT form. Rounded as SEAL's decryptor does: by base conversion, so that within 2^-57 of a half it may go either
   * way. t = 2^bits, bits 1 to 60.
   */
  decrypt(
    ring: HeRing,
    bits: number,
    key: HeKey,
    words: Uint32Array,
    places: Uint32Array,
    memory?: Uint32Array,
  ): Uint32Array
  /**
   * Packs residues, `bits` bits each (33 to 63) and least significant first, into exactly as many bytes as they take: all
   * of `words`, or those at `places` in that order.
   */
  packResidues(words: Uint32Array, bits: number, out: Uint8Array, places?: Uint32Array): void
  /** The reverse; false, with words of no use, when a residue is not below its prime or a padding bit is set. */
  unpackResidues(bytes: Uint8Array, prime: bigint, words: Uint32Array, places?: Uint32Array): boolean
}

/** Two words a number, low before high. */
export interface HeMask {
  /** [primes][count] */
  readonly residues: Uint32Array
  /** [count] */
  readonly shares: Uint32Array
}

/** Keys of the leaves of the trees of one end of a SoftSpokenOT extension (core/ot/trees.ts). */
export interface LeafKeys {
  /** Bits of the correlation, and levels, of one tree. */
  readonly bits: 1 | 2 | 4
  /** AES-128 keys, [128 / bits][2^bits][16]; secret. */
  readonly keys: Uint8Array
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

  /**
   * SoftSpokenOT (Roy 2022), the receiver's message [128 / bits][n / 8] for n transfers, a multiple of 128. Let r(i, x) be
   * n bits of the AES-128-CTR keystream of leaf x of tree i from block `firstBlock`: column i is the sum of all r(i, x) and
   * of `choices`, n packed bits.
   */
  cotChoose(leaves: LeafKeys, firstBlock: number, n: number, choices: Uint8Array): Uint8Array
  /**
   * The receiver's labels [n][16]: bit i * bits + b is the sum of the r(i, x) of which x has bit b. They are written to
   * `memory`, n * 16 bytes, if it is given: fresh memory can cost more than the labels.
   */
  cotLabels(leaves: LeafKeys, firstBlock: number, n: number, memory?: Uint8Array): Uint8Array
  /**
   * The sender's end: labels [n][16] as the receiver's, with column i of its message added to bit i * bits + b where
   * `delta`, 16 bytes, has that bit. Leaf x is numbered x xor the bits of delta of its tree; leaf 0 does not count.
   */
  cotSend(
    leaves: LeafKeys,
    firstBlock: number,
    n: number,
    delta: Uint8Array,
    message: Uint8Array,
    memory?: Uint8Array,
  ): Uint8Array
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
  /** HE, both parties' part. */
  readonly he: HeKernels

  /** Matrix-vector product modulo 2^32 or 2^64: weights [rows][cols] by words [cols]. */
  matvec(words: Uint32Array, stride: 1 | 2, weights: Int32Array, rows: number, cols: number): Uint32Array
}
