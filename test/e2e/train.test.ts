/** Training and linearising: from the form over the curves to the zoo. The data set is generated: nothing is fetched. */
import { readFile } from 'node:fs/promises'
import sharp from 'sharp'
import type { Page } from 'playwright'
import { describe, expect, test } from 'vitest'
import { NO_CHROMIUM, openApp } from './app.ts'
import { downloaded, soon } from './zoo-page.ts'

/** An epoch of the smallest network, and more for a machine with WebAssembly alone that does other things beside. */
const EPOCH_MS = 60_000

const predicted = (page: Page, row: string): Promise<string> =>
  page.getByRole('row', { name: row }).getByRole('cell').first().innerText()

async function fillSmallest(page: Page, epochs: number): Promise<void> {
  await page.getByRole('radio', { name: 'Generated pictures' }).check()
  await page.getByRole('combobox', { name: 'Architecture' }).selectOption('lenet-tiny')
  await page.getByRole('spinbutton', { name: 'Epochs' }).fill(String(epochs))
  // Few and large batches are quick; what is learnt is of no interest here.
  await page.getByRole('spinbutton', { name: 'Images in a batch' }).fill('250')
}

describe.skipIf(NO_CHROMIUM)('training (skipped without Chromium)', () => {
  test('trains, pauses, goes on, and leaves a model with its lineage', { timeout: 5 * EPOCH_MS }, async () => {
    await using app = await openApp()
    const { page } = app
    await app.go('#/train')
    await page.getByText('None yet. What is trained here').waitFor()
    await fillSmallest(page, 3)
    await page.getByRole('spinbutton', { name: 'Epochs' }).fill('0')
    await page.getByText('A whole number from 1 to 10,000.').waitFor()
    expect(await page.getByRole('button', { name: 'Start training' }).isDisabled()).toBe(true)
    await page.getByRole('spinbutton', { name: 'Epochs' }).fill('3')
    await page.getByRole('textbox', { name: 'Name' }).fill('shapes-small')
    await page.getByRole('textbox', { name: 'Tags' }).fill('trial, Shapes')
    await page.getByText('lenet-tiny on Generated pictures: 3 epochs of 5,000 images').waitFor()
    await app.shot('train')
    await app.checkAccessible()
    await page.getByRole('button', { name: 'Start training' }).click()

    // The first epoch is a point of each curve; the pause comes in the second one, if this machine is not too quick.
    await page.getByRole('heading', { name: /^Train lenet-tiny/, level: 1 }).waitFor()
    await page.getByRole('button', { name: 'Pause' }).waitFor()
    const loss = page.getByRole('img', { name: /^Loss\. Training: \d/ })
    await loss.waitFor({ timeout: EPOCH_MS })
    await page.getByRole('button', { name: 'Pause' }).click()
    await page.getByText('Paused. What is learnt so far').waitFor({ timeout: EPOCH_MS })
    await app.shot('train-paused')
    // The curves are still there in a window that was opened anew.
    await page.reload()
    await loss.waitFor()
    await page.getByRole('button', { name: 'Resume' }).click()
    const done = page.getByRole('region', { name: 'Done' })
    await done.waitFor({ timeout: 2 * EPOCH_MS })
    await app.shot('train-done')
    await app.checkAccessible()

    // Every epoch, in the table and in the files.
    await page.getByText('As a table: Accuracy').click()
    const table = page.getByRole('region', { name: 'Accuracy' }).getByRole('table')
    await soon(() => table.getByRole('rowheader').allInnerTexts()).toEqual(['1', '2', '3'])
    const accuracy = (await done.getByText('%').first().innerText()).trim()
    const save = async (item: string) =>
      downloaded(page, async () => {
        await page.getByRole('button', { name: 'Export' }).click()
        await page.getByRole('menuitem', { name: item }).click()
      })
    const csv = await readFile(await (await save('Curves as CSV')).path(), 'utf8')
    const [header, ...rows] = csv
      .trimEnd()
      .split('\r\n')
      .map((line) => line.split(','))
    expect(rows.map((row) => row[header.indexOf('epoch')])).toEqual(['1', '2', '3'])
    expect(`${(100 * Number(rows[2][header.indexOf('test accuracy')])).toFixed(2)}%`).toBe(accuracy)
    const png = await sharp(await (await save('Curves as PNG')).path()).stats()
    expect(png.channels.some(({ stdev }) => stdev > 5)).toBe(true)

    // Its model: name, tags, and what it was trained from.
    await page.getByRole('button', { name: 'See it in the zoo' }).click()
    await page.getByRole('heading', { name: 'shapes-small', level: 1 }).waitFor()
    await page.getByText('trial', { exact: true }).first().waitFor()
    await page.getByText('shapes', { exact: true }).first().waitFor()
    await page.getByRole('link', { name: 'Lineage' }).click()
    await page.getByText('lenet-tiny on Generated shapes').filter({ visible: true }).first().waitFor()

    // Linearised on what it was trained on, to the budget that is asked for.
    await page.getByRole('button', { name: 'Linearise' }).click()
    await soon(() => page.getByRole('combobox', { name: 'Model' }).locator('option:checked').innerText()).toBe(
      'shapes-small',
    )
    await soon(() => page.getByRole('radio', { name: 'Generated pictures' }).isChecked()).toBe(true)
    expect(app.errors).toEqual([])
  })

  test('a run that is stopped is listed and can go on', { timeout: 3 * EPOCH_MS }, async () => {
    await using app = await openApp()
    const { page } = app
    await app.go('#/train')
    await fillSmallest(page, 10_000)
    await page.getByRole('button', { name: 'Start training' }).click()
    await page.getByRole('heading', { name: /^Train lenet-tiny/, level: 1 }).waitFor()
    await page.getByText(/^Training: epoch 1 of 10000/).waitFor({ timeout: EPOCH_MS })
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByText('This run was stopped.').waitFor({ timeout: EPOCH_MS })
    await page.getByRole('button', { name: 'Go on' }).waitFor()
    await page.getByRole('button', { name: 'Train and linearise' }).click()
    const runs = page.getByRole('region', { name: 'Runs' })
    await runs.getByText('Stopped').or(runs.getByText('Cancelled')).waitFor()
    await runs.getByRole('link', { name: /^Train lenet-tiny/ }).waitFor()
    expect(app.errors).toEqual([])
  })

  test('a budget slider tells costs; a recipe tells where it is wrong', async () => {
    await using app = await openApp()
    const { page } = app
    await app.go('#/train?model=digits')
    const slider = page.getByRole('slider', { name: 'ReLUs to keep' })
    await soon(() => predicted(page, 'Online, bytes')).toMatch(/iB$/)
    await app.shot('train-linearise')
    await app.shot('train-linearise-wide', { width: 1920, height: 1080 })
    await app.checkAccessible()

    // Fewer ReLUs, fewer bytes and less time; at once, and by keys alone.
    const before = await predicted(page, 'Online, bytes')
    const words = await slider.getAttribute('aria-valuetext')
    expect(words).toBe('2,585 of 10,340 ReLUs, 25.0%')
    await slider.focus()
    for (let i = 0; i < 20; i++) await page.keyboard.press('ArrowLeft')
    await soon(() => slider.getAttribute('aria-valuetext')).not.toBe(words)
    const after = await predicted(page, 'Online, bytes')
    expect(parseFloat(after)).toBeLessThan(
      parseFloat(before) * (after.endsWith('KiB') === before.endsWith('KiB') ? 1 : 1024),
    )
    await page.keyboard.press('End')
    await soon(() => slider.getAttribute('aria-valuetext')).toBe('10,340 of 10,340 ReLUs, 100.0%')
    await page.getByRole('spinbutton', { name: 'Exactly' }).fill('20000')
    await page.getByText('A whole number from 0 to 10,340.').waitFor()
    await page.getByRole('spinbutton', { name: 'Exactly' }).fill('1000')

    // A recipe in words, one's own, and what is wrong with it.
    const recipe = page.getByRole('combobox', { name: 'Recipe' })
    await recipe.selectOption('SNL for the digits network')
    await page.getByRole('list', { name: 'Steps of the recipe' }).getByText('Learn which ReLUs to keep (SNL)').waitFor()
    await recipe.selectOption('My own recipe, as JSON…')
    const own = page.getByRole('textbox', { name: 'Recipe as JSON' })
    await page.getByText('can work.').waitFor()
    const text = await own.inputValue()
    await own.fill(text.replace('"seed": 1,', '"seed": 1'))
    const line = text.split('\n').findIndex((row) => row.includes('"seed"')) + 2
    await page.getByText(new RegExp(`^Line ${line}, column \\d+: not valid JSON`)).waitFor()
    await app.shot('train-recipe-wrong', { width: 1280, height: 1400 })
    await app.checkAccessible()
    await own.fill(text.replace('"step": "snl"', '"step": "melt"'))
    await page.getByText('recipe: step 1 (melt), step: Invalid type').waitFor()
    expect(await page.getByRole('button', { name: 'Start linearising' }).isDisabled()).toBe(true)

    // A sweep: what each budget costs.
    await page.getByRole('radio', { name: 'Sweep' }).check({ force: true })
    await page.getByRole('textbox', { name: 'ReLU budgets' }).fill('100, 2000')
    await page.getByRole('cell', { name: '2,000', exact: true }).waitFor()
    await page.getByRole('textbox', { name: 'ReLU budgets' }).fill('100, many')
    await page.getByText('Whole numbers from 0 to 10,340, each once').waitFor()
    await app.shot('train-sweep')
    await app.checkAccessible()
    expect(app.errors).toEqual([])
  })
})
