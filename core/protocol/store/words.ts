/**
 * Ring vectors as they lie in a package on this machine: raw little-endian words.
 */
import type { Value } from '../../network/plan.ts'
import { ring, type Ring, type RingVector } from '../../ring/ring.ts'
import { fromWords } from '../../ring/vector.ts'

/** Bytes of a stored share of a value. */
export function wordBytes(value: Value): number {
  return value.length * ring(value.bits).stride * 4
}

export function encodeWords(vector: RingVector): Uint8Array {
  return new Uint8Array(vector.words.buffer, vector.words.byteOffset, vector.words.byteLength)
}

export function decodeWords(to: Ring, length: number, bytes: Uint8Array): RingVector {
  // A copy when the bytes are not aligned to words.
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  return fromWords(to, length, new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4))
}
