/**
 * Reproducible random numbers for training: AES-128 in counter mode, keyed from a seed and a label. The same seed and
 * label give the same numbers on every machine, so an epoch or a step can be repeated without those before it.
 * These seeds are no secrets and are stored with the model; core/ring/prg.ts serves the protocol.
 */
import { createCipheriv, hkdfSync, type Cipheriv } from 'node:crypto'

/** What a run is repeated by: a number, a text, or bytes. */
export type Seed = number | string | Uint8Array

function seedBytes(seed: Seed): Uint8Array {
  if (typeof seed === 'number') {
    if (!Number.isSafeInteger(seed)) throw new RangeError(`a seed is a whole number, got ${seed}`)
    return Buffer.from(`number ${seed}`)
  }
  return typeof seed === 'string' ? Buffer.from(`text ${seed}`) : Buffer.concat([Buffer.from('bytes '), seed])
}

const CHUNK_BYTES = 4096

export class Draws {
  readonly #cipher: Cipheriv
  #buffer: Buffer = Buffer.alloc(0)
  #at = 0

  /** The stream of one purpose; different labels give independent streams. */
  constructor(seed: Seed, label: string) {
    const key = new Uint8Array(hkdfSync('sha256', seedBytes(seed), new Uint8Array(0), `adyton/data/1 ${label}`, 16))
    this.#cipher = createCipheriv('aes-128-ctr', key, new Uint8Array(16))
  }

  /** Fills `out` with uniform bytes. */
  fill(out: Uint8Array): void {
    // From the stream itself, not the buffer: what is drawn depends on the order of calls only.
    out.set(this.#cipher.update(new Uint8Array(out.length)))
  }

  /** Uniform in [0, 2^32). */
  u32(): number {
    if (this.#at === this.#buffer.length) {
      this.#buffer = this.#cipher.update(new Uint8Array(CHUNK_BYTES))
      this.#at = 0
    }
    const value = this.#buffer.readUInt32LE(this.#at)
    this.#at += 4
    return value
  }

  /** Uniform in [0, bound), without the bias of a remainder; bound is 1 to 2^32. */
  below(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) throw new RangeError(`bound of 1 to 2^32: ${bound}`)
    const limit = 2 ** 32 - (2 ** 32 % bound)
    for (;;) {
      const value = this.u32()
      if (value < limit) return value % bound
    }
  }

  /** Uniform in [0, 1), 53 bits. */
  unit(): number {
    return ((this.u32() >>> 5) * 2 ** 26 + (this.u32() >>> 6)) / 2 ** 53
  }

  /** Standard normal (Box-Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.unit())) * Math.cos(2 * Math.PI * this.unit())
  }

  /** Gamma(shape, 1), shape above 0. G. Marsaglia, W. W. Tsang, "A simple method for generating gamma variables", 2000. */
  gamma(shape: number): number {
    if (!(shape > 0)) throw new RangeError(`a gamma distribution has a shape above 0, got ${shape}`)
    if (shape < 1) return this.gamma(shape + 1) * (1 - this.unit()) ** (1 / shape)
    const d = shape - 1 / 3
    const c = 1 / Math.sqrt(9 * d)
    for (;;) {
      const x = this.normal()
      const v = (1 + c * x) ** 3
      if (v > 0 && Math.log(1 - this.unit()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
    }
  }

  /** Beta(a, b). */
  beta(a: number, b: number): number {
    const x = this.gamma(a)
    return x / (x + this.gamma(b))
  }

  /** Shuffles in place (Fisher-Yates): every order is equally likely. */
  shuffle(items: Uint32Array): Uint32Array {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.below(last + 1)
      const value = items[last]
      items[last] = items[other]
      items[other] = value
    }
    return items
  }
}

/** 0 to count - 1. */
export const identity = (count: number): Uint32Array => Uint32Array.from({ length: count }, (_, index) => index)
