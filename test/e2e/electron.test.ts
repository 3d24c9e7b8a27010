/** The flows of the browser's suites in the desktop app itself, where Electron's program is. */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { _electron, type ElectronApplication, type Page } from 'playwright'
import { describe, expect, test } from 'vitest'
import { findDesktop } from '../../core/cli/desktop.ts'
import { buildApp } from '../../core/setup/build-app.mjs'
import { BUNDLED } from './zoo-page.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SEVEN = join(ROOT, 'resources', 'samples', 'seven.png')
const ANSWER = { timeout: 90_000 }

const found = findDesktop({
  ...{ platform: process.platform, env: process.env, root: process.getuid?.() === 0 },
  manifest: createRequire(import.meta.url).resolve('electron/package.json'),
})
/** A test build (electron-builder.test.yml) may be named; else the app as it is staged. */
const packaged = process.env.ADYTON_DESKTOP
const program = packaged ?? ('program' in found ? found.program : undefined)
const missing = 'missing' in found && packaged === undefined
if (missing) console.error(`tests of the desktop app are skipped: ${found.missing}`)

class Desktop {
  readonly electron: ElectronApplication
  readonly page: Page
  readonly data: string
  readonly errors: string[] = []

  private constructor(electron: ElectronApplication, page: Page, data: string) {
    this.electron = electron
    this.page = page
    this.data = data
    page.on('pageerror', (error) => this.errors.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text())
    })
  }

  static async open(data: string): Promise<Desktop> {
    const { ELECTRON_RUN_AS_NODE: _, ...env } = process.env
    const electron = await _electron.launch({
      ...(program === undefined ? {} : { executablePath: program }),
      args: packaged === undefined ? [(await buildApp(ROOT)).folder] : [],
      env: { ...(env as Record<string, string>), ADYTON_DATA: data },
    })
    const page = await electron.firstWindow()
    page.setDefaultTimeout(20_000)
    await page.getByRole('main').waitFor()
    return new Desktop(electron, page, data)
  }

  go(address: string): Promise<string> {
    return this.page.evaluate((hash) => (location.hash = hash), address)
  }

  /** The next dialogs give these files. */
  choose(files: readonly string[]): Promise<void> {
    return this.electron.evaluate(
      ({ dialog }, filePaths) => {
        dialog.showOpenDialog = () => Promise.resolve({ canceled: false, filePaths })
      },
      [...files],
    )
  }

  /** The next question is answered with the button of this name; gives what was asked so far. */
  answer(button: string): Promise<void> {
    return this.electron.evaluate(({ dialog }, button) => {
      const state = globalThis as { asked?: string[] }
      state.asked ??= []
      dialog.showMessageBox = (...args: unknown[]) => {
        const { message, buttons } = args.at(-1) as { message: string; buttons: string[] }
        state.asked?.push(message)
        return Promise.resolve({ response: buttons.indexOf(button), checkboxChecked: false })
      }
    }, button)
  }

  asked(): Promise<string[]> {
    return this.electron.evaluate(() => (globalThis as { asked?: string[] }).asked ?? [])
  }

  /** Quits as a person does, whatever runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.answer('Quit').catch(() => undefined)
    await this.electron.close().catch(() => undefined)
  }
}

async function dataFolder(): Promise<{ dir: string; [Symbol.asyncDispose](): Promise<void> }> {
  const dir = await mkdtemp(join(tmpdir(), 'adyton-desktop-'))
  return { dir, [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }) }
}

const answered = (page: Page) => page.getByRole('region', { name: 'Private answer' })

describe.skipIf(missing)("the desktop app (skipped without Electron's program)", () => {
  test('from an empty program to a private answer about a drawn digit', async () => {
    await using folder = await dataFolder()
    await using app = await Desktop.open(folder.dir)
    const { page } = app
    expect(page.url()).toMatch(/^adyton:\/\/app\//)
    const box = await page.getByRole('img', { name: 'Drawing pad, empty' }).boundingBox()
    if (box === null) throw new Error('the pad is not on the screen')
    const at = (x: number, y: number): [number, number] => [box.x + x * box.width, box.y + y * box.height]
    await page.mouse.move(...at(0.28, 0.22))
    await page.mouse.down()
    await page.mouse.move(...at(0.72, 0.22), { steps: 12 })
    await page.mouse.move(...at(0.5, 0.85), { steps: 12 })
    await page.mouse.up()
    await page.getByRole('button', { name: 'Recognise it privately' }).click()
    await answered(page).waitFor(ANSWER)
    expect(await answered(page).getByRole('status').innerText()).toBe('7')
    expect(app.errors).toEqual([])
  }, 180_000)

  test('the page has no Node, no other origin and no new window', async () => {
    await using folder = await dataFolder()
    await using app = await Desktop.open(folder.dir)
    const { page } = app
    const has = await page.evaluate(() => ({
      node: 'require' in globalThis || 'process' in globalThis,
      bridge: Object.keys((globalThis as { adyton?: object }).adyton ?? {}).sort(),
      opened: window.open('https://example.org') !== null,
    }))
    expect(has).toEqual({ node: false, bridge: ['ask', 'onEvent', 'onReply', 'pathOf', 'send'], opened: false })
    await page.evaluate(() => void (location.href = 'https://example.org'))
    await page.getByRole('main').waitFor()
    expect(page.url()).toMatch(/^adyton:\/\/app\//)
    expect(
      await page.evaluate(() =>
        fetch('https://example.org').then(
          () => true,
          () => false,
        ),
      ),
    ).toBe(false)
    expect(app.electron.windows()).toHaveLength(1)
  }, 60_000)

  test('the zoo takes the bundled models and files from the menu, and saves where a person says', async () => {
    await using folder = await dataFolder()
    await using app = await Desktop.open(folder.dir)
    const { page } = app
    await app.go('#/zoo')
    await page.getByRole('button', { name: 'Add the bundled models' }).click()
    await page.getByText(`${BUNDLED.length} of ${BUNDLED.length} finished`).waitFor()
    const links = page.getByRole('grid', { name: 'Models' }).getByRole('link')
    expect((await links.allInnerTexts()).toSorted()).toEqual(BUNDLED.toSorted())
    await app.go('#/')
    await app.choose([SEVEN])
    await app.electron.evaluate(({ Menu }) => {
      const file = Menu.getApplicationMenu()?.items.find(({ label }) => label === 'File')
      file?.submenu?.items.find(({ label }) => label === 'Open…')?.click()
    })
    // A picture is no model: the zoo opens and says so.
    await page.getByText('seven.png').first().waitFor()
    expect(page.url()).toContain('#/zoo')
  }, 120_000)

  test('quitting asks when a job runs; the job goes on at the next start', async () => {
    await using folder = await dataFolder()
    const input = { arch: 'lenet-tiny', dataset: 'generated', epochs: 40, batch: 32, rate: 0.05 }
    const request = { type: 'jobs.submit', id: 1_000_000, operation: 'train', title: 'Train a little' }
    {
      await using app = await Desktop.open(folder.dir)
      await app.page.evaluate(
        (message) => {
          ;(globalThis as unknown as { adyton: { send: (message: unknown) => void } }).adyton.send(message)
        },
        { ...request, input: { ...input, out: join(folder.dir, 'trained') } },
      )
      await app.go('#/jobs')
      await app.page.getByText('Train a little').first().waitFor()
      await app.answer('Go on working')
      await app.electron.evaluate(({ app }) => app.quit())
      await expect.poll(() => app.asked()).toEqual(['A job is running. Quit anyway?'])
      await app.page.getByText('Train a little').first().waitFor()
    }
    await using again = await Desktop.open(folder.dir)
    await again.go('#/jobs')
    await again.page.getByText('Train a little').first().waitFor()
    const bounds = JSON.parse(await readFile(join(folder.dir, 'desktop', 'window.json'), 'utf8')) as object
    expect(bounds).toHaveProperty('bounds')
  }, 180_000)

  test('a page that is killed comes back, and its inference ends', async () => {
    await using folder = await dataFolder()
    await using app = await Desktop.open(folder.dir)
    const { page } = app
    await page.getByRole('button', { name: 'A drawn 4' }).click()
    await page.getByRole('button', { name: 'Recognise it privately' }).click()
    await page.getByRole('list', { name: 'Phases' }).waitFor()
    const reloaded = page.waitForEvent('load')
    await app.electron.evaluate(({ BrowserWindow }) =>
      BrowserWindow.getAllWindows()[0].webContents.forcefullyCrashRenderer(),
    )
    await reloaded
    await answered(page).waitFor(ANSWER)
    expect(await answered(page).getByRole('status').innerText()).toBe('4')
  }, 180_000)
})
