/** Views of bytes as little-endian words (every platform Node runs on is little-endian). */

/** The bytes as 32-bit words, length a multiple of 4: a view where alignment allows, else a copy. Read only. */
export function asWords(bytes: Uint8Array): Int32Array {
  if (bytes.byteOffset % 4 === 0) return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
  const copy = bytes.slice()
  return new Int32Array(copy.buffer, copy.byteOffset, copy.length / 4)
}

/** The bytes behind words. */
export function asBytes(words: Int32Array | Uint32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
}
