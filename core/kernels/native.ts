/** The C++ kernels as {@link Kernels}: checks arguments with the reference's words, then calls the addon. */
import {
  checkChoices,
  checkConv,
  checkDecryption,
  checkCorrelation,
  checkEncryptedZero,
  checkEncryption,
  checkEvaluate,
  checkGarble,
  checkJoinBits,
  checkLabelMemory,
  checkLeafKeys,
  checkMask,
  checkMatvec,
  checkPacked,
  checkPolynomials,
  checkSeed,
  checkSelectLabels,
  checkSliceBits,
  checkSums,
  checkTranspose,
} from './check.ts'
import type { GarbleOutput, HeKernels, HeMask, HeRing, Kernels } from './interface.ts'
import { decryptionWords } from './reference/he-client.ts'
import { expandLabels } from './reference/labels.ts'
import { ringTableWords } from './reference/ntt-tables.ts'
import { transferKernels } from './reference/transfers.ts'

/** Instruction sets of the addon; of those that a machine runs the last is the fastest. Each is its own translation unit. */
export const INSTRUCTION_SETS = ['portable', 'armv8', 'avx2', 'vaes256', 'vaes512'] as const
export type InstructionSet = (typeof INSTRUCTION_SETS)[number]

/** The sets that some processor of the architecture, as process.arch names it, can run. */
export function setsOf(arch: string): InstructionSet[] {
  return INSTRUCTION_SETS.filter((set) => set === 'portable' || (set === 'armv8' ? 'arm64' : 'x64') === arch)
}

/** The addon's exports. `set` is a place in INSTRUCTION_SETS; every call checks all lengths itself. */
export interface NativeAddon {
  /** Raised when the calls below change, so that a stale build is not used. */
  readonly abi: number
  /** Numbers of the instruction sets that were compiled and that this processor and system can run. */
  readonly supported: readonly number[]
  /** Of these, the ones with AES instructions for cotReceive and cotSend. */
  readonly transfers: readonly number[]
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
  cotChoose(
    set: number,
    bits: number,
    leaves: Uint8Array,
    firstBlock: number,
    n: number,
    choices: Uint8Array,
  ): Uint8Array
  cotLabels(
    set: number,
    bits: number,
    leaves: Uint8Array,
    firstBlock: number,
    n: number,
    memory: Uint8Array | undefined,
  ): Uint8Array
  cotSend(
    set: number,
    bits: number,
    leaves: Uint8Array,
    firstBlock: number,
    n: number,
    delta: Uint8Array,
    message: Uint8Array,
    memory: Uint8Array | undefined,
  ): Uint8Array
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
  expandSeed(
    set: number,
    degree: number,
    primes: number,
    tables: Uint32Array,
    seed: Uint8Array,
    words: Uint32Array,
  ): void
  encryptSeeded(
    set: number,
    degree: number,
    primes: number,
    tables: Uint32Array,
    bits: number,
    key: Uint32Array,
    seed: Uint8Array,
    noise: Uint8Array,
    plain: Uint32Array,
    out: Uint32Array,
  ): void
  decryptScaled(
    set: number,
    degree: number,
    primes: number,
    tables: Uint32Array,
    bits: number,
    constants: Uint32Array,
    key: Uint32Array,
    words: Uint32Array,
    count: number,
    places: Uint32Array,
    out: Uint32Array,
  ): void
  packResidues(
    size: number,
    words: Uint32Array,
    count: number,
    places: Uint32Array | undefined,
    bits: number,
    out: Uint8Array,
  ): void
  unpackResidues(
    size: number,
    words: Uint32Array,
    count: number,
    places: Uint32Array | undefined,
    low: number,
    high: number,
    bytes: Uint8Array,
  ): boolean
}

/** What people read in place of the addon's own short names. */
const TITLES: Record<InstructionSet, string> = {
  portable: 'portable',
  armv8: 'armv8-aes-neon',
  avx2: 'aesni-avx2',
  vaes256: 'vaes-avx2',
  vaes512: 'vaes-avx512',
}

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
    expandSeed(ring, primes, seed, words) {
      checkSeed(ring, primes, seed, words)
      addon.expandSeed(set, ...atPrimes(ring, primes), seed, words)
    },
    encryptSeeded(ring, encryption) {
      checkEncryption(ring, encryption)
      const { key, bits, seed, noise, plain } = encryption
      const out = new Uint32Array(2 * key.primes * ring.degree)
      addon.encryptSeeded(set, ...atPrimes(ring, key.primes), bits, key.words, seed, noise, plain, out)
      return out
    },
    decrypt(ring, bits, key, words, places) {
      checkDecryption(ring, bits, key, words, places)
      const constants = decryptionWords(ring, key.primes, bits)
      const out = new Uint32Array(2 * ring.degree)
      addon.decryptScaled(
        set,
        ...atPrimes(ring, key.primes),
        bits,
        constants,
        key.words,
        words,
        places.length,
        places,
        out,
      )
      return out
    },
    packResidues(words, bits, out, places) {
      const count = checkPacked(words, bits, out, places)
      addon.packResidues(words.length / 2, words, count, places, bits, out)
    },
    unpackResidues(bytes, prime, words, places) {
      const count = checkPacked(words, prime.toString(2).length, bytes, places)
      const [low, high] = [Number(prime & 0xffffffffn), Number(prime >> 32n)]
      return addon.unpackResidues(words.length / 2, words, count, places, low, high, bytes)
    },
  })
}

function nativeTransfers(addon: NativeAddon, set: number): Pick<Kernels, 'cotChoose' | 'cotLabels' | 'cotSend'> {
  return {
    cotChoose(leaves, firstBlock, n, choices) {
      checkLeafKeys(leaves, firstBlock, n)
      checkChoices(choices, n)
      return addon.cotChoose(set, leaves.bits, leaves.keys, firstBlock, n, choices)
    },
    cotLabels(leaves, firstBlock, n, memory) {
      checkLeafKeys(leaves, firstBlock, n)
      checkLabelMemory(n, memory)
      return addon.cotLabels(set, leaves.bits, leaves.keys, firstBlock, n, memory)
    },
    cotSend(leaves, firstBlock, n, delta, message, memory) {
      checkLeafKeys(leaves, firstBlock, n)
      checkCorrelation(leaves, n, delta, message)
      checkLabelMemory(n, memory)
      return addon.cotSend(set, leaves.bits, leaves.keys, firstBlock, n, delta, message, memory)
    },
  }
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
    ...(addon.transfers.includes(set)
      ? nativeTransfers(addon, set)
      : transferKernels((matrix, n) => addon.transpose128(n, matrix))),
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
