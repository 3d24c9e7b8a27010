/** Memory that the bulk of an offline phase goes through again and again: where messages arrive, where labels are made. */
import { describe, expect, it } from 'vitest'
import { memoryChannels } from '../../core/channel/memory.ts'
import { MESSAGES, NO_STEP } from '../../core/channel/messages.ts'
import { Inbox } from '../../core/channel/transport.ts'
import { Scratch } from '../../core/ring/scratch.ts'
import { everyKernels, testEnds, testSeeds, testStream } from '../fixtures/transfers.ts'

const frame = (payload: Uint8Array) => ({ type: MESSAGES.tables, step: NO_STEP, payload })
const due = (length: number, memory?: Uint8Array) => ({
  ...{ type: MESSAGES.tables, step: NO_STEP, length },
  ...(memory === undefined ? {} : { memory }),
})

describe('a message that is received into memory', () => {
  it('lies there, unless it is one piece that came before', async () => {
    const payload = testStream('tables').bytes(5000)
    const memory = new Uint8Array(5000)
    const inbox = new Inbox()
    const waited = inbox.read(5000, () => undefined, memory)
    inbox.push(payload.subarray(0, 3000))
    inbox.push(payload.subarray(3000))
    expect((await waited).buffer === memory.buffer).toBe(true)
    expect(Buffer.compare(memory, payload)).toBe(0)
    memory.fill(0)
    for (const piece of [payload.subarray(0, 1), payload.subarray(1)]) inbox.push(piece)
    expect((await inbox.read(5000, () => undefined, memory)).buffer === memory.buffer).toBe(true)
    expect(Buffer.compare(memory, payload)).toBe(0)
    inbox.push(payload.slice())
    expect(Buffer.compare(await inbox.read(5000, () => undefined, memory), payload)).toBe(0)
  })

  it('has memory of its own when it is of another length, and memory holds nothing of a refused one', async () => {
    const [left, right] = memoryChannels()
    const memory = new Uint8Array(16)
    await left.send(frame(new Uint8Array(10).fill(1)))
    const received = await right.receive(due(10, memory))
    expect([received.length, received.buffer === memory.buffer]).toEqual([10, false])
    await left.abort('internal', 'sixteen bytes or so')
    await expect(right.receive(due(16, memory))).rejects.toMatchObject({ name: 'AdytonError' })
    expect(memory).toEqual(new Uint8Array(16))
  })
})

describe('scratch memory', () => {
  it('is the same memory as long as it is large enough', () => {
    const scratch = new Scratch()
    const first = scratch.take(100)
    expect([scratch.take(40).buffer === first.buffer, scratch.take(100).buffer === first.buffer]).toEqual([true, true])
    expect([scratch.take(101).length, scratch.take(101).buffer === first.buffer]).toEqual([101, false])
  })

  it.each(everyKernels())('takes labels at both ends, %s kernels', (_, kernels) => {
    const seeds = testSeeds(testStream('scratch'))
    const [plain, reusing] = [testEnds(kernels, seeds), testEnds(kernels, seeds)]
    const [zeros, actives] = [new Scratch(), new Scratch()]
    for (const n of [1000, 128, 5]) {
      const choices = testStream(`scratch ${n}`).bytes(Math.ceil(n / 8))
      const { message, labels } = plain.receiver.extend(choices, n)
      expect(reusing.receiver.labels(n, actives)).toEqual(labels)
      expect(reusing.sender.extend(n, message, zeros)).toEqual(plain.sender.extend(n, message))
    }
    expect([zeros.take(1).buffer.byteLength, actives.take(1).buffer.byteLength]).toEqual([16 * 1024, 16 * 1024])
  })
})
