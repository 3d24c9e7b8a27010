/** Private inference on screen: what came out, where it went, what is left when a window dies, and what errors say. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { datasetFolder } from '../fixtures/datasets.ts'
import { idxBytes, pixel } from '../unit/datasets-helpers.ts'
import { NO_CHROMIUM, openApp, type App } from './app.ts'
import { downloaded } from './zoo-page.ts'

const ANSWER = { timeout: 90_000 }
const SEVEN = fileURLToPath(new URL('../../resources/samples/seven.png', import.meta.url))
const MNIST = datasetFolder('mnist-10k')
if (MNIST === undefined) console.error('the evaluation on screen is skipped: no folder mnist-10k among the data sets')

/** Chooses pictures on the Inference screen and starts. */
async function run(app: App, files: Parameters<ReturnType<Page['locator']>['setInputFiles']>[0]): Promise<void> {
  const { page } = app
  await app.go('/inference')
  await page.getByRole('tab', { name: 'File' }).click()
  await page.getByLabel('Choose files…').and(page.locator('input')).setInputFiles(files)
  await page.getByRole('button', { name: 'Run privately' }).click()
  await page.waitForURL(/inference\/run\//)
}

const digitPixels = (record: number): Buffer =>
  Buffer.from(Array.from({ length: 28 * 28 }, (_, at) => pixel(1, record, at)))

/** A data set in MNIST's files, the same images for training and test. */
async function writeDigits(folder: string, labels: readonly number[]): Promise<void> {
  await mkdir(folder, { recursive: true })
  const images = idxBytes([labels.length, 28, 28], [...Buffer.concat(labels.map((_, i) => digitPixels(i)))])
  for (const part of ['train', 't10k']) {
    await writeFile(join(folder, `${part}-images-idx3-ubyte`), images)
    await writeFile(join(folder, `${part}-labels-idx1-ubyte`), idxBytes([labels.length], labels))
  }
}

const breakdown = (page: Page) => page.getByRole('region', { name: 'Where the time and the bytes went', exact: true })

/** Text of a time as milliseconds. */
function milliseconds(text: string): number {
  const [, minutes] = /^(\d+) min/.exec(text) ?? []
  const [, amount, unit] = /([\d.]+) (ms|s)$/.exec(text) ?? []
  return Number(minutes ?? 0) * 60_000 + Number(amount) * (unit === 's' ? 1000 : 1)
}

describe.skipIf(NO_CHROMIUM)('private inference (skipped without Chromium)', () => {
  test('accounts for every second and byte, as bars, as a table and as files', async () => {
    await using app = await openApp()
    const { page } = app
    await app.go('/inference?model=digits-1k')
    await page.getByText('Bytes are exact; times are an estimate').waitFor()
    await app.shot('inference')
    await app.checkAccessible()
    const predicted = await page.getByRole('row', { name: /^Online/ }).innerText()
    await run(app, SEVEN)
    const answer = page.getByRole('region', { name: 'Private answer' })
    await answer.waitFor(ANSWER)
    expect(await answer.getByRole('status').innerText()).toBe('7')
    expect(
      await page.getByRole('region', { name: 'Most probable classes' }).getByRole('row').nth(1).innerText(),
    ).toMatch(/^7\s/)

    // Bars: rows that arrow keys walk through.
    const chart = breakdown(page).getByRole('group', { name: /Time$/ })
    await chart.getByRole('img', { name: /^conv1, Offline: .*HE/ }).focus()
    await page.keyboard.press('ArrowDown')
    expect(await page.locator(':focus').getAttribute('aria-label')).toMatch(/^relu1, Offline:/)

    // Files.
    const save = (item: string) =>
      downloaded(page, async () => {
        await breakdown(page).getByRole('button', { name: 'Export' }).click()
        await page.getByRole('menuitem', { name: item }).click()
      }).then(async (download) => ({ name: download.suggestedFilename(), path: await download.path() }))
    const png = await save('Picture (PNG)')
    expect(png.name).toBe('seven-png-digits-1k.png')
    const size = await chart.boundingBox()
    const picture = await sharp(png.path).metadata()
    expect([picture.format, picture.width]).toEqual(['png', Math.round((size?.width ?? 0) * 2)])
    // Bars were drawn: the picture has colours of several kinds.
    expect((await sharp(png.path).stats()).isOpaque).toBe(true)
    expect((await sharp(png.path).stats()).entropy).toBeGreaterThan(0.5)

    const svg = await readFile((await save('Drawing (SVG)')).path, 'utf8')
    // It is XML that stands alone: another program draws it.
    expect((await sharp(Buffer.from(svg)).png().stats()).entropy).toBeGreaterThan(0.5)
    const labels = [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, label]) => label)
    expect(labels).toEqual(expect.arrayContaining(['Total', 'conv1', 'dense2', 'Offline', 'Online']))
    expect(svg).not.toMatch(/var\(--|https?:\/\/(?!www\.w3\.org)/)

    const json = JSON.parse(await readFile((await save('Everything (JSON)')).path, 'utf8')) as {
      format: string
      result: {
        layers: { id: string }[]
        phases: Record<'offline' | 'online', { wallMs: number; kinds: Record<string, number> }>
        bytes: Record<'offline' | 'online', { clientToServer: number; serverToClient: number }>
      }
    }
    const { phases, bytes, layers } = json.result
    expect(layers.map(({ id }) => id)).toContain('relu3')
    expect(JSON.stringify(json)).not.toContain('data:image')

    const csv = (await readFile((await save('Table (CSV)')).path, 'utf8')).trimEnd().split('\r\n')
    const [header, ...lines] = csv.map((line) => line.split(','))
    const column = (name: string): number[] => lines.map((line) => Number(line[header.indexOf(name)]))
    for (const phase of ['offline', 'online'] as const) {
      for (const kind of ['he', 'gc', 'ot', 'share', 'wait']) {
        const [total, ...parts] = column(`${phase} ${kind} ms`).toReversed()
        expect(total).toBeCloseTo(phases[phase].kinds[kind], 6)
        expect(parts.reduce((a, b) => a + b, 0)).toBeCloseTo(total, 3)
      }
      const [up, ...ups] = column(`${phase} bytes up`).toReversed()
      expect(up).toBe(bytes[phase].clientToServer)
      expect(ups.reduce((a, b) => a + b, 0)).toBe(up)
    }

    // The table, one key away: its totals are those of the files.
    await page.keyboard.press('t')
    const table = breakdown(page).getByRole('table')
    const total = table.getByRole('row', { name: /^Total/ })
    const shown = (await total.getByRole('cell').allInnerTexts()).map(milliseconds)
    const sums = shown.filter((_, i) => i === 5 || i === shown.length - 1)
    expect(Math.abs(sums[0] - phases.offline.wallMs) / phases.offline.wallMs).toBeLessThan(0.01)
    expect(Math.abs(sums[1] - phases.online.wallMs) / phases.online.wallMs).toBeLessThan(0.01)
    await app.shot('inference-table', { width: 1280, height: 1700 })
    await app.checkAccessible()

    // Bytes: what was predicted is what was moved.
    await breakdown(page).getByText('Bytes', { exact: true }).click()
    const moved = await total.getByRole('cell').last().innerText()
    expect(predicted).toContain(moved)
    await breakdown(page).getByText('Each party', { exact: true }).click()
    await table.getByRole('row', { name: /^Server/ }).waitFor()
    await page.keyboard.press('t')
    await breakdown(page)
      .getByRole('group', { name: /Each party$/ })
      .waitFor()

    // What each party saw: the picture is 28 pixels wide for both, and the server's is another one.
    const saw = page.getByRole('region', { name: 'What each party saw' })
    const pictures = []
    for (const name of [/^You held: a random mask/, /^The server held: the masked/, /^In truth: the picture/]) {
      const source = (await saw.getByRole('img', { name }).getAttribute('src')) ?? ''
      const png = Buffer.from(source.slice('data:image/png;base64,'.length), 'base64')
      expect((await sharp(png).metadata()).width).toBe(28)
      pictures.push(source)
    }
    expect(new Set(pictures).size).toBe(3)
    await saw.getByText('After relu1').waitFor()
    await saw.getByText('Labels of the garbled circuit').click()
    await saw.getByText('Bits of your share').waitFor()
    expect(app.errors).toEqual([])
  }, 180_000)

  test('a window that dies in mid-inference finds it going on, and two runs are compared', async () => {
    await using app = await openApp()
    const bytes = await readFile(SEVEN)
    const many = Array.from({ length: 3 }, (_, i) => ({ name: `seven-${i}.png`, mimeType: 'image/png', buffer: bytes }))
    await run(app, many)
    const address = new URL(app.page.url()).hash
    await app.page.getByText('Answers so far').waitFor(ANSWER)
    const killed = app.page
    const crashed = killed.waitForEvent('crash')
    const session = await killed.context().newCDPSession(killed)
    void session.send('Page.crash').catch(() => undefined)
    await crashed
    app.page = await app.newPage()
    await killed.close()
    const { page } = app
    await app.go(address)
    await page.getByRole('button', { name: 'Stop' }).waitFor()
    await page.reload()
    await page.getByText('Answers so far').waitFor(ANSWER)
    const agreement = page.getByRole('region', { name: 'Evaluation' })
    await agreement.waitFor(ANSWER)
    expect(await agreement.innerText()).toMatch(/Agreement with the clear run\s+100\.0%[\s\S]*3 of 3/)

    // The same once more, from the history, and both beside each other.
    await app.go('/inference')
    await page.getByRole('button', { name: 'Repeat' }).first().click()
    await agreement.waitFor(ANSWER)
    await app.go('/inference')
    const boxes = page.getByRole('checkbox', { name: /for a comparison/ })
    for (const i of [0, 1]) await boxes.nth(i).check()
    await page.getByRole('button', { name: 'Compare the two' }).click()
    await page.getByRole('heading', { name: 'Two inferences' }).waitFor()
    const relus = page.getByRole('row', { name: /^ReLUs/ })
    expect(await relus.innerText()).toMatch(/1,034\s+1,034\s+the same/)
    await app.shot('inference-compare', { width: 1280, height: 1200 })
    await app.checkAccessible()
    // The page that was killed has logged its end.
    expect(app.errors.filter((error) => !error.includes('crash'))).toEqual([])
  }, 240_000)

  test('stops on request, and says in words what is wrong with a file', async () => {
    await using app = await openApp()
    const { page } = app
    await run(app, SEVEN)
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.getByRole('heading', { name: 'This inference was stopped' }).waitFor(ANSWER)

    await app.go('/inference')
    await page.getByRole('button', { name: 'Remove seven.png' }).click()
    await run(app, { name: 'letter.png', mimeType: 'image/png', buffer: Buffer.from('Dear reader') })
    const alert = page.getByRole('alert')
    await alert.waitFor(ANSWER)
    expect(await alert.innerText()).toMatch(
      /The private inference failed\s+letter\.png: is not a PNG, JPEG or WebP picture/,
    )
    await app.shot('inference-failed')
    await app.checkAccessible()

    await page.getByRole('button', { name: 'New inference' }).click()
    await page.getByRole('row', { name: /letter\.png.*failed/ }).waitFor()
    await app.go('/inference/run/0123456789abcdef')
    await page.getByRole('heading', { name: 'There is no such inference' }).waitFor()
    expect(app.errors).toEqual([])
  }, 180_000)

  test("a data set's picture is there in a later window, and missed in words", async () => {
    await using app = await openApp()
    const { page } = app
    const folder = join(app.data, 'digits to test')
    await writeDigits(folder, [1, 2, 3])
    await app.go('/inference')
    await page.getByRole('tab', { name: 'Data set' }).click()
    await page.getByRole('textbox', { name: 'Folder of the data set' }).fill(folder)
    await page.getByLabel('Start at').fill('1')
    await page.getByLabel('How many').fill('1')
    // What the parties held would show it, until the program ends.
    await page.getByRole('checkbox', { name: 'Show what each party saw' }).uncheck()
    await page.getByRole('button', { name: 'Run privately' }).click()
    const answer = (window: Page) => window.getByRole('region', { name: 'Private answer' })
    await answer(page).waitFor(ANSWER)
    await answer(page).getByRole('img', { name: 'Your picture' }).waitFor()

    const later = await app.newPage()
    await later.evaluate((hash) => (location.hash = hash), new URL(page.url()).hash)
    const source = await answer(later).getByRole('img', { name: 'The picture, from its data set' }).getAttribute('src')
    const { data, info } = await sharp(Buffer.from((source ?? '').split(',')[1], 'base64'))
      .raw()
      .toBuffer({ resolveWithObject: true })
    const first = Buffer.from(Array.from({ length: 28 * 28 }, (_, at) => data[at * info.channels]))
    expect(first).toEqual(digitPixels(1))

    await rename(folder, `${folder}, moved`)
    await later.reload()
    await answer(later).getByText(`No picture: the data set is no longer in ${folder}.`).waitFor()
    // Another picture would be worse than none.
    await writeDigits(folder, [4, 5, 6])
    await later.reload()
    await answer(later).getByText(`No picture: another data set is in ${folder} now.`).waitFor()
    expect(app.errors).toEqual([])
  }, 120_000)

  test.skipIf(MNIST === undefined)(
    'a part of a data set is an evaluation with an interval',
    async () => {
      await using app = await openApp()
      const { page } = app
      await app.go('/inference')
      await page.getByRole('tab', { name: 'Data set' }).click()
      await page.getByRole('textbox', { name: 'Folder of the data set' }).fill(`${MNIST}-that-is-not-there`)
      await page.keyboard.press('Tab')
      await page.getByRole('alert').filter({ hasText: 'The data set could not be read' }).waitFor()
      await page.getByRole('textbox', { name: 'Folder of the data set' }).fill(MNIST ?? '')
      await page.keyboard.press('Tab')
      await page.getByLabel('How many').fill('3')
      const images = page.getByRole('list', { name: 'Images that will be used' }).getByRole('button')
      await expect.poll(() => images.count(), ANSWER).toBe(3)
      const labels: (string | undefined)[] = []
      for (const image of await images.all()) labels.push((await image.getAttribute('aria-label'))?.slice(-1))
      await app.shot('inference-dataset')
      await page.getByRole('button', { name: 'Run privately' }).click()
      const evaluation = page.getByRole('region', { name: 'Evaluation' })
      await evaluation.waitFor(ANSWER)
      // By hand: 3 of 3 has the interval from 3 / (3 + 1.96²) to 1.
      expect(await evaluation.innerText()).toMatch(
        /Private accuracy\s+100\.0%\s+95% interval 43\.9% to 100\.0%\s+3 of 3/,
      )
      const [, ...rows] = await evaluation.getByRole('table').getByRole('row').all()
      const answers: string[] = []
      for (const row of rows) answers.push(await row.getByRole('cell').first().innerText())
      expect(answers).toEqual(labels)
      await expect.poll(() => evaluation.getByRole('row').nth(1).locator('img').count()).toBe(1)
      await app.shot('inference-evaluation', { width: 1280, height: 1700 })
      await app.checkAccessible()
      expect(app.errors).toEqual([])
    },
    180_000,
  )
})
