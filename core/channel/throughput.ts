/** How fast a link moves bytes, from what a session sends and receives anyway. */

/** Smaller frames tell more of the round trip than of the link. */
const LARGE_BYTES = 64 << 10
/** Less than this says too little. */
const ENOUGH_BYTES = 1 << 20

/** Large payloads of one direction. */
export class Throughput {
  #bytes = 0
  #ms = 0

  /** `bytes` were on their way for `ms`, and nothing else of the direction was. */
  add(bytes: number, ms: number): void {
    if (bytes < LARGE_BYTES || !(ms > 0)) return
    this.#bytes += bytes
    this.#ms += ms
  }

  /** Bytes a second; null while too few were moved. */
  get perSecond(): number | null {
    return this.#bytes < ENOUGH_BYTES ? null : (1000 * this.#bytes) / this.#ms
  }
}
