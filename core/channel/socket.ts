/** A socket (plain or TLS) as a byte stream under core/channel/framed.ts. */
import type { Socket } from 'node:net'
import { Inbox, type ByteTransport } from './transport.ts'
import { AdytonError } from '../errors/errors.ts'

/** Bytes that are read ahead of the protocol; beyond, the peer is slowed down by TCP. */
export const DEFAULT_READ_AHEAD = 1 << 20
/** The first write carries the header and as much payload as fits one TLS record with it. */
const RECORD_BYTES = 16_384
/** Large payloads go out in slices, since TLS encrypts all of a write before the first byte leaves. */
const SLICE_BYTES = 256 << 10
/** TCP keepalive: finds hosts that vanished, also while neither side sends. */
const KEEPALIVE_MS = 15_000

export class SocketTransport implements ByteTransport {
  readonly #socket: Socket
  readonly #readAhead: number
  readonly #inbox: Inbox
  #discard = false

  constructor(socket: Socket, readAhead: number = DEFAULT_READ_AHEAD) {
    this.#socket = socket
    this.#readAhead = readAhead
    this.#inbox = new Inbox(() => this.#regulate())
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEPALIVE_MS)
    socket.on('data', (chunk: Buffer) => {
      if (this.#discard) return
      this.#inbox.push(chunk)
      this.#regulate()
    })
    socket.on('end', () => this.#inbox.end(peerLeft()))
    socket.on('error', (error) => this.#inbox.end(broken(error)))
    socket.on('close', () => this.#inbox.end(peerLeft()))
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
    const first = Math.min(payload.length, RECORD_BYTES - header.length)
    const start = new Uint8Array(header.length + first)
    start.set(header)
    start.set(payload.subarray(0, first), header.length)
    // Two writes are under way at a time: one is encrypted while the other one leaves.
    let previous = this.#put(start)
    for (let at = first; at < payload.length; at += SLICE_BYTES) {
      const next = this.#put(payload.subarray(at, at + SLICE_BYTES))
      // If both fail, the first failure is reported and the second one is expected.
      next.catch(() => undefined)
      await previous
      progress()
      previous = next
    }
    await previous
  }

  end(reason: AdytonError, lingerMs: number): Promise<void> {
    const socket = this.#socket
    this.#discard = true
    this.#inbox.fail(reason)
    if (socket.destroyed) return Promise.resolve()
    return new Promise((resolve) => {
      // Closing with unread bytes would reset the connection and could take our last words back from the peer.
      const timer = setTimeout(() => socket.destroy(), lingerMs)
      socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
      socket.end()
      socket.resume()
    })
  }

  destroy(reason: AdytonError): void {
    this.#discard = true
    this.#inbox.fail(reason)
    this.#socket.destroy()
  }

  #put(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error instanceof Error) reject(broken(error))
        else resolve()
      })
    })
  }

  /** Reads on while a receive waits or there is room to read ahead. */
  #regulate(): void {
    const hungry = this.#inbox.waiting || this.#inbox.size < this.#readAhead
    if (hungry === !this.#socket.isPaused()) return
    if (hungry) this.#socket.resume()
    else this.#socket.pause()
  }
}

function peerLeft(): AdytonError {
  return new AdytonError('peer-closed', 'the peer closed the connection')
}

function broken(error: Error): AdytonError {
  return new AdytonError('peer-closed', `the connection to the peer broke (${errorCode(error) ?? error.message})`, {
    cause: error,
  })
}

/** The code of a system or OpenSSL error, such as ECONNRESET. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
