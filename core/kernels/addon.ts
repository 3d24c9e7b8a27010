/** The C++ addon as it is called: its exports, and the instruction sets that it has them for. */
import type { GarbleOutput } from './interface.ts'

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
