/** Two channels joined in memory, for tests and the simulator. Framing and checks are those of the network. */
import { FramedChannel, type FramedOptions } from './framed.ts'
import { Inbox, type ByteTransport } from './transport.ts'
import { AdytonError } from '../errors/errors.ts'

/** Bytes that may wait unread in one direction before a send has to wait. */
const DEFAULT_CAPACITY = 16 << 20
/** A payload is handed over in pieces of this size, so that a queue overshoots by no more. */
const SLICE_BYTES = 1 << 20

export interface MemoryOptions extends FramedOptions {
  /** Bytes of one direction that may wait unread; a send that exceeds it waits. Infinity for no limit. */
  readonly capacity?: number | undefined
}

/** Two ends of one channel. */
export function memoryChannels(options: MemoryOptions = {}): [FramedChannel, FramedChannel] {
  const [left, right] = memoryTransports(options.capacity)
  return [new FramedChannel(left, options), new FramedChannel(right, options)]
}

/** The byte streams under {@link memoryChannels}, for tests that send what a channel never would. */
export function memoryTransports(capacity: number = DEFAULT_CAPACITY): [ByteTransport, ByteTransport] {
  const left = new MemoryTransport(capacity)
  const right = new MemoryTransport(capacity)
  left.peer = right
  right.peer = left
  return [left, right]
}

class MemoryTransport implements ByteTransport {
  peer!: MemoryTransport
  readonly #capacity: number
  readonly #inbox = new Inbox(() => this.peer.#wake())
  #onRoom: (() => void) | undefined
  #ended: AdytonError | undefined

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  get unread(): number {
    return this.#inbox.size
  }

  get disconnected(): AbortSignal {
    return this.#inbox.disconnected
  }

  read(length: number, progress: () => void, memory?: Uint8Array): Promise<Uint8Array> {
    return this.#inbox.read(length, progress, memory)
  }

  async write(header: Uint8Array, payload: Uint8Array, progress: () => void): Promise<void> {
    await this.#put(header)
    for (let start = 0; start < payload.length; start += SLICE_BYTES) {
      await this.#put(payload.subarray(start, start + SLICE_BYTES))
      progress()
    }
  }

  end(reason: AdytonError): Promise<void> {
    this.destroy(reason)
    return Promise.resolve()
  }

  destroy(reason: AdytonError): void {
    this.#ended ??= reason
    this.#inbox.fail(reason)
    this.#wake()
    this.peer.#peerLeft()
  }

  #peerLeft(): void {
    this.#inbox.end(peerLeft())
    this.#wake()
  }

  async #put(bytes: Uint8Array): Promise<void> {
    this.#requireOpen()
    this.peer.#inbox.push(bytes, true)
    for (;;) {
      this.#requireOpen()
      if (this.peer.#inbox.size <= this.#capacity) return
      await new Promise<void>((resolve) => {
        this.#onRoom = resolve
      })
    }
  }

  #requireOpen(): void {
    if (this.#ended !== undefined) throw this.#ended
    if (this.peer.#ended !== undefined) throw peerLeft()
  }

  #wake(): void {
    const wake = this.#onRoom
    this.#onRoom = undefined
    wake?.()
  }
}

function peerLeft(): AdytonError {
  return new AdytonError('peer-closed', 'the peer closed the connection')
}
