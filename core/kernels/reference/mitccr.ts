/**
 * MiTCCR, the hash of "Better Concrete Security for Half-Gates Garbling" (Guo, Katz, Wang, Weng, Yu 2020, section 4):
 * H(x, i) = AES_{start + i}(x) xor x. One key serves both labels of a half gate, and no other call.
 */
import { encrypt, expandKey, ROUND_KEY_WORDS } from './aes.ts'
import { asWords } from './words.ts'

const TWO32 = 2 ** 32

export class Mitccr {
  readonly #start: Uint32Array
  readonly #roundKeys = new Int32Array(ROUND_KEY_WORDS)

  /** `start` is the execution's 16-byte start point, a little-endian integer. */
  constructor(start: Uint8Array) {
    this.#start = Uint32Array.from(asWords(start))
  }

  /** Sets the key to start + tweak mod 2^128, 0 <= tweak < 2^53. */
  rekey(tweak: number): void {
    const s = this.#start
    const high = Math.floor(tweak / TWO32)
    const k0 = s[0] + (tweak - high * TWO32)
    const k1 = s[1] + high + (k0 >= TWO32 ? 1 : 0)
    const k2 = s[2] + (k1 >= TWO32 ? 1 : 0)
    const k3 = s[3] + (k2 >= TWO32 ? 1 : 0)
    expandKey(this.#roundKeys, k0 | 0, k1 | 0, k2 | 0, k3 | 0)
  }

  /** Hashes x0..x3 under the current key into `out` at `at`. */
  hash(x0: number, x1: number, x2: number, x3: number, out: Int32Array, at: number): void {
    encrypt(this.#roundKeys, x0, x1, x2, x3, out, at)
    out[at] ^= x0
    out[at + 1] ^= x1
    out[at + 2] ^= x2
    out[at + 3] ^= x3
  }
}
