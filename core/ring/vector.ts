/**
 * Arithmetic on {@link RingVector}s: the local operations of additive sharing.
 *
 * Both words of a wide element are handled as 32-bit integers; no BigInt on any path that touches whole tensors.
 */
import { highMask, lowMask, type Ring, type RingVector } from './ring.ts'

const TWO32 = 2 ** 32

/** A vector of zeros. */
export function zeros(ring: Ring, length: number): RingVector {
  return { ring, length, words: new Uint32Array(length * ring.stride) }
}

/** Wraps words that are already reduced; throws RangeError when the word count does not match. */
export function fromWords(ring: Ring, length: number, words: Uint32Array): RingVector {
  if (words.length !== length * ring.stride) {
    throw new RangeError(
      `${length} elements of Z_2^${ring.bits} take ${length * ring.stride} words, got ${words.length}`,
    )
  }
  return { ring, length, words }
}

/** Encodes signed integers, |value| <= 2^53, reduced mod 2^k. */
export function fromSigned(ring: Ring, values: ArrayLike<number>): RingVector {
  const out = zeros(ring, values.length)
  const w = out.words
  const lm = lowMask(ring)
  if (ring.stride === 1) {
    // ToUint32 reduces modulo 2^32 for every integer that a double holds exactly.
    for (let i = 0; i < values.length; i++) w[i] = (values[i] & lm) >>> 0
    return out
  }
  const hm = highMask(ring)
  for (let i = 0; i < values.length; i++) {
    const v = values[i]
    const high = Math.floor(v / TWO32)
    w[2 * i] = (v - high * TWO32) >>> 0
    w[2 * i + 1] = (high & hm) >>> 0
  }
  return out
}

/** Decodes to signed integers in [-2^(k-1), 2^(k-1)); exact while |value| <= 2^53. */
export function toSigned(v: RingVector): Float64Array {
  const out = new Float64Array(v.length)
  const { bits, stride } = v.ring
  const w = v.words
  if (stride === 1) {
    const up = 32 - bits
    for (let i = 0; i < v.length; i++) out[i] = (w[i] << up) >> up
    return out
  }
  const up = 64 - bits
  for (let i = 0; i < v.length; i++) out[i] = ((w[2 * i + 1] << up) >> up) * TWO32 + w[2 * i]
  return out
}

/** One element as an unsigned BigInt; for tests and rare exact work. */
export function elementAt(v: RingVector, i: number): bigint {
  return v.ring.stride === 1 ? BigInt(v.words[i]) : (BigInt(v.words[2 * i + 1]) << 32n) | BigInt(v.words[2 * i])
}

function sameShape(a: RingVector, b: RingVector, what: string): void {
  if (a.ring.bits !== b.ring.bits || a.length !== b.length) {
    throw new RangeError(
      `${what}: operands differ: ${a.length} of Z_2^${a.ring.bits} and ${b.length} of Z_2^${b.ring.bits}`,
    )
  }
}

/** a + b. */
export function add(a: RingVector, b: RingVector): RingVector {
  sameShape(a, b, 'add')
  const out = zeros(a.ring, a.length)
  const lm = lowMask(a.ring)
  const hm = highMask(a.ring)
  const [x, y, z] = [a.words, b.words, out.words]
  if (a.ring.stride === 1) {
    for (let i = 0; i < z.length; i++) z[i] = ((x[i] + y[i]) & lm) >>> 0
    return out
  }
  for (let i = 0; i < z.length; i += 2) {
    const low = x[i] + y[i]
    z[i] = low
    z[i + 1] = (x[i + 1] + y[i + 1] + (low >= TWO32 ? 1 : 0)) & hm
  }
  return out
}

/** a - b. */
export function sub(a: RingVector, b: RingVector): RingVector {
  sameShape(a, b, 'sub')
  const out = zeros(a.ring, a.length)
  const lm = lowMask(a.ring)
  const hm = highMask(a.ring)
  const [x, y, z] = [a.words, b.words, out.words]
  if (a.ring.stride === 1) {
    for (let i = 0; i < z.length; i++) z[i] = ((x[i] - y[i]) & lm) >>> 0
    return out
  }
  for (let i = 0; i < z.length; i += 2) {
    const low = x[i] - y[i]
    z[i] = low
    z[i + 1] = (x[i + 1] - y[i + 1] - (low < 0 ? 1 : 0)) & hm
  }
  return out
}

/** -a. */
export function negate(a: RingVector): RingVector {
  return sub(zeros(a.ring, a.length), a)
}

/** a * 2^shift, 0 <= shift < k. */
export function shiftLeft(a: RingVector, shift: number): RingVector {
  if (!Number.isInteger(shift) || shift < 0 || shift >= a.ring.bits) {
    throw new RangeError(`shift must be from 0 to ${a.ring.bits - 1}, got ${shift}`)
  }
  if (shift === 0) return a
  const out = zeros(a.ring, a.length)
  const lm = lowMask(a.ring)
  const hm = highMask(a.ring)
  const [x, z] = [a.words, out.words]
  if (a.ring.stride === 1) {
    for (let i = 0; i < z.length; i++) z[i] = ((x[i] << shift) & lm) >>> 0
    return out
  }
  for (let i = 0; i < z.length; i += 2) {
    if (shift >= 32) {
      z[i + 1] = (x[i] << (shift - 32)) & hm
    } else {
      z[i] = x[i] << shift
      z[i + 1] = ((x[i + 1] << shift) | (x[i] >>> (32 - shift))) & hm
    }
  }
  return out
}

/** Reduces to a ring of the same width or a narrower one (2^k' divides 2^k, so this is a ring homomorphism). */
export function reduce(a: RingVector, to: Ring): RingVector {
  if (to.bits === a.ring.bits) return a
  if (to.bits > a.ring.bits) throw new RangeError(`cannot reduce Z_2^${a.ring.bits} to the wider Z_2^${to.bits}`)
  const out = zeros(to, a.length)
  const lm = lowMask(to)
  if (to.stride === 1) {
    const step = a.ring.stride
    for (let i = 0; i < a.length; i++) out.words[i] = (a.words[i * step] & lm) >>> 0
    return out
  }
  const hm = highMask(to)
  for (let i = 0; i < out.words.length; i += 2) {
    out.words[i] = a.words[i]
    out.words[i + 1] = a.words[i + 1] & hm
  }
  return out
}

/** floor(a / 2^shift) of the unsigned representative in [0, 2^k), placed in ring `to` (which may be wider). */
function floorUnsigned(a: RingVector, shift: number, to: Ring): RingVector {
  if (!Number.isInteger(shift) || shift < 0 || shift >= a.ring.bits) {
    throw new RangeError(`shift must be from 0 to ${a.ring.bits - 1}, got ${shift}`)
  }
  const out = zeros(to, a.length)
  const lm = lowMask(to)
  const hm = highMask(to)
  const from = a.ring.stride
  const [x, z] = [a.words, out.words]
  for (let i = 0; i < a.length; i++) {
    let low = x[from * i]
    let high = from === 2 ? x[2 * i + 1] : 0
    if (shift >= 32) {
      low = high >>> (shift - 32)
      high = 0
    } else if (shift > 0) {
      low = ((low >>> shift) | (high << (32 - shift))) >>> 0
      high >>>= shift
    }
    if (to.stride === 1) z[i] = (low & lm) >>> 0
    else {
      z[2 * i] = low
      z[2 * i + 1] = high & hm
    }
  }
  return out
}

/**
 * Local truncation of the client's share: floor(c / 2^shift), as an element of ring `to`.
 *
 * With the server's {@link truncateServer}, a shared x becomes floor(x / 2^shift) + e, e in {0, 1}, unless the
 * integers wrap, which for uniform shares happens with probability |x| / 2^k (SecureML, section 4.1). Because
 * the two truncated shares differ by that value as *integers*, `to` may be wider than the ring of the input.
 */
export function truncateClient(c: RingVector, shift: number, to: Ring): RingVector {
  return floorUnsigned(c, shift, to)
}

/** Local truncation of the server's share s: -floor((2^k - s mod 2^k) / 2^shift); see {@link truncateClient}. */
export function truncateServer(s: RingVector, shift: number, to: Ring): RingVector {
  return negate(floorUnsigned(negate(s), shift, to))
}

/** The elements at `indices`, in that order. */
export function gather(a: RingVector, indices: Uint32Array): RingVector {
  const out = zeros(a.ring, indices.length)
  if (a.ring.stride === 1) for (let i = 0; i < indices.length; i++) out.words[i] = a.words[indices[i]]
  else
    for (let i = 0; i < indices.length; i++) {
      out.words[2 * i] = a.words[2 * indices[i]]
      out.words[2 * i + 1] = a.words[2 * indices[i] + 1]
    }
  return out
}

/** Writes `values` over the elements of `target` at `indices`, in place. */
export function scatter(target: RingVector, indices: Uint32Array, values: RingVector): void {
  if (values.ring.bits !== target.ring.bits || values.length !== indices.length) {
    throw new RangeError(`scatter: ${values.length} of Z_2^${values.ring.bits} into ${indices.length} places`)
  }
  if (target.ring.stride === 1) for (let i = 0; i < indices.length; i++) target.words[indices[i]] = values.words[i]
  else
    for (let i = 0; i < indices.length; i++) {
      target.words[2 * indices[i]] = values.words[2 * i]
      target.words[2 * indices[i] + 1] = values.words[2 * i + 1]
    }
}

/** True when ring, length and every element agree. Not constant-time: for tests and public values. */
export function equal(a: RingVector, b: RingVector): boolean {
  if (a.ring.bits !== b.ring.bits || a.length !== b.length) return false
  for (let i = 0; i < a.words.length; i++) if (a.words[i] !== b.words[i]) return false
  return true
}

/** Wraps words that are modulo 2^32 (narrow) or 2^64 (wide), reducing them to the ring in place. */
export function reduceWords(ring: Ring, length: number, words: Uint32Array): RingVector {
  const v = fromWords(ring, length, words)
  const lm = lowMask(ring)
  const hm = highMask(ring)
  if (ring.stride === 1) {
    if (ring.bits < 32) for (let i = 0; i < words.length; i++) words[i] &= lm
  } else for (let i = 1; i < words.length; i += 2) words[i] &= hm
  return v
}
