/** Two installations with data folders of their own: one hosts, one joins, as their operations do it. */
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import * as v from 'valibot'
import { connect, connectInput } from '../../core/api/operations/connect.ts'
import { forgetPeer, pair, peers, renamePeer } from '../../core/api/operations/peers.ts'
import { serve, serveInput } from '../../core/api/operations/serve.ts'
import type { InferenceDetail } from '../../core/api/data/progress.ts'
import { formatCode } from '../../core/channel/pairing/code.ts'
import { loadOrCreateIdentity } from '../../core/channel/identity.ts'
import { connect as connectTls } from '../../core/channel/tls.ts'
import { host, quiet, TINY, type Hosted } from '../fixtures/hosting.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let hosted: Hosted | undefined
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(async () => {
  await hosted?.stop()
  hosted = undefined
  await folder[Symbol.asyncDispose]()
})

const here = (name: string): string => join(folder.dir, name)
const error = (code: string, text: string): unknown =>
  expect.objectContaining({ code, message: expect.stringContaining(text) as unknown })
const joinBy = (port: number, code: string, data = here('guest')): ReturnType<typeof pair.run> =>
  pair.run({ host: '127.0.0.1', port, code, name: 'the guest', data }, quiet())
const infer = (port: number, more: Partial<v.InferInput<typeof connectInput>> = {}, context = quiet()) =>
  connect.run(v.parse(connectInput, { host: '127.0.0.1', port, data: here('guest'), ...more }), context)
const shown = (): string => hosted?.detail().pairing?.code ?? ''

describe('pairing', () => {
  test('lets a client in that is told nothing but address and code, also after both were restarted', async () => {
    const sources = [TINY, { ...TINY, seed: '2' }]
    hosted = await host({ data: here('host'), pairing: true, name: 'the host', sources })
    expect(hosted.notices.join('\n')).toContain(`pairing code ${formatCode(shown())}`)
    await expect(infer(hosted.port)).rejects.toEqual(error('peer-untrusted', 'not known who should answer'))
    const server = await joinBy(hosted.port, formatCode(shown()))
    const { fingerprint } = await loadOrCreateIdentity(here('host'))
    expect(server).toMatchObject({ role: 'server', name: 'the host', fingerprint, address: `127.0.0.1:${hosted.port}` })
    expect(await hosted.until(({ pairing }) => pairing === null)).toMatchObject({ pairingEnded: 'used', refused: [] })
    const guest = await loadOrCreateIdentity(here('guest'))
    expect(await hosted.until(({ paired }) => paired !== null)).toMatchObject({ paired: guest.fingerprint })
    expect(await peers.run({ data: here('host') }, quiet())).toMatchObject([
      {
        role: 'client',
        name: 'the guest',
        fingerprint: guest.fingerprint,
        address: '127.0.0.1',
      },
    ])

    // Nothing but the address.
    const details: InferenceDetail[] = []
    const first = await infer(
      hosted.port,
      {},
      quiet({ onProgress: ({ detail }) => void (detail !== undefined && details.push(detail as InferenceDetail)) }),
    )
    expect(first).toMatchObject({ server: { fingerprint, name: 'the host' }, model: { id: 'lenet-tiny' }, images: 1 })
    expect(details.at(-1)).toMatchObject({ kind: 'inference', phase: 'done', image: 1, images: 1 })
    expect(details.at(-1)?.offline.ms.server).toBeNull()
    expect(details.at(-1)?.offline.bytes.gc.down).toBeGreaterThan(0)
    expect(first.link.rttMs).toBeGreaterThan(0)
    expect(first.link.rttMs).toBeLessThanOrEqual(first.phases.setup.wallMs)
    expect(first.link.down).toBeGreaterThan(0)
    await expect(infer(hosted.port, { model: 'resnet' })).rejects.toEqual(
      error('model-mismatch', `it offers "lenet-tiny", "lenet-tiny (2)"`),
    )
    // Told a few times a second.
    await expect.poll(() => hosted?.detail()).toMatchObject({ prepared: 1, inferences: 1 })
    await hosted.stop()

    // Neither --pair nor --allow: the pin is enough, at whatever port it listens now.
    hosted = await host({ data: here('host'), sources })
    expect(hosted.detail().pairing).toBeNull()
    const again = await infer(hosted.port, { peer: fingerprint, model: 'lenet-tiny (2)' })
    expect(again).toMatchObject({ server: { fingerprint }, model: { id: 'lenet-tiny (2)' } })
    expect(await peers.run({ data: here('guest') }, quiet())).toMatchObject([{ address: `127.0.0.1:${hosted.port}` }])
  }, 120_000)

  test('is void after three wrong codes, until the host shows a new one', async () => {
    hosted = await host({ data: here('host'), pairing: true })
    const code = shown()
    const wrong = String((Number(code) + 1) % 10 ** 9).padStart(9, '0')
    for (let i = 0; i < 3; i++) {
      await expect(joinBy(hosted.port, wrong)).rejects.toEqual(error('peer-untrusted', 'does not fit'))
    }
    await expect(joinBy(hosted.port, code)).rejects.toEqual(error('peer-untrusted', 'too often'))
    const closed = await hosted.until(({ pairing, refused }) => pairing === null && refused.length === 4)
    expect(closed.refused[0].why).toContain('too often')
    expect(closed.pairingEnded).toBe('attempts')
    expect(await peers.run({ data: here('guest') }, quiet())).toEqual([])
    expect(await peers.run({ data: here('host') }, quiet())).toEqual([])

    hosted.tell({ do: 'newCode' })
    const open = await hosted.until(({ pairing }) => pairing !== null)
    expect(open.pairingEnded).toBeNull()
    expect(open.pairing?.code).not.toBe(code)
    await expect(joinBy(hosted.port, open.pairing?.code ?? '')).resolves.toMatchObject({ role: 'server' })
    hosted.tell({ do: 'newCode' })
    await hosted.until(({ pairing }) => pairing !== null)
    hosted.tell({ do: 'stopPairing' })
    await hosted.until(({ pairing }) => pairing === null)
    await expect(joinBy(hosted.port, code)).rejects.toEqual(error('peer-untrusted', 'no longer open'))
    hosted.tell({ do: 'dance' })
    expect(hosted.notices.at(-1)).toContain('not understood')
  }, 60_000)

  test('says what is wrong with what was typed before anything is sent', async () => {
    await expect(joinBy(1, '12')).rejects.toEqual(error('usage', '9 digits'))
  })

  test('without a code, a name or a pin a server is not started', async () => {
    const input = v.parse(serveInput, { source: TINY, data: here('host') })
    await expect(serve.run(input, quiet())).rejects.toEqual(error('usage', 'no client may connect'))
  })
})

describe('a client that is forgotten', () => {
  test('may run nothing more, in the session that it has nor in a new one', async () => {
    hosted = await host({ data: here('host'), pairing: true })
    await joinBy(hosted.port, shown())
    const identity = await loadOrCreateIdentity(here('guest'))
    const { fingerprint } = await loadOrCreateIdentity(here('host'))
    let forgotten = false
    const running = infer(
      hosted.port,
      {},
      quiet({
        onProgress: ({ detail }) => {
          // Between the offline and the online phase, as far as the client can tell.
          if (forgotten || (detail as InferenceDetail | undefined)?.phase !== 'offline') return
          forgotten = true
          void forgetPeer.run({ fingerprint: identity.fingerprint, data: here('host') }, quiet())
        },
      }),
    )
    await expect(running).rejects.toEqual(error('peer-untrusted', 'no longer paired'))
    await expect(
      connectTls({ identity, host: '127.0.0.1', port: hosted.port, serverFingerprint: fingerprint }),
    ).rejects.toEqual(error('peer-untrusted', 'does not know the certificate'))
    // The note of when it was last seen does not bring it back.
    expect(await readdir(join(here('host'), 'peers'))).toEqual([])
  }, 60_000)

  test('is sent away on request', async () => {
    hosted = await host({ data: here('host'), pairing: true })
    await joinBy(hosted.port, shown())
    const identity = await loadOrCreateIdentity(here('guest'))
    const { fingerprint } = await loadOrCreateIdentity(here('host'))
    const target = { identity, host: '127.0.0.1', port: hosted.port, serverFingerprint: fingerprint }
    const channel = await connectTls(target)
    const { sessions } = await hosted.until((detail) => detail.sessions.length === 1)
    expect(sessions[0]).toMatchObject({ peer: identity.fingerprint, name: 'the guest', phase: 'setup', model: null })
    hosted.tell({ do: 'disconnect', peer: identity.fingerprint })
    await expect(channel.receive({ type: 1, step: 0, length: 0 })).rejects.toEqual(
      error('peer-aborted', 'has ended this'),
    )
    await hosted.until((detail) => detail.sessions.length === 0)
    // It is still paired.
    await (await connectTls(target)).close()
  }, 60_000)
})

describe('the list of peers', () => {
  test('is private, takes names and loses one entry at a time', async () => {
    hosted = await host({ data: here('host'), pairing: true })
    const used = shown()
    await joinBy(hosted.port, used)
    const [server] = await peers.run({ data: here('guest') }, quiet())
    const short = server.fingerprint.slice(0, 8)
    await renamePeer.run({ fingerprint: short, name: 'big machine', data: here('guest') }, quiet())
    // A second pairing leaves the name that was given here.
    hosted.tell({ do: 'newCode' })
    // The host tells a few times a second what it shows: the code that was used may still stand there.
    const next = await hosted.until(({ pairing }) => pairing !== null && pairing.code !== used)
    await joinBy(hosted.port, next.pairing?.code ?? '')
    expect(await peers.run({ data: here('guest') }, quiet())).toMatchObject([{ name: 'big machine' }])
    if (process.platform !== 'win32') {
      const dir = join(here('guest'), 'peers')
      expect((await stat(dir)).mode & 0o777).toBe(0o700)
      for (const name of await readdir(dir)) expect((await stat(join(dir, name))).mode & 0o777).toBe(0o600)
    }
    await expect(forgetPeer.run({ fingerprint: 'ffff0000', data: here('guest') }, quiet())).rejects.toEqual(
      error('usage', 'no peer'),
    )
    await forgetPeer.run({ fingerprint: short, data: here('guest') }, quiet())
    expect(await peers.run({ data: here('guest') }, quiet())).toEqual([])
    await expect(infer(hosted.port)).rejects.toEqual(error('peer-untrusted', 'not known who should answer'))
  }, 60_000)

  test('names a file that is damaged, and passes over what is none of its own', async () => {
    hosted = await host({ data: here('host'), pairing: true })
    await joinBy(hosted.port, shown())
    const dir = join(here('guest'), 'peers')
    await writeFile(join(dir, 'notes.txt'), 'hello')
    expect(await peers.run({ data: here('guest') }, quiet())).toHaveLength(1)
    const [pin] = (await readdir(dir)).filter((name) => name.endsWith('.json'))
    await writeFile(join(dir, pin), '{"fingerprint":"00"}')
    await expect(peers.run({ data: here('guest') }, quiet())).rejects.toEqual(error('file-corrupt', pin))
  }, 60_000)
})
