/**
 * Randomness: fresh seeds from the operating system, expanded by AES-128 in counter mode.
 *
 * A party draws one 32-byte package seed and derives every value of a package from it by label, so that a
 * simulator that is given both seeds can repeat the whole run. Seeds are secrets: never log them.
 */
import { createCipheriv, hkdfSync, randomBytes, type Cipheriv } from 'node:crypto'
import { highMask, lowMask, type Ring, type RingVector } from './ring.ts'
import { zeros } from './vector.ts'

/** Bytes of a package seed. */
export const SEED_BYTES = 32

/** A fresh seed from the operating system. */
export function freshSeed(): Uint8Array {
  return new Uint8Array(randomBytes(SEED_BYTES))
}

/** Derives `bytes` bytes from a seed for one purpose (HKDF-SHA-256; different labels give independent values). */
export function derive(seed: Uint8Array, label: string, bytes = 16): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', seed, new Uint8Array(0), `adyton/1 ${label}`, bytes))
}

/** What a keystream is added to; grows to what was asked for, up to this many bytes. */
const MAX_ZEROS = 2 ** 20
let zeroBytes = new Uint8Array(2 ** 16)

function zerosOf(count: number): Uint8Array {
  if (count > MAX_ZEROS) return new Uint8Array(count)
  if (count > zeroBytes.length) zeroBytes = new Uint8Array(count)
  return zeroBytes.subarray(0, count)
}

/** AES-128-CTR keystream from a 16-byte key, counter starting at zero (big-endian block counter). */
export class Prg {
  readonly #cipher: Cipheriv

  constructor(key: Uint8Array) {
    if (key.length !== 16) throw new RangeError(`a PRG key has 16 bytes, got ${key.length}`)
    this.#cipher = createCipheriv('aes-128-ctr', key, new Uint8Array(16))
  }

  /** The next `count` bytes of the stream, in a buffer of their own. */
  bytes(count: number): Uint8Array {
    const out = this.#cipher.update(zerosOf(count))
    // Typed-array views need alignment, which a pooled Buffer does not promise.
    return out.byteOffset % 8 === 0 ? new Uint8Array(out.buffer, out.byteOffset, out.length) : new Uint8Array(out)
  }

  /** `length` uniform elements of the ring. Each takes one or two whole words; 2^k divides 2^32 or 2^64. */
  vector(ring: Ring, length: number): RingVector {
    const out = zeros(ring, length)
    const raw = this.bytes(out.words.byteLength)
    out.words.set(new Uint32Array(raw.buffer, raw.byteOffset, out.words.length))
    const lm = lowMask(ring)
    const hm = highMask(ring)
    if (ring.stride === 1) for (let i = 0; i < length; i++) out.words[i] = (out.words[i] & lm) >>> 0
    else for (let i = 1; i < out.words.length; i += 2) out.words[i] &= hm
    return out
  }
}

/** A PRG for one purpose of a package: `derive` then {@link Prg}. */
export function prgFor(seed: Uint8Array, label: string): Prg {
  return new Prg(derive(seed, label, 16))
}
