/** The first run: from an empty program to a private answer about a drawn digit, without reading anything. */
import type { Page } from 'playwright'
import { describe, expect, test } from 'vitest'
import { NO_CHROMIUM, openApp } from './app.ts'

/** Parties start processes of their own, which takes a while on a busy machine. */
const ANSWER = { timeout: 90_000 }

/** Draws through points given as shares of the pad's width and height. */
async function draw(page: Page, line: readonly (readonly [number, number])[]): Promise<void> {
  const box = await page.getByRole('img', { name: 'Drawing pad, empty' }).boundingBox()
  if (box === null) throw new Error('the pad is not on the screen')
  const [first, ...rest] = line.map(([x, y]) => [box.x + x * box.width, box.y + y * box.height] as const)
  await page.mouse.move(...first)
  await page.mouse.down()
  for (const point of rest) await page.mouse.move(...point, { steps: 12 })
  await page.mouse.up()
}

const answer = (page: Page) => page.getByRole('region', { name: 'Private answer' })

describe.skipIf(NO_CHROMIUM)('the first run (skipped without Chromium)', () => {
  test('a drawn digit is recognised privately, and shown again at the start', async () => {
    await using app = await openApp()
    const { page } = app
    const go = page.getByRole('button', { name: 'Recognise it privately' })
    await go.waitFor()
    await app.shot('home')
    await app.shot('home-large', { width: 1920, height: 1080 })
    await app.checkAccessible()
    expect(await page.getByRole('region', { name: 'Who sees what' }).getByRole('listitem').count()).toBe(3)

    await go.click()
    await page.getByText('Draw a digit first').waitFor()

    await draw(page, [
      [0.28, 0.22],
      [0.72, 0.22],
      [0.5, 0.85],
    ])
    await page.getByRole('img', { name: 'Drawing pad, one stroke' }).waitFor()
    await go.click()
    await page.getByRole('list', { name: 'Phases' }).waitFor()
    await page.getByRole('region', { name: 'Layers', exact: true }).first().waitFor(ANSWER)
    await app.shot('inference-live')
    await app.checkAccessible()

    await answer(page).waitFor(ANSWER)
    expect(await answer(page).getByRole('status').innerText()).toBe('7')
    expect(await answer(page).innerText()).toContain('Clear run: 7, the same answer')
    await answer(page).getByRole('img', { name: 'Your picture' }).waitFor()
    await page.getByRole('region', { name: 'What was protected' }).getByText('never saw the picture').waitFor()
    await app.shot('inference-result', { width: 1280, height: 1700 })
    await app.checkAccessible()

    await app.go('/')
    const recent = page.getByRole('region', { name: 'Recent inferences' }).getByRole('link', { name: /Drawing/ })
    expect(await recent.innerText()).toContain('7')
    await recent.click()
    await answer(page).waitFor()
    expect(app.errors).toEqual([])
  }, 180_000)

  test('the keyboard alone will do', async () => {
    await using app = await openApp({ reducedMotion: 'reduce' })
    const { page } = app
    const sample = page.getByRole('button', { name: 'A drawn 4' })
    await sample.waitFor()
    const focused = async () => (await sample.and(page.locator(':focus')).count()) === 1
    for (let i = 0; i < 40 && !(await focused()); i++) await page.keyboard.press('Tab')
    expect(await focused()).toBe(true)
    await page.keyboard.press('Enter')
    await page.getByRole('img', { name: 'Drawing pad, showing a 4' }).waitFor()
    // A digit's key takes that digit, and what was cleared comes back.
    await page.keyboard.press('2')
    await page.getByRole('img', { name: 'Drawing pad, showing a 2' }).waitFor()
    await page.getByRole('button', { name: 'Clear' }).press('Enter')
    await page.getByRole('img', { name: 'Drawing pad, empty' }).waitFor()
    await page.getByRole('button', { name: 'Undo', exact: true }).press('Enter')
    await page.getByRole('img', { name: 'Drawing pad, showing a 2' }).waitFor()
    await page.keyboard.press('Control+Enter')
    await answer(page).waitFor(ANSWER)
    expect(await answer(page).getByRole('status').innerText()).toBe('2')
    expect(app.errors).toEqual([])
  }, 120_000)
})
