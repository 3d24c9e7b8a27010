/** Bit-matrix transposition by recursive halving (Warren, "Hacker's Delight", section 7-3), bits LSB first. */
import { checkTranspose } from '../check.ts'
import { asBytes, asWords } from './words.ts'

/** Transposes a 32 x 32 bit matrix in place: bit c of word r becomes bit r of word c. */
export function transpose32(a: Int32Array): void {
  let mask = 0x0000ffff
  for (let j = 16; j !== 0; j >>>= 1) {
    for (let k = 0; k < 32; k = (k + j + 1) & ~j) {
      const t = ((a[k] >>> j) ^ a[k + j]) & mask
      a[k + j] ^= t
      a[k] ^= t << j
    }
    mask ^= mask << (j >>> 1)
  }
}

export function transpose128(matrix: Uint8Array, n: number): Uint8Array {
  checkTranspose(matrix, n)
  const from = asWords(matrix)
  const rowWords = n / 32
  const out = new Int32Array(n * 4)
  const tile = new Int32Array(32)
  for (let c = 0; c < rowWords; c++) {
    for (let group = 0; group < 4; group++) {
      for (let r = 0; r < 32; r++) tile[r] = from[(group * 32 + r) * rowWords + c]
      transpose32(tile)
      for (let r = 0; r < 32; r++) out[(c * 32 + r) * 4 + group] = tile[r]
    }
  }
  return asBytes(out)
}
