/** What a test of a connection says of servers that are there, are not there, or are something else. */
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TEST_STEPS, type ConnectionTestResult, type TestStepId } from '../../core/api/data/connection-test.ts'
import { reachCause, nameCause } from '../../core/api/joining/causes.ts'
import { testConnection } from '../../core/api/joining/connection-test.ts'
import { pair } from '../../core/api/operations/peers.ts'
import { PeerStore } from '../../core/api/peers.ts'
import { ephemeralIdentity, loadOrCreateIdentity } from '../../core/channel/identity.ts'
import { MESSAGES, NO_STEP } from '../../core/channel/messages.ts'
import { listen } from '../../core/channel/tls.ts'
import { host, quiet, TINY } from '../fixtures/hosting.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
const cleanups: (() => unknown)[] = []
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
  await folder[Symbol.asyncDispose]()
})

const guest = (): string => join(folder.dir, 'guest')

async function tried(port: number, more: { host?: string; wanted?: string; patienceMs?: number } = {}) {
  const told: TestStepId[] = []
  const result = await testConnection({
    located: { host: more.host ?? '127.0.0.1', port, wanted: more.wanted, peer: undefined },
    identity: await loadOrCreateIdentity(guest()),
    peers: new PeerStore(guest()),
    patienceMs: more.patienceMs ?? 5_000,
    platform: 'linux',
    onStep: (steps) => void told.push(...steps.slice(-1).map(({ id }) => id)),
  })
  expect(result.steps.map(({ id }) => id)).toEqual(TEST_STEPS)
  expect(told).toEqual(TEST_STEPS.slice(0, told.length))
  return result
}

/** The step at which it ended; all before it are ok, none after it was tried. */
function failure({ ok, steps }: ConnectionTestResult): string {
  expect(ok).toBe(false)
  const at = steps.findIndex(({ state }) => state === 'failed')
  expect(steps.map(({ state }) => state)).toEqual(
    steps.map((_, i) => (i < at ? 'ok' : i === at ? 'failed' : 'skipped')),
  )
  expect(steps[at].advice).not.toBeNull()
  return `${steps[at].id}: ${steps[at].text}`
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => server.close())
  return (server.address() as AddressInfo).port
}

describe('a connection test', () => {
  test('goes all the way to a paired server, and names its models', async () => {
    const hosted = await host({
      data: join(folder.dir, 'host'),
      pairing: true,
      name: 'the host',
      sources: [TINY, TINY],
    })
    cleanups.push(() => hosted.stop())
    const { port } = hosted
    expect(failure(await tried(port))).toMatch(/^server: .* is not paired/)
    await pair.run({ host: '127.0.0.1', port, code: hosted.detail().pairing?.code ?? '', data: guest() }, quiet())
    const result = await tried(port)
    expect(result.steps.map(({ state, text }) => [state, text])).toEqual(result.steps.map(({ text }) => ['ok', text]))
    expect(result).toMatchObject({ ok: true, server: { name: 'the host' } })
    expect(result.models.map(({ id }) => id)).toEqual(['lenet-tiny', 'lenet-tiny (2)'])
    expect(result.rttMs).toBeGreaterThan(0)
    // Of the two tests, the server refused the first.
    expect(await hosted.until(({ refused }) => refused.length > 0)).toMatchObject({ refused: [{}] })
  }, 30_000)

  test('says that a port is closed', async () => {
    const server = createServer()
    const port = await listening(server)
    server.close()
    await once(server, 'close')
    expect(failure(await tried(port))).toContain('reach: the machine answers, but nothing listens')
  })

  test('says that something accepts and does not answer', async () => {
    const sockets: { destroy(): unknown }[] = []
    const port = await listening(createServer((socket) => sockets.push(socket)))
    const result = await tried(port, { patienceMs: 300 })
    expect(failure(result)).toMatch(/^tls: what listens at .* did not finish the handshake within 0.3 s/)
    for (const socket of sockets) socket.destroy()
  })

  test('says that another program has the port, with TLS and without', async () => {
    const http = createHttpServer((_request, response) => response.end('hello'))
    expect(failure(await tried(await listening(http)))).toMatch(/^tls: what answers .* is not an Adyton server/)
    const { certificate, privateKey } = await ephemeralIdentity()
    const web = createTlsServer({ cert: certificate, key: privateKey, ALPNProtocols: ['h2', 'http/1.1'] })
    expect(failure(await tried(await listening(web)))).toMatch(/^tls: a program with TLS answers/)
  })

  test('says that another server answers than the one that is due', async () => {
    const listener = await listen({
      ...{ identity: await ephemeralIdentity(), port: 0 },
      authorise: () => true,
      onChannel: (channel) => void cleanups.push(() => channel.close()),
    })
    cleanups.push(() => listener.close())
    const wanted = 'ab'.repeat(32)
    expect(failure(await tried(listener.port, { wanted }))).toMatch(/^server: another server answers: .* of abab:abab/)
  })

  test('says that the server does not know this installation', async () => {
    const identity = await ephemeralIdentity()
    const listener = await listen({ identity, port: 0, authorise: () => false, onChannel: () => undefined })
    cleanups.push(() => listener.close())
    expect(failure(await tried(listener.port, { wanted: identity.fingerprint }))).toMatch(
      /^client: .* does not know the certificate/,
    )
  })

  test('says that the server is of another version', async () => {
    const identity = await ephemeralIdentity()
    const listener = await listen({
      ...{ identity, port: 0, authorise: () => true },
      onChannel: (channel) => {
        // As an older release would answer the first message.
        void channel
          .receive({ type: MESSAGES.clientHello, step: NO_STEP, length: { min: 1, max: 1 << 16 } })
          .then(() => channel.abort('version-mismatch', 'the client speaks protocol version 1, this program version 0'))
      },
    })
    cleanups.push(() => listener.close())
    expect(failure(await tried(listener.port, { wanted: identity.fingerprint }))).toMatch(/^version: .*version 0/)
  })

  test('says that a name is not known', async () => {
    expect(failure(await tried(1, { host: 'no-such-host.invalid' }))).toMatch(/^name: the name "no-such-host.invalid"/)
  })
})

describe('causes in words', () => {
  test.each(['ECONNREFUSED', 'TIMEOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EACCES', 'EWHATEVER'])(
    '%s differs from the others and says what to do on each system',
    (code) => {
      const others = ['ECONNREFUSED', 'TIMEOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'EACCES'].filter((one) => one !== code)
      const { text, advice } = reachCause('192.0.2.7:7373', code, 'linux')
      expect(text).toContain('192.0.2.7:7373')
      expect(advice).not.toBe('')
      for (const other of others) expect(reachCause('192.0.2.7:7373', other, 'linux').text).not.toBe(text)
    },
  )

  test('speak of the firewall of the system', () => {
    const advice = (platform: NodeJS.Platform): string => reachCause('a:1', 'TIMEOUT', platform).advice
    expect(advice('win32')).toContain('Windows Security')
    expect(advice('darwin')).toContain('System Settings')
    expect(advice('linux')).toContain('ufw')
    expect(nameCause('a', 'EAI_AGAIN', 'win32').advice).toContain('Network & internet')
  })
})
