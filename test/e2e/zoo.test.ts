/** The zoo: models found, laid side by side, drawn, thrown away and brought back. */
import { readFile } from 'node:fs/promises'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { insertVersion } from '../../core/zoo/insert.ts'
import { openZoo } from '../../core/zoo/zoo.ts'
import { CARD, temporaryFolder } from '../fixtures/zoo.ts'
import { NO_CHROMIUM, openApp } from './app.ts'
import { addBundled, BUNDLED, downloaded, grid, names, rows, search, soon } from './zoo-page.ts'

describe.skipIf(NO_CHROMIUM)('the zoo (skipped without Chromium)', () => {
  test('finds, orders, compares, throws away and brings back', async () => {
    await using app = await openApp()
    const { page } = app
    await app.go('#/zoo')
    await page.getByRole('heading', { name: 'No models yet' }).waitFor()
    await app.shot('zoo-empty')
    await app.checkAccessible()
    await addBundled(app)
    await soon(() => names(page)).toEqual(BUNDLED.toSorted((a, b) => (a < b ? -1 : 1)))
    await app.shot('zoo')
    await app.checkAccessible()

    // A query, a mistake in one, and a term built by the box.
    await search(page).fill('dataset:cifar10 relus<50k')
    const small = BUNDLED.filter((name) => name.startsWith('cifar10') && Number(/-(\d+)k$/.exec(name)?.[1]) < 50)
    await soon(() => names(page)).toEqual(small.toSorted((a, b) => (a < b ? -1 : 1)))
    await search(page).fill('digits relus<many')
    await soon(() => page.getByRole('alert').innerText()).toContain("Character 14: 'many' is no number")
    await app.shot('zoo-mistake')
    await search(page).fill('')
    await page.getByRole('button', { name: 'Filter', exact: true }).click()
    await page.getByRole('textbox', { name: 'ReLUs at most' }).fill('2.5k')
    await page.getByRole('button', { name: 'Apply' }).click()
    await soon(() => names(page)).toEqual(['digits-1k', 'digits-2k'])
    await page.getByRole('button', { name: 'Remove relus<=2.5k' }).click()

    // Order.
    await page.getByRole('button', { name: 'ReLUs' }).click()
    await soon(() => rows(page).first().innerText()).toContain('digits-1k')
    await page.getByRole('button', { name: 'ReLUs' }).click()
    await soon(() => rows(page).first().innerText()).toMatch(/^cifar10-resnet20\s/)
    await page.getByRole('button', { name: 'Name' }).click()

    // Keys alone: choose two, compare.
    await search(page).fill('digits')
    await soon(() => names(page)).toEqual(['digits', 'digits-1k', 'digits-2k', 'digits-5k'])
    await grid(page).focus()
    await page.keyboard.press('Space')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Space')
    await page.getByText('2 of 4 chosen').waitFor()
    await page.keyboard.press('Alt+c')
    await page.getByRole('heading', { name: 'Compare' }).waitFor()
    const relus = page.getByRole('row', { name: /ReLUs \(differs\)|ReLUs.*differs/ })
    await relus.waitFor()
    await app.shot('zoo-compare')
    await app.checkAccessible()
    await page.getByRole('button', { name: 'Differences of the networks' }).click()
    await page.getByText('The networks differ.').waitFor()
    await page.getByRole('button', { name: 'Back to the zoo' }).click()

    // Into the trash by key, and back.
    await grid(page).focus()
    await page.keyboard.press('Control+a')
    await page.getByText('4 of 4 chosen').waitFor()
    await page.keyboard.press('Delete')
    await page.getByText('No model fits this search.').waitFor()
    await page.getByRole('button', { name: 'Undo' }).click()
    await soon(() => names(page)).toEqual(['digits', 'digits-1k', 'digits-2k', 'digits-5k'])

    // One for good.
    await rows(page).filter({ hasText: 'digits-5k' }).getByRole('checkbox').click({ force: true })
    await page.getByRole('button', { name: 'To trash' }).click()
    await page.getByRole('link', { name: 'Trash' }).click()
    const bin = page.getByRole('grid', { name: 'Models in the trash' })
    await bin.getByRole('link', { name: 'digits-5k' }).waitFor()
    await app.shot('zoo-trash')
    await app.checkAccessible()
    await page.getByRole('button', { name: 'Empty the trash' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete for good' }).click()
    await page.getByRole('heading', { name: 'The trash is empty' }).waitFor()
    expect(app.errors).toEqual([])
  }, 240_000)

  test('shows a front beside published points, linked with the table, and saves it', async () => {
    await using app = await openApp()
    const { page } = app
    await addBundled(app)
    await search(page).fill('dataset:cifar10')
    await page.getByRole('button', { name: 'Chart', exact: true }).click()
    const chart = page.getByRole('img', { name: /Accuracy against ReLUs/ })
    await chart.waitFor()
    await page.getByText(/published results\./).waitFor()
    expect(await page.getByRole('combobox', { name: 'Published' }).inputValue()).toBe('CIFAR-10')
    await app.shot('zoo-chart')
    await app.shot('zoo-chart-wide', { width: 1920, height: 1080 })
    await app.checkAccessible()

    const save = async (kind: string): Promise<Buffer> => {
      await page.getByRole('button', { name: 'Save the chart' }).click()
      const file = await downloaded(page, () => page.getByRole('menuitem', { name: kind }).click())
      return await readFile(await file.path())
    }
    const svg = (await save('SVG')).toString('utf8')
    expect(svg).toMatch(/^<svg/)
    expect(svg).toContain('100k')
    const box = await chart.boundingBox()
    const png = await sharp(await save('PNG')).metadata()
    expect(png.width).toBe(Math.round(2 * (box?.width ?? 0)))

    // The front, by looking at every pair.
    const lines = (await save('CSV')).toString('utf8').trim().split('\r\n')
    expect(lines[0]).toBe('kind,id,name,relus,accuracy,front')
    const own = lines.filter((line) => line.startsWith('own,')).map((line) => line.split(','))
    expect(own).toHaveLength(BUNDLED.filter((name) => name.startsWith('cifar10')).length)
    for (const [, , , x, y, front] of own) {
      const beaten = own.some(
        ([, , , a, b]) =>
          Number(a) <= Number(x) && Number(b) >= Number(y) && (Number(a) < Number(x) || Number(b) > Number(y)),
      )
      expect(front).toBe(String(!beaten))
    }

    // What the pointer is at in the table is told in the chart.
    await rows(page)
      .filter({ has: page.getByText('cifar10-resnet20', { exact: true }) })
      .hover()
    await chart.getByText('cifar10-resnet20', { exact: true }).waitFor()
    await page.getByRole('combobox', { name: 'Up' }).selectOption('macs')
    await page.getByRole('img', { name: /MACs against ReLUs/ }).waitFor()
    await page.getByRole('button', { name: 'Table' }).click()
    await page.getByRole('region', { name: /no other is better/ }).waitFor()
    expect(app.errors).toEqual([])
  }, 240_000)

  test('keeps few rows of many, and finds its way through all', async () => {
    await using folder = await temporaryFolder()
    const COUNT = 10_000
    await fill(folder.dir, COUNT)
    await using app = await openApp({ data: folder.dir })
    const { page } = app
    await app.go('#/zoo')
    await soon(() => grid(page).getAttribute('aria-rowcount')).toBe(String(COUNT + 1))
    expect(await rows(page).count()).toBeLessThan(60)
    await app.shot('zoo-many')
    await grid(page).focus()
    await page.keyboard.press('End')
    await page.getByRole('link', { name: 'model 09999' }).waitFor()
    expect(await rows(page).count()).toBeLessThan(60)
    await page.keyboard.press('Home')
    await page.keyboard.press('Control+a')
    await page.getByText('10,000 of 10,000 chosen').waitFor()
    await page.keyboard.press('Escape')

    // A view of its own outlives the window.
    await search(page).fill('tag:odd')
    await page.getByText('5,000 models fit the search').waitFor()
    await page.getByRole('button', { name: 'View', exact: true }).click()
    await page.getByRole('checkbox', { name: 'Licence' }).check()
    await page.getByRole('textbox', { name: 'Name of the view' }).fill('The odd ones')
    await page.getByRole('button', { name: 'Save this view' }).click()
    await page.getByText('is saved').waitFor()
    await page.reload()
    await page.getByText('10,000 models', { exact: true }).first().waitFor()
    await page.getByRole('button', { name: 'View', exact: true }).click()
    await page.getByRole('button', { name: 'The odd ones tag:odd' }).click()
    await page.getByText('5,000 models fit the search').waitFor()
    await grid(page).getByRole('columnheader', { name: 'Licence' }).waitFor()
    expect(app.errors).toEqual([])
  }, 240_000)
})

/** Models without files, whose names are in the order of their numbers. */
async function fill(dir: string, count: number): Promise<void> {
  const zoo = await openZoo(dir)
  zoo.write(() => {
    for (let i = 0; i < count; i++) {
      insertVersion(zoo, {
        stage: 'draft',
        card: {
          ...CARD,
          name: `model ${String(i).padStart(5, '0')}`,
          accuracy: { top1: ((i * 7919) % 9973) / 9973, images: 100 },
        },
        counts: { relus: 10 + ((i * 104_729) % 99_991), macs: 1000 * i, params: 100 * i },
        files: new Map(),
        source: 'test',
        at: i,
        tags: i % 2 === 1 ? ['odd'] : [],
      })
    }
  })
  zoo.close()
}
