/** Ring shares to the input bits of a chunk, and output bits back to shares. */
import type { Kernels } from '../kernels/interface.ts'
import type { Ring, RingVector } from '../ring/ring.ts'
import { fromWords, negate } from '../ring/vector.ts'
import type { Chunk } from './session.ts'

/**
 * Bit array [shares.length * l][...] of a chunk: the low l bits of each share, one vector for each value of the circuit
 * (one for ReLU, one a window position for max-pool, one a class for argmax). The garbler's whole input.
 */
export function shareBits(kernels: Kernels, shares: readonly RingVector[], l: number, chunk: Chunk): Uint8Array {
  return joinParts(shares.map((share) => slice(kernels, share, chunk, l)))
}

/**
 * The evaluator's whole input: its shares as in {@link shareBits}, then n = -next in next's ring, which makes the
 * garbler's new share the result minus `next`. Without `next` (argmax) the shares alone.
 */
export function evaluatorBits(
  kernels: Kernels,
  shares: readonly RingVector[],
  l: number,
  next: RingVector | undefined,
  chunk: Chunk,
): Uint8Array {
  const own = shareBits(kernels, shares, l, chunk)
  if (next === undefined) return own
  const whole: Chunk = { ...chunk, offset: 0 }
  return joinParts([own, slice(kernels, negate(window(next, chunk)), whole, next.ring.bits)])
}

/**
 * Choice bits in transfer order [wire][instance] without gaps, from a bit array whose wires start on bytes. The same
 * bytes when the instances are a multiple of 8, as in all but the last chunk of most steps.
 */
export function choiceBits(bits: Uint8Array, wires: number, instances: number): Uint8Array {
  const row = Math.ceil(instances / 8)
  if (bits.length !== wires * row)
    throw new RangeError(`bit array of ${wires * row} bytes expected, got ${bits.length}`)
  if (instances % 8 === 0) return bits
  const out = new Uint8Array(Math.ceil((wires * instances) / 8))
  for (let w = 0; w < wires; w++) {
    const first = w * instances
    const shift = first & 7
    for (let i = 0; i < row; i++) {
      const at = (first >> 3) + i
      const value = bits[w * row + i] << shift
      out[at] |= value
      // Past the end there are only the zero bits that pad a row.
      if (at + 1 < out.length) out[at + 1] |= value >> 8
    }
  }
  return out
}

/** Output bits of a chunk as elements of `ring`; `sliced` is [ring.bits][ceil(instances / 8)]. */
export function outputShares(kernels: Kernels, sliced: Uint8Array, ring: Ring, chunk: Chunk): RingVector {
  return fromWords(ring, chunk.instances, kernels.joinBits(sliced, ring.stride, chunk.instances, ring.bits))
}

/** The elements of a chunk; shares memory with the vector. */
function window(v: RingVector, chunk: Chunk): RingVector {
  if (chunk.offset + chunk.instances > v.length) {
    throw new RangeError(`instances ${chunk.offset} to ${chunk.offset + chunk.instances} of ${v.length} elements`)
  }
  const { stride } = v.ring
  const words = v.words.subarray(chunk.offset * stride, (chunk.offset + chunk.instances) * stride)
  return fromWords(v.ring, chunk.instances, words)
}

function slice(kernels: Kernels, v: RingVector, chunk: Chunk, bits: number): Uint8Array {
  if (bits > v.ring.bits) throw new RangeError(`Z_2^${v.ring.bits} has no ${bits} bits`)
  const part = window(v, chunk)
  return kernels.sliceBits(part.words, v.ring.stride, part.length, bits)
}

function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
