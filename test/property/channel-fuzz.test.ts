/**
 * Hostile bytes against a receiver: whatever arrives, a receive ends, with the payload that was due or with an
 * AdytonError, and never asks for more memory than its expectation allows.
 */
import { randomBytes } from 'node:crypto'
import { connect as tlsConnect, type TLSSocket } from 'node:tls'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Expected } from '../../core/channel/channel.ts'
import { FramedChannel } from '../../core/channel/framed.ts'
import { MAX_ABORT_BYTES, HEADER_BYTES, encodeAbort, encodeHeader } from '../../core/channel/frames.ts'
import { ephemeralIdentity, type Identity } from '../../core/channel/identity.ts'
import { memoryChannels, memoryTransports } from '../../core/channel/memory.ts'
import { MESSAGES, NO_STEP } from '../../core/channel/messages.ts'
import { listen, type Listener, type TlsChannel } from '../../core/channel/tls.ts'
import type { ByteTransport } from '../../core/channel/transport.ts'
import { AdytonError } from '../../core/errors/errors.ts'

const MAX_DUE = 5000

const frames = fc.array(
  fc.record({
    type: fc.constantFrom(MESSAGES.labels, MESSAGES.colours, MESSAGES.heAnswer, MESSAGES.plan),
    step: fc.constantFrom(0, 1, 7, NO_STEP),
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
  { minLength: 1, maxLength: 5 },
)
type Sent = typeof frames extends fc.Arbitrary<infer T> ? T : never

/** What the receiver is prepared for: the frames as they are, or something else. */
const expectations = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constant('as sent' as const) },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constantFrom(MESSAGES.labels, MESSAGES.tables),
        step: fc.constantFrom(0, 7, NO_STEP),
        length: fc.oneof(
          fc.integer({ min: 0, max: MAX_DUE }),
          fc.constant({ min: 0, max: MAX_DUE }),
          fc.constant({ min: 100, max: 200 }),
        ),
      }),
    },
  ),
  { minLength: 5, maxLength: 5 },
)

/** One way to spoil a stream of frames. */
const mutation = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: fc.nat(), bit: fc.integer({ min: 0, max: 7 }) }),
  fc.record({ kind: fc.constant('truncate' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), bytes: fc.uint8Array({ maxLength: 40 }) }),
  fc.record({ kind: fc.constant('swap' as const), at: fc.nat(), with: fc.nat() }),
  fc.record({ kind: fc.constant('repeat' as const), at: fc.nat() }),
  fc.record({ kind: fc.constant('drop' as const), at: fc.nat() }),
  fc.record({
    kind: fc.constant('length' as const),
    at: fc.nat(),
    value: fc.constantFrom(0, 1, 301, MAX_DUE + 1, 2 ** 31, 2 ** 32 - 1),
  }),
  fc.record({ kind: fc.constant('abort' as const), at: fc.nat(), payload: fc.uint8Array({ maxLength: 1100 }) }),
  fc.record({ kind: fc.constant('garbage' as const), bytes: fc.uint8Array({ maxLength: 400 }) }),
)
const mutations = fc.array(mutation, { minLength: 0, maxLength: 3 })
type Mutations = typeof mutations extends fc.Arbitrary<infer T> ? T : never

function spoil(sent: Sent, changes: Mutations, firstSequence: number): Uint8Array {
  const list = sent.map(({ type, step, payload }, i) => {
    const sequence = firstSequence + i
    return Buffer.concat([encodeHeader({ version: 1, type, step, sequence, length: payload.length }), payload])
  })
  let stream: Buffer | undefined
  const joined = (): Buffer => (stream ??= Buffer.concat(list))
  for (const change of changes) {
    const index = 'at' in change ? change.at % Math.max(1, list.length) : 0
    switch (change.kind) {
      case 'swap': {
        const other = change.with % Math.max(1, list.length)
        const kept = list[index]
        list[index] = list[other]
        list[other] = kept
        break
      }
      case 'repeat':
        list.splice(index, 0, list[index])
        break
      case 'drop':
        if (list.length > 1) list.splice(index, 1)
        break
      case 'length':
        list[index] = Buffer.from(list[index])
        list[index].writeUInt32LE(change.value, 8)
        break
      case 'abort': {
        const sequence = firstSequence + index
        const header = { version: 1, type: MESSAGES.abort, step: NO_STEP, sequence, length: change.payload.length }
        list.splice(index, 0, Buffer.concat([encodeHeader(header), change.payload]))
        break
      }
      case 'flip': {
        const bytes = joined()
        if (bytes.length > 0) bytes[change.at % bytes.length] ^= 1 << change.bit
        break
      }
      case 'truncate':
        stream = joined().subarray(0, change.at % (joined().length + 1))
        break
      case 'insert': {
        const bytes = joined()
        const at = change.at % (bytes.length + 1)
        stream = Buffer.concat([bytes.subarray(0, at), change.bytes, bytes.subarray(at)])
        break
      }
      case 'garbage':
        stream = Buffer.concat([joined(), change.bytes])
        break
    }
  }
  return joined()
}

/** Receives until a failure; every outcome is checked. */
async function receiveAll(channel: FramedChannel, sent: Sent, plans: ('as sent' | Expected)[]): Promise<number> {
  for (const [i, plan] of plans.entries()) {
    const frame = sent[i % sent.length]
    const due: Expected = plan === 'as sent' ? { ...frame, length: frame.payload.length } : plan
    try {
      const payload = await channel.receive(due)
      const { min, max } = typeof due.length === 'number' ? { min: due.length, max: due.length } : due.length
      expect(payload.length).toBeGreaterThanOrEqual(min)
      expect(payload.length).toBeLessThanOrEqual(max)
    } catch (error) {
      expect(error).toBeInstanceOf(AdytonError)
      expect((error as AdytonError).code).not.toBe('internal')
      await expect(channel.receive(due)).rejects.toBe(error)
      return i
    }
  }
  return plans.length
}

/** A transport that notes the largest piece that was ever asked for. */
function watched(transport: ByteTransport): { transport: ByteTransport; largest: () => number } {
  let largest = 0
  return {
    largest: () => largest,
    transport: {
      read(length, progress) {
        largest = Math.max(largest, length)
        return transport.read(length, progress)
      },
      write: (header, payload, progress) => transport.write(header, payload, progress),
      end: (reason, lingerMs) => transport.end(reason, lingerMs),
      destroy: (reason) => transport.destroy(reason),
      get unread() {
        return transport.unread
      },
      get disconnected() {
        return transport.disconnected
      },
    },
  }
}

const GONE = new AdytonError('peer-closed', 'the test ended the connection')

describe('in memory', () => {
  test('spoilt streams end in an AdytonError and are never believed about lengths', async () => {
    let refused = 0
    let complete = 0
    await fc.assert(
      fc.asyncProperty(frames, mutations, expectations, async (sent, changes, plans) => {
        const [attacker, raw] = memoryTransports(Infinity)
        const { transport, largest } = watched(raw)
        const channel = new FramedChannel(transport)
        await attacker.write(spoil(sent, changes, 0), new Uint8Array(0), () => undefined)
        attacker.destroy(GONE)
        const received = await receiveAll(channel, sent, plans)
        if (received === plans.length) complete++
        else refused++
        expect(largest()).toBeLessThanOrEqual(Math.max(MAX_DUE, MAX_ABORT_BYTES))
      }),
      { numRuns: 3000 },
    )
    // The generator reaches both outcomes.
    expect(refused).toBeGreaterThan(100)
    expect(complete).toBeGreaterThan(10)
  })

  test('streams that are not spoilt arrive whole, in whatever pieces the bytes come', async () => {
    await fc.assert(
      fc.asyncProperty(
        frames,
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 20 }),
        fc.boolean(),
        async (sent, cuts, early) => {
          const [sender, raw] = memoryTransports(Infinity)
          const channel = new FramedChannel(raw)
          const receive = (): Promise<Uint8Array[]> =>
            Promise.all(sent.map((frame) => channel.receive({ ...frame, length: frame.payload.length })))
          const receiving = early ? receive() : undefined
          const stream = spoil(sent, [], 0)
          for (let at = 0, i = 0; at < stream.length; i++) {
            const next = at + cuts[i % cuts.length]
            await sender.write(stream.subarray(at, next), new Uint8Array(0), () => undefined)
            at = next
          }
          const payloads = await (receiving ?? receive())
          expect(payloads).toEqual(sent.map(({ payload }) => payload))
          expect(channel.bytesReceived).toBe(stream.length)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('a sender and a receiver agree on any frames', async () => {
    await fc.assert(
      fc.asyncProperty(frames, fc.integer({ min: 0, max: 400 }), async (sent, capacity) => {
        const [left, right] = memoryChannels({ capacity })
        const sending = Promise.all(sent.map((frame) => left.send(frame)))
        for (const frame of sent) {
          expect(await right.receive({ ...frame, length: { min: 0, max: 300 } })).toEqual(frame.payload)
        }
        await sending
        expect(right.bytesReceived).toBe(left.bytesSent)
      }),
      { numRuns: 500 },
    )
  })

  test('an abort with any payload becomes a message of printable text', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 2000 }), async (text) => {
        const [attacker, raw] = memoryTransports()
        const channel = new FramedChannel(raw)
        const payload = encodeAbort('internal', text)
        const header = { version: 1, type: MESSAGES.abort, step: NO_STEP, sequence: 0, length: payload.length }
        await attacker.write(encodeHeader(header), payload, () => undefined)
        const error = await channel.receive({ type: 1, step: 0, length: 1 }).catch((reason: unknown) => reason)
        expect(error).toBeInstanceOf(AdytonError)
        expect((error as AdytonError).message).toMatch(/^the peer ended the session: [^\p{Cc}\u2028\u202e]*$/u)
      }),
      { numRuns: 300 },
    )
  })
})

describe('over TLS', () => {
  let server: Identity
  let client: Identity
  let listener: Listener
  const accepted: TlsChannel[] = []
  let onChannel: (channel: TlsChannel) => void = () => undefined

  beforeAll(async () => {
    server = await ephemeralIdentity()
    client = await ephemeralIdentity()
    listener = await listen({
      identity: server,
      port: 0,
      authorise: (fingerprint) => fingerprint === client.fingerprint,
      onChannel: (channel) => {
        accepted.push(channel)
        onChannel(channel)
      },
    })
  })
  afterAll(() => listener.close())

  /** A peer that holds an authorised key and then sends what it likes. */
  async function attack(): Promise<{ socket: TLSSocket; channel: TlsChannel }> {
    const handed = new Promise<TlsChannel>((resolve) => {
      onChannel = resolve
    })
    const socket = tlsConnect({
      port: listener.port,
      host: '127.0.0.1',
      cert: client.certificate,
      key: client.privateKey,
      rejectUnauthorized: false,
      ALPNProtocols: ['adyton/1'],
    })
    socket.on('error', () => undefined)
    socket.resume()
    return { socket, channel: await handed }
  }

  test('spoilt streams end in an AdytonError', async () => {
    await fc.assert(
      fc.asyncProperty(frames, mutations, expectations, async (sent, changes, plans) => {
        const { socket, channel } = await attack()
        socket.end(spoil(sent, changes, 0))
        await receiveAll(channel, sent, plans)
        await channel.close()
        socket.destroy()
      }),
      { numRuns: 150 },
    )
  })

  test('a declared length of 4 GiB costs no memory, refused or abandoned', async () => {
    const before = process.memoryUsage()
    for (let i = 0; i < 10; i++) {
      const { socket, channel } = await attack()
      const header = { version: 1, type: MESSAGES.tables, step: 0, sequence: 0, length: 2 ** 32 - 1 }
      socket.write(Buffer.concat([encodeHeader(header), randomBytes(10_000)]))
      await expect(channel.receive({ type: MESSAGES.tables, step: 0, length: 1 << 20 })).rejects.toMatchObject({
        code: 'frame-too-large',
      })
      socket.destroy()
    }
    const after = process.memoryUsage()
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(64 << 20)
    expect(after.rss - before.rss).toBeLessThan(512 << 20)
  })

  test('a peer that sends without being asked is held back, and a receive still gets its bytes in order', async () => {
    const { socket, channel } = await attack()
    const total = 32 << 20
    const payload = randomBytes(total)
    const header = { version: 1, type: MESSAGES.tables, step: 0, sequence: 0, length: total }
    socket.write(encodeHeader(header))
    let taken = false
    socket.write(payload, () => {
      taken = true
    })
    await new Promise((resolve) => setTimeout(resolve, 300))
    // The read-ahead and the kernel's buffers together hold far less than 32 MiB.
    expect(taken).toBe(false)
    const received = await channel.receive({ type: MESSAGES.tables, step: 0, length: total })
    expect(Buffer.compare(received, payload)).toBe(0)
    expect(channel.bytesReceived).toBe(HEADER_BYTES + total)
    socket.destroy()
    await expect(channel.receive({ type: MESSAGES.tables, step: 0, length: 1 })).rejects.toBeInstanceOf(AdytonError)
  })

  afterAll(() => Promise.all(accepted.map((channel) => channel.close())))
})
