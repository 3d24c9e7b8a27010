/** Parts of the shell by themselves: new versions, what the system sees of running jobs, the menu. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { EventEmitter } from 'node:events'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import * as v from 'valibot'
import { DEFAULT_SETTINGS, SettingsSchema } from '../../core/api/data/settings.ts'
import { JobQueue, type QueueOptions } from '../../core/jobs/queue.ts'
import type { JobRunner } from '../../core/jobs/job.ts'
import { menuTemplate } from '../../electron/main/menu.ts'
import { isOurs } from '../../electron/main/origin.ts'
import { lookForUpdate, type UpdateOptions } from '../../electron/main/updates.ts'
import { showWork } from '../../electron/main/working.ts'
import { ROOT } from '../fixtures/command.ts'
import { icns, ico } from '../../electron/packaging/icons.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

describe('new versions', () => {
  /** An updater that finds a version, or fails. */
  class FakeUpdater extends EventEmitter {
    autoDownload = false
    autoInstallOnAppQuit = false
    allowDowngrade = true
    logger: unknown = console
    updateConfigPath = ''
    feed: unknown
    checks = 0
    readonly failure: Error | undefined
    constructor(failure?: Error) {
      super()
      this.failure = failure
    }
    setFeedURL(feed: unknown): void {
      this.feed = feed
    }
    async checkForUpdates(): Promise<null> {
      this.checks++
      if (this.failure !== undefined) {
        this.emit('error', this.failure)
        throw this.failure
      }
      this.emit('update-downloaded', { version: '9.9.9' })
      return null
    }
  }
  const look = async (updater: FakeUpdater, options: Partial<UpdateOptions>) => {
    await using folder = await temporaryFolder()
    const ready: string[] = []
    const lines: string[] = []
    let loaded = 0
    await lookForUpdate({
      updater: async () => {
        loaded++
        return updater as unknown as Awaited<ReturnType<UpdateOptions['updater']>>
      },
      ...{ feed: 'https://example.org/adyton', packaged: true, userData: folder.dir },
      ...{ onReady: (version) => ready.push(version), log: (line) => lines.push(line), ...options },
    })
    const config = updater.updateConfigPath === '' ? undefined : readFileSync(updater.updateConfigPath, 'utf8')
    return { ready, lines, loaded, config }
  }

  test('are not looked for without a feed, nor by what is not installed', async () => {
    const updater = new FakeUpdater()
    expect(await look(updater, { feed: null })).toMatchObject({ loaded: 0, ready: [] })
    expect(await look(updater, { packaged: false })).toMatchObject({ loaded: 0, ready: [] })
    expect(updater.checks).toBe(0)
  })

  test('are fetched from the feed alone, and installed when the program ends', async () => {
    const updater = new FakeUpdater()
    const { ready, config, lines } = await look(updater, {})
    expect(updater).toMatchObject({ autoDownload: true, autoInstallOnAppQuit: true, allowDowngrade: false, checks: 1 })
    expect(updater.feed).toEqual({ provider: 'generic', url: 'https://example.org/adyton' })
    expect(JSON.parse(config ?? '')).toMatchObject({
      url: 'https://example.org/adyton',
      updaterCacheDirName: 'adyton-updater',
    })
    expect([ready, lines]).toEqual([['9.9.9'], []])
  })

  test('that cannot be had are a line in the log, once', async () => {
    const { ready, lines } = await look(new FakeUpdater(new Error('no such host')), {})
    expect([ready, lines]).toEqual([[], ['the update feed failed: no such host']])
    const broken = await look(new FakeUpdater(), { updater: () => Promise.reject(new Error('broken')) })
    expect(broken.lines).toEqual(['the update feed failed: broken'])
  })

  test('come over https, or the setting is refused', () => {
    const takes = (updateFeed: unknown): boolean => v.is(SettingsSchema, { ...DEFAULT_SETTINGS, updateFeed })
    expect(DEFAULT_SETTINGS.updateFeed).toBe(null)
    expect([null, 'https://example.org/x/'].map(takes)).toEqual([true, true])
    expect(['http://example.org', 'file:///tmp', '', 'example.org', 1].map(takes)).toEqual(Array(5).fill(false))
  })
})

describe('running jobs', () => {
  /** A queue whose jobs do what the test says. */
  function scene() {
    const running: { events: Parameters<JobRunner>[1]; done: () => void }[] = []
    const options: QueueOptions = {
      store: { all: () => [], put: () => undefined, remove: () => undefined, replace: () => undefined },
      kindOf: (operation) => ({ lane: operation, resumes: false }),
      runner: (_job, events) => {
        const { promise, resolve } = Promise.withResolvers<unknown>()
        running.push({ events, done: () => resolve(null) })
        return { done: promise, stop: () => undefined }
      },
    }
    const queue = new JobQueue(options)
    const blockers = new Set<number>()
    const bar: number[] = []
    let blocker = 0
    const powerSaveBlocker = {
      start: (kind: string) => {
        expect(kind).toBe('prevent-app-suspension')
        blockers.add(++blocker)
        return blocker
      },
      stop: (id: number) => blockers.delete(id),
    }
    const window = { isDestroyed: () => false, setProgressBar: (value: number) => bar.push(value) }
    const end = showWork({ powerSaveBlocker } as never, queue, () => window as never)
    return { queue, running, blockers, bar, end }
  }

  test('keep the system awake and show how far they are, in steps', async () => {
    const { queue, running, blockers, bar } = scene()
    expect([blockers.size, bar]).toEqual([0, [-1]])
    const { id } = queue.submit('a', {}, 'A')
    queue.submit('b', {}, 'B')
    expect(blockers.size).toBe(1)
    // A job that does not say how far it is has no part in the bar.
    for (let i = 0; i <= 1000; i++) running[0].events.onProgress({ text: '', fraction: i / 2000 })
    expect(bar.length).toBeLessThanOrEqual(52)
    expect(bar.at(-1)).toBeCloseTo(0.5)
    running[1].events.onProgress({ text: '', fraction: 1 })
    expect(bar.at(-1)).toBeCloseTo(0.75)
    running[0].done()
    running[1].done()
    await expect.poll(() => queue.get(id).state).toBe('done')
    await expect.poll(() => blockers.size).toBe(0)
    expect(bar.at(-1)).toBe(-1)
  })

  test('do so no longer once the program ends', () => {
    const { queue, running, blockers, bar, end } = scene()
    queue.submit('a', {}, 'A')
    running[0].events.onProgress({ text: '', fraction: 0.5 })
    end()
    expect([blockers.size, bar.at(-1)]).toEqual([0, -1])
    running[0].events.onProgress({ text: '', fraction: 0.9 })
    expect(bar.at(-1)).toBe(-1)
  })
})

describe('the menu', () => {
  const commandsOf = (platform: string): string[] => {
    const said: string[] = []
    const template = menuTemplate(platform, { command: (id) => said.push(id), openFiles: () => undefined })
    for (const { submenu } of template) {
      for (const entry of Array.isArray(submenu) ? submenu : []) (entry.click as (() => void) | undefined)?.()
    }
    return said
  }

  test('asks for commands that the window has', () => {
    const frame = readFileSync(join(ROOT, 'renderer', 'app', 'App.svelte'), 'utf8')
    const screens = readFileSync(join(ROOT, 'renderer', 'app', 'screens.ts'), 'utf8')
    const known = [...frame.matchAll(/id: '([\w.]+)'/g), ...screens.matchAll(/id: '(\w*)'/g)].map(([, id]) => id)
    const commands = commandsOf('linux')
    expect(commands.length).toBeGreaterThan(10)
    for (const id of commands) expect(known).toContain(id.replace(/^go\./, ''))
  })

  test('has the entries that each system expects', () => {
    const roles = (platform: string) =>
      menuTemplate(platform, { command: () => undefined, openFiles: () => undefined }).flatMap(({ role, submenu }) => [
        role,
        ...(Array.isArray(submenu) ? submenu.map((entry) => entry.role) : []),
      ])
    expect(roles('darwin')[0]).toBe('appMenu')
    expect(roles('darwin')).not.toContain('quit')
    expect(roles('linux')).toEqual(expect.arrayContaining(['quit', 'editMenu', 'windowMenu', 'togglefullscreen']))
    // Nobody is offered to inspect or to reload the window.
    for (const platform of ['darwin', 'linux', 'win32']) {
      expect(roles(platform)).not.toEqual(expect.arrayContaining(['toggleDevTools']))
      expect(roles(platform)).not.toEqual(expect.arrayContaining(['reload']))
      expect(roles(platform)).not.toEqual(expect.arrayContaining(['viewMenu']))
    }
  })
})

test('our pages are known by scheme and host', () => {
  expect(['adyton://app/index.html', 'adyton://app/#/zoo', 'adyton://app'].map(isOurs)).toEqual([true, true, true])
  const others = [
    'adyton://app.evil/',
    'adyton://evil/app',
    'adytonx://app/',
    'https://app/',
    'adyton:app',
    'adyton://app:1/',
  ]
  expect([...others, 'adyton://u@app.evil/', '', 'about:blank'].map(isOurs)).toEqual(Array(9).fill(false))
})

describe('icons', () => {
  test('in every size, in the containers of Windows and macOS', async () => {
    const folder = join(ROOT, 'resources', 'icons')
    const pictures = new Map<number, Buffer>()
    for (const size of [16, 24, 32, 48, 64, 128, 256, 512, 1024]) {
      const png = readFileSync(join(folder, `${size}x${size}.png`))
      expect(await sharp(png).metadata()).toMatchObject({ format: 'png', width: size, height: size })
      pictures.set(size, png)
    }
    const windows = readFileSync(join(folder, 'icon.ico'))
    expect(ico(pictures)).toEqual(windows)
    expect([windows.readUInt16LE(2), windows.readUInt16LE(4)]).toEqual([1, 7])
    for (let i = 0; i < 7; i++) {
      const at = 6 + 16 * i
      const png = windows.subarray(windows.readUInt32LE(at + 12)).subarray(0, windows.readUInt32LE(at + 8))
      expect((await sharp(png).metadata()).width).toBe(windows[at] || 256)
    }
    const mac = readFileSync(join(folder, 'icon.icns'))
    expect([mac.toString('latin1', 0, 4), mac.readUInt32BE(4)]).toEqual(['icns', mac.length])
    const names: string[] = []
    for (let at = 8; at < mac.length; at += mac.readUInt32BE(at + 4)) {
      names.push(mac.toString('latin1', at, at + 4))
      const png = mac.subarray(at + 8, at + mac.readUInt32BE(at + 4))
      expect((await sharp(png).metadata()).format).toBe('png')
    }
    expect(names).toEqual(expect.arrayContaining(['ic07', 'ic08', 'ic09', 'ic10']))
    expect(icns(pictures).subarray(0, 4)).toEqual(mac.subarray(0, 4))
  })
})
