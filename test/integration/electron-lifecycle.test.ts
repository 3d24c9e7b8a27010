/** The life of the desktop app, over a stand-in for Electron and a real host: starts, ends, crashes, other starts. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Host } from '../../core/api/host.ts'
import type { WindowJob } from '../../core/api/data/contract.ts'
import type { FakeElectron } from '../fixtures/electron/electron.ts'
import type { FakePage } from '../fixtures/electron/page.ts'
import { ended, Installation, shown } from '../fixtures/electron/shell.ts'

const PATIENT = { timeout: 60_000 }

/** A training that a person would wait for; it runs when this returns. */
async function submitTraining(installation: Installation, page: FakePage): Promise<WindowJob> {
  const input = { arch: 'lenet-tiny', dataset: 'generated', epochs: 3, batch: 32, rate: 0.05 }
  const job = (await page.ask({
    ...{ type: 'jobs.submit', operation: 'train', title: 'Train a little' },
    input: { ...input, out: join(installation.dir, 'trained') },
  })) as WindowJob
  await page.until((reply) => reply.type === 'job.notice' && /^train epoch 1 of 3/.test(reply.line))
  return job
}

const list = async (page: FakePage): Promise<WindowJob[]> => (await page.ask({ type: 'jobs.list' })) as WindowJob[]
const stateOf = async (page: FakePage, { id }: WindowJob): Promise<string | undefined> =>
  (await list(page)).find((job) => job.id === id)?.state

describe('quitting', () => {
  test('asks when jobs run; the work goes on, or goes on at the next start', async () => {
    await using installation = await Installation.make()
    const first = await installation.open()
    const { page } = first.window
    const job = await submitTraining(installation, page)
    expect(first.blockers.size).toBe(1)
    expect(first.window.progress).toBeGreaterThan(0)

    first.app.quit()
    await expect.poll(() => first.dialog.asked.length).toBe(1)
    expect(first.dialog.asked[0].message).toBe('A job is running. Quit anyway?')
    expect(first.dialog.asked[0].detail).toContain('Train a little')
    // Asked once, however often somebody tries meanwhile.
    first.app.quit()
    first.dialog.press('Go on working')
    expect(await stateOf(page, job)).toBe('running')
    expect(first.dialog.asked).toHaveLength(1)
    expect(first.app.ended).toBe(false)
    expect(first.window.visible).toBe(true)

    // Closing the window is quitting; a change of mind brings it back.
    first.window.close()
    await expect.poll(() => first.dialog.asked.length).toBe(2)
    first.dialog.press('Go on working')
    await shown(first)
    expect(await stateOf(first.window.page, job)).toBe('running')

    await ended(first)
    expect(first.app.ended).toBe(true)
    expect(first.blockers.size).toBe(0)

    const second = await installation.open()
    const again = second.window.page
    expect(await stateOf(again, job)).toMatch(/running|done/)
    const notices = again.replies.filter((reply) => reply.type === 'job.notice').map(({ line }) => line)
    expect(notices.filter((line) => /^train epoch 1 of/.test(line))).toEqual([])
    await expect.poll(() => stateOf(again, job), PATIENT).toBe('done')
    expect(second.blockers.size).toBe(0)
    second.app.quit()
    await expect.poll(() => second.app.ended).toBe(true)
    expect(second.dialog.asked).toEqual([])
  }, 180_000)

  test('before there is a window it just ends', async () => {
    await using installation = await Installation.make()
    const electron = installation.launch()
    electron.app.quit()
    expect(electron.app.ended).toBe(true)
  })
})

describe('one instance', () => {
  test('a second start hands its files to the window of the first and ends', async () => {
    await using installation = await Installation.make()
    const bundle = join(installation.dir, 'a model.adyton')
    await writeFile(bundle, 'x')
    const first = await installation.open()
    const { window } = first
    await list(window.page)
    window.minimized = true
    window.focused = false
    const argv = ['--enable-features=x', 'a model.adyton', 'missing.adyton', 'notes.txt', '--inspect=y.adyton']
    const second = installation.launch({ argv, folder: installation.dir })
    expect(second.app.ended).toBe(true)
    second.app.becomeReady()
    await expect.poll(() => window.page.events).toEqual([{ event: 'open', paths: [bundle] }])
    expect(window).toMatchObject({ minimized: false, visible: true, focused: true })
    expect(second.windows).toEqual([])
  })

  test('a file that is opened before there is a window is kept for it, and told when the page listens', async () => {
    await using installation = await Installation.make()
    const electron = installation.launch({ argv: ['one.onnx'] })
    let prevented = 0
    const opened = { preventDefault: () => void prevented++ }
    electron.app.emit('open-file', opened, '/models/two.adyton')
    electron.app.becomeReady()
    electron.app.emit('open-file', opened, '/models/three.adyton')
    await shown(electron)
    const { page } = electron.window
    expect(page.events).toEqual([])
    await list(page)
    expect(page.events).toEqual([{ event: 'open', paths: ['/models/two.adyton', '/models/three.adyton'] }])
    expect(prevented).toBe(2)
    await list(page)
    expect(page.events).toHaveLength(1)
  })

  test('another data folder has an instance of its own; the same one in use elsewhere is told in a box', async () => {
    await using installation = await Installation.make()
    const host = await Host.open(installation.data)
    try {
      const electron = installation.launch()
      electron.app.becomeReady()
      await expect.poll(() => electron.app.ended).toBe(true)
      expect(electron.dialog.errors).toHaveLength(1)
      expect(electron.dialog.errors[0].title).toBe('Adyton cannot start')
      expect(electron.dialog.errors[0].content).toMatch(/in use by another Adyton[\s\S]*Use that one/)
      expect(electron.windows).toEqual([])
    } finally {
      await host.close()
    }
    await using other = await Installation.make()
    for (const [key, holder] of installation.locks) other.locks.set(key, holder)
    await other.open()
  })

  test('a data folder that cannot be made is told in a box', async () => {
    await using installation = await Installation.make()
    await writeFile(installation.data, 'a file')
    const electron = installation.launch()
    expect(electron.dialog.errors).toHaveLength(1)
    expect(electron.app.ended).toBe(true)
  })
})

describe('a page that dies', () => {
  test('is loaded again, and its job goes on; after three times a person is asked', async () => {
    await using installation = await Installation.make()
    const electron = await installation.open()
    const { page, webContents } = electron.window
    const job = await submitTraining(installation, page)
    const stuck = page.request({ type: 'call', operation: 'models', input: {} })
    for (let crash = 1; crash <= 3; crash++) {
      webContents.crash(crash === 2 ? 'oom' : 'crashed')
      await expect.poll(() => webContents.reloads).toBe(crash)
      expect(await stateOf(page, job)).toMatch(/running|done/)
    }
    // What the page of before waited for is not told to its successor.
    expect(page.replies.some((reply) => 'id' in reply && reply.id === stuck)).toBe(false)
    webContents.crash()
    await expect.poll(() => electron.dialog.asked.length).toBe(1)
    expect(webContents.reloads).toBe(3)
    electron.dialog.press('Show the window again')
    await expect.poll(() => webContents.reloads).toBe(4)
    expect(await stateOf(page, job)).toMatch(/running|done/)
  }, 120_000)

  test('a page that is loaded anew hears nothing of the one before', async () => {
    await using installation = await Installation.make()
    const { window } = await installation.open()
    await list(window.page)
    window.webContents.reload()
    const before = window.page.replies.length
    const job = (await window.page.ask({
      ...{ type: 'jobs.submit', operation: 'zooVerify', input: {}, title: 'Check' },
    })) as WindowJob
    await window.page.until((reply) => reply.type === 'job' && reply.job.id === job.id && reply.job.state === 'done')
    const told = window.page.replies.slice(before).filter((reply) => reply.type === 'job')
    expect(new Set(told.map((reply) => JSON.stringify(reply))).size).toBe(told.length)
  })
})

describe('the window', () => {
  const stateFile = (installation: Installation): string => join(installation.data, 'desktop', 'window.json')
  const open = async (installation: Installation, before?: (electron: FakeElectron) => void) =>
    await installation.open(before === undefined ? {} : { before })

  test('opens where it was, as it was', async () => {
    await using installation = await Installation.make()
    const first = await open(installation)
    expect(first.window.bounds).toMatchObject({ width: 1280, height: 800 })
    first.window.bounds = { x: 300, y: 200, width: 1000, height: 700 }
    first.window.maximized = true
    await ended(first)
    const second = await open(installation)
    expect(second.window.bounds).toEqual({ x: 300, y: 200, width: 1000, height: 700 })
    expect(second.window.maximized).toBe(true)
  })

  test('does not open on a screen that is gone, nor too small, nor by a file that is damaged', async () => {
    await using installation = await Installation.make()
    await mkdir(join(installation.data, 'desktop'), { recursive: true })
    const bounds = { x: 2500, y: 200, width: 1000, height: 700 }
    await writeFile(stateFile(installation), JSON.stringify({ bounds, maximized: false }))
    const beside = await open(installation, (electron) => {
      electron.displays.push({ x: 1920, y: 0, width: 1920, height: 1080 })
    })
    expect(beside.window.options).toMatchObject({ x: 2500 })
    await ended(beside)
    const alone = await open(installation)
    expect(alone.window.options).not.toHaveProperty('x')
    expect(alone.window.options).toMatchObject({ width: 1000, height: 700 })
    await ended(alone)
    for (const text of ['{', 'null', '{"bounds":{"x":1e9,"y":0,"width":1,"height":1},"maximized":false}', '[]']) {
      await writeFile(stateFile(installation), text)
      const electron = await open(installation)
      expect(electron.window.options).toMatchObject({ width: 1280, height: 800 })
      await ended(electron)
      expect(JSON.parse(await readFile(stateFile(installation), 'utf8'))).toMatchObject({ maximized: false })
    }
  })

  test('its menu asks the page for its commands, and opens files', async () => {
    await using installation = await Installation.make()
    const electron = await open(installation)
    const { page } = electron.window
    await list(page)
    electron.choose('Zoo')
    electron.choose('Dark theme')
    expect(page.events.splice(0)).toEqual([
      { event: 'command', command: 'go.zoo' },
      { event: 'command', command: 'theme.dark' },
    ])
    electron.choose('Open…')
    electron.dialog.open = Array.from({ length: 150 }, (_, i) => `/m/${i}.adyton`)
    electron.choose('Open…')
    await expect.poll(() => page.events.length).toBe(2)
    expect(page.events.flatMap((event) => (event.event === 'open' ? event.paths : []))).toHaveLength(150)
  })
})
