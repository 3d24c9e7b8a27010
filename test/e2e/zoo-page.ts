/** The zoo's screen as tests use it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Download, Locator, Page } from 'playwright'
import { expect } from 'vitest'
import type { App } from './app.ts'

const MODELS = fileURLToPath(new URL('../../resources/models', import.meta.url))
/** Names of the bundled models, as their cards have them. */
export const BUNDLED = readdirSync(MODELS, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => (JSON.parse(readFileSync(join(MODELS, name, 'card.json'), 'utf8')) as { name: string }).name)

export const grid = (page: Page): Locator => page.getByRole('grid', { name: 'Models' })
export const rows = (page: Page): Locator =>
  grid(page)
    .getByRole('row')
    .filter({ has: page.getByRole('gridcell') })
export const names = async (page: Page): Promise<string[]> =>
  (await grid(page).getByRole('link').allInnerTexts()).toSorted((a, b) => (a < b ? -1 : 1))
export const search = (page: Page): Locator => page.getByRole('textbox', { name: 'Search models' })

export async function addBundled(app: App): Promise<void> {
  const { page } = app
  await app.go('#/zoo')
  await page.getByRole('button', { name: 'Add the bundled models' }).click()
  await page.getByText(`${BUNDLED.length} of ${BUNDLED.length} finished`).waitFor()
  await page.getByRole('button', { name: 'Dismiss' }).click()
}

export async function downloaded(page: Page, action: () => Promise<void>): Promise<Download> {
  const [download] = await Promise.all([page.waitForEvent('download'), action()])
  return download
}

/** Drops files onto the window as a person's mouse does. */
export async function drop(page: Page, files: readonly string[]): Promise<void> {
  const session = await page.context().newCDPSession(page)
  const data = { items: [], files: [...files], dragOperationsMask: 1 }
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    await session.send('Input.dispatchDragEvent', { type, x: 640, y: 400, data })
  }
  await session.detach()
}

/** Waits as long as a busy machine may need. */
export const soon: typeof expect.poll = (read) => expect.poll(read, { timeout: 15_000 })
