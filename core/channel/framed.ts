/** A {@link Channel} over any byte stream: sequence numbers, checks, time-outs, aborts. */
import type { Channel, Expected, Frame } from './channel.ts'
import type { ByteTransport } from './transport.ts'
import { AdytonError, ERROR_CODES } from '../errors/errors.ts'
import {
  FRAME_VERSION,
  HEADER_BYTES,
  MAX_ABORT_BYTES,
  MAX_PAYLOAD_BYTES,
  checkHeader,
  decodeAbort,
  decodeHeader,
  encodeAbort,
  encodeHeader,
} from './frames.ts'
import { MESSAGES, NO_STEP, messageName } from './messages.ts'
import { Throughput } from './throughput.ts'

/** How long a peer may stay silent while it is waited for. It may be computing, so this is generous. */
export const DEFAULT_IDLE_TIMEOUT_MS = 120_000
/** How long an end waits for the peer to take what was sent. */
const LINGER_MS = 2_000

export interface FramedOptions {
  /**
   * A receive fails with peer-timeout after this long without a single byte, a send after this long without the
   * peer taking one. Infinity for never. Default {@link DEFAULT_IDLE_TIMEOUT_MS}.
   */
  readonly idleTimeoutMs?: number | undefined
  readonly lingerMs?: number | undefined
}

export class FramedChannel implements Channel {
  readonly #transport: ByteTransport
  readonly #idleTimeoutMs: number
  readonly #lingerMs: number
  /** What the link takes and delivers; buffers on the way let small transfers look faster than it is. */
  readonly sending = new Throughput()
  readonly receiving = new Throughput()
  #sendSequence = 0
  #receiveSequence = 0
  #bytesSent = 0
  #bytesReceived = 0
  /** Tails of the queues that keep calls of one kind in order. */
  #sending: Promise<unknown> = Promise.resolve()
  #receiving: Promise<unknown> = Promise.resolve()
  #failure: AdytonError | undefined
  #ending: Promise<void> | undefined

  constructor(transport: ByteTransport, options: FramedOptions = {}) {
    this.#transport = transport
    this.#idleTimeoutMs = options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS
    this.#lingerMs = options.lingerMs ?? LINGER_MS
  }

  get bytesSent(): number {
    return this.#bytesSent
  }

  get bytesReceived(): number {
    return this.#bytesReceived
  }

  /** Aborted when the connection is gone in either way, also while nobody sends or receives: work can be cancelled. */
  get disconnected(): AbortSignal {
    return this.#transport.disconnected
  }

  /** See {@link Channel.send}. Once it resolves, the payload's memory may be used again. */
  send(frame: Frame): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#ending !== undefined) return Promise.reject(closedHere())
    if (frame.payload.length > MAX_PAYLOAD_BYTES) {
      return Promise.reject(new RangeError(`a frame carries at most ${MAX_PAYLOAD_BYTES} bytes`))
    }
    return this.#queueSend(frame)
  }

  receive(expected: Expected): Promise<Uint8Array> {
    const turn = this.#receiving.then(() => this.#receiveNext(expected))
    this.#receiving = turn.catch(() => undefined)
    return turn
  }

  /** Tells the peer why and closes; later calls reject with this reason. Never rejects. */
  abort(code: string, message: string): Promise<void> {
    const known = ERROR_CODES.find((one) => one === code) ?? 'internal'
    return this.#abort(new AdytonError(known, message))
  }

  /** Never rejects: what could not be sent was reported by the send. */
  close(): Promise<void> {
    this.#ending ??= this.#say(MESSAGES.close, new Uint8Array(0)).then(() => this.#finish(closedHere(), this.#lingerMs))
    return this.#ending
  }

  async #abort(reason: AdytonError): Promise<void> {
    this.#failure ??= reason
    if (this.#ending === undefined) {
      const said = this.#say(MESSAGES.abort, encodeAbort(reason.code, reason.message))
      // A peer that does not read must not keep this side from ending.
      this.#ending = within(said, this.#lingerMs).then(() => this.#finish(reason, this.#lingerMs))
    }
    await this.#ending
  }

  /** The last frame of this side, best effort. */
  async #say(type: number, payload: Uint8Array): Promise<void> {
    try {
      await this.#queueSend({ type, step: NO_STEP, payload }, true)
    } catch {
      // The connection is broken: the peer finds out without our words.
    }
  }

  async #finish(reason: AdytonError, lingerMs: number): Promise<void> {
    this.#failure ??= reason
    await this.#transport.end(this.#failure, lingerMs)
  }

  #queueSend(frame: Frame, last = false): Promise<void> {
    const turn = this.#sending.then(() => this.#transmit(frame, last))
    this.#sending = turn.catch(() => undefined)
    return turn
  }

  async #transmit(frame: Frame, last: boolean): Promise<void> {
    // An abort is sent after a failure of ours, and only the transport knows whether it still can be.
    if (this.#failure !== undefined && !last) throw this.#failure
    const header = encodeHeader({
      version: FRAME_VERSION,
      type: frame.type,
      step: frame.step,
      sequence: this.#sendSequence,
      length: frame.payload.length,
    })
    this.#sendSequence++
    const started = performance.now()
    try {
      await this.#timed(
        (progress) => this.#transport.write(header, frame.payload, progress),
        () => `the peer did not take ${messageName(frame.type)}`,
      )
    } catch (error) {
      if (last) throw error
      // After the receives that wait already, so that bytes are read in order.
      this.#receiving = this.#receiving.then(() => this.#hearOut(error))
      await this.#receiving
      throw this.#fail(error)
    }
    this.sending.add(frame.payload.length, performance.now() - started)
    this.#bytesSent += HEADER_BYTES + frame.payload.length
  }

  async #receiveNext(expected: Expected): Promise<Uint8Array> {
    if (this.#failure !== undefined) throw this.#failure
    const waiting = (): string => `nothing arrived while waiting for ${messageName(expected.type)}`
    try {
      const header = decodeHeader(await this.#read(HEADER_BYTES, waiting))
      try {
        checkHeader(header, expected, this.#receiveSequence)
      } catch (error) {
        // Both sides should see the same reason; the peer's further frames are of no interest.
        if (error instanceof AdytonError) void this.#abort(error)
        throw error
      }
      this.#receiveSequence++
      const missing = header.length - this.#transport.unread
      const started = performance.now()
      const memory = header.type === expected.type ? expected.memory : undefined
      const payload = await this.#read(header.length, waiting, memory)
      this.receiving.add(missing, performance.now() - started)
      if (header.type === MESSAGES.abort) throw decodeAbort(payload)
      if (header.type === MESSAGES.close) {
        throw new AdytonError('peer-closed', `the peer closed the session where ${messageName(expected.type)} was due`)
      }
      return payload
    } catch (error) {
      throw this.#fail(error)
    }
  }

  async #read(length: number, waiting: () => string, memory?: Uint8Array): Promise<Uint8Array> {
    const bytes = await this.#timed((progress) => this.#transport.read(length, progress, memory), waiting)
    this.#bytesReceived += length
    return bytes
  }

  /** A write failed because the connection is gone: what the peer said last may explain it. Never rejects. */
  async #hearOut(cause: unknown): Promise<void> {
    try {
      while (this.#failure === undefined && this.#transport.unread >= HEADER_BYTES) {
        const header = decodeHeader(await this.#transport.read(HEADER_BYTES, () => undefined))
        if (header.version !== FRAME_VERSION || header.sequence !== this.#receiveSequence++) break
        if (header.length > this.#transport.unread) break
        const payload = await this.#transport.read(header.length, () => undefined)
        if (header.type === MESSAGES.abort && payload.length <= MAX_ABORT_BYTES) this.#failure = decodeAbort(payload)
      }
    } catch {
      // Then the failed write is all there is to report.
    }
    this.#fail(cause)
  }

  async #timed<T>(work: (progress: () => void) => Promise<T>, waiting: () => string): Promise<T> {
    if (this.#idleTimeoutMs === Infinity) return work(() => undefined)
    let moves = 0
    let running = true
    const expire = (): void => {
      const reason = new AdytonError('peer-timeout', `${waiting()} for ${this.#idleTimeoutMs / 1000} s`, {
        advice: 'Check that the other side still runs and that the network between the two is up.',
      })
      // Also while an end is under way: it waits for this very work.
      this.#transport.destroy(this.#fail(reason))
    }
    const timer = setTimeout(() => {
      // When this process was busy itself, bytes may lie in the kernel that the event loop reads only after timers.
      const before = moves
      setImmediate(() => {
        if (running && moves === before) expire()
      })
    }, this.#idleTimeoutMs)
    try {
      return await work(() => {
        moves++
        timer.refresh()
      })
    } finally {
      running = false
      clearTimeout(timer)
    }
  }

  /** Records the first failure and returns it. The transport is left to an end that is under way. */
  #fail(cause: unknown): AdytonError {
    this.#failure ??=
      cause instanceof AdytonError ? cause : new AdytonError('internal', 'the channel failed', { cause })
    if (this.#ending === undefined) {
      this.#transport.destroy(this.#failure)
      this.#ending = Promise.resolve()
    }
    return this.#failure
  }
}

function closedHere(): AdytonError {
  return new AdytonError('peer-closed', 'the session was closed by this side')
}

/** Waits for `work`, but no longer than `ms`. */
async function within(work: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, limit])
  clearTimeout(timer)
}
