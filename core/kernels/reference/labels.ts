/** Making labels from a key, and choosing between the two labels of a wire. */
import { createCipheriv } from 'node:crypto'
import { checkExpandLabels, checkSelectLabels, packedRow } from '../check.ts'
import { asBytes, asWords } from './words.ts'

/** node:crypto takes less than 2^31 bytes a call. */
const CHUNK = 2 ** 28
/** More than the labels of a chunk of circuits. */
const MOST_KEPT_ZEROS = 2 ** 24

/** Zeros to encrypt, kept from call to call: nothing writes to them. */
let kept = new Uint8Array(0)

function zeros(bytes: number): Uint8Array {
  if (bytes > MOST_KEPT_ZEROS) return new Uint8Array(bytes)
  if (kept.length < bytes) kept = new Uint8Array(bytes)
  return kept.subarray(0, bytes)
}

export function expandLabels(key: Uint8Array, firstBlock: number, count: number): Uint8Array {
  checkExpandLabels(key, firstBlock, count)
  const counter = Buffer.alloc(16)
  counter.writeBigUInt64BE(BigInt(firstBlock), 8)
  const cipher = createCipheriv('aes-128-ctr', key, counter)
  const bytes = count * 16
  if (bytes <= CHUNK) {
    const out = cipher.update(zeros(bytes))
    // Small Buffers come from a shared pool: hand out memory that is the caller's alone, and aligned.
    return out.byteOffset === 0 && out.buffer.byteLength === bytes ? new Uint8Array(out.buffer) : new Uint8Array(out)
  }
  const out = new Uint8Array(bytes)
  const chunk = new Uint8Array(CHUNK)
  for (let at = 0; at < bytes; at += CHUNK) out.set(cipher.update(chunk.subarray(0, Math.min(CHUNK, bytes - at))), at)
  return out
}

export function selectLabels(
  zero: Uint8Array,
  bits: Uint8Array,
  wires: number,
  instances: number,
  delta: Uint8Array,
): Uint8Array {
  checkSelectLabels(zero, bits, wires, instances, delta)
  const from = asWords(zero)
  const d = asWords(delta)
  const out = new Int32Array(from.length)
  const row = packedRow(instances)
  let at = 0
  for (let w = 0; w < wires; w++) {
    for (let j = 0; j < instances; j++) {
      const mask = -((bits[w * row + (j >>> 3)] >>> (j & 7)) & 1)
      out[at] = from[at] ^ (mask & d[0])
      out[at + 1] = from[at + 1] ^ (mask & d[1])
      out[at + 2] = from[at + 2] ^ (mask & d[2])
      out[at + 3] = from[at + 3] ^ (mask & d[3])
      at += 4
    }
  }
  return asBytes(out)
}
