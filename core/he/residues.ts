/**
 * Residues modulo the coefficient primes: their packed wire form, and arithmetic on them.
 *
 * A residue is 54 to 60 bits wide, held as two 32-bit words, low before high, the way SEAL lays out its 64-bit
 * coefficients. No BigInt on these paths: they touch every coefficient of every ciphertext.
 */
import { AdytonError } from '../errors/errors.ts'

const TWO32 = 2 ** 32

/** A prime, or any modulus below 2^62, split into words. */
export interface Modulus {
  readonly bits: number
  readonly low: number
  readonly high: number
}

export function modulusOf(value: bigint): Modulus {
  return { bits: value.toString(2).length, low: Number(value & 0xffffffffn), high: Number(value >> 32n) }
}

/** Bytes that `count` residues of `bits` bits take. */
export function residueBytes(count: number, bits: number): number {
  return Math.ceil((count * bits) / 8)
}

/**
 * Packs residues, `bits` bits each (33..64), least significant bit first, into `out` from byte `at`; returns the byte
 * after the last. `pick` lists the residues to take, in order; without it the first `count` are taken.
 */
export function packResidues(
  words: Uint32Array,
  count: number,
  bits: number,
  out: Uint8Array,
  at: number,
  pick?: Uint32Array,
): number {
  let acc = 0 // `held` bits, held < 8
  let held = 0
  const highBytes = bits - 32
  for (let n = 0; n < count; n++) {
    const i = pick === undefined ? n : pick[n]
    const low = words[2 * i]
    const high = words[2 * i + 1]
    // acc (< 8 bits) + low (32 bits) shifted: split so that every step stays within 32 bits.
    let v = acc | (low << held)
    out[at] = v
    out[at + 1] = v >>> 8
    out[at + 2] = v >>> 16
    out[at + 3] = v >>> 24
    at += 4
    // What is left of low, then high: held + highBytes bits, at most 7 + 32.
    const spill = held === 0 ? 0 : low >>> (32 - held)
    v = spill | (high << held)
    let left = held + highBytes
    const over = held === 0 ? 0 : high >>> (32 - held)
    let taken = 0
    while (left >= 8 && taken < 32) {
      out[at++] = v >>> taken
      taken += 8
      left -= 8
    }
    acc = taken === 32 ? over : v >>> taken
    acc &= (1 << left) - 1
    held = left
  }
  if (held > 0) out[at++] = acc
  return at
}

/**
 * Unpacks `count` residues from `bytes` at `at` into `words` (at indices `pick`, or 0..count-1); returns the byte
 * after the last. Throws AdytonError 'payload-invalid' for a residue that is not below its modulus and for padding
 * bits that are set: `what` names the message.
 */
export function unpackResidues(
  bytes: Uint8Array,
  at: number,
  count: number,
  modulus: Modulus,
  words: Uint32Array,
  what: string,
  pick?: Uint32Array,
): number {
  const { bits, low: ql, high: qh } = modulus
  const highMask = bits - 32 >= 32 ? 0xffffffff : 2 ** (bits - 32) - 1
  let bit = 0 // offset within bytes[at], 0..7
  for (let n = 0; n < count; n++) {
    // Nine bytes cover 7 + 64 bits; bytes past the end read as undefined, which the shifts take for zero.
    const w0 = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
    const w1 = bytes[at + 4] | (bytes[at + 5] << 8) | (bytes[at + 6] << 16) | (bytes[at + 7] << 24)
    let low: number
    let high: number
    if (bit === 0) {
      low = w0 >>> 0
      high = w1
    } else {
      low = ((w0 >>> bit) | (w1 << (32 - bit))) >>> 0
      high = (w1 >>> bit) | (bytes[at + 8] << (32 - bit))
    }
    high = (high & highMask) >>> 0
    if (high > qh || (high === qh && low >= ql)) {
      throw new AdytonError('payload-invalid', `${what}: coefficient ${n} is not below its prime`, {
        advice: 'The peer is faulty or runs another version.',
      })
    }
    const i = pick === undefined ? n : pick[n]
    words[2 * i] = low
    words[2 * i + 1] = high
    bit += bits
    at += bit >>> 3
    bit &= 7
  }
  if (bit > 0) {
    if (bytes[at] >>> bit !== 0) {
      throw new AdytonError('payload-invalid', `${what}: padding bits are set`, {
        advice: 'The peer is faulty or runs another version.',
      })
    }
    at++
  }
  return at
}

/** words[pick[n]] += addend[n] mod q, in place; all residues reduced, q < 2^62. */
export function addResidues(words: Uint32Array, addend: Uint32Array, pick: Uint32Array, modulus: Modulus): void {
  const { low: ql, high: qh } = modulus
  for (let n = 0; n < pick.length; n++) {
    const i = 2 * pick[n]
    let low = words[i] + addend[2 * n]
    let high = words[i + 1] + addend[2 * n + 1]
    if (low >= TWO32) {
      low -= TWO32
      high++
    }
    if (high > qh || (high === qh && low >= ql)) {
      low -= ql
      high -= qh
      if (low < 0) {
        low += TWO32
        high--
      }
    }
    words[i] = low
    words[i + 1] = high
  }
}
