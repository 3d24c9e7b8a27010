import { describe, expect, test } from 'vitest'
import type { Channel } from '../../core/channel/channel.ts'
import { FramedChannel } from '../../core/channel/framed.ts'
import { HEADER_BYTES } from '../../core/channel/frames.ts'
import { memoryChannels, memoryTransports } from '../../core/channel/memory.ts'
import { MESSAGES, NO_STEP } from '../../core/channel/messages.ts'

const bytes = (length: number, seed = 1): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 255)
const frame = (payload: Uint8Array, step = 1) => ({ type: MESSAGES.tables, step, payload })
const due = (length: number, step = 1) => ({ type: MESSAGES.tables, step, length })
const code = (value: string): unknown => expect.objectContaining({ name: 'AdytonError', code: value })

describe('a channel', () => {
  test('delivers frames in order, in both directions, and counts them', async () => {
    const [left, right] = memoryChannels()
    await left.send(frame(bytes(1000)))
    await left.send(frame(bytes(0), 2))
    await right.send(frame(bytes(10)))
    expect(await right.receive(due(1000))).toEqual(bytes(1000))
    expect(await right.receive(due(0, 2))).toEqual(bytes(0))
    expect(await left.receive({ ...due(0), length: { min: 5, max: 20 } })).toEqual(bytes(10))
    expect(left.bytesSent).toBe(2 * HEADER_BYTES + 1000)
    expect(right.bytesReceived).toBe(left.bytesSent)
    expect(right.bytesSent).toBe(HEADER_BYTES + 10)
    expect(left.bytesReceived).toBe(right.bytesSent)
  })

  test('keeps the order of calls that were not awaited', async () => {
    const [left, right] = memoryChannels({ capacity: 50 })
    const received = Array.from({ length: 20 }, (_, i) => right.receive(due(100 + i, i)))
    const sent = Array.from({ length: 20 }, (_, i) => left.send(frame(bytes(100 + i, i), i)))
    await Promise.all(sent)
    expect(await Promise.all(received)).toEqual(Array.from({ length: 20 }, (_, i) => bytes(100 + i, i)))
  })

  test('lets the sender use its memory again, and gives the receiver memory that words can view', async () => {
    const [left, right] = memoryChannels()
    const payload = bytes(64)
    await left.send(frame(payload))
    payload.fill(0)
    const received = await right.receive(due(64))
    expect(received).toEqual(bytes(64))
    expect(received.byteOffset).toBe(0)
    expect(received.buffer.byteLength).toBe(64)
  })

  test('makes a sender wait when the receiver does not keep up', async () => {
    const [left, right] = memoryChannels({ capacity: 1000 })
    let sent = 0
    const sending = (async () => {
      for (let i = 0; i < 10; i++) {
        await left.send(frame(bytes(400)))
        sent++
      }
    })()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(sent).toBe(2)
    for (let i = 0; i < 10; i++) await right.receive(due(400))
    await sending
    expect(sent).toBe(10)
  })

  test('refuses a payload that its header cannot describe, and types that are none', async () => {
    const [left] = memoryChannels()
    const huge = { length: 2 ** 32 } as Uint8Array
    await expect(left.send(frame(huge))).rejects.toThrow(RangeError)
    await expect(left.send({ type: 300, step: 0, payload: bytes(1) })).rejects.toThrow(RangeError)
  })

  test('tells both sides the same reason when a frame is not the one that was due', async () => {
    const [left, right] = memoryChannels()
    await left.send(frame(bytes(10), 4))
    await expect(right.receive(due(10, 5))).rejects.toEqual(code('frame-unexpected'))
    await expect(left.receive(due(1))).rejects.toThrow(
      'the peer ended the session: the peer sent tables of step 4 where tables of step 5 was due (frame-unexpected)',
    )
  })

  test('rejects for ever with its first failure', async () => {
    const [left, right] = memoryChannels()
    await left.send(frame(bytes(10)))
    const first: unknown = await right.receive(due(9)).catch((error: unknown) => error)
    expect(first).toEqual(code('frame-too-large'))
    await expect(right.receive(due(10))).rejects.toBe(first)
    await expect(right.send(frame(bytes(1)))).rejects.toBe(first)
    await right.close()
    await right.abort('internal', 'again')
    await expect(right.receive(due(10))).rejects.toBe(first)
  })

  test('carries an abort to a waiting receiver, and ends the calls of the side that aborts', async () => {
    const [left, right] = memoryChannels()
    const waiting = right.receive(due(1))
    const own = left.receive(due(1))
    const checks = [
      expect(waiting).rejects.toThrow('the peer ended the session: the user pressed stop (cancelled)'),
      expect(own).rejects.toEqual(code('cancelled')),
    ]
    await left.abort('cancelled', 'the user pressed stop')
    await Promise.all(checks)
    await expect(left.send(frame(bytes(1)))).rejects.toEqual(code('cancelled'))
  })

  test('delivers what was sent before an orderly close, then says that the peer closed', async () => {
    const [left, right] = memoryChannels()
    await left.send(frame(bytes(10)))
    await left.close()
    await left.close()
    expect(await right.receive(due(10))).toEqual(bytes(10))
    await expect(right.receive(due(10))).rejects.toThrow('the peer closed the session where tables was due')
    await expect(left.send(frame(bytes(1)))).rejects.toEqual(code('peer-closed'))
    await expect(left.receive(due(1))).rejects.toEqual(code('peer-closed'))
  })

  test('explains a failed send with the abort that the peer sent before', async () => {
    const [left, right] = memoryChannels({ capacity: 100 })
    await right.send(frame(bytes(20)))
    const sending = left.send(frame(bytes(1000)))
    const failed = expect(sending).rejects.toThrow('the peer ended the session: no more (cancelled)')
    await right.abort('cancelled', 'no more')
    await failed
  })

  test('gives up on a silent peer, but not on one that is slow', async () => {
    const [left, right] = memoryTransports()
    const channel = new FramedChannel(right, { idleTimeoutMs: 100 })
    const other = new FramedChannel(left)
    let trickled: Uint8Array | undefined
    const receiving = channel.receive(due(6)).then((payload) => (trickled = payload))
    const whole = Uint8Array.of(1, MESSAGES.tables, 1, 0, 0, 0, 0, 0, 6, 0, 0, 0, 1, 2, 3, 4, 5, 6)
    for (const byte of whole) {
      await left.write(Uint8Array.of(byte), new Uint8Array(0), () => undefined)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    await receiving
    expect(trickled).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6))
    await expect(channel.receive(due(1))).rejects.toEqual(code('peer-timeout'))
    await expect(other.receive(due(1))).rejects.toEqual(code('peer-closed'))
  })

  test('gives up on a peer that does not read, also while closing', async () => {
    const [left] = memoryChannels({ capacity: 10, idleTimeoutMs: 50 })
    const sending = expect(left.send(frame(bytes(1000)))).rejects.toEqual(code('peer-timeout'))
    await left.close()
    await sending
  })

  test('says when the connection is gone though nobody sends or receives', async () => {
    const [left, right] = memoryChannels()
    expect(right.disconnected.aborted).toBe(false)
    await left.abort('internal', 'gone')
    expect(right.disconnected.aborted).toBe(true)
    expect(right.disconnected.reason).toEqual(code('peer-closed'))
  })

  test('takes a welcome like any other message', async () => {
    const [left, right]: Channel[] = memoryChannels()
    await left.send({ type: MESSAGES.welcome, step: NO_STEP, payload: bytes(0) })
    expect(await right.receive({ type: MESSAGES.welcome, step: NO_STEP, length: 0 })).toEqual(bytes(0))
  })
})
