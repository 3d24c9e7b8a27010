/** Memory of large arrays. */

/**
 * Frees arrays that nobody reads any more. V8 counts their memory towards the size of its heap, so left to it a few of
 * them make it mark everything that is alive, which takes longer than most work on them.
 */
export function free(...arrays: readonly Uint8Array[]): void {
  for (const { buffer } of arrays) if (buffer instanceof ArrayBuffer) buffer.transfer(0)
}
