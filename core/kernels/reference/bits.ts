/** Between ring elements and bit slices, 32 elements at a time. */
import { checkJoinBits, checkSliceBits, packedRow } from '../check.ts'
import { transpose32 } from './transpose.ts'

export function sliceBits(words: Uint32Array, stride: 1 | 2, n: number, bits: number): Uint8Array {
  checkSliceBits(words, stride, n, bits)
  const row = packedRow(n)
  const out = new Uint8Array(bits * row)
  const tile = new Int32Array(32)
  for (let from = 0; from < n; from += 32) {
    const size = Math.min(32, n - from)
    const bytes = packedRow(size)
    for (let part = 0; part * 32 < bits; part++) {
      tile.fill(0, size)
      for (let j = 0; j < size; j++) tile[j] = words[(from + j) * stride + part]
      transpose32(tile)
      const width = Math.min(32, bits - part * 32)
      for (let i = 0; i < width; i++) {
        const at = (part * 32 + i) * row + (from >>> 3)
        for (let k = 0; k < bytes; k++) out[at + k] = tile[i] >>> (8 * k)
      }
    }
  }
  return out
}

export function joinBits(sliced: Uint8Array, stride: 1 | 2, n: number, bits: number): Uint32Array {
  checkJoinBits(sliced, stride, n, bits)
  const row = packedRow(n)
  const out = new Uint32Array(n * stride)
  const tile = new Int32Array(32)
  for (let from = 0; from < n; from += 32) {
    const size = Math.min(32, n - from)
    const bytes = packedRow(size)
    for (let part = 0; part * 32 < bits; part++) {
      const width = Math.min(32, bits - part * 32)
      tile.fill(0)
      for (let i = 0; i < width; i++) {
        const at = (part * 32 + i) * row + (from >>> 3)
        for (let k = 0; k < bytes; k++) tile[i] |= sliced[at + k] << (8 * k)
      }
      transpose32(tile)
      for (let j = 0; j < size; j++) out[(from + j) * stride + part] = tile[j]
    }
  }
  return out
}
