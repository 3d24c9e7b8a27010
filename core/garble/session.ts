/**
 * Garbling of one step of a plan, chunk by chunk: bounded memory, and a numbering of tweaks and labels that both
 * parties compute from public values. Pure: the protocol moves the messages.
 *
 * A package is one *execution*: one delta, one MiTCCR start point, one key for the garbler's labels, and a
 * {@link Cursor} that runs through all its steps, so that no tweak and no label block is used twice.
 *
 * The evaluator's labels of a chunk come from evaluatorInputs * instances correlated transfers in the order
 * [wire][instance]: their outputs, [transfer][16], are label arrays of core/kernels as they stand.
 */
import { AdytonError } from '../errors/errors.ts'
import type { Circuit, GarbleOutput, Kernels } from '../kernels/interface.ts'
import { free } from '../ring/memory.ts'

/** Default bound on the garbled tables, and on either side's labels, of one chunk. */
export const CHUNK_BYTES = 8 * 2 ** 20

/** Where an execution stands: the first unused tweak and the first unused block of the garbler's label stream. */
export interface Cursor {
  readonly tweak: number
  readonly block: number
}

/** The start of an execution. */
export const CURSOR_START: Cursor = Object.freeze({ tweak: 0, block: 0 })

/** Instances `offset` to `offset + instances - 1` of a step. */
export interface Chunk {
  readonly offset: number
  readonly instances: number
  readonly firstTweak: number
  /** First block of the garbler's label stream; the chunk takes garblerInputs * instances. */
  readonly firstBlock: number
}

/** Instances of each chunk of a step, in order. Whole multiples of 128 where that many fit, else of 8. */
export function chunkSizes(circuit: Circuit, instances: number, maxBytes: number = CHUNK_BYTES): number[] {
  if (!Number.isInteger(instances) || instances < 0 || instances > 2 ** 30) {
    throw new RangeError(`instances must be an integer from 0 to 2^30, got ${instances}`)
  }
  const perInstance = Math.max(1, 32 * circuit.andGates, 16 * circuit.evaluatorInputs, 16 * circuit.garblerInputs)
  const fit = Math.max(1, Math.floor(maxBytes / perInstance))
  const size = fit >= 128 ? fit - (fit % 128) : fit >= 8 ? fit - (fit % 8) : fit
  const sizes: number[] = []
  for (let left = instances; left > 0; left -= size) sizes.push(Math.min(left, size))
  return sizes
}

/** The chunks of a step that begins at `cursor`, and the cursor after it. Throws RangeError past 2^53 tweaks. */
export function layOutStep(
  circuit: Circuit,
  instances: number,
  cursor: Cursor,
  maxBytes: number = CHUNK_BYTES,
): { readonly chunks: readonly Chunk[]; readonly next: Cursor } {
  const chunks: Chunk[] = []
  let { tweak, block } = cursor
  let offset = 0
  for (const size of chunkSizes(circuit, instances, maxBytes)) {
    chunks.push({ offset, instances: size, firstTweak: tweak, firstBlock: block })
    offset += size
    tweak += 2 * circuit.andGates * size
    block += circuit.garblerInputs * size
    if (tweak > Number.MAX_SAFE_INTEGER || block > Number.MAX_SAFE_INTEGER) {
      throw new RangeError('one execution cannot use more than 2^53 tweaks')
    }
  }
  return { chunks, next: { tweak, block } }
}

/** Bytes of a chunk's tables; with the next three, the exact lengths of its messages. */
export function tableBytes(circuit: Circuit, chunk: Chunk): number {
  return circuit.andGates * chunk.instances * 32
}

/** Bytes of the labels of the garbler's inputs of a chunk. */
export function garblerLabelBytes(circuit: Circuit, chunk: Chunk): number {
  return circuit.garblerInputs * chunk.instances * 16
}

/** Bytes of a chunk's output bits: colours, decode bits. */
export function outputBytes(circuit: Circuit, chunk: Chunk): number {
  return circuit.outputs.length * Math.ceil(chunk.instances / 8)
}

/** Correlated transfers that a chunk takes. */
export function transferCount(circuit: Circuit, chunk: Chunk): number {
  return circuit.evaluatorInputs * chunk.instances
}

/** What the garbler holds of an execution. Delta and the label key are secret; the start point is public. */
export interface Garbler {
  /** 16 bytes, bit 0 of byte 0 set; fresh per execution. */
  readonly delta: Uint8Array
  /** MiTCCR start point, 16 bytes, fresh per execution. */
  readonly start: Uint8Array
  /** Key of the stream of the zero labels of the garbler's inputs, 16 bytes, fresh per execution. */
  readonly labelKey: Uint8Array
}

/**
 * Garbles a chunk; `evaluatorZero` is the garbler's output of its {@link transferCount} transfers. `tables` is where
 * to write, as in GarbleInput.
 */
export function garbleChunk(
  kernels: Kernels,
  garbler: Garbler,
  circuit: Circuit,
  chunk: Chunk,
  evaluatorZero: Uint8Array,
  tables?: Uint8Array,
): GarbleOutput {
  return kernels.garble({
    circuit,
    instances: chunk.instances,
    start: garbler.start,
    firstTweak: chunk.firstTweak,
    delta: garbler.delta,
    garblerZero: zeroLabels(kernels, garbler, circuit, chunk),
    evaluatorZero,
    ...(tables === undefined ? {} : { tables }),
  })
}

/**
 * Active labels of the garbler's inputs, made again from the key: for the online phase, long after the chunk was
 * garbled. `bits` is a bit array of garblerInputs x instances. Two calls with different bits give delta away.
 */
export function garblerLabels(
  kernels: Kernels,
  garbler: Garbler,
  circuit: Circuit,
  chunk: Chunk,
  bits: Uint8Array,
): Uint8Array {
  const zero = zeroLabels(kernels, garbler, circuit, chunk)
  const active = kernels.selectLabels(zero, bits, circuit.garblerInputs, chunk.instances, garbler.delta)
  free(zero)
  return active
}

function zeroLabels(kernels: Kernels, garbler: Garbler, circuit: Circuit, chunk: Chunk): Uint8Array {
  return kernels.expandLabels(garbler.labelKey, chunk.firstBlock, circuit.garblerInputs * chunk.instances)
}

/** What the evaluator holds of a chunk: tables and its own labels since the offline phase, the garbler's from now. */
export interface EvaluatorInput {
  /** The execution's start point. */
  readonly start: Uint8Array
  readonly tables: Uint8Array
  readonly evaluatorLabels: Uint8Array
  readonly garblerLabels: Uint8Array
}

/** Colour bits of the outputs of a chunk. Throws 'payload-invalid' when a peer's tables or labels have a wrong length. */
export function evaluateChunk(kernels: Kernels, circuit: Circuit, chunk: Chunk, input: EvaluatorInput): Uint8Array {
  checkLength('garbled tables', input.tables, tableBytes(circuit, chunk))
  checkLength("labels of the garbler's inputs", input.garblerLabels, garblerLabelBytes(circuit, chunk))
  return kernels.evaluate({ circuit, instances: chunk.instances, firstTweak: chunk.firstTweak, ...input })
}

/** Output bits from colour bits of active output labels and decode bits, whoever holds both. */
export function decodeOutputs(circuit: Circuit, chunk: Chunk, decode: Uint8Array, colours: Uint8Array): Uint8Array {
  const length = outputBytes(circuit, chunk)
  checkLength('decode bits', decode, length)
  checkLength('output colours', colours, length)
  const out = new Uint8Array(length)
  for (let i = 0; i < length; i++) out[i] = decode[i] ^ colours[i]
  // A peer's padding bits must not reach the result: unused bits of a bit array are zero.
  const row = Math.ceil(chunk.instances / 8)
  const used = chunk.instances % 8
  if (used !== 0) for (let at = row - 1; at < length; at += row) out[at] &= (1 << used) - 1
  return out
}

function checkLength(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length === length) return
  throw new AdytonError('payload-invalid', `${what}: ${length} bytes expected, got ${bytes.length}`, {
    advice: 'The peer does not follow the protocol; check that both sides run the same version, then connect again.',
  })
}
