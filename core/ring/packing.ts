/**
 * The wire form of ring vectors: k bits an element, least significant bit first, zero padding to a whole byte.
 */
import { highMask, lowMask, type Ring, type RingVector } from './ring.ts'
import { zeros } from './vector.ts'

/** Bytes that `length` elements of Z_2^k take on the wire. */
export function packedBytes(ring: Ring, length: number): number {
  return Math.ceil((ring.bits * length) / 8)
}

/** Packs a vector into {@link packedBytes} bytes. */
export function pack(v: RingVector): Uint8Array {
  const { bits, stride } = v.ring
  const out = new Uint8Array(packedBytes(v.ring, v.length))
  let at = 0
  let held = 0 // bits waiting in `acc`, always < 8
  let acc = 0
  for (let i = 0; i < v.length; i++) {
    for (let part = 0; part < stride; part++) {
      const word = v.words[i * stride + part]
      const width = part === 0 ? Math.min(bits, 32) : bits - 32
      let done = 0
      while (done < width) {
        const take = Math.min(8 - held, width - done)
        acc |= ((word >>> done) & ((1 << take) - 1)) << held
        held += take
        done += take
        if (held === 8) {
          out[at++] = acc
          acc = 0
          held = 0
        }
      }
    }
  }
  if (held > 0) out[at] = acc
  return out
}

/**
 * Inverse of {@link pack}. Throws RangeError when the byte count is not exactly {@link packedBytes} or a padding
 * bit is set, so that every vector has one wire form.
 */
export function unpack(ring: Ring, length: number, bytes: Uint8Array): RingVector {
  const expected = packedBytes(ring, length)
  if (bytes.length !== expected) {
    throw new RangeError(`${length} elements of Z_2^${ring.bits} take ${expected} bytes, got ${bytes.length}`)
  }
  const used = (ring.bits * length) % 8
  if (used !== 0 && bytes[expected - 1] >>> used !== 0) throw new RangeError('padding bits are not zero')
  const out = zeros(ring, length)
  const lm = lowMask(ring)
  const hm = highMask(ring)
  let bit = 0
  for (let i = 0; i < length; i++) {
    for (let part = 0; part < ring.stride; part++) {
      const width = part === 0 ? Math.min(ring.bits, 32) : ring.bits - 32
      let word = 0
      let done = 0
      while (done < width) {
        const offset = bit & 7
        const take = Math.min(8 - offset, width - done)
        word |= ((bytes[bit >>> 3] >>> offset) & ((1 << take) - 1)) << done
        done += take
        bit += take
      }
      out.words[i * ring.stride + part] = (word & (part === 0 ? lm : hm)) >>> 0
    }
  }
  return out
}
