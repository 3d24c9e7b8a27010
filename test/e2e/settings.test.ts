/** Settings, About, Benchmarks and Jobs: what is changed stays, what is shown is true, and long work can be handled. */
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Locator, Page } from 'playwright'
import { describe, expect, test } from 'vitest'
import { DEFAULT_COSTS } from '../../core/api/calibration/defaults.ts'
import { saveCalibration, thisMachine } from '../../core/api/calibration/file.ts'
import { NO_CHROMIUM, openApp, type App } from './app.ts'

/** Work in processes of their own takes a while on a busy machine. */
const WORK = { timeout: 90_000 }

const manifest = JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'package.json'), 'utf8')) as {
  version: string
}

const section = (page: Page, name: string) => page.getByRole('main').getByRole('region', { name, exact: true })
const theme = (page: Page) => page.evaluate(() => document.documentElement.dataset.theme)
const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor()

/** Presses Tab until a control has the focus. */
async function tabTo(page: Page, control: Locator): Promise<void> {
  await control.waitFor()
  const focused = () => control.evaluate((element) => element === document.activeElement)
  for (let i = 0; i < 60 && !(await focused()); i++) await page.keyboard.press('Tab')
  expect(await focused()).toBe(true)
}

/** Goes to a screen and gives how much its parts moved by themselves until `settled` was there (layout shift, 0 to 1). */
async function shiftOf(app: App, address: string, settled: Locator): Promise<number> {
  const before = await app.page.evaluate(() => performance.now())
  await app.go(address)
  await settled.waitFor(WORK)
  return await app.page.evaluate(async (since) => {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
    return await new Promise<number>((resolve) => {
      const observer = new PerformanceObserver((list) => {
        const shifts = list.getEntries().filter((entry) => entry.startTime >= since)
        resolve(shifts.reduce((sum, entry) => sum + (entry as PerformanceEntry & { value: number }).value, 0))
      })
      observer.observe({ type: 'layout-shift', buffered: true })
      // Nothing is told where nothing moved.
      setTimeout(() => resolve(0), 500)
    })
  }, before)
}

describe.skipIf(NO_CHROMIUM)('settings (skipped without Chromium)', () => {
  test('what is changed is kept, in this window and in others; what is wrong is said and not kept', async () => {
    await using app = await openApp()
    const { page } = app
    const engine = section(page, 'Training engine')
    const moved = await shiftOf(app, '/settings', engine.getByRole('table'))
    expect(moved).toBeLessThan(0.02)
    await heading(page, 'Settings')
    // For people, not for those who build it.
    expect(await engine.getByRole('row', { name: /in use/ }).innerText()).toMatch(
      /, (one thread|\d+ threads|on the GPU)/,
    )
    expect(await engine.innerText()).not.toMatch(/engine:setup|npm|tfjs/)
    await app.shot('settings', { width: 1280, height: 1300 })
    await app.checkAccessible()

    await page.getByLabel('Theme').selectOption('Dark')
    await expect.poll(() => theme(page)).toBe('dark')

    const threads = page.getByLabel('Threads of the server')
    await threads.fill('0')
    await threads.press('Enter')
    await page.getByText('A whole number from 1 to 256, or nothing.').waitFor()
    await expect.poll(() => threads.getAttribute('aria-invalid')).toBe('true')
    await app.shot('settings-wrong')
    await page.getByLabel('Threads of the client').fill('3')
    await page.getByLabel('Threads of the client').press('Tab')

    const network = section(page, 'Predictions')
    await network.getByLabel('Up, Mbit/s').fill('12.5')
    await network.getByLabel('Up, Mbit/s').press('Tab')
    await expect.poll(() => network.getByLabel('Network', { exact: true }).inputValue()).toBe('own')
    await network.getByLabel('Round trip, ms').fill('-1')
    await network.getByLabel('Round trip, ms').press('Tab')
    await network.getByText('A number from 0 to 60,000.').waitFor()

    // The host answers a window's calls one after another: what another window asks later sees the changes.
    const file = () => JSON.parse(readFileSync(join(app.data, 'settings.json'), 'utf8')) as Record<string, unknown>
    await expect.poll(file).toMatchObject({ theme: 'dark', threads: { server: null, client: 3 }, link: { up: 12.5e6 } })
    const kept = async (there: Page): Promise<void> => {
      await expect.poll(() => theme(there)).toBe('dark')
      await expect.poll(() => there.getByLabel('Up, Mbit/s').inputValue()).toBe('12.5')
      expect(await there.getByLabel('Network', { exact: true }).inputValue()).toBe('own')
      expect(await there.getByLabel('Threads of the client').inputValue()).toBe('3')
      expect(await there.getByLabel('Threads of the server').inputValue()).toBe('')
      expect(Number(await there.getByLabel('Round trip, ms').inputValue())).toBeGreaterThanOrEqual(0)
    }
    await page.reload()
    await kept(page)
    const other = await app.newPage()
    await other.evaluate(() => (location.hash = '/settings'))
    await kept(other)
    expect(app.errors).toEqual([])
  }, 120_000)

  test('says whose costs times are estimated by, and measures this machine', async () => {
    await using app = await openApp()
    const { page } = app
    await app.go('/settings')
    const predictions = section(page, 'Predictions')
    await predictions.getByText('Estimates use the costs of another machine').waitFor()
    await predictions.getByRole('button', { name: 'Measure this machine' }).click()
    await predictions.getByRole('progressbar').waitFor(WORK)
    await app.shot('settings-measuring', { width: 1280, height: 1300 })
    await app.checkAccessible()
    await predictions.getByRole('button', { name: 'Stop' }).click()
    await predictions.getByText('Cancelled').waitFor(WORK)

    // What it comes to, without the time that it takes.
    await saveCalibration(app.data, { ...thisMachine(), date: '2026-01-31T12:00:00.000Z', costs: DEFAULT_COSTS })
    await page.reload()
    await predictions.getByText(/^Estimates measured on this machine on 31 Jan 2026/).waitFor()
    await predictions.getByRole('button', { name: 'Measure again' }).waitFor()
    await app.go('/inference?model=digits-1k')
    await page.getByText('an estimate by what this machine took before').waitFor()
    expect(app.errors).toEqual([])
  }, 180_000)

  test('a folder with data sets is added by key and removed, and comes back', async () => {
    await using app = await openApp()
    const { page } = app
    const folder = join(app.data, 'my data sets')
    mkdirSync(folder)
    await app.go('/settings')
    const list = page.getByRole('list', { name: 'Folders with data sets' })
    await list.getByText('None yet.').waitFor()
    await tabTo(page, page.getByRole('button', { name: 'Add a folder…' }))
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Folders with data sets' })
    const path = dialog.getByLabel('Folder', { exact: true })
    await expect.poll(() => path.inputValue()).not.toBe('')
    await app.shot('settings-folder')
    await app.checkAccessible()
    await tabTo(page, path)
    await page.keyboard.press('Control+a')
    await page.keyboard.type(app.data)
    await page.keyboard.press('Enter')
    await tabTo(page, dialog.getByRole('button', { name: 'my data sets' }))
    await page.keyboard.press('Enter')
    await expect.poll(() => path.inputValue()).toBe(folder)
    await tabTo(page, dialog.getByRole('button', { name: 'Use this folder' }))
    await page.keyboard.press('Enter')
    await dialog.waitFor({ state: 'hidden' })
    await list.getByText(folder).waitFor()

    await tabTo(page, list.getByRole('button', { name: `Remove ${folder} from the list` }))
    await page.keyboard.press('Enter')
    await list.getByText('None yet.').waitFor()
    await tabTo(page, page.getByRole('button', { name: 'Undo', exact: true }))
    await page.keyboard.press('Enter')
    await list.getByText(folder).waitFor()
    const kept = () =>
      (JSON.parse(readFileSync(join(app.data, 'settings.json'), 'utf8')) as { datasets: string[] }).datasets
    await expect.poll(kept).toEqual([folder])
    expect(app.errors).toEqual([])
  }, 120_000)
})

describe.skipIf(NO_CHROMIUM)('about (skipped without Chromium)', () => {
  test('names this program and machine, and every package with its licence', async () => {
    await using app = await openApp()
    const { page } = app
    const licences = section(page, 'Licences').first()
    const rows = licences.getByRole('row')
    expect(await shiftOf(app, '/about', rows.nth(1))).toBeLessThan(0.02)
    const here = section(page, 'This program and this machine')
    await here.getByText(app.data, { exact: true }).waitFor()
    expect(await here.innerText()).toContain(manifest.version)
    expect(await here.innerText()).toContain(process.versions.node)
    await app.shot('about', { width: 1280, height: 1400 })
    await app.checkAccessible()

    const all = await rows.count()
    expect(all).toBeGreaterThan(40)
    // Of the windows themselves, and of what computes.
    for (const name of ['svelte', 'bits-ui', 'node-seal']) await rows.filter({ hasText: name }).first().waitFor()
    await licences.getByLabel('Find a package').fill('VALIBOT')
    await expect.poll(() => rows.count()).toBe(2)
    await licences.getByRole('button', { name: /^Text of the licence of valibot / }).press('Enter')
    const dialog = page.getByRole('dialog', { name: 'Licence of valibot' })
    await dialog.getByText('Permission is hereby granted').waitFor()
    await app.shot('about-licence')
    await app.checkAccessible()
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    expect(app.errors).toEqual([])
  }, 120_000)
})

describe.skipIf(NO_CHROMIUM)('benchmarks and jobs (skipped without Chromium)', () => {
  test('figures appear as they are measured and are saved as a table', async () => {
    await using app = await openApp()
    const { page } = app
    await app.go('/benchmarks')
    await page.getByText('Nothing measured yet').waitFor()
    await app.shot('benchmarks-empty')
    await page.getByRole('button', { name: 'Measure', exact: true }).first().click()
    const rows = section(page, 'Benchmarks').getByRole('row')
    await rows.nth(1).waitFor(WORK)
    await page.getByRole('progressbar', { name: 'Benchmarks' }).waitFor()
    await app.shot('benchmarks-running')
    const again = page.getByRole('button', { name: 'Measure again' })
    const csv = page.getByRole('button', { name: 'CSV' })
    await csv.waitFor(WORK)
    expect(await again.isEnabled()).toBe(true)
    await app.shot('benchmarks')
    await app.checkAccessible()

    const [download] = await Promise.all([page.waitForEvent('download'), csv.click()])
    expect(download.suggestedFilename()).toBe('benchmarks.csv')
    const lines = readFileSync(await download.path(), 'utf8')
      .trimEnd()
      .split('\r\n')
    expect(lines[0].split(',').slice(0, 5)).toEqual(['id', 'label', 'kernel', 'value', 'unit'])
    const shown = (await rows.count()) - 1
    expect(lines.length - 1).toBe(shown)
    for (const line of lines.slice(1)) {
      // No comma inside these cells but where quoted.
      const cells = [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
        ([, quoted, plain]) => quoted ?? plain,
      )
      expect(cells.length).toBe(9)
      expect(Number(cells[3])).toBeGreaterThan(0)
      await rows.filter({ hasText: cells[1] }).first().waitFor()
    }
    await page.reload()
    await csv.waitFor()
    expect((await rows.count()) - 1).toBe(shown)
    expect(app.errors).toEqual([])
  }, 180_000)

  test('a job is stopped, run again and looked at; the list is cleared', async () => {
    await using app = await openApp()
    const { page } = app
    await app.go('/jobs')
    await page.getByText('No jobs').waitFor()
    await app.shot('jobs-empty')
    await app.checkAccessible()
    await app.go('/benchmarks')
    await page.getByRole('button', { name: 'Measure', exact: true }).first().click()
    await app.go('/jobs')
    const open = section(page, 'Under way')
    const ended = section(page, 'Ended')
    await open.getByText('Running').waitFor(WORK)
    await app.shot('jobs-running')
    await app.checkAccessible()
    await open.getByRole('button', { name: 'Stop' }).click()
    await ended.getByText('Cancelled').waitFor(WORK)
    await open.waitFor({ state: 'hidden' })
    await ended.getByRole('button', { name: 'Run again' }).press('Enter')
    await open.getByText('Running').waitFor(WORK)
    await open.waitFor({ state: 'hidden', ...WORK })
    await ended.getByText('Done').waitFor()
    await app.shot('jobs-ended')
    await app.checkAccessible()

    // One that fails says why, in the list and on a page of its own.
    const empty = join(app.data, 'no engine')
    mkdirSync(empty)
    await app.go('/settings')
    await section(page, 'Training engine').getByRole('button', { name: 'Use a library on this disk…' }).click()
    const dialog = page.getByRole('dialog')
    const path = dialog.getByLabel('Folder', { exact: true })
    await expect.poll(() => path.inputValue()).not.toBe('')
    await path.fill(empty)
    await dialog.getByRole('button', { name: 'Go' }).click()
    await dialog.getByRole('list', { name: empty, exact: true }).waitFor()
    await dialog.getByRole('button', { name: 'Use this folder' }).click()
    await section(page, 'Training engine').getByText('Failed').waitFor(WORK)
    await app.shot('settings-engine-failed', { width: 1280, height: 1300 })
    await app.go('/jobs')
    await ended.getByRole('link', { name: 'Use a TensorFlow library' }).click()
    await heading(page, 'Use a TensorFlow library')
    await page.getByRole('alert').getByText(empty).waitFor()
    await page.getByText('Input', { exact: true }).click()
    await page.getByText('engineFind').waitFor()
    await app.shot('jobs-details')
    await app.checkAccessible()
    await page.getByRole('button', { name: 'All jobs' }).click()

    await ended.getByRole('button', { name: 'Clear the list' }).click()
    await page.getByText('No jobs').waitFor()
    await page.getByText('2 jobs were removed from the list.').waitFor()
    expect(app.errors).toEqual([])
  }, 180_000)
})
