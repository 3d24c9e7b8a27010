/** Memory that is used again: touching fresh memory can cost more than filling it, and makes work for the collector. */
export class Scratch {
  #memory = new Uint8Array(0)

  /** `bytes` bytes, not cleared; they are the caller's until the next call. */
  take(bytes: number): Uint8Array {
    if (this.#memory.length < bytes) this.#memory = new Uint8Array(bytes)
    return this.#memory.subarray(0, bytes)
  }
}
