/** A peer that follows a script: frames are fed to the real framing and the real session, what is sent to it is noted. */
import type { Channel, Expected } from '../../core/channel/channel.ts'
import { FramedChannel } from '../../core/channel/framed.ts'
import { HEADER_BYTES, MAX_ABORT_BYTES } from '../../core/channel/frames.ts'
import { Inbox, type ByteTransport } from '../../core/channel/transport.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { frameBytes, type LooseFrame, type Mutated } from './mutate.ts'

/** What the session under test sent so far, by type: a later frame of the peer may have to answer it. */
export type Sent = ReadonlyMap<number, Uint8Array>

/** A frame of the peer, made when it is due. */
export type ScriptFrame = (sent: Sent) => LooseFrame

class ScriptTransport implements ByteTransport {
  readonly #inbox = new Inbox()
  readonly #next: () => readonly Uint8Array[] | undefined
  readonly sent = new Map<number, Uint8Array>()
  /** Most bytes that the state allows a read to allocate. */
  allowed = HEADER_BYTES
  /** Largest read beyond what was allowed. */
  excess = 0

  constructor(next: (sent: Sent) => readonly Uint8Array[] | undefined) {
    this.#next = () => next(this.sent)
  }

  get unread(): number {
    return this.#inbox.size
  }

  get disconnected(): AbortSignal {
    return this.#inbox.disconnected
  }

  read(length: number, progress: () => void): Promise<Uint8Array> {
    if (length > this.allowed) this.excess = Math.max(this.excess, length)
    while (this.#inbox.size < length && !this.#inbox.disconnected.aborted) {
      const bytes = this.#next()
      if (bytes === undefined) this.#inbox.end(new AdytonError('peer-closed', 'the script is at its end'))
      else for (const chunk of bytes) this.#inbox.push(chunk, true)
    }
    return this.#inbox.read(length, progress)
  }

  async write(header: Uint8Array, payload: Uint8Array): Promise<void> {
    this.sent.set(header[1], payload.slice())
  }

  end(reason: AdytonError): Promise<void> {
    this.destroy(reason)
    return Promise.resolve()
  }

  destroy(reason: AdytonError): void {
    this.#inbox.fail(reason)
  }
}

/** A channel whose peer sends the script's frames, one of them mutated. */
export interface Scripted {
  readonly channel: Channel
  /** Largest read beyond what the session's state allowed, 0 for none. */
  readonly excess: () => number
  /** What took the mutated frame's place, once it was due. */
  readonly done: () => Mutated | undefined
}

export function scripted(
  frames: readonly ScriptFrame[],
  mutated?: { readonly at: number; readonly make: (frame: LooseFrame, next: () => LooseFrame | undefined) => Mutated },
): Scripted {
  let at = 0
  let shift = 0
  let closed = false
  let done: Mutated | undefined
  const transport = new ScriptTransport((sent) => {
    if (closed || at >= frames.length) return undefined
    const index = at++
    const frame = frames[index](sent)
    if (index !== mutated?.at) return [frameBytes(frame, index + shift)]
    done = mutated.make(frame, () => frames.at(index + 1)?.(sent))
    at = index + done.replaces
    shift = done.shift
    closed = done.close
    return done.bytes
  })
  const framed = new FramedChannel(transport, { idleTimeoutMs: Infinity })
  const channel: Channel = {
    get bytesSent() {
      return framed.bytesSent
    },
    get bytesReceived() {
      return framed.bytesReceived
    },
    send: (frame) => framed.send(frame),
    receive(expected: Expected) {
      const max = typeof expected.length === 'number' ? expected.length : expected.length.max
      transport.allowed = Math.max(max, MAX_ABORT_BYTES)
      return framed.receive(expected)
    },
    abort: (code, message) => framed.abort(code, message),
    close: () => framed.close(),
  }
  return { channel, excess: () => transport.excess, done: () => done }
}
