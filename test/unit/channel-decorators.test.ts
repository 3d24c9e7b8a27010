import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import type { Channel } from '../../core/channel/channel.ts'
import { counting, type Direction } from '../../core/channel/counting.ts'
import { memoryChannels } from '../../core/channel/memory.ts'
import { MESSAGES, NO_STEP } from '../../core/channel/messages.ts'
import { Transcript, tracing } from '../../core/channel/tracing.ts'

const payload = (length: number, value = 1): Uint8Array => new Uint8Array(length).fill(value)

class Account {
  readonly rows: [Direction, number, number, number][] = []
  readonly add = (direction: Direction, type: number, step: number, bytes: number): void => {
    this.rows.push([direction, type, step, bytes])
  }
  total(direction: Direction): number {
    return this.rows.filter(([one]) => one === direction).reduce((sum, [, , , bytes]) => sum + bytes, 0)
  }
}

test('counting reports every framed byte once, with type and step', async () => {
  const [left, right] = memoryChannels()
  const account = new Account()
  const counted = counting(left, account.add)
  const receiving = counted.receive({ type: MESSAGES.colours, step: 2, length: { min: 0, max: 10 } })
  await counted.send({ type: MESSAGES.labels, step: 2, payload: payload(100) })
  await right.send({ type: MESSAGES.colours, step: 2, payload: payload(5) })
  await receiving
  expect(account.rows).toContainEqual(['sent', MESSAGES.labels, 2, 112])
  expect(account.rows).toContainEqual(['received', MESSAGES.colours, 2, 17])
  expect(account.rows).toHaveLength(2)
})

test('counting adds up to the channel, with what came before it and what ends it', async () => {
  const [left, right] = memoryChannels()
  await left.send({ type: MESSAGES.welcome, step: NO_STEP, payload: payload(0) })
  const account = new Account()
  const counted: Channel = counting(left, account.add)
  await Promise.all([1, 2, 3].map((step) => counted.send({ type: MESSAGES.tables, step, payload: payload(step * 10) })))
  await right.abort('internal', 'enough')
  await expect(counted.receive({ type: MESSAGES.colours, step: 1, length: 3 })).rejects.toThrow('enough')
  await counted.abort('internal', 'too')
  await counted.close()
  expect(account.total('sent')).toBe(left.bytesSent)
  expect(account.total('received')).toBe(left.bytesReceived)
  expect(left.bytesReceived).toBeGreaterThan(12)
  expect(counted.bytesSent).toBe(left.bytesSent)
})

test('counting reports the closing frame', async () => {
  const [left] = memoryChannels()
  const account = new Account()
  const counted = counting(left, account.add)
  const sending = counted.send({ type: MESSAGES.tables, step: 1, payload: payload(8) })
  await counted.close()
  await sending
  expect(account.rows).toEqual([
    ['sent', MESSAGES.tables, 1, 20],
    ['sent', MESSAGES.close, NO_STEP, 12],
  ])
})

async function talk(client: Channel, server: Channel, order: 'together' | 'in turn', value = 1): Promise<void> {
  const up = async (): Promise<void> => {
    await client.send({ type: MESSAGES.heUpload, step: 1, payload: payload(50, value) })
    await client.send({ type: MESSAGES.delta, step: 2, payload: payload(7) })
  }
  const down = async (): Promise<void> => {
    await server.send({ type: MESSAGES.heAnswer, step: 1, payload: payload(20) })
  }
  const takeUp = async (): Promise<void> => {
    await server.receive({ type: MESSAGES.heUpload, step: 1, length: 50 })
    await server.receive({ type: MESSAGES.delta, step: 2, length: 7 })
  }
  const takeDown = async (): Promise<void> => {
    await client.receive({ type: MESSAGES.heAnswer, step: 1, length: 20 })
  }
  if (order === 'together') await Promise.all([takeDown(), down(), up(), takeUp()])
  else for (const part of [up, takeUp, down, takeDown]) await part()
}

test('a transcript holds hashes and no payload, and both ends agree on its digest', async () => {
  const digests: string[] = []
  for (const order of ['together', 'in turn'] as const) {
    const [left, right] = memoryChannels()
    const [mine, theirs] = [new Transcript(), new Transcript()]
    await talk(tracing(left, mine), tracing(right, theirs), order)
    expect(mine.frames).toContainEqual({
      direction: 'sent',
      type: MESSAGES.delta,
      name: 'delta',
      step: 2,
      length: 7,
      sha256: createHash('sha256').update(payload(7)).digest('hex'),
    })
    expect(mine.hash('sent')).toBe(theirs.hash('received'))
    expect(mine.digest('client')).toBe(theirs.digest('server'))
    digests.push(mine.digest('client'))
  }
  expect(digests[0]).toBe(digests[1])
})

test('a transcript changes with any byte and with the roles', async () => {
  const [left, right] = memoryChannels()
  const [mine, theirs] = [new Transcript(), new Transcript()]
  await talk(tracing(left, mine), right, 'in turn')
  const [left2, right2] = memoryChannels()
  await talk(tracing(left2, theirs), right2, 'in turn', 2)
  expect(mine.digest('client')).not.toBe(theirs.digest('client'))
  expect(mine.hash('received')).toBe(theirs.hash('received'))
  expect(mine.digest('client')).not.toBe(mine.digest('server'))
})
