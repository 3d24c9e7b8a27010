/** The C++ kernels as {@link Kernels}: checks arguments with the reference's words, then calls the addon. */
import {
  checkConv,
  checkEncryptedZero,
  checkEvaluate,
  checkGarble,
  checkJoinBits,
  checkMask,
  checkMatvec,
  checkPolynomials,
  checkSelectLabels,
  checkSliceBits,
  checkSums,
  checkTranspose,
} from './check.ts'
import type { GarbleOutput, HeKernels, HeMask, HeRing, Kernels } from './interface.ts'
import { expandLabels } from './reference/labels.ts'
import { ringTableWords } from './reference/ntt-tables.ts'

/** Instruction sets of the addon, best last; each is its own translation unit. */
export const INSTRUCTION_SETS = ['portable', 'avx2', 'vaes512'] as const
export type InstructionSet = (typeof INSTRUCTION_SETS)[number]

/** The addon's exports. `set` is a place in INSTRUCTION_SETS; every call checks all lengths itself. */
export interface NativeAddon {
  /** Raised when the calls below change, so that a stale build is not used. */
  readonly abi: number
  /** Numbers of the instruction sets that were compiled and that this processor and system can run. */
  readonly supported: readonly number[]
  garble(
    set: number,
    garblerInputs: number,
    evaluatorInputs: number,
    gates: Int32Array,
    outputs: Int32Array,
    instances: number,
    start: Uint8Array,
    firstTweak: number,
    delta: Uint8Array,
    garblerZero: Uint8Array,
    evaluatorZero: Uint8Array,
    tables: Uint8Array | undefined,
  ): GarbleOutput
  evaluate(
    set: number,
    garblerInputs: number,
    evaluatorInputs: number,
    gates: Int32Array,
    outputs: Int32Array,
    instances: number,
    start: Uint8Array,
    firstTweak: number,
    garblerLabels: Uint8Array,
    evaluatorLabels: Uint8Array,
    tables: Uint8Array,
  ): Uint8Array
  selectLabels(wires: number, instances: number, zero: Uint8Array, bits: Uint8Array, delta: Uint8Array): Uint8Array
  transpose128(n: number, matrix: Uint8Array): Uint8Array
  sliceBits(stride: number, n: number, bits: number, words: Uint32Array): Uint8Array
  joinBits(stride: number, n: number, bits: number, sliced: Uint8Array): Uint32Array
  conv2d(
    set: number,
    stride: number,
    inChannels: number,
    inHeight: number,
    inWidth: number,
    outChannels: number,
    kernelHeight: number,
    kernelWidth: number,
    convStride: number,
    padding: number,
    groups: number,
    words: Uint32Array,
    weights: Int32Array,
  ): Uint32Array
  matvec(set: number, stride: number, rows: number, cols: number, words: Uint32Array, weights: Int32Array): Uint32Array
  /** HE calls start with the set, N, how many primes, and the tables of those. */
  nttForward(set: number, degree: number, primes: number, tables: Uint32Array, polys: number, words: Uint32Array): void
  nttInverse(set: number, degree: number, primes: number, tables: Uint32Array, polys: number, words: Uint32Array): void
  accumulate(
    set: number,
    degree: number,
    primes: number,
    tables: Uint32Array,
    uploads: number,
    first: number,
    tiles: number,
    tileStride: number,
    blocks: number,
    inputs: Uint32Array,
    weights: Int32Array,
    sums: Uint32Array,
  ): void
  divideRound(
    set: number,
    degree: number,
    primes: number,
    tables: Uint32Array,
    polys: number,
    words: Uint32Array,
    out: Uint32Array,
  ): void
  addEncryptedZero(
    set: number,
    degree: number,
    primes: number,
    tables: Uint32Array,
    key: Uint32Array,
    ternary: Int8Array,
    noise: Uint8Array,
    words: Uint32Array,
  ): void
  maskShares(
    set: number,
    degree: number,
    primes: number,
    tables: Uint32Array,
    bits: number,
    count: number,
    stream: Uint32Array,
    residues: Uint32Array,
    shares: Uint32Array,
  ): boolean
}

/** What people read in place of the addon's own short names. */
const TITLES: Record<InstructionSet, string> = { portable: 'portable', avx2: 'aesni-avx2', vaes512: 'vaes-avx512' }

/** The ring as the HE calls take it. */
function atPrimes({ degree, tables }: HeRing, primes: number): [number, number, Uint32Array] {
  return [degree, primes, tables.subarray(0, primes * 2 * ringTableWords(degree))]
}

function heKernels(addon: NativeAddon, set: number): HeKernels {
  return Object.freeze<HeKernels>({
    nttForward(ring, primes, words) {
      addon.nttForward(set, ...atPrimes(ring, primes), checkPolynomials(ring, primes, words), words)
    },
    nttInverse(ring, primes, words) {
      addon.nttInverse(set, ...atPrimes(ring, primes), checkPolynomials(ring, primes, words), words)
    },
    accumulate(ring, sums) {
      const { blocks, uploads } = checkSums(ring, sums)
      const { first, tiles, tileStride } = sums
      const counts = [uploads, first, tiles, tileStride, blocks] as const
      addon.accumulate(set, ...atPrimes(ring, sums.primes), ...counts, sums.inputs, sums.weights, sums.sums)
    },
    divideRound(ring, primes, words) {
      const polys = checkPolynomials(ring, primes, words, 2)
      const out = new Uint32Array(2 * polys * (primes - 1) * ring.degree)
      addon.divideRound(set, ...atPrimes(ring, primes), polys, words, out)
      return out
    },
    addEncryptedZero(ring, key, ternary, noise, words) {
      checkEncryptedZero(ring, key, ternary, noise, words)
      addon.addEncryptedZero(set, ...atPrimes(ring, ring.primes.length), key, ternary, noise, words)
    },
    maskShares(ring, primes, bits, stream) {
      const count = checkMask(ring, primes, bits, stream)
      const mask: HeMask = { residues: new Uint32Array(stream.length), shares: new Uint32Array(2 * count) }
      const { residues, shares } = mask
      return addon.maskShares(set, ...atPrimes(ring, primes), bits, count, stream, residues, shares) ? mask : undefined
    },
  })
}

/** Wraps the addon for one of its instruction sets. */
export function nativeKernels(addon: NativeAddon, instructionSet: InstructionSet): Kernels {
  const set = INSTRUCTION_SETS.indexOf(instructionSet)
  return Object.freeze<Kernels>({
    name: `native ${TITLES[instructionSet]}`,
    garble(input) {
      checkGarble(input)
      const { circuit: c } = input
      return addon.garble(
        set,
        c.garblerInputs,
        c.evaluatorInputs,
        c.gates,
        c.outputs,
        input.instances,
        input.start,
        input.firstTweak,
        input.delta,
        input.garblerZero,
        input.evaluatorZero,
        input.tables,
      )
    },
    evaluate(input) {
      checkEvaluate(input)
      const { circuit: c } = input
      return addon.evaluate(
        set,
        c.garblerInputs,
        c.evaluatorInputs,
        c.gates,
        c.outputs,
        input.instances,
        input.start,
        input.firstTweak,
        input.garblerLabels,
        input.evaluatorLabels,
        input.tables,
      )
    },
    // AES-CTR under one key is what node:crypto is fast at already.
    expandLabels,
    selectLabels(zero, bits, wires, instances, delta) {
      checkSelectLabels(zero, bits, wires, instances, delta)
      return addon.selectLabels(wires, instances, zero, bits, delta)
    },
    transpose128(matrix, n) {
      checkTranspose(matrix, n)
      return addon.transpose128(n, matrix)
    },
    sliceBits(words, stride, n, bits) {
      checkSliceBits(words, stride, n, bits)
      return addon.sliceBits(stride, n, bits, words)
    },
    joinBits(sliced, stride, n, bits) {
      checkJoinBits(sliced, stride, n, bits)
      return addon.joinBits(stride, n, bits, sliced)
    },
    conv2d(words, stride, weights, g) {
      checkConv(words, stride, weights, g)
      return addon.conv2d(
        set,
        stride,
        g.inChannels,
        g.inHeight,
        g.inWidth,
        g.outChannels,
        g.kernelHeight,
        g.kernelWidth,
        g.stride,
        g.padding,
        g.groups,
        words,
        weights,
      )
    },
    matvec(words, stride, weights, rows, cols) {
      checkMatvec(words, stride, weights, rows, cols)
      return addon.matvec(set, stride, rows, cols, words, weights)
    },
    he: heKernels(addon, set),
  })
}
