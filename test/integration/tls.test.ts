/** Channels between real sockets on this machine: who gets in, what is said to those who do not, and how it ends. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createTcpServer, connect as tcpConnect, type AddressInfo, type Server } from 'node:net'
import {
  connect as tlsConnect,
  createServer as createTlsServer,
  type ConnectionOptions,
  type TLSSocket,
} from 'node:tls'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { FramedChannel } from '../../core/channel/framed.ts'
import { ephemeralIdentity, formatFingerprint, shortFingerprint, type Identity } from '../../core/channel/identity.ts'
import { MESSAGES } from '../../core/channel/messages.ts'
import {
  connect,
  listen,
  type ConnectOptions,
  type ListenOptions,
  type Refusal,
  type TlsChannel,
} from '../../core/channel/tls.ts'

let serverIdentity: Identity
let clientIdentity: Identity
let stranger: Identity
beforeAll(async () => {
  ;[serverIdentity, clientIdentity, stranger] = await Promise.all([1, 2, 3].map(() => ephemeralIdentity()))
})

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const code = (value: string, text: string): unknown =>
  expect.objectContaining({ name: 'AdytonError', code: value, message: expect.stringContaining(text) as unknown })
const due = (length: number) => ({ type: MESSAGES.tables, step: 0, length })
const frame = (payload: Uint8Array) => ({ type: MESSAGES.tables, step: 0, payload })

/** A server that authorises `clientIdentity` and hands out its channels and refusals one by one. */
async function serve(options: Partial<ListenOptions> = {}) {
  const channels = queue<TlsChannel>()
  const refusals = queue<Refusal>()
  const listener = await listen({
    identity: serverIdentity,
    port: 0,
    authorise: (fingerprint) => fingerprint === clientIdentity.fingerprint,
    onChannel: (channel) => {
      cleanups.push(() => channel.close())
      channels.put(channel)
    },
    onRefused: refusals.put,
    ...options,
  })
  cleanups.push(() => listener.close())
  return { listener, channels, refusals, port: listener.port }
}

function queue<T>() {
  const items: T[] = []
  const takers: ((item: T) => void)[] = []
  return {
    put: (item: T): void => {
      const taker = takers.shift()
      if (taker === undefined) items.push(item)
      else taker(item)
    },
    take: (): Promise<T> =>
      new Promise((resolve) => {
        const item = items.shift()
        if (item === undefined) takers.push(resolve)
        else resolve(item)
      }),
    get size() {
      return items.length
    },
  }
}

async function join(port: number, options: Partial<ConnectOptions> = {}): Promise<TlsChannel> {
  const channel = await connect({
    identity: clientIdentity,
    host: '127.0.0.1',
    port,
    serverFingerprint: serverIdentity.fingerprint,
    ...options,
  })
  cleanups.push(() => channel.close())
  return channel
}

async function pair(serverOptions: Partial<ListenOptions> = {}, clientOptions: Partial<ConnectOptions> = {}) {
  const { port, channels } = await serve(serverOptions)
  const [client, server] = await Promise.all([join(port, clientOptions), channels.take()])
  return { client, server }
}

/** A TLS socket of our own making to a server of ours. */
async function rawClient(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = tlsConnect({
    host: '127.0.0.1',
    port,
    cert: clientIdentity.certificate,
    key: clientIdentity.privateKey,
    rejectUnauthorized: false,
    ALPNProtocols: ['adyton/1'],
    ...options,
  })
  cleanups.push(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => server.close())
  return (server.address() as AddressInfo).port
}

describe('two paired peers', () => {
  test('know each other and exchange frames in both directions', async () => {
    const { client, server } = await pair({}, { serverFingerprint: formatFingerprint(serverIdentity.fingerprint) })
    expect(server.peerFingerprint).toBe(clientIdentity.fingerprint)
    expect(client.peerFingerprint).toBe(serverIdentity.fingerprint)
    const [up, down] = [randomBytes(100_000), randomBytes(3)]
    await Promise.all([client.send(frame(up)), server.send(frame(down))])
    expect(Buffer.compare(await server.receive(due(up.length)), up)).toBe(0)
    expect(Buffer.compare(await client.receive(due(3)), down)).toBe(0)
    expect(server.bytesReceived).toBe(client.bytesSent)
    expect(client.bytesReceived).toBe(server.bytesSent)
  })

  test('use TLS 1.3 and derive a common secret from the connection', async () => {
    const { client, server } = await pair()
    expect(client.exportKey('EXPORTER-adyton-test', 32)).toEqual(server.exportKey('EXPORTER-adyton-test', 32))
    expect(client.exportKey('EXPORTER-adyton-test', 32)).not.toEqual(client.exportKey('EXPORTER-adyton-other', 32))
    const { port } = await serve()
    await expect(rawClient(port, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/)
    expect((await rawClient(port)).getProtocol()).toBe('TLSv1.3')
  })

  test('move large payloads at once in both directions, through both ends of backpressure', async () => {
    const { client, server } = await pair({ readAhead: 64 << 10 }, { readAhead: 64 << 10 })
    const payloads = [randomBytes(24 << 20), randomBytes(1), randomBytes((5 << 20) + 3)]
    const pump = async (from: FramedChannel, to: FramedChannel): Promise<void> => {
      const sending = Promise.all(payloads.map((payload) => from.send(frame(payload))))
      for (const payload of payloads) {
        expect(Buffer.compare(await to.receive(due(payload.length)), payload)).toBe(0)
      }
      await sending
    }
    await Promise.all([pump(client, server), pump(server, client)])
  })

  test('let a sender wait for a receiver that does not ask', async () => {
    const { client, server } = await pair()
    const payload = randomBytes(64 << 20)
    let sent = false
    const sending = client.send(frame(payload)).then(() => (sent = true))
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(sent).toBe(false)
    expect(Buffer.compare(await server.receive(due(payload.length)), payload)).toBe(0)
    await sending
  })

  test('see an orderly close after everything that was sent', async () => {
    const { client, server } = await pair()
    const payload = randomBytes(4 << 20)
    const sending = server.send(frame(payload))
    const closing = server.close()
    expect(Buffer.compare(await client.receive(due(payload.length)), payload)).toBe(0)
    await expect(client.receive(due(1))).rejects.toEqual(code('peer-closed', 'the peer closed the session'))
    await Promise.all([sending, closing])
  })

  test('hear why the other one gives up, also while they send', async () => {
    const { client, server } = await pair()
    const sending = expect(client.send(frame(randomBytes(64 << 20)))).rejects.toEqual(
      code('package-missing', 'that package is gone'),
    )
    await server.abort('package-missing', 'that package is gone')
    await sending
    await expect(client.receive(due(1))).rejects.toEqual(code('package-missing', 'that package is gone'))
  })

  test('do not blame the peer when they were busy themselves', async () => {
    const { client, server } = await pair({}, { idleTimeoutMs: 200 })
    const receiving = client.receive(due(50_000))
    const sending = server.send(frame(new Uint8Array(50_000)))
    // The send is under way once its promises have run; then nothing else does for longer than the limit.
    for (let i = 0; i < 50; i++) await Promise.resolve()
    for (const end = performance.now() + 400; performance.now() < end;);
    expect((await receiving).length).toBe(50_000)
    await sending
  })

  test('give up on a peer that stays silent', async () => {
    const { client } = await pair({}, { idleTimeoutMs: 100 })
    await expect(client.receive(due(1))).rejects.toEqual(code('peer-timeout', 'waiting for tables for 0.1 s'))
  })
})

test('the death of the peer process is reported, to a receive and to a computation', async () => {
  const { listener, channels } = await serve()
  const folder = new URL('../../core/channel/', import.meta.url).href
  const script = `
    const { connect } = await import(${JSON.stringify(`${folder}tls.ts`)})
    const options = JSON.parse(process.env.ADYTON_TEST)
    const channel = await connect(options)
    await channel.send({ type: 15, step: 0, payload: new Uint8Array(5) })
    setInterval(() => undefined, 1000)`
  const options = {
    identity: clientIdentity,
    host: '127.0.0.1',
    port: listener.port,
    serverFingerprint: serverIdentity.fingerprint,
  }
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    env: { ...process.env, ADYTON_TEST: JSON.stringify(options) },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  cleanups.push(() => child.kill('SIGKILL'))
  const server = await channels.take()
  await server.receive(due(5))
  const gone = once(server.disconnected, 'abort')
  const receiving = expect(server.receive(due(1))).rejects.toEqual(code('peer-closed', 'the '))
  child.kill('SIGKILL')
  // Far less than the idle limit of two minutes: the kernel closes a dead process's socket.
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error('not reported within 5 s')), 5000).unref())
  await Promise.race([Promise.all([gone, receiving]), late])
})

describe('a server', () => {
  test('refuses a stranger before the protocol, and tells both sides', async () => {
    const { port, channels, refusals } = await serve()
    await expect(join(port, { identity: stranger })).rejects.toEqual(
      code('peer-untrusted', `does not know the certificate ${shortFingerprint(stranger.fingerprint)}`),
    )
    expect((await refusals.take()).error).toEqual(code('peer-untrusted', shortFingerprint(stranger.fingerprint)))
    expect(channels.size).toBe(0)
  })

  test('refuses a client with no certificate', async () => {
    const { port, channels, refusals } = await serve()
    await rawClient(port, { cert: undefined, key: undefined })
    expect((await refusals.take()).error).toEqual(code('peer-untrusted', 'was shown none'))
    expect(channels.size).toBe(0)
  })

  test('refuses a client that speaks another protocol, or names none', async () => {
    const { port, refusals } = await serve()
    await expect(rawClient(port, { ALPNProtocols: ['http/1.1'] })).rejects.toThrow(/no application protocol/)
    expect((await refusals.take()).error.message).toMatch(/a handshake failed/)
    await rawClient(port, { ALPNProtocols: undefined as unknown as string[] })
    expect((await refusals.take()).error).toEqual(code('peer-untrusted', 'speaks only adyton/1'))
  })

  test('resumes no session', async () => {
    const { port } = await serve()
    const first = await rawClient(port)
    let session = first.getSession()
    first.on('session', (ticket) => (session = ticket))
    first.resume()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(session).toBeDefined()
    const second = await rawClient(port, { session: session! })
    expect(second.isSessionReused()).toBe(false)
  })

  test('waits for a decision that takes time, such as a person being asked', async () => {
    let decide: (answer: boolean) => void = () => undefined
    const asked = queue<string>()
    const { port, channels } = await serve({
      authorise: (fingerprint) => {
        asked.put(fingerprint)
        return new Promise((resolve) => (decide = resolve))
      },
    })
    const joining = join(port, { identity: stranger })
    expect(await asked.take()).toBe(stranger.fingerprint)
    expect(channels.size).toBe(0)
    decide(true)
    await joining
    expect((await channels.take()).peerFingerprint).toBe(stranger.fingerprint)
  })

  test('survives an authorisation that throws', async () => {
    const { port, refusals } = await serve({ authorise: () => Promise.reject(new Error('no list of peers')) })
    await expect(join(port)).rejects.toMatchObject({ code: 'peer-closed' })
    expect((await refusals.take()).error.code).toBe('internal')
  })

  test('cuts off a handshake that does not end, and serves others meanwhile', async () => {
    const { port, refusals } = await serve({ handshakeTimeoutMs: 300 })
    const mute = tcpConnect(port, '127.0.0.1')
    mute.on('error', () => undefined)
    mute.resume()
    await once(mute, 'connect')
    const channel = await join(port)
    await once(mute, 'close')
    expect((await refusals.take()).error.message).toContain('a handshake failed')
    await channel.send(frame(new Uint8Array(1)))
  })

  test('keeps room for accepted peers when too many knock', async () => {
    const { port, channels } = await serve({ maxPending: 2 })
    const first = await join(port)
    const mutes = [1, 2, 3, 4].map(() => {
      const socket = tcpConnect(port, '127.0.0.1')
      socket.on('error', () => undefined)
      socket.resume()
      cleanups.push(() => socket.destroy())
      return socket
    })
    await Promise.all(mutes.map((socket) => once(socket, 'connect')))
    // Two fill the waiting room and two are turned away; the peer that is in does not notice.
    await Promise.all([mutes[2], mutes[3]].map((socket) => (socket.closed ? Promise.resolve() : once(socket, 'close'))))
    expect(mutes.slice(0, 2).map((socket) => socket.closed)).toEqual([false, false])
    await expect(join(port)).rejects.toMatchObject({ code: 'peer-unreachable' })
    await first.send(frame(new Uint8Array(4)))
    expect((await (await channels.take()).receive(due(4))).length).toBe(4)
    for (const socket of mutes) socket.destroy()
    await new Promise((resolve) => setTimeout(resolve, 100))
    await join(port)
  })

  test('says what is wrong with an address it cannot listen at', async () => {
    const { port } = await serve()
    await expect(serve({ port })).rejects.toEqual(code('usage', 'another program uses the port'))
    await expect(serve({ host: '203.0.113.7' })).rejects.toEqual(code('usage', 'does not have that address'))
  })

  test('stops listening and leaves its channels alone', async () => {
    const { listener, channels, port } = await serve()
    const client = await join(port)
    await listener.close()
    await expect(join(port)).rejects.toMatchObject({ code: 'peer-unreachable' })
    await client.send(frame(new Uint8Array(2)))
    expect((await (await channels.take()).receive(due(2))).length).toBe(2)
  })
})

describe('a client says what is wrong:', () => {
  test('another certificate than the pinned one', async () => {
    const { port, channels } = await serve({ identity: stranger })
    const failed = join(port)
    await expect(failed).rejects.toEqual(code('peer-untrusted', shortFingerprint(stranger.fingerprint)))
    await expect(failed).rejects.toEqual(code('peer-untrusted', shortFingerprint(serverIdentity.fingerprint)))
    // The server does not know our mind before it has accepted us; then it hears.
    await expect((await channels.take()).receive(due(1))).rejects.toEqual(code('peer-untrusted', 'does not trust'))
  })

  test('a port with nobody behind it', async () => {
    const { listener, port } = await serve()
    await listener.close()
    await expect(join(port)).rejects.toEqual(code('peer-unreachable', `nothing listens at 127.0.0.1:${port}`))
  })

  test('a host name that does not exist', async () => {
    await expect(join(4433, { host: 'no-such-host.invalid', timeoutMs: 30_000 })).rejects.toEqual(
      code('peer-unreachable', 'no-such-host.invalid'),
    )
  })

  test('a server of another kind', async () => {
    const banner = await listening(
      createTcpServer((socket) => {
        socket.on('error', () => undefined)
        socket.end('220 mail.example ESMTP\r\n')
      }),
    )
    await expect(join(banner)).rejects.toEqual(code('peer-unreachable', 'is not an Adyton server'))
    const rude = await listening(createTcpServer((socket) => socket.destroy()))
    await expect(join(rude)).rejects.toEqual(code('peer-unreachable', 'hung up during the handshake'))
    const { certificate: cert, privateKey: key } = serverIdentity
    const web = await listening(createTlsServer({ cert, key, ALPNProtocols: ['h2', 'http/1.1'] }))
    await expect(join(web)).rejects.toEqual(code('peer-unreachable', 'is not an Adyton server'))
    const plain = await listening(createTlsServer({ cert, key }))
    await expect(join(plain)).rejects.toEqual(code('peer-unreachable', 'is not an Adyton server'))
    const old = await listening(createTlsServer({ cert, key, maxVersion: 'TLSv1.2' }))
    await expect(join(old)).rejects.toEqual(code('peer-unreachable', 'is not an Adyton server'))
  })

  test('a server that accepts and says nothing', async () => {
    const mute = await listening(createTcpServer((socket) => cleanups.push(() => socket.destroy())))
    await expect(join(mute, { timeoutMs: 200 })).rejects.toEqual(code('peer-timeout', 'did not finish the handshake'))
  })

  test('a connection that was cancelled', async () => {
    const mute = await listening(createTcpServer((socket) => cleanups.push(() => socket.destroy())))
    const joining = join(mute, { signal: AbortSignal.timeout(100) })
    await expect(joining).rejects.toEqual(code('cancelled', 'was cancelled'))
    await expect(join(mute, { signal: AbortSignal.abort() })).rejects.toEqual(code('cancelled', 'was cancelled'))
  })

  test('an address or a fingerprint that is none', async () => {
    await expect(join(70_000)).rejects.toEqual(code('usage', 'a port is a number'))
    await expect(join(4433, { serverFingerprint: 'abc' })).rejects.toEqual(
      code('usage', 'not a certificate fingerprint'),
    )
  })
})
