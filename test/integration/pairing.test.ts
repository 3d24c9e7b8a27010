/** Pairing by a code over real TLS: who is let in, who is not, and somebody in the middle. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Channel, Expected, Frame } from '../../core/channel/channel.ts'
import { ephemeralIdentity, type Identity } from '../../core/channel/identity.ts'
import { MESSAGES, NO_STEP } from '../../core/channel/messages.ts'
import { CODE_ATTEMPTS, PairingDesk } from '../../core/channel/pairing/code.ts'
import { pairAsClient, pairAsServer, type Paired, type PairingChannel } from '../../core/channel/pairing/exchange.ts'
import { connect, connectToPair, listen, type ListenOptions, type TlsChannel } from '../../core/channel/tls.ts'
import { startMiddle, type Middle } from '../fixtures/middle.ts'

let host: Identity
let guest: Identity
let stranger: Identity
beforeAll(async () => {
  ;[host, guest, stranger] = await Promise.all([1, 2, 3].map(() => ephemeralIdentity()))
})

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const error = (text: string, code = 'peer-untrusted'): unknown =>
  expect.objectContaining({ name: 'AdytonError', code, message: expect.stringContaining(text) as unknown })

/** A server that pairs whoever knows its code, and what became of each connection. */
async function serving(options: Partial<ListenOptions> = {}) {
  const desk = new PairingDesk()
  const kept: Paired[] = []
  const ends: Promise<unknown>[] = []
  const channels: TlsChannel[] = []
  const listener = await listen({
    identity: host,
    port: 0,
    ...options,
    authorise: (fingerprint) => kept.some((peer) => peer.fingerprint === fingerprint),
    onChannel: (channel) => {
      channels.push(channel)
      cleanups.push(() => channel.close())
    },
    onPairing: (channel) => {
      const side = { channel, ownFingerprint: host.fingerprint, name: 'the host' }
      const keep = (peer: Paired): Promise<void> => {
        kept.push(peer)
        return Promise.resolve()
      }
      ends.push(
        pairAsServer(side, () => desk.attempt(), keep)
          .catch((reason: unknown) => reason)
          .finally(() => channel.close()),
      )
    },
  })
  cleanups.push(() => listener.close())
  return { desk, kept, ends, channels, port: listener.port }
}

async function toPair(port: number, identity = guest): Promise<TlsChannel> {
  const channel = await connectToPair({ identity, host: '127.0.0.1', port })
  cleanups.push(() => channel.close())
  return channel
}

async function pair(port: number, code: string, identity = guest, name = 'the guest'): Promise<Paired> {
  const channel = await toPair(port, identity)
  return await pairAsClient({ channel, ownFingerprint: identity.fingerprint, name }, code)
}

const other = (code: string): string => String((Number(code) + 1) % 10 ** 9).padStart(9, '0')
const codeOf = (desk: PairingDesk): string => desk.current?.code ?? ''

describe('the right code', () => {
  test('pins both sides to each other, with their names', async () => {
    const { desk, kept, port, channels } = await serving()
    desk.open()
    const server = await pair(port, codeOf(desk), guest, 'a guest\u001b[31m\n of many words')
    expect(server).toEqual({ fingerprint: host.fingerprint, name: 'the host' })
    // What a terminal would obey is not in the name.
    expect(kept).toEqual([{ fingerprint: guest.fingerprint, name: 'a guest [31m of many words' }])
    expect(desk.current).toBeNull()
    const channel = await connect({
      identity: guest,
      host: '127.0.0.1',
      port,
      serverFingerprint: server.fingerprint,
    })
    expect(channels).toHaveLength(1)
    await channel.close()
  })

  test('serves one pairing', async () => {
    const { desk, kept, port } = await serving()
    desk.open()
    const code = codeOf(desk)
    await pair(port, code)
    await expect(pair(port, code, stranger)).rejects.toEqual(error('was used'))
    expect(kept).toHaveLength(1)
  })
})

describe('without the right code', () => {
  test('nobody gets further than pairing, and three guesses end it', async () => {
    const { desk, kept, port } = await serving()
    await expect(pair(port, '123456789')).rejects.toEqual(error('not open for pairing'))
    desk.open()
    const code = codeOf(desk)
    // Each is told how many are left, as the desk counts them.
    for (const left of ['2 attempts are left', 'one attempt is left', 'the last attempt']) {
      await expect(pair(port, other(code))).rejects.toEqual(error(left))
    }
    expect(CODE_ATTEMPTS).toBe(3)
    // The right code comes too late.
    await expect(pair(port, code)).rejects.toEqual(error('too often'))
    expect(desk.current).toBeNull()
    expect(kept).toEqual([])
    await expect(
      connect({ identity: guest, host: '127.0.0.1', port, serverFingerprint: host.fingerprint }),
    ).rejects.toEqual(error('does not know the certificate'))
  })

  test('an attempt is spent when the peer breaks off after it has seen our share', async () => {
    const { desk, port } = await serving()
    desk.open()
    const channel = await toPair(port)
    const recorded = await sharesOf(port)
    await channel.send({ type: MESSAGES.pairingClientShare, step: NO_STEP, payload: recorded })
    await channel.receive({ type: MESSAGES.pairingServerShare, step: NO_STEP, length: 32 })
    await channel.close()
    // One for the recording, one for this.
    expect(desk.current?.attempts).toBe(CODE_ATTEMPTS - 2)
  })

  test('a connection that asks to pair and takes its time is ended, and its place is free again', async () => {
    const { desk, ends, port } = await serving({ pairingLimitMs: 150, maxPending: 1 })
    desk.open()
    const slow = await toPair(port)
    await expect(slow.receive({ type: MESSAGES.pairingServerShare, step: NO_STEP, length: 32 })).rejects.toMatchObject({
      code: 'peer-closed',
    })
    await ends[0]
    await expect(pair(port, codeOf(desk))).resolves.toMatchObject({ name: 'the host' })
  })

  test.each([
    ['client', () => ({ ownFingerprint: stranger.fingerprint })],
    ['server', () => ({ peerFingerprint: stranger.fingerprint })],
  ])('a proof for another certificate of the %s does not fit', async (_whose, changed) => {
    const { desk, kept, port } = await serving()
    desk.open()
    const channel = await toPair(port)
    const { ownFingerprint = guest.fingerprint, peerFingerprint = host.fingerprint } = {
      ...{ ownFingerprint: undefined, peerFingerprint: undefined },
      ...changed(),
    }
    const claiming: PairingChannel = { ...spied(channel, () => undefined), peerFingerprint }
    await expect(pairAsClient({ channel: claiming, ownFingerprint, name: '' }, codeOf(desk))).rejects.toEqual(
      error('does not fit'),
    )
    expect(kept).toEqual([])
  })

  test('the protocol does not run on a connection that pairs', async () => {
    const { desk, port } = await serving()
    desk.open()
    const channel = await toPair(port)
    await channel.send({ type: MESSAGES.clientHello, step: NO_STEP, payload: new Uint8Array(10) })
    await expect(channel.receive({ type: MESSAGES.serverHello, step: NO_STEP, length: 10 })).rejects.toEqual(
      expect.objectContaining({ name: 'AdytonError' }),
    )
    expect(desk.current?.attempts).toBe(CODE_ATTEMPTS)
  })

  /** The share that a client sends to this server; it spends an attempt. */
  async function sharesOf(port: number): Promise<Uint8Array> {
    const sent: Uint8Array[] = []
    const channel = await toPair(port)
    const spying = spied(channel, (frame) => void sent.push(frame.payload.slice()))
    await pairAsClient({ channel: spying, ownFingerprint: guest.fingerprint, name: '' }, '000000000').catch(
      () => undefined,
    )
    return sent[0]
  }
})

/** A channel whose frames are seen, or changed, on their way out. */
function spied(channel: TlsChannel, see: (frame: Frame) => Frame | void): PairingChannel {
  return {
    peerFingerprint: channel.peerFingerprint,
    exportKey: (label, length) => channel.exportKey(label, length),
    send: (frame) => channel.send(see(frame) ?? frame),
    receive: (expected) => channel.receive(expected),
    abort: (code, message) => channel.abort(code, message),
    close: () => channel.close(),
    get bytesSent() {
      return channel.bytesSent
    },
    get bytesReceived() {
      return channel.bytesReceived
    },
  }
}

describe('messages of a hostile client', () => {
  const share = (payload: Uint8Array): Frame => ({ type: MESSAGES.pairingClientShare, step: NO_STEP, payload })

  test.each<[string, Uint8Array, string]>([
    ['the identity', new Uint8Array(32), 'is the identity'],
    ['no element of the group', Uint8Array.from({ length: 32 }, () => 0xff), 'no element'],
    // Order 8 on the curve; ristretto255 has no encoding of it.
    [
      'a point of low order',
      new Uint8Array(Buffer.from('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a', 'hex')),
      'no element',
    ],
    ['a short share', new Uint8Array(31), 'at least 32'],
    ['a long share', new Uint8Array(33), 'at most 32'],
  ])('%s is refused', async (_what, payload, why) => {
    const { desk, kept, ends, port } = await serving()
    desk.open()
    const channel = await toPair(port)
    await channel.send(share(payload))
    await expect(
      channel.receive({ type: MESSAGES.pairingServerShare, step: NO_STEP, length: 32 }),
    ).rejects.toMatchObject({ name: 'AdytonError' })
    expect(await ends[0]).toEqual(expect.objectContaining({ message: expect.stringContaining(why) as unknown }))
    expect(kept).toEqual([])
  })

  test('a recorded run proves nothing in another one', async () => {
    const { desk, kept, ends, port } = await serving()
    desk.open()
    const code = codeOf(desk)
    const sent: Frame[] = []
    const channel = await toPair(port)
    const spying = spied(channel, (frame) => {
      sent.push({ ...frame, payload: frame.payload.slice() })
      // The run is stopped short of its end, so that the code stays good.
      return frame.type === MESSAGES.pairingClientProof ? { ...frame, payload: randomBytes(64) } : undefined
    })
    await expect(pairAsClient({ channel: spying, ownFingerprint: guest.fingerprint, name: '' }, code)).rejects.toEqual(
      error('does not fit'),
    )
    const again = await toPair(port)
    await again.send(sent[0])
    await again.receive({ type: MESSAGES.pairingServerShare, step: NO_STEP, length: 32 })
    await again.send(sent[1])
    const proof: Expected = { type: MESSAGES.pairingServerProof, step: NO_STEP, length: { min: 64, max: 264 } }
    await expect(again.receive(proof)).rejects.toEqual(error('does not fit'))
    expect(await Promise.all(ends)).toEqual([error('does not fit'), error('does not fit')])
    expect(kept).toEqual([])
  })

  test.each([
    ['a short proof', 63],
    ['a long proof', 65],
  ])('%s is refused and spends an attempt', async (_what, length) => {
    const { desk, kept, ends, port } = await serving()
    desk.open()
    const channel = await toPair(port)
    const spying = spied(channel, (frame) =>
      frame.type === MESSAGES.pairingClientProof ? { ...frame, payload: new Uint8Array(length) } : undefined,
    )
    await expect(
      pairAsClient({ channel: spying, ownFingerprint: guest.fingerprint, name: '' }, codeOf(desk)),
    ).rejects.toMatchObject({ name: 'AdytonError' })
    await Promise.all(ends)
    expect(kept).toEqual([])
    expect(desk.current?.attempts).toBe(CODE_ATTEMPTS - 1)
  })
})

describe('a hostile server', () => {
  /** A server that answers a pairing as the test says. */
  async function fake(answer: (channel: Channel) => Promise<void>): Promise<number> {
    const listener = await listen({
      identity: stranger,
      port: 0,
      authorise: () => false,
      onChannel: () => undefined,
      onPairing: (channel) => void answer(channel).finally(() => channel.close()),
    })
    cleanups.push(() => listener.close())
    return listener.port
  }

  test('that sends the client its own messages back is refused', async () => {
    const port = await fake(async (channel) => {
      const share = await channel.receive({ type: MESSAGES.pairingClientShare, step: NO_STEP, length: 32 })
      await channel.send({ type: MESSAGES.pairingServerShare, step: NO_STEP, payload: share })
      const proof = await channel.receive({ type: MESSAGES.pairingClientProof, step: NO_STEP, length: 64 })
      await channel.send({ type: MESSAGES.pairingServerProof, step: NO_STEP, payload: proof })
    })
    await expect(pair(port, '123456789')).rejects.toEqual(error('did not prove'))
  })

  test('that knows no code is refused, and is told no name', async () => {
    const types: number[] = []
    const port = await fake(async (channel) => {
      await channel.receive({ type: MESSAGES.pairingClientShare, step: NO_STEP, length: 32 })
      const element = Buffer.from('e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76', 'hex')
      await channel.send({ type: MESSAGES.pairingServerShare, step: NO_STEP, payload: element })
      await channel.receive({ type: MESSAGES.pairingClientProof, step: NO_STEP, length: 64 })
      await channel.send({ type: MESSAGES.pairingServerProof, step: NO_STEP, payload: randomBytes(70) })
    })
    const channel = await toPair(port)
    const spying = spied(channel, (frame) => void types.push(frame.type))
    await expect(
      pairAsClient({ channel: spying, ownFingerprint: guest.fingerprint, name: 'secret name' }, '123456789'),
    ).rejects.toEqual(error('did not prove'))
    expect(types).toEqual([MESSAGES.pairingClientShare, MESSAGES.pairingClientProof])
  })
})

describe('somebody in the middle with two TLS connections', () => {
  async function middle(port: number, towardsClient: Identity, towardsServer: Identity): Promise<Middle> {
    const between = await startMiddle(port, towardsClient, towardsServer)
    cleanups.push(between.close)
    return between
  }

  test('is found out, although it passes every message on and the code is right', async () => {
    const { desk, kept, ends, port } = await serving()
    desk.open()
    const between = await middle(port, stranger, stranger)
    await expect(pair(between.port, codeOf(desk))).rejects.toEqual(error('somebody is in between'))
    expect(await ends[0]).toEqual(error('somebody is in between'))
    expect(between.passed()).toBeGreaterThan(32 + 32 + 64)
    expect(kept).toEqual([])
    expect(desk.current?.attempts).toBe(CODE_ATTEMPTS - 1)
  })

  test('is found out by the connection alone, if it had the keys of both certificates', async () => {
    const { desk, kept, port } = await serving()
    desk.open()
    const between = await middle(port, host, guest)
    await expect(pair(between.port, codeOf(desk))).rejects.toEqual(error('somebody is in between'))
    expect(kept).toEqual([])
  })

  test('is not found out without the exporter: what binds the code to the connection', async () => {
    const { kept, desk, port } = await loose()
    desk.open()
    const between = await middle(port, host, guest)
    const channel = await toPair(between.port)
    await pairAsClient({ channel: unbound(channel), ownFingerprint: guest.fingerprint, name: '' }, codeOf(desk))
    expect(kept).toHaveLength(1)
  })

  const unbound = (channel: TlsChannel): PairingChannel => ({
    ...spied(channel, () => undefined),
    exportKey: (_label, length) => new Uint8Array(length),
  })

  /** A server that forgets to ask the connection. */
  async function loose() {
    const desk = new PairingDesk()
    const kept: Paired[] = []
    const listener = await listen({
      identity: host,
      port: 0,
      authorise: () => false,
      onChannel: () => undefined,
      onPairing: (channel) => {
        const side = { channel: unbound(channel), ownFingerprint: host.fingerprint, name: '' }
        const keep = (peer: Paired): Promise<void> => Promise.resolve(void kept.push(peer))
        void pairAsServer(side, () => desk.attempt(), keep).finally(() => channel.close())
      },
    })
    cleanups.push(() => listener.close())
    return { desk, kept, port: listener.port }
  }
})
