/** What the browser bridge refuses, and that it says so without repeating a secret. */
import { readdir, symlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { request } from 'node:http'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { MAX_REQUEST, type Reply } from '../../core/api/data/contract.ts'
import type { Host } from '../../core/api/host.ts'
import { TOKEN_MS } from '../../core/bridge/entry.ts'
import { MAX_URL } from '../../core/bridge/guard.ts'
import { ask, query, runBridge, Visitor, Window, type RunningBridge } from '../fixtures/bridge.ts'

/** A host that does nothing; its queue's listeners are told what `tell` is given. */
function stand(listeners: Set<(event: unknown) => void> = new Set()): { stub: (data: string) => Host } {
  const listen = (listener: (event: unknown) => void): (() => void) => {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }
  const never = { done: new Promise(() => undefined), stop: () => undefined }
  const stub = (data: string): Host =>
    ({
      ...{ data, queue: { listen, list: () => [] }, call: () => never, close: () => undefined },
      onReplaced: () => () => undefined,
    }) as unknown as Host
  return { stub }
}

/** Refusals are logged, each with one of these reasons; no line holds one of the secrets. */
function expectLog({ lines }: RunningBridge, reasons: readonly string[], secrets: readonly string[]): void {
  expect(lines.map((line) => /^refused: (.*?)(?: \([A-Z?]+ \S+\))?$/.exec(line)?.[1])).toEqual(reasons)
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(4)
    expect(lines.join('\n')).not.toContain(secret)
  }
}

const tokenOf = (url: string): string => new URL(url).searchParams.get('token') ?? ''
const valueOf = (cookie: string): string => cookie.split('=')[1]

/** What the bridge answers to bytes that no HTTP client would send. */
function raw(port: number, bytes: string, address = '127.0.0.1'): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, address, () => socket.write(bytes))
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.on('close', () => resolve(text)).on('error', reject)
  })
}

test('a token works once, for ten minutes, and only for GET', async () => {
  let now = 1e12
  await using running = await runBridge({ ...stand(), now: () => now })
  const { bridge } = running
  const enter = async (url: string, method = 'GET'): Promise<number> => {
    const answer = await ask(bridge.port, url.slice(url.indexOf('/enter')), { method })
    expect(answer.headers['set-cookie'] === undefined).toBe(answer.status !== 303)
    if (answer.status === 403) expect(answer.body.toString()).toContain('the address that the program prints')
    return answer.status
  }
  expect(tokenOf(bridge.url)).toMatch(/^[\w-]{43}$/)
  expect(await enter(bridge.url, 'HEAD')).toBe(405)
  const first = await ask(bridge.port, bridge.url.slice(bridge.url.indexOf('/enter')))
  const [cookie] = first.headers['set-cookie'] ?? []
  expect(cookie).toMatch(/^adyton-\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/)
  expect(await enter(bridge.url)).toBe(403)
  const late = bridge.newEntry()
  const timely = bridge.newEntry()
  now += TOKEN_MS - 1
  expect(await enter(timely)).toBe(303)
  now += 1
  expect(await enter(late)).toBe(403)
  now -= TOKEN_MS
  expect(await enter(late)).toBe(403)
  for (const url of ['/enter', '/enter?token=', `/enter?token=${'a'.repeat(43)}`, '/enter?token=%00']) {
    expect(await enter(url)).toBe(403)
  }
  const secrets = [tokenOf(bridge.url), tokenOf(late), tokenOf(timely), valueOf(cookie.split(';')[0])]
  const bad = 'wrong, used or old token'
  expectLog(running, ['method not allowed', ...Array<string>(7).fill(bad)], secrets)
})

test('nothing listens on the addresses by which other machines reach this one', async () => {
  await using running = await runBridge(stand())
  const { port } = running.bridge
  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
  // All of 127/8 is this machine there, so that there is always one to try.
  if (process.platform === 'linux') outside.push('127.0.0.2')
  for (const address of outside) await expect(raw(port, 'x', address)).rejects.toThrow('ECONNREFUSED')
  await expect(raw(port, 'x\r\n\r\n')).resolves.toContain('400')
})

test('requests of other pages, names and methods are refused', async () => {
  await using running = await runBridge(stand())
  const { bridge } = running
  const { port } = bridge
  const visitor = await Visitor.enter(bridge.url)
  const { cookie, origin, key, headers: own } = visitor
  const another = await Visitor.enter(bridge.newEntry())
  const reasons: string[] = []
  const refuse = async (
    status: number,
    reason: string,
    path: string,
    method: string,
    headers: Record<string, string>,
  ) => {
    const answer = await ask(port, path, { method, headers })
    expect({ status: answer.status, reason, method }).toEqual({ status, reason, method })
    expect(answer.body.toString()).not.toContain('<title>Adyton</title>')
    reasons.push(reason)
  }
  for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1', `127.0.0.1:${port + 1}`, `[::1]:${port}`]) {
    await refuse(403, 'wrong Host header', '/', 'GET', { cookie, host })
    await refuse(403, 'wrong Host header', '/upload?name=x', 'POST', { cookie, host, origin: `http://${host}` })
  }
  for (const foreign of ['http://evil.example', 'null', `https://127.0.0.1:${port}`, `http://localhost:${port}`, '']) {
    await refuse(403, 'wrong Origin header', '/', 'GET', { cookie, origin: foreign })
    await refuse(403, 'wrong Origin header', '/download-slot?name=x', 'POST', { cookie, origin: foreign })
  }
  await refuse(403, 'missing Origin header', '/upload?name=x', 'POST', { cookie })
  for (const method of ['DELETE', 'PUT', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND']) {
    await refuse(405, 'method not allowed', '/', method, { cookie, origin })
  }
  const near = `${cookie.slice(0, -1)}${cookie.endsWith('A') ? 'B' : 'A'}`
  for (const other of ['', 'adyton=1', near, cookie.replace(String(port), String(port + 1)), `x${cookie}`]) {
    await refuse(403, 'no session', '/', 'GET', other === '' ? {} : { cookie: other })
    await refuse(403, 'no session', '/assets/index-Ab12_-9z.js', 'GET', { cookie: other })
    await refuse(403, 'no session', '/upload?name=x', 'POST', { cookie: other, origin })
    await refuse(403, 'no session', '/download-slot?name=x', 'POST', { cookie: other, origin })
    await refuse(403, 'no session', '/download/x', 'GET', { cookie: other })
  }
  // A server on another port is sent the cookie, and never the key.
  const wrong = [
    { cookie, origin },
    { ...own, 'x-adyton-key': `${key}x` },
    { ...own, 'x-adyton-key': another.key },
  ]
  for (const headers of wrong) {
    await refuse(403, 'wrong key', '/upload?name=x', 'POST', headers)
    await refuse(403, 'wrong key', '/download-slot?name=x', 'POST', headers)
  }
  await refuse(404, 'nothing to post to', '/', 'POST', own)
  await refuse(405, 'method not allowed', '/download/x', 'HEAD', { cookie })
  await refuse(414, 'address too long', `/${'a'.repeat(MAX_URL)}`, 'GET', { cookie })
  expectLog(running, reasons, [tokenOf(bridge.url), valueOf(cookie), key, another.key, 'name=x'])
})

test('what is not proper HTTP is refused', async () => {
  await using running = await runBridge(stand())
  const { port, url } = running.bridge
  const { cookie } = await Visitor.enter(url)
  const rest = `Cookie: ${cookie}\r\nConnection: close\r\n\r\n`
  const host = `Host: 127.0.0.1:${port}\r\n`
  expect(await raw(port, `GET / HTTP/1.1\r\n${host}${rest}`)).toMatch(/^HTTP\/1.1 200 /)
  expect(await raw(port, `GET / HTTP/1.1\r\n${host}Host: evil.example\r\n${rest}`)).toMatch(/^HTTP\/1.1 403 /)
  expect(await raw(port, `GET / HTTP/1.0\r\n${rest}`)).toMatch(/^HTTP\/1.1 403 /)
  expect(await raw(port, `GET http://evil.example/ HTTP/1.1\r\n${host}${rest}`)).toMatch(/^HTTP\/1.1 400 /)
  expect(await raw(port, 'once upon a time\r\n\r\n')).toMatch(/^HTTP\/1.1 400 /)
  expect(await raw(port, `GET / HTTP/1.1\r\n${host}X: ${'x'.repeat(20_000)}\r\n${rest}`)).toMatch(/^HTTP\/1.1 400 /)
  const wrong = 'wrong Host header'
  const bad = ['not a proper request (HPE_INVALID_METHOD)', 'not a proper request (HPE_HEADER_OVERFLOW)']
  expect(running.lines.map((line) => line.replace(/^refused: /, '').replace(/ \([A-Z]+ \S+\)$/, ''))).toEqual([
    wrong,
    wrong,
    'not a path',
    ...bad,
  ])
})

test('who was refused may not go on sending', async () => {
  await using running = await runBridge(stand())
  const { port } = running.bridge
  const head = `POST /upload?name=x HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Length: 1000000\r\n\r\n`
  const socket = connect(port, '127.0.0.1', () => socket.write(head))
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString())).on('error', () => undefined)
  const more = setInterval(() => socket.write('more'), 100)
  await new Promise((resolve) => socket.on('close', resolve))
  clearInterval(more)
  expect(text).toMatch(/^HTTP\/1.1 403 /)
})

test('no path leaves the folder of the renderer', async () => {
  await using running = await runBridge(stand())
  const visitor = await Visitor.enter(running.bridge.url)
  await symlink(join(running.data, '..', 'secret.txt'), join(running.data, '..', 'renderer', 'link.txt'))
  const paths = [
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/assets/%2e%2e%2f%2e%2e%2fsecret.txt',
    '/..%5csecret.txt',
    '/..\\secret.txt',
    '/assets%5c..%5c..%5csecret.txt',
    '//secret.txt',
    '/%2fetc/passwd',
    '/c:/secret.txt',
    '/.git/config',
    '/index.html%00.js',
    '/%ff',
    '/assets//index-Ab12_-9z.js',
    '/link.txt',
  ]
  for (const path of paths) {
    const { status, body } = await visitor.get(path)
    expect({ path, status }).toEqual({ path, status: 400 })
    expect(body.toString()).not.toContain('not for browsers')
  }
  for (const path of ['/secret.txt', '/assets', '/%252e%252e/secret.txt']) {
    expect({ path, status: (await visitor.get(path)).status }).toEqual({ path, status: 404 })
  }
  expect(running.lines).toHaveLength(paths.length)
})

describe('sockets', () => {
  test('an upgrade needs the origin, the name, the session and the address', async () => {
    await using running = await runBridge(stand())
    const { port, url } = running.bridge
    const visitor = await Visitor.enter(url)
    const { cookie, origin, key, socketHeaders: own } = visitor
    const { key: another } = await Visitor.enter(running.bridge.newEntry())
    const cases: [headers: Record<string, string>, reason: string, status?: number, path?: string][] = [
      [{ cookie }, 'missing Origin header'],
      [{ cookie, origin: 'http://evil.example' }, 'wrong Origin header'],
      [{ cookie, origin: 'null' }, 'wrong Origin header'],
      [{ cookie, origin, host: 'evil.example' }, 'wrong Host header'],
      [{ cookie, origin: 'http://evil.example', host: 'evil.example' }, 'wrong Host header'],
      [{ origin }, 'no session'],
      [{ origin, cookie: `${cookie}x` }, 'no session'],
      [{ cookie, origin }, 'wrong key'],
      [{ cookie, origin, protocols: 'adyton' }, 'wrong key'],
      [{ cookie, origin, protocols: `adyton ${another}` }, 'wrong key'],
      [{ cookie, origin, protocols: `${key} adyton` }, 'wrong key'],
      [own, 'no such socket', 404, '/'],
      [own, 'no such socket', 404, '/sockets'],
    ]
    for (const [headers, reason, status = 403, path = '/socket'] of cases) {
      const opening = Window.open(port, headers, { path })
      await expect(opening, reason).rejects.toThrow(`refused with ${status}`)
    }
    expectLog(
      running,
      cases.map(([, reason]) => reason),
      [valueOf(cookie), tokenOf(url), key],
    )
    expect(await (await visitor.window()).ask({ type: 'jobs.list' })).toEqual([])
  })

  test('a message that is none closes the socket', async () => {
    await using running = await runBridge(stand())
    const visitor = await Visitor.enter(running.bridge.url)
    const body = 'private-words'
    const call = { type: 'call', operation: 'models', input: {} }
    const cases: [message: string | Buffer, code: number, reason: RegExp, line: string][] = [
      [`{"${body}`, 1008, /^a message that is not JSON$/, 'a message that is not JSON'],
      [Buffer.from('{"type":"jobs.list","id":1}'), 1008, /not JSON/, 'a message that is not JSON'],
      ['null', 1008, /^not a request/, 'a message outside the contract'],
      [JSON.stringify({ type: body, id: 1 }), 1008, /^not a request: type: /, 'a message outside the contract'],
      [JSON.stringify({ ...call, id: -1 }), 1008, /^not a request: id: /, 'a message outside the contract'],
      [JSON.stringify({ ...call, id: 1, [body]: 1 }), 1008, /^not a request/, 'a message outside the contract'],
      [JSON.stringify({ ...call, id: 1, operation: 'ä'.repeat(65) }), 1008, /./, 'a message outside the contract'],
      ['x'.repeat(MAX_REQUEST + 1), 1009, /^$/, 'a broken message (WS_ERR_UNSUPPORTED_MESSAGE_LENGTH)'],
    ]
    for (const [message, code, reason] of cases) {
      const window = await visitor.window()
      window.socket.send(message)
      const closed = await window.closed
      expect(closed.code).toBe(code)
      expect(closed.reason).toMatch(reason)
    }
    expectLog(
      running,
      cases.map(([, , , line]) => line),
      [body, valueOf(visitor.cookie)],
    )
    // Others are not disturbed.
    expect(await (await visitor.window()).ask({ type: 'jobs.list' })).toEqual([])
  })

  test('there are not too many, and those that do not answer are dropped', async () => {
    await using running = await runBridge({ ...stand(), limits: { sockets: 2, pingMs: 200 } })
    const { port, cookie, socketHeaders } = await Visitor.enter(running.bridge.url)
    const alive = await Window.open(port, socketHeaders)
    const dead = await Window.open(port, socketHeaders, { autoPong: false })
    await expect(Window.open(port, socketHeaders)).rejects.toThrow('refused with 503')
    expectLog(running, ['too many windows'], [valueOf(cookie)])
    expect((await dead.closed).code).toBe(1006)
    await Window.open(port, socketHeaders)
    expect(alive.socket.readyState).toBe(alive.socket.OPEN)
  })

  test('a window that does not read is dropped, others go on', async () => {
    const listeners = new Set<(event: unknown) => void>()
    await using running = await runBridge({ ...stand(listeners), limits: { buffered: 2 ** 20 } })
    const visitor = await Visitor.enter(running.bridge.url)
    const [window, deaf] = [await visitor.window(), await visitor.window()]
    deaf.socket.pause()
    const line = 'x'.repeat(2 ** 18)
    const heard = (): number => window.replies.filter((reply: Reply) => reply.type === 'job.notice').length
    // The system's own buffers take some megabytes first.
    for (let told = 1; listeners.size > 1 && told < 1000; told++) {
      for (const listener of listeners) listener({ kind: 'notice', id: 'ab'.repeat(8), line })
      await expect.poll(heard, { interval: 1 }).toBe(told)
    }
    expect(listeners.size).toBe(1)
    expectLog(running, ['a window that does not read'], [valueOf(visitor.cookie)])
    expect(window.socket.readyState).toBe(window.socket.OPEN)
  })
})

describe('files', () => {
  test('names that mean a place elsewhere are refused', async () => {
    await using running = await runBridge(stand())
    const visitor = await Visitor.enter(running.bridge.url)
    const names = ['', '.', '..', '../x', '/x', 'a/../../x', 'a//b', 'a/', '..\\x', 'a\0b', 'a\nb', 'ä'.repeat(101)]
    const batch = '0'.repeat(16)
    for (const name of names) {
      for (const more of [{ batch }, {}]) {
        const { status, body } = await visitor.post(`/upload?${query({ name, ...more })}`, 'x')
        expect({ name, status }).toEqual({ name, status: 400 })
        expect(JSON.parse(body.toString())).toMatchObject({ error: { code: 'usage' } })
      }
      expect((await visitor.post(`/download-slot?${query({ name })}`)).status).toBe(400)
    }
    for (const bad of ['', '..', '0'.repeat(15), '../'.repeat(5) + 'x', 'G'.repeat(16)]) {
      expect((await visitor.post(`/upload?${query({ name: 'x', batch: bad })}`, 'x')).status).toBe(400)
    }
    // Slashes belong to batches alone.
    expect((await visitor.post('/upload?name=a%2Fb', 'x')).status).toBe(400)
    expect(await readdir(running.data).catch(() => [])).toEqual([])
  })

  test('an upload that is too large or cut off leaves nothing', async () => {
    await using running = await runBridge({ ...stand(), limits: { upload: 1000 } })
    const visitor = await Visitor.enter(running.bridge.url)
    const { port, cookie, origin, key, headers: own } = visitor
    const uploads = (): Promise<string[]> => readdir(join(running.data, 'uploads'))
    expect((await visitor.post('/upload?name=x', Buffer.alloc(1000))).status).toBe(200)
    const [kept] = await uploads()
    // Refused for what it says of itself, before it comes.
    const says = [`Host: 127.0.0.1:${port}`, `Origin: ${origin}`, `Cookie: ${cookie}`, `X-Adyton-Key: ${key}`]
    const declared = await raw(
      port,
      ['POST /upload?name=x HTTP/1.1', ...says, 'Content-Length: 1001', '', ''].join('\r\n'),
    )
    expect(declared).toMatch(/^HTTP\/1.1 413 [^]*\{"error":\{"code":"usage"/)
    const headers = { 'transfer-encoding': 'chunked', connection: 'close' }
    expect((await visitor.post('/upload?name=x', Buffer.alloc(300_000), headers)).status).toBe(413)
    expect(await uploads()).toEqual([kept])

    const options = { host: '127.0.0.1', port, path: '/upload?name=x', method: 'POST' }
    const cut = request({ ...options, headers: { ...own, 'content-length': 1000 } })
    cut.on('error', () => undefined)
    cut.write('half')
    await expect.poll(async () => (await uploads()).length).toBe(2)
    cut.destroy()
    await expect.poll(uploads).toEqual([kept])
    expectLog(running, ['upload too large', 'upload too large'], [valueOf(cookie)])
  })

  test('an upload that the end of the program cuts off leaves nothing', async () => {
    await using running = await runBridge(stand())
    const visitor = await Visitor.enter(running.bridge.url)
    const { port, headers: own } = visitor
    const options = { host: '127.0.0.1', port, path: '/upload?name=x', method: 'POST' }
    const cut = request({ ...options, headers: own })
    cut.on('error', () => undefined)
    cut.write('half')
    const uploads = join(running.data, 'uploads')
    await expect.poll(async () => (await readdir(uploads).catch(() => [])).length).toBe(1)
    await running.bridge.close()
    expect(await readdir(uploads)).toEqual([])
  })

  test('a folder in the place of a file is not downloaded', async () => {
    await using running = await runBridge(stand())
    const visitor = await Visitor.enter(running.bridge.url)
    const { body } = await visitor.post('/download-slot?name=x')
    const { path, url } = JSON.parse(body.toString()) as { path: string; url: string }
    await symlink(running.data, path)
    const { status, body: words } = await visitor.get(url)
    expect(status).toBe(409)
    expect(words.toString()).toContain('a folder cannot be downloaded')
    expectLog(running, ['not a file'], [url.split('/')[2]])
  })
})
