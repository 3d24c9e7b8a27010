/** The frame around every screen: navigation, palette, theme, reconnection. */
import { describe, expect, test } from 'vitest'
import { NO_CHROMIUM, openApp } from './app.ts'

describe.skipIf(NO_CHROMIUM)('the frame (skipped without Chromium)', () => {
  test('shows every screen by mouse, by key and by name, in both themes, without an error', async () => {
    await using app = await openApp()
    const { page } = app
    const links = page.getByRole('navigation', { name: 'Screens' }).getByRole('link')
    const names = await links.allInnerTexts()
    expect(names.length).toBeGreaterThanOrEqual(8)
    for (const [i, name] of names.entries()) {
      await links.nth(i).click()
      // The screen before has a heading too.
      await expect.poll(() => links.nth(i).getAttribute('aria-current')).toBe('page')
      await expect.poll(() => page.title()).toContain(i === 0 ? 'Adyton' : name.trim())
      await page.getByRole('main').getByRole('heading', { level: 1 }).first().waitFor()
      await app.shot(`screen-${i}`)
      await app.checkAccessible()
    }
    await page.keyboard.press('Alt+2')
    await expect.poll(() => links.nth(1).getAttribute('aria-current')).toBe('page')

    await page.keyboard.press('Control+k')
    await page.getByRole('dialog', { name: 'Commands' }).waitFor()
    await page.keyboard.type('about')
    await app.shot('palette')
    await page.keyboard.press('Enter')
    await expect.poll(() => links.last().getAttribute('aria-current')).toBe('page')

    await page.keyboard.press('Control+k')
    await page.keyboard.type('dark theme')
    await page.keyboard.press('Enter')
    await expect.poll(() => page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark')
    await page.reload()
    expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe('dark')
    expect(app.errors).toEqual([])
  }, 240_000)

  test('loads the window again when a part of the program cannot be had', async () => {
    await using app = await openApp()
    const { page } = app
    const part = /\/assets\/About-[\w-]+\.js$/
    await page.route(part, (route) => route.abort())
    await page.getByRole('link', { name: 'About' }).click()
    const panel = page.getByRole('alert').filter({ hasText: 'This screen has failed' })
    await panel.waitFor()
    await app.shot('part-missing')
    await page.unroute(part)
    await panel.getByRole('button', { name: 'Load the window again' }).click()
    await page.getByRole('heading', { level: 1, name: 'About' }).waitFor()
  }, 120_000)

  test('says so when the program is gone, and that an address does not exist', async () => {
    await using app = await openApp()
    const { page } = app
    await app.go('/nothing')
    await page.getByText('There is no such screen').waitFor()
    await app.program.stop('SIGKILL')
    await page.getByText('The connection to the program was lost').waitFor()
  })
})
