/** Base OT: the receiver gets the keys of its choices and no other, and malformed group elements are refused. */
import { ristretto255 } from '@noble/curves/ed25519.js'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  BASE_COUNT,
  BASE_RECEIVER_BYTES,
  BASE_SENDER_BYTES,
  baseReceiverFinish,
  baseReceiverStart,
  baseSenderRespond,
  POINT_BYTES,
} from '../../core/ot/base.ts'
import { bitAt } from '../../core/ot/bits.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { testStream } from '../fixtures/transfers.ts'

const sid = new TextEncoder().encode('test session')
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const refused = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    if (error instanceof AdytonError) return error.code
    throw error
  }
  return 'accepted'
}

// Patterns with both choices and with runs of one choice.
const choices = testStream('base choices').bytes(16).slice()
choices[3] = 0x00
choices[7] = 0xff
let receiver: ReturnType<typeof baseReceiverStart>
let sender: ReturnType<typeof baseSenderRespond>

beforeAll(() => {
  receiver = baseReceiverStart(choices, sid)
  sender = baseSenderRespond(receiver.message, sid)
})

describe('base OT', () => {
  it('gives each choice its key and only that', () => {
    expect(receiver.message.length).toBe(BASE_RECEIVER_BYTES)
    expect(sender.message.length).toBe(BASE_SENDER_BYTES)
    const keys = baseReceiverFinish(receiver.state, sender.message)
    expect(keys.length).toBe(BASE_COUNT)
    keys.forEach((key, i) => {
      const c = bitAt(choices, i)
      expect(key.length).toBe(16)
      expect(hex(key)).toBe(hex(sender.keys[i][c]))
      expect(hex(key)).not.toBe(hex(sender.keys[i][1 - c]))
    })
    expect(new Set(sender.keys.flat().map(hex)).size).toBe(2 * BASE_COUNT)
  })

  it('sends fresh elements every time, whatever the choices', () => {
    const again = baseReceiverStart(choices, sid)
    const points = [receiver.message, again.message].flatMap((m) =>
      Array.from({ length: 2 * BASE_COUNT }, (_, i) => hex(m.subarray(i * POINT_BYTES, (i + 1) * POINT_BYTES))),
    )
    expect(new Set(points).size).toBe(4 * BASE_COUNT)
  })

  it('gives other keys when a message or the session differs', () => {
    // Two transfers change places and a third has its slots swapped: all are valid elements.
    const moved = receiver.message.slice()
    moved.copyWithin(0, 2 * POINT_BYTES, 4 * POINT_BYTES)
    moved.set(receiver.message.subarray(0, 2 * POINT_BYTES), 2 * POINT_BYTES)
    const other = baseSenderRespond(moved, sid)
    const keys = baseReceiverFinish(receiver.state, other.message)
    keys.forEach((key, i) => expect(other.keys[i].map(hex)).not.toContain(hex(key)))
    // The answer to another session's message.
    const stranger = baseReceiverFinish({ ...receiver.state, sid: Uint8Array.of(1) }, sender.message)
    stranger.forEach((key, i) => expect(sender.keys[i].map(hex)).not.toContain(hex(key)))
  })

  it('gives no key to a receiver that knows the logarithms of both elements', () => {
    // Without the hash of the other element this receiver would hold both keys of every transfer.
    const scalars = Array.from({ length: 2 * BASE_COUNT }, (_, i) => BigInt(i) + 2n)
    const message = new Uint8Array(Buffer.concat(scalars.map((a) => ristretto255.Point.BASE.multiply(a).toBytes())))
    const answer = baseSenderRespond(message, sid)
    for (const c of [0, 1]) {
      const own = scalars.filter((_, i) => i % 2 === c)
      const state = { choices: new Uint8Array(16).fill(c === 1 ? 0xff : 0), sid, scalars: own, message }
      const keys = baseReceiverFinish(state, answer.message)
      keys.forEach((key, i) => expect(answer.keys[i].map(hex)).not.toContain(hex(key)))
    }
  })

  it('refuses wrong lengths, strings that encode no element, and the identity', () => {
    const { message, state } = receiver
    expect(refused(() => baseSenderRespond(message.subarray(1), sid))).toBe('payload-invalid')
    expect(refused(() => baseSenderRespond(new Uint8Array(BASE_RECEIVER_BYTES + 1), sid))).toBe('payload-invalid')
    expect(refused(() => baseReceiverFinish(state, sender.message.subarray(1)))).toBe('payload-invalid')
    const bad: readonly [string, Uint8Array][] = [
      ['identity', new Uint8Array(32)],
      ['not reduced', new Uint8Array(32).fill(0xff)],
      ['negative', Uint8Array.of(1, ...new Uint8Array(31))],
      // RFC 9496, appendix A.3: non-square x^2.
      [
        'no square',
        Uint8Array.from(Buffer.from('26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371', 'hex')),
      ],
    ]
    for (const [what, point] of bad) {
      for (const slot of [0, 1, 255]) {
        const forged = message.slice()
        forged.set(point, slot * POINT_BYTES)
        expect([what, slot, refused(() => baseSenderRespond(forged, sid))]).toEqual([what, slot, 'payload-invalid'])
      }
      expect([what, refused(() => baseReceiverFinish(state, point))]).toEqual([what, 'payload-invalid'])
    }
  })

  it('refuses choices of another length', () => {
    expect(() => baseReceiverStart(new Uint8Array(15), sid)).toThrow(RangeError)
  })
})
