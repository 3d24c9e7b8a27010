/** What framing needs of a byte stream, and the buffer between bytes as they arrive and bytes as they are asked for. */
import type { AdytonError } from '../errors/errors.ts'

/** A reliable byte stream in both directions. At most one read and one write are under way at a time. */
export interface ByteTransport {
  /**
   * Exactly `length` bytes in a buffer of their own, allocated now and not before, or in `memory` if it has as many.
   * `progress` is called whenever some arrive. Rejects with an AdytonError when the stream ends first.
   */
  read(length: number, progress: () => void, memory?: Uint8Array): Promise<Uint8Array>
  /**
   * Writes header and payload. Resolves when the transport holds no reference to them any more and has room;
   * `progress` is called whenever some are taken.
   */
  write(header: Uint8Array, payload: Uint8Array, progress: () => void): Promise<void>
  /** Bytes that have arrived and were not read yet. */
  readonly unread: number
  /** Ends this direction after what was written, drops what still arrives, and waits up to `lingerMs` for the peer. */
  end(reason: AdytonError, lingerMs: number): Promise<void>
  /** Ends both directions at once; a read or write under way rejects with `reason`. */
  destroy(reason: AdytonError): void
  /** Aborted, with an AdytonError as its reason, once nothing more can arrive. */
  readonly disconnected: AbortSignal
}

interface Want {
  readonly target: Uint8Array
  filled: number
  readonly progress: () => void
  readonly resolve: (bytes: Uint8Array) => void
  readonly reject: (reason: AdytonError) => void
}

/** Bytes that arrive in chunks, read back in pieces of other sizes with as few copies as possible. */
export class Inbox {
  #chunks: Uint8Array[] = []
  /** First chunk that is not used up, and how much of it is. */
  #head = 0
  #used = 0
  #size = 0
  #want: Want | undefined
  #end: AdytonError | undefined
  readonly #controller = new AbortController()
  readonly #onRead: () => void

  /** `onRead` is called after bytes were taken out and when a read starts to wait. */
  constructor(onRead: () => void = () => undefined) {
    this.#onRead = onRead
  }

  /** Bytes in the queue. */
  get size(): number {
    return this.#size
  }

  /** Whether a read waits for bytes. */
  get waiting(): boolean {
    return this.#want !== undefined
  }

  get disconnected(): AbortSignal {
    return this.#controller.signal
  }

  /** Takes a chunk. With `borrowed` the bytes are copied, since the caller will use their memory again. */
  push(chunk: Uint8Array, borrowed = false): void {
    if (this.#end !== undefined || chunk.length === 0) return
    let start = 0
    const want = this.#want
    if (want !== undefined) {
      start = Math.min(chunk.length, want.target.length - want.filled)
      want.target.set(start === chunk.length ? chunk : chunk.subarray(0, start), want.filled)
      want.filled += start
      want.progress()
      if (want.filled === want.target.length) {
        this.#want = undefined
        want.resolve(want.target)
      }
    }
    if (start === chunk.length) return
    this.#chunks.push(borrowed ? chunk.slice(start) : chunk.subarray(start))
    this.#size += chunk.length - start
  }

  read(length: number, progress: () => void, memory?: Uint8Array): Promise<Uint8Array> {
    if (this.#want !== undefined) throw new Error('a read is already under way')
    if (length <= this.#size) {
      const bytes = this.#take(length, memory)
      this.#onRead()
      return Promise.resolve(bytes)
    }
    if (this.#end !== undefined) return Promise.reject(this.#end)
    return new Promise((resolve, reject) => {
      const target = memory?.length === length ? memory : allocate(length)
      const filled = this.#size
      this.#copyTo(target, filled)
      this.#want = { target, filled, progress, resolve, reject }
      this.#onRead()
    })
  }

  /** Nothing more arrives. What is queued can still be read. */
  end(reason: AdytonError): void {
    if (this.#end !== undefined) return
    this.#end = reason
    const want = this.#want
    this.#want = undefined
    want?.reject(reason)
    this.#controller.abort(reason)
  }

  /** Nothing more arrives and nothing more can be read. */
  fail(reason: AdytonError): void {
    this.end(reason)
    this.#chunks = []
    this.#head = this.#used = this.#size = 0
  }

  #take(length: number, memory: Uint8Array | undefined): Uint8Array {
    const head = this.#chunks[this.#head]
    // A chunk that is exactly what is asked for, in memory of its own, changes hands without a copy.
    if (head !== undefined && this.#used === 0 && head.length === length && head.length === head.buffer.byteLength) {
      this.#size -= length
      this.#advance()
      return new Uint8Array(head.buffer)
    }
    const target = memory?.length === length ? memory : allocate(length)
    this.#copyTo(target, length)
    return target
  }

  #copyTo(target: Uint8Array, length: number): void {
    let filled = 0
    while (filled < length) {
      const head = this.#chunks[this.#head]
      const count = Math.min(length - filled, head.length - this.#used)
      target.set(head.subarray(this.#used, this.#used + count), filled)
      filled += count
      this.#used += count
      if (this.#used === head.length) this.#advance()
    }
    this.#size -= length
  }

  #advance(): void {
    this.#head++
    this.#used = 0
    if (this.#head === this.#chunks.length || this.#head >= 1024) {
      this.#chunks = this.#chunks.slice(this.#head)
      this.#head = 0
    }
  }
}

/** A buffer of its own (offset 0, so that typed arrays can view it), not cleared: every byte of it is written. */
function allocate(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}
