/** A decorator that reports every framed byte, for the ledger. */
import type { Channel } from './channel.ts'
import { HEADER_BYTES } from './frames.ts'
import { MESSAGES, NO_STEP } from './messages.ts'

export type Direction = 'sent' | 'received'

/** `bytes` are those of the framed layer, header included. */
export type OnBytes = (direction: Direction, type: number, step: number, bytes: number) => void

/**
 * Reports each frame once it was sent or received whole. Over a channel's life the reported bytes add up to its
 * bytesSent and bytesReceived: what passed before the decorator, and frames that end a session, are reported as
 * welcome, abort or close with no step.
 */
export function counting(channel: Channel, onBytes: OnBytes): Channel {
  const reported = { sent: 0, received: 0 }
  const report = (direction: Direction, type: number, step: number, bytes: number): void => {
    reported[direction] += bytes
    onBytes(direction, type, step, bytes)
  }
  const restSent = (type: number): void => {
    const bytes = channel.bytesSent - reported.sent
    if (bytes > 0) report('sent', type, NO_STEP, bytes)
  }
  const restReceived = (type: number): void => {
    const bytes = channel.bytesReceived - reported.received
    if (bytes > 0) report('received', type, NO_STEP, bytes)
  }
  restSent(MESSAGES.welcome)
  restReceived(MESSAGES.welcome)
  return {
    get bytesSent() {
      return channel.bytesSent
    },
    get bytesReceived() {
      return channel.bytesReceived
    },
    async send(frame) {
      await channel.send(frame)
      report('sent', frame.type, frame.step, HEADER_BYTES + frame.payload.length)
    },
    async receive(expected) {
      let payload
      try {
        payload = await channel.receive(expected)
      } catch (error) {
        restReceived(MESSAGES.abort)
        throw error
      }
      report('received', expected.type, expected.step, HEADER_BYTES + payload.length)
      return payload
    },
    async abort(code, message) {
      await channel.abort(code, message)
      restSent(MESSAGES.abort)
      restReceived(MESSAGES.abort)
    },
    async close() {
      await channel.close()
      restSent(MESSAGES.close)
      restReceived(MESSAGES.close)
    },
  }
}
