/** Models go from one catalog to another as bundles, and come from files. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../fixtures/zoo.ts'
import { NO_CHROMIUM, openApp } from './app.ts'
import { addBundled, BUNDLED, downloaded, drop, grid, names, rows, search, soon } from './zoo-page.ts'

describe.skipIf(NO_CHROMIUM)('bundles in the zoo (skipped without Chromium)', () => {
  test('carries a signed model to another catalog, asks whom to trust, and what to do with a damaged one', async () => {
    await using temporary = await temporaryFolder()
    const folder = temporary.dir
    const good = join(folder, 'digits-1k.adyton')
    {
      await using app = await openApp()
      const { page } = app
      await addBundled(app)
      await search(page).fill('digits-1k')
      await soon(() => names(page)).toEqual(['digits-1k'])
      await grid(page).focus()
      await page.keyboard.press('Space')
      await page.getByRole('button', { name: 'Tags…' }).click()
      await page.getByRole('textbox', { name: 'Add tags' }).fill('demo small')
      await page.getByRole('button', { name: 'Save tags' }).click()
      await soon(() => rows(page).first().innerText()).toContain('demo, small')
      await page.getByRole('button', { name: 'Export…' }).click()
      await page.getByRole('textbox', { name: 'Your name' }).fill('Pythia')
      const dialog = page.getByRole('dialog')
      const file = await downloaded(page, () => dialog.getByRole('button', { name: 'Export' }).click())
      expect(file.suggestedFilename()).toBe('digits-1k.adyton')
      await file.saveAs(good)

      await page.getByRole('button', { name: 'Care' }).click()
      const table = await downloaded(page, () => page.getByRole('menuitem', { name: 'Save all models as CSV' }).click())
      const csv = await readFile(await table.path(), 'utf8')
      expect(csv.trim().split('\r\n')).toHaveLength(BUNDLED.length + 1)
    }
    const damaged = join(folder, 'damaged.adyton')
    const bytes = await readFile(good)
    // Within the weights, which are most of the file.
    bytes[bytes.length >> 1] ^= 1
    await writeFile(damaged, bytes)

    await using app = await openApp()
    const { page } = app
    await app.go('#/zoo')
    await page.getByRole('heading', { name: 'No models yet' }).waitFor()
    await drop(page, [good])
    const dialog = page.getByRole('dialog')
    await dialog.getByText('“Pythia” signed this bundle').waitFor()
    await app.shot('zoo-signer')
    await app.checkAccessible()
    await dialog.getByRole('button', { name: 'Trust and import' }).click()
    await soon(() => names(page)).toEqual(['digits-1k'])
    expect(await rows(page).first().innerText()).toContain('demo, small')

    await drop(page, [damaged])
    await dialog.getByRole('heading', { name: 'This bundle is not what it says' }).waitFor()
    await app.shot('zoo-damaged')
    await app.checkAccessible()
    await dialog.getByRole('button', { name: 'Keep it' }).click()
    await search(page).fill('tag:unverified')
    await soon(() => names(page)).toEqual(['digits-1k'])

    // A signer who is known is not asked about again.
    await drop(page, [good])
    await page.getByText('3 of 3 finished').waitFor()
    await page.getByRole('link', { name: 'Duplicates' }).click()
    await page.getByRole('heading', { name: 'The same files' }).waitFor()
    await app.shot('zoo-duplicates')
    await app.checkAccessible()
    expect(app.errors).toEqual([])
  }, 240_000)
})
