/** Models go from one catalog to another as bundles, and come from files; the catalog is backed up and restored. */
import { readdirSync, readlinkSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright'
import { describe, expect, test } from 'vitest'
import { writeOnnx } from '../../core/formats/onnx/write.ts'
import { temporaryFolder, tinyModel, writeTiny } from '../fixtures/zoo.ts'
import {
  keras2Config,
  keras3Arrays,
  keras3Config,
  layers,
  randomise,
  writeKeras3,
} from '../unit/formats-keras-helpers.ts'
import { NO_CHROMIUM, openApp } from './app.ts'
import { addBundled, BUNDLED, downloaded, drop, grid, names, rows, search, soon } from './zoo-page.ts'

async function care(page: Page, item: string): Promise<void> {
  if (!page.url().endsWith('/zoo')) await page.evaluate(() => (location.hash = '#/zoo'))
  await page.getByRole('button', { name: 'Care' }).click()
  await page.getByRole('menuitem', { name: item }).click()
}

/** In the dialog that a browser has for folders of the program's machine. */
async function chooseFolder(page: Page, folder: string): Promise<void> {
  const dialog = page.getByRole('dialog')
  const path = dialog.getByLabel('Folder', { exact: true })
  await expect.poll(() => path.inputValue()).not.toBe('')
  await path.fill(folder)
  await dialog.getByRole('button', { name: 'Go' }).click()
  await dialog.getByRole('list', { name: folder, exact: true }).waitFor()
  await dialog.getByRole('button', { name: 'Use this folder' }).click()
}

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

describe.skipIf(NO_CHROMIUM)('what comes into the zoo and is kept safe (skipped without Chromium)', () => {
  test('takes files of other programs and links a folder; is backed up, restored, checked and cleared up', async () => {
    await using temporary = await temporaryFolder()
    const folder = temporary.dir
    const onnx = join(folder, 'tiny.onnx')
    await writeFile(onnx, writeOnnx(tinyModel(1)))
    const l = layers.layers
    const network = layers.sequential({
      layers: [
        l.conv2d({ filters: 2, kernelSize: 3, activation: 'relu', inputShape: [8, 8, 1] }),
        l.flatten(),
        l.dense({ units: 3 }),
      ],
    })
    const keras = await writeKeras3(keras3Config(keras2Config(randomise(network))), keras3Arrays(network))
    const linked = await writeTiny(join(folder, 'linked model'), 3, { name: 'linked' })

    await using app = await openApp()
    const { page } = app
    await app.go('#/zoo')
    await page.getByRole('heading', { name: 'No models yet' }).waitFor()
    const dialog = page.getByRole('dialog')
    const imports = page.getByRole('list', { name: 'Imports' }).getByRole('listitem')

    await drop(page, [onnx])
    await dialog.getByRole('combobox', { name: 'Data set' }).fill('MNIST')
    await dialog.getByRole('button', { name: 'Import' }).click()
    await imports.filter({ hasText: 'agrees with onnxruntime-node' }).waitFor()
    const [chooser] = await Promise.all([
      page.waitForEvent('filechooser'),
      (async () => {
        await page.getByRole('button', { name: 'Import', exact: true }).click()
        await page.getByRole('menuitem', { name: 'Files…' }).click()
      })(),
    ])
    await chooser.setFiles(keras)
    await app.shot('zoo-import-file')
    await dialog.getByRole('button', { name: 'Import' }).click()
    await page.getByText('2 of 2 finished').waitFor()
    await page.getByRole('button', { name: 'Import', exact: true }).click()
    await page.getByRole('menuitem', { name: 'Link a model folder…' }).click()
    await chooseFolder(page, linked)
    await page.getByText('3 of 3 finished').waitFor()
    await app.shot('zoo-imported')
    await soon(() => names(page)).toHaveLength(3)
    const stored = readdirSync(join(app.data, 'zoo', 'files'), { recursive: true, withFileTypes: true })
    const links = stored.filter((entry) => entry.isSymbolicLink())
    expect(links.map(({ parentPath, name }) => readlinkSync(join(parentPath, name)))).toEqual([
      join(linked, 'weights.safetensors'),
    ])

    await care(page, 'Back up…')
    await dialog.getByRole('textbox', { name: 'Into the folder' }).fill(folder)
    await dialog.getByRole('textbox', { name: 'Into the folder' }).press('Tab')
    await dialog.getByRole('button', { name: 'Back up' }).click()
    const outcome = page.getByRole('region', { name: 'What came of it' })
    await outcome.getByText(/^3 models in \d+ files/).waitFor()
    const backup = await outcome.getByText(folder).innerText()
    await app.shot('zoo-backed-up')

    await app.go('#/zoo')
    await search(page).fill('linked')
    await soon(() => names(page)).toEqual(['linked'])
    await grid(page).focus()
    await page.keyboard.press('Space')
    await page.keyboard.press('Delete')
    await search(page).fill('')
    await soon(() => names(page)).toHaveLength(2)

    await care(page, 'Restore a backup…')
    const from = dialog.getByRole('textbox', { name: 'Folder of the backup' })
    await from.fill(linked)
    await from.press('Tab')
    await dialog.getByRole('button', { name: 'Restore' }).click()
    await dialog.getByRole('alert').getByText('holds no catalog').waitFor()
    await app.shot('zoo-restore-refused')
    await app.checkAccessible()
    // Other windows show the zoo and its trash as well.
    const list = await app.newPage()
    await list.evaluate(() => (location.hash = '#/zoo'))
    await soon(() => names(list)).toHaveLength(2)
    const bin = await app.newPage()
    await bin.evaluate(() => (location.hash = '#/zoo/trash'))
    const trashed = bin.getByRole('grid', { name: 'Models in the trash' }).getByRole('link', { name: 'linked' })
    await trashed.waitFor()
    await from.fill(backup)
    await from.press('Tab')
    await dialog.getByRole('button', { name: 'Restore' }).click()
    const toast = page.getByRole('region', { name: 'Messages' })
    await toast.getByText('3 models restored').waitFor()
    await soon(() => names(page)).toContain('linked')
    await soon(() => names(list)).toContain('linked')
    await trashed.waitFor({ state: 'detached' })
    await toast.getByRole('button', { name: 'Undo' }).last().click()
    await soon(() => names(page)).toHaveLength(2)
    await soon(() => names(list)).toHaveLength(2)
    await trashed.waitFor()

    await writeFile(join(app.data, 'zoo', 'files', 'stray'), 'x')
    await care(page, 'Check the zoo')
    await outcome.getByText('1 file belongs to no model').waitFor()
    await app.shot('zoo-checked')
    await outcome.getByRole('button', { name: 'Remove' }).click()
    await outcome.getByText('1 file that no model uses was removed').waitFor()

    // Both restores put a zoo aside.
    await app.go('#/settings')
    const space = page.getByRole('region', { name: 'Space on the disk' })
    const kept = space.getByRole('checkbox')
    await kept.nth(1).waitFor()
    for (const box of await kept.all()) await box.check()
    await app.shot('settings-space', { width: 1280, height: 1300 })
    await space.getByRole('button', { name: /^Delete / }).click()
    await dialog.getByRole('button', { name: /^Delete / }).click()
    await space.getByText('Nothing is left over.').waitFor()
    expect(readdirSync(app.data).filter((name) => name.startsWith('zoo.'))).toEqual([])
    expect(app.errors).toEqual([])
  }, 240_000)
})
