/**
 * The windows as the desktop shell shows them, in real Chromium, with the real shell, host and processes behind them;
 * only Electron between them is a stand-in. Pages come from the shell's own protocol handler, with its policy.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Page } from 'playwright'
import { describe, expect, test } from 'vitest'
import { CHANNELS } from '../../electron/ipc/channels.ts'
import type { FakeElectron } from '../fixtures/electron/electron.ts'
import { Installation } from '../fixtures/electron/shell.ts'
import { CHROMIUM, NO_CHROMIUM } from './app.ts'

const RENDERER = fileURLToPath(new URL('../../build/renderer', import.meta.url))
/** Stands for adyton://app, which a Chromium without Electron does not know. */
const ORIGIN = 'https://adyton.test'

interface PageSide {
  send_: (message: unknown) => Promise<void>
  ask_: (message: unknown) => Promise<unknown>
  hear_: Record<string, (message: unknown) => void>
  adyton: object
}

/** What the preload script does, over Playwright's bindings, which carry JSON alone. */
function preload(channels: typeof CHANNELS): void {
  const side = globalThis as unknown as PageSide
  side.hear_ = {}
  side.adyton = {
    send: (message: unknown) => void side.send_(message),
    onReply: (heard: (message: unknown) => void) => (side.hear_[channels.reply] = heard),
    onEvent: (heard: (message: unknown) => void) => (side.hear_[channels.event] = heard),
    ask: (message: { content?: Uint8Array }) =>
      side.ask_(message.content === undefined ? message : { ...message, content: [...message.content] }),
    pathOf: () => '',
  }
}

async function show(electron: FakeElectron, page: Page): Promise<string[]> {
  const { webContents, page: shell } = electron.window
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  await page.exposeFunction('send_', (message: unknown) => shell.post(message))
  await page.exposeFunction('ask_', (message: { content?: number[] }) =>
    shell.shell(message.content === undefined ? message : { ...message, content: new Uint8Array(message.content) }),
  )
  await page.addInitScript(preload, CHANNELS)
  webContents.on('to-page', (channel: string, message: unknown) => {
    const tell = ([channel, message]: [string, unknown]): void =>
      (globalThis as unknown as PageSide).hear_[channel]?.(message)
    // A page that is being loaded hears nothing.
    page.evaluate(tell, [channel, message] as [string, unknown]).catch(() => undefined)
  })
  await page.route(`${ORIGIN}/**`, async (route) => {
    const url = new URL(route.request().url())
    const answer = await electron.handlers.get('adyton')?.(new Request(`adyton://app${url.pathname}`))
    if (answer === undefined) throw new Error('the protocol has no handler')
    const body = Buffer.from(await answer.arrayBuffer())
    await route.fulfill({ status: answer.status, headers: Object.fromEntries(answer.headers), body })
  })
  page.setDefaultTimeout(20_000)
  await page.goto(`${ORIGIN}/index.html`)
  await page.getByRole('main').waitFor()
  return errors
}

describe.skipIf(NO_CHROMIUM)('the windows of the desktop app (skipped without Chromium)', () => {
  test('a private inference, the menu, an opened file, a page that dies', async () => {
    await using installation = await Installation.make(RENDERER)
    const electron = await installation.open()
    const browser = await chromium.launch({
      ...(CHROMIUM === undefined ? {} : { executablePath: CHROMIUM }),
      args: ['--no-sandbox'],
    })
    try {
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
      const errors = await show(electron, page)

      await page.getByRole('button', { name: 'A drawn 4' }).click()
      await page.getByRole('button', { name: 'Recognise it privately' }).click()
      const answer = page.getByRole('region', { name: 'Private answer' })
      await page.getByRole('list', { name: 'Phases' }).waitFor()
      // Killed in the middle of it: what comes back shows the same job.
      electron.window.webContents.crash()
      await page.reload()
      await answer.waitFor({ timeout: 90_000 })
      expect(await answer.getByRole('status').innerText()).toBe('4')
      expect(electron.notifications.map(({ title }) => title)).toHaveLength(1)

      electron.choose('Dark theme')
      await expect.poll(() => page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark')
      electron.choose('Commands')
      await page.getByRole('dialog', { name: 'Commands' }).waitFor()
      await page.keyboard.press('Escape')
      electron.choose('Jobs')
      await expect.poll(() => page.evaluate(() => location.hash)).toBe('#/jobs')

      const bundle = join(installation.dir, 'broken.adyton')
      await writeFile(bundle, 'no bundle')
      installation.launch({ argv: [bundle] })
      await page.getByText('broken.adyton').first().waitFor()
      expect(await page.evaluate(() => location.hash)).toBe('#/zoo')

      expect(installation.lines).toEqual([])
      expect(errors).toEqual([])
    } finally {
      await browser.close()
    }
  }, 240_000)
})
