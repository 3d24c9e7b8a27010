/**
 * The ring Z_2^k that additive shares live in.
 *
 * Elements are stored little-endian in `Uint32Array` words: one word an element for k <= 32, two words
 * (low, high) for 33 <= k <= 59. Every stored element is reduced, that is 0 <= element < 2^k.
 * 59 is the largest k because SEAL takes plaintext moduli below 2^60.
 */
export const MIN_BITS = 2
export const MAX_BITS = 59

/** Z_2^bits. Two rings of the same width are interchangeable; use {@link ring} to make one. */
export interface Ring {
  /** k: the ring is Z_2^k, 2 <= k <= 59. */
  readonly bits: number
  /** Words of 32 bits per element: 1 for k <= 32, else 2. */
  readonly stride: 1 | 2
}

/** A vector over a ring; `words.length === length * ring.stride`. */
export interface RingVector {
  readonly ring: Ring
  /** Elements. */
  readonly length: number
  /** Little-endian words, low before high. */
  readonly words: Uint32Array
}

const rings = new Map<number, Ring>()

/** The ring Z_2^bits; throws RangeError outside 2..59. */
export function ring(bits: number): Ring {
  const known = rings.get(bits)
  if (known !== undefined) return known
  if (!Number.isInteger(bits) || bits < MIN_BITS || bits > MAX_BITS) {
    throw new RangeError(`ring width must be an integer from ${MIN_BITS} to ${MAX_BITS}, got ${bits}`)
  }
  const made: Ring = Object.freeze({ bits, stride: bits <= 32 ? 1 : 2 })
  rings.set(bits, made)
  return made
}

/** Mask of the low word: all ones unless k < 32. */
export function lowMask(r: Ring): number {
  return r.bits >= 32 ? 0xffffffff : 2 ** r.bits - 1
}

/** Mask of the high word for a wide ring (k > 32), 0 for a narrow one. */
export function highMask(r: Ring): number {
  return r.bits > 32 ? 2 ** (r.bits - 32) - 1 : 0
}
