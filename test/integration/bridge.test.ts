/** The app in a browser: entering, windows, jobs, files in both directions. */
import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { WindowJob } from '../../core/api/data/contract.ts'
import type { Host } from '../../core/api/host.ts'
import { bundledModels } from '../../core/api/source.ts'
import { startBridge } from '../../core/bridge/bridge.ts'
import { PAGE, query, runBridge, SCRIPT, Visitor, type Answered } from '../fixtures/bridge.ts'
import { ROOT } from '../fixtures/command.ts'

const parsed = <T>({ status, body }: Answered): T => {
  expect(status).toBe(200)
  return JSON.parse(body.toString()) as T
}

test('a browser enters, loads the page and its files, and reloads', async () => {
  await using running = await runBridge()
  const visitor = await Visitor.enter(running.bridge.url)
  for (const host of ['127.0.0.1', 'localhost']) {
    const page = await visitor.get('/?reload', { host: `${host}:${visitor.port}` })
    expect(page.body.toString()).toBe(PAGE)
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    })
    const policy = String(page.headers['content-security-policy']).split('; ')
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain(`connect-src 'self' ws://${host}:${visitor.port}`)
    expect(policy).toContain("frame-ancestors 'none'")
  }
  const script = await visitor.get('/assets/index-Ab12_-9z.js')
  expect(script.body.toString()).toBe(SCRIPT)
  expect(script.headers['content-type']).toBe('text/javascript; charset=utf-8')
  expect(script.headers['cache-control']).toContain('immutable')
  expect((await visitor.get('/none.js')).status).toBe(404)
  // A second browser has an address of its own; the first one stays in.
  const other = await Visitor.enter(running.bridge.newEntry())
  expect(other.cookie).not.toBe(visitor.cookie)
  expect((await visitor.get('/')).status).toBe(200)
  expect(running.lines).toEqual([])
})

test('a renderer that was not built is told with what to run', async () => {
  await using running = await runBridge({ renderer: join(ROOT, 'no-such-folder') })
  const visitor = await Visitor.enter(running.bridge.url)
  const { status, body } = await visitor.get('/')
  expect(status).toBe(503)
  expect(body.toString()).toContain('npm run setup')
})

test('a window calls, submits and cancels; its jobs go on when it closes', async () => {
  await using running = await runBridge()
  const visitor = await Visitor.enter(running.bridge.url)
  const window = await visitor.window()
  const models = (await window.ask({ type: 'call', operation: 'models', input: {} })) as { id: string }[]
  expect(models.map(({ id }) => id)).toEqual(bundledModels())

  const input = { arch: 'lenet-tiny', dataset: 'generated', epochs: 10_000, batch: 32, rate: 0.05 }
  const submit = {
    type: 'jobs.submit',
    operation: 'train',
    title: 'long',
    input: { ...input, out: join(running.data, 'm') },
  }
  const { id: job } = (await window.ask(submit)) as WindowJob
  await window.until((reply) => reply.type === 'job.progress' && reply.job === job)

  window.socket.close()
  await window.closed

  const again = await visitor.window()
  const jobs = (await again.ask({ type: 'jobs.list' })) as WindowJob[]
  expect(jobs).toMatchObject([{ id: job, state: 'running' }])
  await again.until((reply) => reply.type === 'job.progress' && reply.job === job)
  await again.ask({ type: 'jobs.cancel', job })
  const ended = await again.until((reply) => reply.type === 'job' && reply.job.state !== 'running')
  expect(ended).toMatchObject({ job: { id: job, state: 'cancelled' } })
}, 120_000)

test('a window that closes stops its calls, in the middle', async () => {
  const calls: string[] = []
  const stub = (data: string): Host =>
    ({
      data,
      queue: { listen: () => () => calls.push('unlisten'), list: () => [] },
      onReplaced: () => () => calls.push('unlisten'),
      call: (operation: string) => {
        calls.push(operation)
        return { done: new Promise(() => undefined), stop: () => calls.push(`stop ${operation}`) }
      },
      close: () => undefined,
    }) as unknown as Host
  await using running = await runBridge({ stub })
  const visitor = await Visitor.enter(running.bridge.url)
  const [window, other] = [await visitor.window(), await visitor.window()]
  window.send({ type: 'call', operation: 'models', input: {} })
  other.send({ type: 'call', operation: 'published', input: {} })
  await expect.poll(() => calls.length).toBe(2)
  window.socket.terminate()
  await expect.poll(() => calls.slice(2)).toEqual(['unlisten', 'unlisten', 'stop models'])
  await running.bridge.close()
  await expect.poll(() => calls.slice(5)).toEqual(['unlisten', 'unlisten', 'stop published'])
})

test('a dropped folder is imported, and a bundle of it comes down once', async () => {
  await using running = await runBridge()
  const visitor = await Visitor.enter(running.bridge.url)
  const source = join(ROOT, 'resources', 'models', 'digits')
  const batch = '00112233445566ff'
  let folder = ''
  for (const name of await readdir(source)) {
    const bytes = await readFile(join(source, name))
    const uploaded = parsed<{ path: string; folder: string }>(
      await visitor.post(`/upload?${query({ name: `My digits/${name}`, batch })}`, bytes),
    )
    expect(await readFile(uploaded.path)).toEqual(bytes)
    folder = uploaded.folder
  }
  expect(folder).toBe(join(running.data, 'uploads', batch, 'My digits'))

  const window = await visitor.window()
  const imported = await window.ask({ type: 'call', operation: 'zooImport', input: { path: folder } })
  const { id } = imported as { id: string }
  const name = 'Ziffern "ä".adyton'
  const slot = parsed<{ path: string; url: string }>(await visitor.post(`/download-slot?${query({ name })}`))
  expect(existsSync(slot.path)).toBe(false)
  expect((await visitor.get(slot.url)).status).toBe(409)
  await window.ask({ type: 'call', operation: 'zooExportBundle', input: { id, path: slot.path } })
  const written = await readFile(slot.path)
  const other = await Visitor.enter(running.bridge.newEntry())
  expect((await other.get(slot.url)).status).toBe(404)
  const [first, second] = await Promise.all([visitor.get(slot.url), visitor.get(slot.url)])
  const [got, refused] = first.status === 200 ? [first, second] : [second, first]
  expect(got.body).toEqual(written)
  expect(got.headers['content-disposition']).toBe(
    'attachment; filename="Ziffern ___.adyton"; filename*=UTF-8\'\'Ziffern%20_%C3%A4_.adyton',
  )
  expect(refused.status).toBe(404)
  expect((await visitor.get(slot.url)).status).toBe(404)
  await expect.poll(() => readdir(join(running.data, 'downloads'))).toEqual([])
  expect(running.lines.join('\n')).not.toContain(slot.url.split('/').at(-1))
}, 120_000)

test('uploads land whole under their own name, in folders of their own, and go with the bridge', async () => {
  await using running = await runBridge()
  const { bridge, data } = running
  const visitor = await Visitor.enter(bridge.url)
  const paths = await Promise.all(
    ['one', 'two'].map(async (text) => {
      const { path } = parsed<{ path: string }>(await visitor.post('/upload?name=a%3Ab.onnx', text))
      expect(await readFile(path, 'utf8')).toBe(text)
      return path
    }),
  )
  expect(paths.every((path) => path.endsWith('a_b.onnx'))).toBe(true)
  expect(paths[0]).not.toBe(paths[1])
  const batch = 'a'.repeat(16)
  const flat = parsed<object>(await visitor.post(`/upload?batch=${batch}&name=x`, '1'))
  const folder = join(data, 'uploads', batch)
  expect(flat).toEqual({ path: join(folder, 'x'), folder })
  // Nothing is written over, a file is no folder, and names that differ in nothing but case are one.
  const both = await Promise.all(['y', 'Y'].map((name) => visitor.post(`/upload?batch=${batch}&name=${name}`, '1')))
  expect(both.map(({ status }) => status).sort()).toEqual([200, 409])
  for (const name of ['x', 'x/y']) {
    const { status, body } = await visitor.post(`/upload?batch=${batch}&name=${name}`, '2')
    expect(status).toBe(409)
    expect(JSON.parse(body.toString())).toMatchObject({ error: { code: 'usage' } })
  }
  expect(await readFile(join(folder, 'x'), 'utf8')).toBe('1')
  await visitor.post('/download-slot?name=y')
  await bridge.close()
  for (const name of ['uploads', 'downloads']) expect(await readdir(join(data, name))).toEqual([])
})

test('what an earlier program left for more than a day is removed at the start', async () => {
  await using running = await runBridge()
  const { data, host } = running
  const day = 24 * 3600
  for (const [name, age] of Object.entries({ old: day + 60, fresh: day - 60 })) {
    const folder = join(data, 'uploads', name)
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, 'model.onnx'), 'weights')
    await utimes(folder, Date.now() / 1000 - age, Date.now() / 1000 - age)
  }
  const second = await startBridge({ host, renderer: data, log: () => undefined })
  expect(await readdir(join(data, 'uploads'))).toEqual(['fresh'])
  await second.close()
  // It is another program's.
  expect(await readdir(join(data, 'uploads'))).toEqual(['fresh'])
})

test('a port that is taken is an error that says so', async () => {
  await using running = await runBridge()
  const { host, bridge } = running
  await expect(startBridge({ host, renderer: '.', port: bridge.port, log: () => undefined })).rejects.toMatchObject({
    code: 'usage',
    message: `port ${bridge.port} is in use by another program`,
  })
})
