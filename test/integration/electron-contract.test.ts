/** What a window may say to the shell and what it may do, over a stand-in for Electron and a real host. */
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { MAX_REQUEST } from '../../core/api/data/contract.ts'
import { DesktopAnswerSchema } from '../../core/api/data/desktop.ts'
import { parse } from 'valibot'
import { PAGE, SCRIPT } from '../fixtures/bridge.ts'
import type { FakeElectron } from '../fixtures/electron/electron.ts'
import { FakeFrame, type FakePage } from '../fixtures/electron/page.ts'
import { Installation } from '../fixtures/electron/shell.ts'

let installation: Installation
let electron: FakeElectron
let page: FakePage

beforeAll(async () => {
  installation = await Installation.make()
  electron = await installation.open()
  page = electron.window.page
})
afterAll(() => installation[Symbol.asyncDispose]())
beforeEach(() => installation.lines.splice(0))

describe('the contract', () => {
  test('a page asks for an operation, submits a job and hears how it goes', async () => {
    expect(await page.ask({ type: 'call', operation: 'models', input: {} })).toContainEqual(
      expect.objectContaining({ id: 'digits' }),
    )
    const job = await page.ask({ type: 'jobs.submit', operation: 'zooVerify', input: {}, title: 'Check' })
    const { id } = job as { id: string }
    const end = await page.until((reply) => reply.type === 'job' && reply.job.id === id && reply.job.state === 'done')
    expect(end).toMatchObject({ job: { title: 'Check', error: null } })
    await expect(page.ask({ type: 'call', operation: 'train', input: {} })).rejects.toThrow('started as a job')
    expect(installation.lines).toEqual([])
  })

  const call = { type: 'call', id: 900, operation: 'models', input: {} }
  const answered = (): boolean => page.replies.some((reply) => 'id' in reply && reply.id === 900)

  test.each([
    ['another page in the window', () => ({ senderFrame: page0('https://example.org/') })],
    ['a host that begins as ours does', () => ({ senderFrame: page0('adyton://app.example.org/') })],
    ['another scheme with our host', () => ({ senderFrame: page0('https://app/index.html') })],
    ['an empty page', () => ({ senderFrame: page0('about:blank') })],
    ['a page without an address', () => ({ senderFrame: page0('') })],
    ['a frame in our page', () => ({ senderFrame: new FakeFrame('adyton://app/index.html') })],
    ['a frame that is gone', () => ({ senderFrame: null })],
    ['a frame that is disposed', () => ({ senderFrame: disposed() })],
    ['contents that no window of ours has', () => ({ sender: { id: 1e6, mainFrame: main() } })],
  ])('%s is refused on both channels, and logged without content', async (_, make) => {
    const before = electron.window.webContents.mainFrame
    const from = make() as unknown as Partial<Electron.IpcMainEvent>
    page.post({ ...call, input: 'a secret' }, from)
    await expect(page.shell({ what: 'chooseFolder', title: 'a secret' }, from)).rejects.toThrow('refused')
    electron.window.webContents.mainFrame = before
    expect(installation.lines).toEqual(Array(2).fill('refused: a request of a page that is not ours'))
    await page.ask({ type: 'jobs.list' })
    expect(answered()).toBe(false)
  })

  /** A main frame elsewhere; the real one is put back by the test. */
  function page0(url: string): FakeFrame {
    return (electron.window.webContents.mainFrame = new FakeFrame(url))
  }
  const main = (): FakeFrame => electron.window.webContents.mainFrame
  function disposed(): FakeFrame {
    const frame = page0('adyton://app/index.html')
    frame.gone = true
    return frame
  }

  const cyclic: { self?: unknown } = {}
  cyclic.self = cyclic
  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a text', 'a secret'],
    ['a list', [call]],
    ['no number', { ...call, id: undefined }],
    ['a number below one', { ...call, id: 0 }],
    ['more than the contract has', { ...call, secret: 'a secret' }],
    ['another type', { ...call, type: 'eval' }],
    ['a job of a bad name', { type: 'jobs.pause', id: 900, job: '../../x' }],
    ['what is no JSON', { ...call, input: { n: 1n } }],
    ['a ring', { ...call, input: cyclic }],
    ['too much', { ...call, input: 'x'.repeat(MAX_REQUEST) }],
  ])('%s is refused, and logged without content', async (_, message) => {
    page.post(message)
    expect(installation.lines).toEqual(['refused: a message that is not in the contract'])
    await page.ask({ type: 'jobs.list' })
    expect(answered()).toBe(false)
  })

  test('an operation gets plain JSON, whatever was sent', async () => {
    await expect(page.ask({ type: 'call', operation: 'models', input: new Map([['a', 1]]) })).resolves.toBeDefined()
    for (const operation of ['__proto__', 'constructor']) {
      await expect(page.ask({ type: 'call', operation, input: {} })).rejects.toThrow('no operation')
      await expect(page.ask({ type: 'jobs.submit', operation, input: {}, title: 'x' })).rejects.toThrow('is no job')
    }
  })
})

describe('what the shell does for a page', () => {
  const ask = async (message: unknown) => parse(DesktopAnswerSchema, await page.shell(message))

  test('dialogs: paths, or nothing when the person changes their mind', async () => {
    const { dialog } = electron
    const files = { what: 'chooseFiles', title: 'Import', extensions: ['onnx'], multiple: true }
    expect(await ask(files)).toEqual({ ok: true, value: [] })
    dialog.open = ['/a/b.onnx']
    expect(await ask(files)).toEqual({ ok: true, value: ['/a/b.onnx'] })
    expect(await ask({ what: 'chooseFolder', title: 'Data' })).toEqual({ ok: true, value: '/a/b.onnx' })
    dialog.open = []
    expect(await ask({ what: 'chooseFolder', title: 'Data' })).toEqual({ ok: true, value: null })
    expect(await ask({ what: 'chooseSave', name: 'x.csv' })).toEqual({ ok: true, value: null })
  })

  test('a drawing is kept in the data folder for its owner alone, until the end', async () => {
    const content = new Uint8Array([1, 2, 3])
    const answer = await ask({ what: 'putFile', name: 'my digit?.png', content })
    const path = answer.ok ? String(answer.value) : ''
    expect(path.startsWith(join(installation.data, 'uploads'))).toBe(true)
    expect(path.endsWith('my digit_.png')).toBe(true)
    expect(new Uint8Array(await readFile(path))).toEqual(content)
    expect((await stat(path)).mode & 0o077).toBe(0)
  })

  test('a result is saved where the person says; a place that cannot be written is told', async () => {
    const content = new TextEncoder().encode('a,b')
    electron.dialog.save = join(installation.dir, 'out.csv')
    expect(await ask({ what: 'saveFile', name: 'out.csv', content })).toEqual({ ok: true, value: electron.dialog.save })
    expect(await readFile(electron.dialog.save, 'utf8')).toBe('a,b')
    electron.dialog.save = join(installation.dir, 'no-such-folder', 'out.csv')
    expect(await ask({ what: 'saveFile', name: 'out.csv', content })).toMatchObject({ ok: false, code: 'store-failed' })
    electron.dialog.save = ''
    expect(await ask({ what: 'saveFile', name: 'out.csv', content })).toEqual({ ok: true, value: null })
  })

  test.each([
    ['a path for a name', { what: 'putFile', name: '../../x', content: new Uint8Array(1) }],
    ['a list for a file', { what: 'putFile', name: 'x', content: [1, 2, 3] }],
    ['a file that is too large', { what: 'putFile', name: 'x', content: new Uint8Array(64 * 2 ** 20 + 1) }],
    ['a pattern for an extension', { what: 'chooseFiles', title: '', extensions: ['*'], multiple: false }],
    ['a local address', { what: 'openExternal', url: 'file:///etc/passwd' }],
    ['a program', { what: 'openExternal', url: 'javascript:alert(1)' }],
    ['an address in the clear', { what: 'openExternal', url: 'http://example.org' }],
    ['another request', { what: 'exec', command: 'id' }],
    ['nothing', null],
  ])('%s is refused with words', async (_, message) => {
    expect(await ask(message)).toMatchObject({ ok: false, code: 'usage' })
    expect(electron.external).toEqual([])
  })

  test('links open outside; a notification is for those who look elsewhere, and leads back', async () => {
    expect(await ask({ what: 'openExternal', url: 'https://example.org/x' })).toEqual({ ok: true, value: null })
    expect(electron.external.splice(0)).toEqual(['https://example.org/x'])
    electron.window.focused = true
    await ask({ what: 'notify', title: 'Done', body: '' })
    expect(electron.notifications).toEqual([])
    electron.window.focused = false
    electron.window.visible = false
    await ask({ what: 'notify', title: 'Done', body: 'Seven' })
    expect(electron.notifications).toMatchObject([{ title: 'Done', body: 'Seven' }])
    electron.notifications[0].emitter.emit('click')
    expect(electron.window.visible).toBe(true)
  })
})

describe('what a page may do', () => {
  test('the window has no Node, and a preload script in the sandbox', () => {
    expect(electron.app.sandboxed).toBe(true)
    expect(electron.window.options.webPreferences).toMatchObject({
      ...{ contextIsolation: true, sandbox: true, nodeIntegration: false, webviewTag: false },
      preload: join(installation.dir, 'preload.cjs'),
    })
  })

  test('it goes nowhere, opens nothing, is sent nowhere, and holds no other page', async () => {
    const { webContents } = electron.window
    const elsewhere = ['https://example.org/', 'file:///etc/passwd', 'adyton://app.example.org/', 'data:text/html,x']
    for (const url of elsewhere) {
      expect(await webContents.navigate(url)).toBe(false)
      expect(await webContents.navigate(url, 'will-redirect')).toBe(false)
      expect(webContents.opens(url)).toBe(false)
    }
    expect(webContents.opens('adyton://app/index.html')).toBe(false)
    expect(webContents.attachesWebview()).toBe(false)
    expect(webContents.mainFrame.url).toBe('adyton://app/index.html')
  })

  test('it gets no permission but to copy text, no device, no download', () => {
    const { defaultSession } = electron.session
    const asked = (permission: string, requestingUrl = 'adyton://app/index.html', isMainFrame = true): boolean[] => {
      const answers: boolean[] = []
      defaultSession.request?.({}, permission, (ok) => answers.push(ok), { requestingUrl, isMainFrame })
      answers.push(defaultSession.check?.({}, permission, requestingUrl, { isMainFrame }) ?? true)
      return answers
    }
    for (const permission of [
      'media',
      'geolocation',
      'notifications',
      'clipboard-read',
      'fullscreen',
      'openExternal',
    ]) {
      expect(asked(permission)).toEqual([false, false])
    }
    expect(asked('clipboard-sanitized-write')).toEqual([true, true])
    expect(asked('clipboard-sanitized-write', 'https://example.org')).toEqual([false, false])
    expect(asked('clipboard-sanitized-write', 'adyton://app/', false)).toEqual([false, false])
    expect(defaultSession.device?.({ deviceType: 'usb' })).toBe(false)
    let prevented = false
    defaultSession.emit('will-download', { preventDefault: () => (prevented = true) })
    expect(prevented).toBe(true)
  })
})

describe('the pages’ own protocol', () => {
  const get = async (url: string, init?: RequestInit): Promise<Response> => {
    const handler = electron.handlers.get('adyton')
    if (handler === undefined) throw new Error('there is no handler')
    return await handler(new Request(url, init))
  }

  test('serves the renderer with a policy that allows nothing else', async () => {
    expect(electron.schemes).toEqual(['adyton'])
    const index = await get('adyton://app/index.html')
    expect(await index.text()).toBe(PAGE)
    const policy = index.headers.get('content-security-policy') ?? ''
    expect(policy.split('; ')).toEqual(
      expect.arrayContaining(["default-src 'none'", "script-src 'self' 'wasm-unsafe-eval'", "connect-src 'none'"]),
    )
    expect(policy).not.toMatch(/https?:|\*|'unsafe-eval'/)
    expect(index.headers.get('x-content-type-options')).toBe('nosniff')
    const script = await get('adyton://app/assets/index-Ab12_-9z.js')
    expect(await script.text()).toBe(SCRIPT)
    expect(script.headers.get('content-type')).toContain('text/javascript')
    expect(electron.window.webContents.response?.status).toBe(200)
  })

  test('knows no other host, no other method, no file outside', async () => {
    await mkdir(join(installation.dir, 'renderer', 'folder'), { recursive: true })
    await writeFile(join(installation.dir, 'renderer', '.hidden'), 'x')
    const refused = [
      'adyton://other/index.html',
      'adyton://app:81/index.html',
      'adyton://app/../secret.txt',
      'adyton://app/..%2fsecret.txt',
      'adyton://app/%2e%2e/secret.txt',
      'adyton://app/%2e%2e%2fsecret.txt',
      'adyton://app/..%5csecret.txt',
      'adyton://app/assets//index-Ab12_-9z.js',
      'adyton://app/.hidden',
      'adyton://app/folder',
      'adyton://app/missing.js',
      'adyton://app/%00',
      'adyton://app/%zz',
      'adyton://app/c:%5cwindows',
    ]
    for (const url of refused) {
      const response = await get(url)
      expect([url, response.status >= 400]).toEqual([url, true])
      expect(await response.text()).not.toContain('not for pages')
      expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    }
    expect((await get('adyton://app/index.html', { method: 'POST', body: 'x' })).status).toBe(404)
  })
})
