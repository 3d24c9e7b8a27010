/**
 * A decorator that records what passed: type, step, length and SHA-256 of each frame, never the payload. With
 * fixed seeds on both sides two runs have equal transcripts, so a refactoring can be shown to change no byte.
 */
import { createHash } from 'node:crypto'
import type { Channel } from './channel.ts'
import type { Direction } from './counting.ts'
import { encodeHeader } from './frames.ts'
import { messageName } from './messages.ts'

export interface TracedFrame {
  readonly direction: Direction
  readonly type: number
  /** Name of the type, for people. */
  readonly name: string
  readonly step: number
  readonly length: number
  /** SHA-256 of the payload, lower-case hex. */
  readonly sha256: string
}

/** The frames of one end, in the order in which this end sent or received them. */
export class Transcript {
  readonly frames: TracedFrame[] = []

  add(direction: Direction, type: number, step: number, payload: Uint8Array): void {
    const sha256 = createHash('sha256').update(payload).digest('hex')
    this.frames.push({ direction, type, name: messageName(type), step, length: payload.length, sha256 })
  }

  /**
   * SHA-256 over the frames of one direction: headers (numbered from 0 in this transcript) and payload hashes. What
   * one end sent and the other received has the same hash.
   */
  hash(direction: Direction): string {
    const hash = createHash('sha256').update('adyton/1 transcript')
    let sequence = 0
    for (const frame of this.frames) {
      if (frame.direction !== direction) continue
      hash.update(encodeHeader({ ...frame, version: 1, sequence: sequence++ })).update(frame.sha256, 'hex')
    }
    return hash.digest('hex')
  }

  /**
   * One hash for both directions, equal at both ends. How the directions interleave depends on timing and does
   * not count.
   */
  digest(role: 'client' | 'server'): string {
    const [upward, downward] = role === 'client' ? (['sent', 'received'] as const) : (['received', 'sent'] as const)
    return createHash('sha256').update(this.hash(upward), 'hex').update(this.hash(downward), 'hex').digest('hex')
  }
}

/** Records every frame that is sent or received; aborts and closes are not part of a transcript. */
export function tracing(channel: Channel, transcript: Transcript): Channel {
  return {
    get bytesSent() {
      return channel.bytesSent
    },
    get bytesReceived() {
      return channel.bytesReceived
    },
    send(frame) {
      // At once, and not when it has left: order of calls, and before the caller uses the memory again.
      transcript.add('sent', frame.type, frame.step, frame.payload)
      return channel.send(frame)
    },
    async receive(expected) {
      const payload = await channel.receive(expected)
      transcript.add('received', expected.type, expected.step, payload)
      return payload
    },
    abort: (code, message) => channel.abort(code, message),
    close: () => channel.close(),
  }
}
