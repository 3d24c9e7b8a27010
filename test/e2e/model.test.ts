/** A model's screen: its card, its network layer by layer, what it costs, where it comes from. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../fixtures/zoo.ts'
import { NO_CHROMIUM, openApp } from './app.ts'
import { addBundled, downloaded, grid, names, search, soon } from './zoo-page.ts'

const GRAPH = fileURLToPath(new URL('../../resources/models/digits-2k/graph.json', import.meta.url))

describe.skipIf(NO_CHROMIUM)("a model's screen (skipped without Chromium)", () => {
  test('shows and changes everything about a model', async () => {
    await using app = await openApp()
    const { page } = app
    await addBundled(app)
    await search(page).fill('digits-2k')
    await soon(() => names(page)).toEqual(['digits-2k'])
    await grid(page).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'digits-2k', level: 1 }).waitFor()
    await app.shot('model-overview')
    await app.checkAccessible()

    // The card, with undo.
    await page.getByRole('button', { name: 'Edit', exact: true }).click()
    await page.getByRole('textbox', { name: 'Intended use' }).fill('Lessons on private inference')
    await app.shot('model-card')
    await app.checkAccessible()
    await page.getByRole('button', { name: 'Save' }).click()
    const main = page.getByRole('main')
    await main.getByText('Lessons on private inference').waitFor()
    await page.getByRole('button', { name: 'Undo' }).click()
    await main.getByText('Lessons on private inference').waitFor({ state: 'detached' })
    await page.getByRole('combobox', { name: 'Stage' }).selectOption('Candidate')
    await page.getByText('Stage is now Candidate').waitFor()

    // The network: as many layers as its file has, and the ReLUs that are left.
    const graph = JSON.parse(await readFile(GRAPH, 'utf8')) as { nodes: { id: string; op: string }[] }
    await page.getByRole('link', { name: 'Architecture' }).click()
    const layers = page.getByRole('grid', { name: 'Layers' })
    const total = layers.getByRole('row').last()
    await total.waitFor()
    expect(await layers.getAttribute('aria-rowcount')).toBe(String(graph.nodes.length + 2))
    expect((await total.innerText()).replaceAll(/\s+/g, ' ')).toContain('2.07k / 10.3k')
    const relus = graph.nodes.filter(({ op }) => op === 'relu').map(({ id }) => id)
    await page.getByRole('img', { name: `Share of the channels of ${relus[0]}` }).waitFor()
    await app.shot('model-architecture')
    await app.shot('model-architecture-wide', { width: 1920, height: 1080 })
    await app.checkAccessible()
    await layers.focus()
    await page.keyboard.press('Home')
    await page.getByText('This layer has no ReLUs.').waitFor()
    for (let i = 0; i < graph.nodes.findIndex(({ id }) => id === relus[1]); i++) await page.keyboard.press('ArrowDown')
    await page.getByRole('heading', { name: relus[1], exact: true }).waitFor()
    await page.getByRole('button', { name: 'Show the whole graph' }).click()

    // Costs: a network of one's own that is as good as the LAN costs as much.
    await page.getByRole('link', { name: 'Predicted costs' }).click()
    const own = page.getByRole('row', { name: /^Your own/ })
    await own.waitFor()
    await page.getByRole('spinbutton', { name: 'Up, Mbit/s' }).fill('1000')
    await page.getByRole('spinbutton', { name: 'Down, Mbit/s' }).fill('1000')
    await page.getByRole('spinbutton', { name: 'Round trip, ms' }).fill('0.5')
    const times = async (name: RegExp): Promise<string[]> =>
      (await page.getByRole('row', { name }).getByRole('cell').allInnerTexts()).slice(-2)
    expect(await times(/^Your own/)).toEqual(await times(/^LAN/))
    expect(await times(/^WAN/)).not.toEqual(await times(/^LAN/))
    await app.shot('model-costs')
    await app.checkAccessible()

    await page.getByRole('link', { name: 'Lineage' }).click()
    await page.getByText('came with Adyton').waitFor()
    await app.shot('model-lineage')
    await app.checkAccessible()
    await page.getByRole('link', { name: 'History' }).click()
    await page.getByRole('row', { name: /^Predicted online bytes/ }).waitFor()
    await app.checkAccessible()
    await page.getByRole('link', { name: 'Files' }).click()
    await page.getByRole('row', { name: /^Weights/ }).waitFor()
    await page.getByRole('link', { name: 'Versions' }).click()
    await page.getByRole('row', { name: /current Candidate/ }).waitFor()

    // Out as ONNX, which begins with the version of its format.
    await page.getByRole('button', { name: 'Export…' }).click()
    await page.getByRole('radio', { name: /^ONNX/ }).check()
    const dialog = page.getByRole('dialog')
    const file = await downloaded(page, () => dialog.getByRole('button', { name: 'Export' }).click())
    expect(file.suggestedFilename()).toBe('digits-2k.onnx')
    expect((await readFile(await file.path()))[0]).toBe(0x08)

    // As a folder, byte for byte.
    await using folder = await temporaryFolder()
    await page.getByRole('button', { name: 'Export…' }).click()
    await page.getByRole('radio', { name: /^Model folder/ }).check()
    await dialog.getByRole('textbox', { name: 'Into the folder' }).fill(folder.dir)
    await dialog.getByRole('textbox', { name: 'Into the folder' }).press('Tab')
    await dialog.getByRole('button', { name: 'Export' }).click()
    await page.getByText('digits-2k exported').last().waitFor()
    await dialog.waitFor({ state: 'detached' })
    expect(await readFile(join(folder.dir, 'digits-2k', 'graph.json'))).toEqual(await readFile(GRAPH))

    await page.getByRole('button', { name: 'To trash' }).click()
    await page.getByRole('button', { name: 'Undo' }).click()
    await page.getByRole('link', { name: 'digits-2k' }).click()
    const id = /#\/model\/(\w+)/.exec(page.url())?.[1]
    await page.getByRole('button', { name: 'Private inference' }).click()
    await soon(() => page.url()).toContain(`#/inference?model=${encodeURIComponent(`zoo:${id}`)}`)
    expect(app.errors).toEqual([])
  }, 240_000)

  test('says so when there is no such model', async () => {
    await using app = await openApp()
    await app.go('#/model/nosuchmodel')
    await app.page.getByRole('alert').getByText("the catalog has no model 'nosuchmodel'").waitFor()
    await app.page.getByRole('button', { name: 'To the zoo' }).click()
    await app.page.getByRole('heading', { name: 'Zoo' }).waitFor()
  }, 60_000)
})
