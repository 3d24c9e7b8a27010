/**
 * Argument checks shared by both implementations, so that a wrong call fails with the same words on every machine.
 * The native code checks again before it touches memory; these checks are the ones people read.
 */
import type { ConvGeometry } from '../ring/geometry.ts'
import { convOutput } from '../ring/geometry.ts'
import {
  GATE_AND,
  GATE_NOT,
  GATE_XOR,
  type Circuit,
  type EvaluateInput,
  type GarbleContext,
  type GarbleInput,
  type HeEncryption,
  type HeKey,
  type HeRing,
  type HeSums,
  type LeafKeys,
} from './interface.ts'

/** Largest side, kernel, stride, padding or channel count of a convolution; keeps every product below 2^53. */
const MAX_EXTENT = 2 ** 20
/** Most elements of one call's output, or of its padded image. */
const MAX_ELEMENTS = 2 ** 31

/** Throws unless `value` is an integer in [low, high]. */
export function checkInteger(name: string, value: number, low: number, high = Number.MAX_SAFE_INTEGER): void {
  if (!Number.isSafeInteger(value) || value < low || value > high) {
    throw new RangeError(`${name} must be an integer from ${low} to ${high}, got ${value}`)
  }
}

/** Throws unless `value` is a Uint8Array of exactly `length` bytes. */
export function checkBytes(name: string, value: Uint8Array, length: number): void {
  if (!(value instanceof Uint8Array)) throw new TypeError(`${name} must be a Uint8Array`)
  if (value.length !== length) throw new RangeError(`${name} must have ${length} bytes, got ${value.length}`)
}

function checkWords(name: string, value: Uint32Array, length: number): void {
  if (!(value instanceof Uint32Array)) throw new TypeError(`${name} must be a Uint32Array`)
  if (value.length !== length) throw new RangeError(`${name} must have ${length} words, got ${value.length}`)
}

function checkSigned(name: string, value: Int32Array, length: number): void {
  if (!(value instanceof Int32Array)) throw new TypeError(`${name} must be an Int32Array`)
  if (value.length !== length) throw new RangeError(`${name} must have ${length} values, got ${value.length}`)
}

function checkStride(stride: number): void {
  if (stride !== 1 && stride !== 2) throw new RangeError(`stride must be 1 or 2 words, got ${stride}`)
}

/** Bytes of one wire of a packed bit array over n instances. */
export function packedRow(n: number): number {
  return Math.ceil(n / 8)
}

/** Throws unless gates are known, in topological order and numbered as {@link Circuit} says. */
export function checkCircuit(circuit: Circuit): void {
  const { gates, outputs } = circuit
  checkInteger('circuit.garblerInputs', circuit.garblerInputs, 0, 2 ** 30)
  checkInteger('circuit.evaluatorInputs', circuit.evaluatorInputs, 0, 2 ** 30)
  if (!(gates instanceof Int32Array)) throw new TypeError('circuit.gates must be an Int32Array')
  if (!(outputs instanceof Int32Array)) throw new TypeError('circuit.outputs must be an Int32Array')
  if (gates.length % 4 !== 0) throw new RangeError(`circuit.gates must hold quadruples, got ${gates.length} numbers`)
  const inputs = circuit.garblerInputs + circuit.evaluatorInputs
  let ands = 0
  for (let g = 0; g < gates.length / 4; g++) {
    const [op, a, b, out] = [gates[4 * g], gates[4 * g + 1], gates[4 * g + 2], gates[4 * g + 3]]
    if (op !== GATE_XOR && op !== GATE_AND && op !== GATE_NOT) {
      throw new RangeError(`circuit.gates: gate ${g} has unknown opcode ${op}`)
    }
    if (out !== inputs + g) throw new RangeError(`circuit.gates: gate ${g} must write wire ${inputs + g}, not ${out}`)
    if (a < 0 || a >= out || (op !== GATE_NOT && (b < 0 || b >= out))) {
      throw new RangeError(`circuit.gates: gate ${g} reads a wire that is not computed before it (${a}, ${b})`)
    }
    if (op === GATE_AND) ands++
  }
  if (circuit.andGates !== ands) throw new RangeError(`circuit.andGates must be ${ands}, got ${circuit.andGates}`)
  const wires = inputs + gates.length / 4
  if (circuit.wires !== wires) throw new RangeError(`circuit.wires must be ${wires}, got ${circuit.wires}`)
  for (const wire of outputs) {
    if (wire < 0 || wire >= wires) throw new RangeError(`circuit.outputs: no wire ${wire} among ${wires}`)
  }
}

function checkContext(context: GarbleContext): void {
  checkCircuit(context.circuit)
  checkInteger('instances', context.instances, 0, 2 ** 30)
  checkBytes('start', context.start, 16)
  const tweaks = 2 * context.circuit.andGates * context.instances
  checkInteger('firstTweak', context.firstTweak, 0, Number.MAX_SAFE_INTEGER - tweaks)
}

export function checkGarble(input: GarbleInput): void {
  checkContext(input)
  const { circuit, instances } = input
  checkBytes('delta', input.delta, 16)
  if ((input.delta[0] & 1) === 0) throw new RangeError('delta must have its colour bit (bit 0 of byte 0) set')
  checkBytes('garblerZero', input.garblerZero, circuit.garblerInputs * instances * 16)
  checkBytes('evaluatorZero', input.evaluatorZero, circuit.evaluatorInputs * instances * 16)
  if (input.tables !== undefined) checkBytes('tables', input.tables, circuit.andGates * instances * 32)
}

export function checkEvaluate(input: EvaluateInput): void {
  checkContext(input)
  const { circuit, instances } = input
  checkBytes('garblerLabels', input.garblerLabels, circuit.garblerInputs * instances * 16)
  checkBytes('evaluatorLabels', input.evaluatorLabels, circuit.evaluatorInputs * instances * 16)
  checkBytes('tables', input.tables, circuit.andGates * instances * 32)
}

export function checkExpandLabels(key: Uint8Array, firstBlock: number, count: number): void {
  checkBytes('key', key, 16)
  checkInteger('count', count, 0, 2 ** 40)
  checkInteger('firstBlock', firstBlock, 0, Number.MAX_SAFE_INTEGER - count)
}

export function checkLeafKeys(leaves: LeafKeys, firstBlock: number, n: number): void {
  const { bits, keys } = leaves
  if (bits !== 1 && bits !== 2 && bits !== 4) throw new RangeError(`a tree has 1, 2 or 4 levels, got ${String(bits)}`)
  checkBytes('leaves', keys, (128 / bits) * 2 ** bits * 16)
  checkInteger('n', n, 0, 2 ** 30)
  if (n % 128 !== 0) throw new RangeError(`n must be a multiple of 128, got ${n}`)
  checkInteger('firstBlock', firstBlock, 0, Number.MAX_SAFE_INTEGER - n / 128)
}

export function checkChoices(choices: Uint8Array, n: number): void {
  checkBytes('choices', choices, n / 8)
}

/** Where labels are to be written, if that is given. */
export function checkLabelMemory(n: number, memory: Uint8Array | undefined): void {
  if (memory !== undefined) checkBytes('memory', memory, n * 16)
}

export function checkCorrelation(leaves: LeafKeys, n: number, delta: Uint8Array, message: Uint8Array): void {
  checkBytes('delta', delta, 16)
  checkBytes('message', message, ((128 / leaves.bits) * n) / 8)
}

export function checkSelectLabels(
  zero: Uint8Array,
  bits: Uint8Array,
  wires: number,
  instances: number,
  delta: Uint8Array,
): void {
  checkInteger('wires', wires, 0, 2 ** 30)
  checkInteger('instances', instances, 0, 2 ** 30)
  checkBytes('zero', zero, wires * instances * 16)
  checkBytes('bits', bits, wires * packedRow(instances))
  checkBytes('delta', delta, 16)
}

export function checkTranspose(matrix: Uint8Array, n: number): void {
  checkInteger('n', n, 0, 2 ** 40)
  if (n % 128 !== 0) throw new RangeError(`n must be a multiple of 128, got ${n}`)
  checkBytes('matrix', matrix, n * 16)
}

function checkBits(stride: number, n: number, bits: number): void {
  checkStride(stride)
  checkInteger('n', n, 0, 2 ** 31)
  checkInteger('bits', bits, 1, 32 * stride)
}

export function checkSliceBits(words: Uint32Array, stride: number, n: number, bits: number): void {
  checkBits(stride, n, bits)
  checkWords('words', words, n * stride)
}

export function checkJoinBits(sliced: Uint8Array, stride: number, n: number, bits: number): void {
  checkBits(stride, n, bits)
  checkBytes('sliced', sliced, bits * packedRow(n))
}

export function checkConv(words: Uint32Array, stride: number, weights: Int32Array, g: ConvGeometry): void {
  checkStride(stride)
  for (const side of ['inChannels', 'inHeight', 'inWidth', 'outChannels', 'kernelHeight', 'kernelWidth'] as const) {
    checkInteger(`geometry.${side}`, g[side], 1, MAX_EXTENT)
  }
  checkInteger('geometry.stride', g.stride, 1, MAX_EXTENT)
  checkInteger('geometry.padding', g.padding, 0, MAX_EXTENT)
  checkInteger('geometry.groups', g.groups, 1, MAX_EXTENT)
  if (g.inChannels % g.groups !== 0 || g.outChannels % g.groups !== 0) {
    throw new RangeError(`geometry.groups must divide both channel counts, got ${g.groups}`)
  }
  const { height, width } = convOutput(g)
  if (height < 1 || width < 1) throw new RangeError('geometry: the kernel is larger than the padded image')
  const padded = g.inChannels * (g.inHeight + 2 * g.padding) * (g.inWidth + 2 * g.padding)
  checkInteger('geometry: elements of the output', g.outChannels * height * width, 1, MAX_ELEMENTS)
  checkInteger('geometry: elements of the padded image', padded, 1, MAX_ELEMENTS)
  checkWords('words', words, g.inChannels * g.inHeight * g.inWidth * stride)
  checkSigned('weights', weights, g.outChannels * (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth)
}

export function checkMatvec(words: Uint32Array, stride: number, weights: Int32Array, rows: number, cols: number): void {
  checkStride(stride)
  checkInteger('rows', rows, 1, 2 ** 30)
  checkInteger('cols', cols, 1, 2 ** 30)
  checkWords('words', words, cols * stride)
  checkSigned('weights', weights, rows * cols)
}

function checkResidues(name: string, value: Uint32Array, length: number): void {
  checkWords(name, value, length)
  if (value.byteOffset % 8 !== 0) throw new RangeError(`${name} must start at a multiple of 8 bytes`)
}

/** Throws unless `words` are polynomials at `primes` primes of the ring; returns how many. */
export function checkPolynomials(ring: HeRing, primes: number, words: Uint32Array, least = 1): number {
  checkInteger('primes', primes, least, ring.primes.length)
  const size = 2 * primes * ring.degree
  const count = Math.max(1, Math.floor(words.length / size))
  checkResidues('words', words, count * size)
  return count
}

/** Throws unless the sums fit the ring; returns blocks and ciphertexts. */
export function checkSums(ring: HeRing, sums: HeSums): { blocks: number; uploads: number } {
  checkInteger('primes', sums.primes, 1, ring.primes.length)
  const size = 4 * sums.primes * ring.degree
  const uploads = Math.max(1, Math.floor(sums.inputs.length / size))
  checkResidues('inputs', sums.inputs, uploads * size)
  const blocks = Math.max(1, Math.floor(sums.weights.length / ring.degree))
  checkSigned('weights', sums.weights, blocks * ring.degree)
  checkInteger('tiles', sums.tiles, 1, 2 ** 20)
  checkInteger('tileStride', sums.tileStride, 0, 2 ** 20)
  checkInteger('first', sums.first, 0, uploads - blocks - (sums.tiles - 1) * sums.tileStride)
  checkResidues('sums', sums.sums, sums.tiles * size)
  return { blocks, uploads }
}

export function checkEncryptedZero(
  ring: HeRing,
  key: Uint32Array,
  ternary: Int8Array,
  noise: Uint8Array,
  words: Uint32Array,
): void {
  const { degree } = ring
  const primes = ring.primes.length
  checkInteger('primes', primes, 2)
  checkResidues('key', key, 4 * primes * degree)
  if (!(ternary instanceof Int8Array)) throw new TypeError('ternary must be an Int8Array')
  if (ternary.length !== degree) throw new RangeError(`ternary must have ${degree} values, got ${ternary.length}`)
  checkBytes('noise', noise, 12 * degree)
  checkResidues('words', words, 4 * (primes - 1) * degree)
}

/** Throws unless `stream` is one word a prime for each coefficient; returns how many coefficients. */
export function checkMask(ring: HeRing, primes: number, bits: number, stream: Uint32Array): number {
  checkInteger('primes', primes, 1, ring.primes.length)
  checkInteger('bits', bits, 1, 63)
  const count = Math.max(1, Math.floor(stream.length / (2 * primes)))
  checkResidues('stream', stream, 2 * primes * count)
  return count
}

/** Throws unless `words` are a polynomial and the seed is one of SEAL's. */
export function checkSeed(ring: HeRing, primes: number, seed: Uint8Array, words: Uint32Array): void {
  checkInteger('primes', primes, 1, ring.primes.length)
  checkBytes('seed', seed, 64)
  checkResidues('words', words, 2 * primes * ring.degree)
}

function checkKey(ring: HeRing, bits: number, { primes, words }: HeKey): void {
  checkInteger('bits', bits, 1, 60)
  checkInteger('primes', primes, 1, ring.primes.length)
  checkResidues('key', words, 4 * primes * ring.degree)
}

export function checkEncryption(ring: HeRing, { key, bits, seed, noise, plain }: HeEncryption): void {
  checkKey(ring, bits, key)
  checkBytes('seed', seed, 64)
  checkBytes('noise', noise, 6 * ring.degree)
  checkResidues('plain', plain, 2 * ring.degree)
}

/** Throws unless there is no memory or it takes polynomials of `primes` residues. */
export function checkMemory(ring: HeRing, primes: number, memory: Uint32Array | undefined): void {
  if (memory !== undefined) checkResidues('memory', memory, 2 * primes * ring.degree)
}

export function checkDecryption(ring: HeRing, bits: number, key: HeKey, words: Uint32Array, places: Uint32Array): void {
  checkKey(ring, bits, key)
  checkResidues('words', words, 4 * key.primes * ring.degree)
  if (!(places instanceof Uint32Array)) throw new TypeError('places must be a Uint32Array')
  if (places.length > ring.degree || places.some((place) => place >= ring.degree)) {
    throw new RangeError(`places must be at most ${ring.degree} numbers below it`)
  }
}

/** Throws unless residues, packed at `bits` bits, fit `bytes`, and their places `words`; returns how many they are. */
export function checkPacked(words: Uint32Array, bits: number, bytes: Uint8Array, places?: Uint32Array): number {
  checkInteger('bits', bits, 33, 63)
  const size = Math.floor(words.length / 2)
  checkResidues('words', words, 2 * size)
  if (places?.some((place) => place >= size)) throw new RangeError('places must be below the number of residues')
  const count = places?.length ?? size
  checkBytes('packed residues', bytes, Math.ceil((count * bits) / 8))
  return count
}
