import { existsSync } from 'node:fs'
import { appendFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { zooTrash } from '../../core/api/operations/zoo-care.ts'
import { zooImport } from '../../core/api/operations/zoo-exchange.ts'
import { readModel } from '../../core/formats/model-directory.ts'
import { backupZoo } from '../../core/zoo/backup.ts'
import { compareModels } from '../../core/zoo/compare.ts'
import { editModel } from '../../core/zoo/edit.ts'
import { exportModel } from '../../core/zoo/export.ts'
import { importModel } from '../../core/zoo/import.ts'
import { addInference, inferencesOf } from '../../core/zoo/inferences.ts'
import { lineageOf } from '../../core/zoo/lineage.ts'
import { listModels } from '../../core/zoo/list.ts'
import { showModel } from '../../core/zoo/show.ts'
import { changeTags } from '../../core/zoo/tags.ts'
import { purgeModels, restoreModels, trashModels } from '../../core/zoo/trash.ts'
import { vacuumZoo } from '../../core/zoo/vacuum.ts'
import { verifyZoo } from '../../core/zoo/verify.ts'
import { openZoo, withZoo, type Zoo } from '../../core/zoo/zoo.ts'
import { insertRow, temporaryFolder, tinyModel, writeTiny } from '../fixtures/zoo.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let dir: string
let zoo: Zoo
beforeEach(async () => {
  folder = await temporaryFolder()
  dir = folder.dir
  zoo = await openZoo(join(dir, 'data'))
})
afterEach(async () => {
  if (zoo.db.open) zoo.close()
  await folder[Symbol.asyncDispose]()
})

/** Names of the stored files. */
async function stored(): Promise<string[]> {
  const entries = await readdir(join(zoo.folder, 'files'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

const files = async (path: string): Promise<Record<string, Buffer>> =>
  Object.fromEntries(
    await Promise.all((await readdir(path)).map(async (f) => [f, await readFile(join(path, f))] as const)),
  )

describe('import and export', () => {
  test('counts what the network has, and gives back the bytes that it took', async () => {
    const source = await writeTiny(join(dir, 'tiny'))
    const { id, relus, params, macs } = await importModel(zoo, source)
    // Written out from the masks and tensors, apart from core/network/counts.
    const { graph, tensors } = tinyModel()
    let kept = 0
    let numbers = 0
    for (const [name, { data }] of tensors) {
      if (name.endsWith('.mask')) for (const m of data) kept += m
      else if (/\.(weight|bias|gamma|beta)$/.test(name)) numbers += data.length
    }
    expect(graph.nodes.filter((node) => node.op === 'relu').every((node) => node.mask === 'element')).toBe(true)
    expect({ relus, params }).toEqual({ relus: kept, params: numbers })
    expect(macs).toBeGreaterThan(params)
    expect(showModel(zoo, id)).toMatchObject({ relus, macs, params, accuracy: 0.75, stage: 'draft', version: 1 })
    await exportModel(zoo, id, join(dir, 'out'))
    expect(await files(join(dir, 'out'))).toEqual(await files(source))
    await expect(exportModel(zoo, id, join(dir, 'out'))).rejects.toMatchObject({ code: 'usage' })
  })

  test('the same folder twice is two models of the same files; a new version shares what did not change', async () => {
    const source = await writeTiny(join(dir, 'tiny'))
    const first = await importModel(zoo, source)
    const before = await stored()
    expect(before).toHaveLength(4)
    const second = await importModel(zoo, source)
    expect(second.id).not.toBe(first.id)
    expect(await stored()).toEqual(before)
    await writeTiny(source, 2)
    expect(await importModel(zoo, source, { versionOf: first.id, stage: 'candidate' })).toMatchObject({
      id: first.id,
      version: 2,
    })
    expect(await stored()).toHaveLength(5)
    expect(showModel(zoo, first.id)).toMatchObject({ version: 2, stage: 'candidate' })
    expect(listModels(zoo).total).toBe(2)
  })

  test('weights that are linked stay where they are; the catalog notices when they change or go', async () => {
    const source = await writeTiny(join(dir, 'tiny'))
    const weights = join(source, 'weights.safetensors')
    const original = await readFile(weights)
    const { id } = await importModel(zoo, source, { link: true })
    // The weights are no file of the catalog's own.
    expect(await stored()).toHaveLength(3)
    expect((await verifyZoo(zoo)).ok).toBe(true)
    await exportModel(zoo, id, join(dir, 'out'))
    expect(await files(join(dir, 'out'))).toEqual(await files(source))
    await backupZoo(zoo, join(dir, 'backup'))
    await appendFile(weights, 'x')
    expect((await verifyZoo(zoo)).bad).toMatchObject([{ problem: 'damaged', models: [id] }])
    await expect(exportModel(zoo, id, join(dir, 'out2'))).rejects.toMatchObject({ code: 'catalog-corrupt' })
    await rm(weights)
    expect((await verifyZoo(zoo)).bad).toMatchObject([{ problem: 'missing', models: [id] }])
    // A backup has the bytes, and a copy takes the place of a link.
    expect(await withZoo(join(dir, 'backup'), async (copy) => (await verifyZoo(copy)).ok)).toBe(true)
    await writeFile(weights, original)
    await importModel(zoo, source)
    expect(await stored()).toHaveLength(4)
    await rm(source, { recursive: true })
    expect((await verifyZoo(zoo)).ok).toBe(true)
  })

  test('a purge takes the link away and leaves what it leads to', async () => {
    const source = await writeTiny(join(dir, 'tiny'))
    const { id } = await importModel(zoo, source, { link: true })
    trashModels(zoo, [id])
    purgeModels(zoo, { ids: [id] })
    expect((await readFile(join(source, 'weights.safetensors'))).length).toBeGreaterThan(0)
    expect(await verifyZoo(zoo)).toMatchObject({ ok: true, orphans: [], files: 0 })
  })

  test.each<[string, string, (path: string) => Promise<unknown>]>([
    ['no such folder', 'file-not-found', () => Promise.resolve()],
    ['a file', 'file-unsupported', (path: string) => writeFile(path, 'x')],
    ['an empty folder', 'file-not-found', (path: string) => mkdir(path)],
    [
      'damaged weights',
      'file-corrupt',
      async (path: string) => {
        await writeTiny(path)
        await appendFile(join(path, 'weights.safetensors'), 'x')
      },
    ],
    [
      'a recipe that is no JSON',
      'file-corrupt',
      async (path: string) => {
        await writeTiny(path)
        await writeFile(join(path, 'recipe.json'), '{')
      },
    ],
  ])('%s is refused by its own path, and nothing is kept', async (_, code, make) => {
    const path = join(dir, 'bad')
    await make(path)
    await expect(importModel(zoo, path)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(path) as string,
    })
    expect(listModels(zoo).total).toBe(0)
    expect(await verifyZoo(zoo)).toMatchObject({ ok: true, files: 0, orphans: [] })
  })

  test('a failure in the transaction leaves nothing but orphans', async () => {
    const source = await writeTiny(join(dir, 'tiny'))
    await expect(importModel(zoo, source, { versionOf: 'nosuch' })).rejects.toMatchObject({ code: 'model-not-found' })
    expect(listModels(zoo).total).toBe(0)
    expect(await verifyZoo(zoo, { repair: true })).toMatchObject({ ok: true })
    expect(await stored()).toEqual([])
  })

  test('importing again puts a damaged file right', async () => {
    const source = await writeTiny(join(dir, 'tiny'))
    const { id } = await importModel(zoo, source)
    const weights = showModel(zoo, id).files.find(({ role }) => role === 'weights')
    const path = zoo.files.path(weights?.sha256 as string)
    const bytes = await readFile(path)
    bytes[bytes.length - 1] ^= 1
    await writeFile(path, bytes)
    await rm(zoo.files.path(showModel(zoo, id).files[0].sha256))
    const { bad, ok } = await verifyZoo(zoo, { repair: true })
    expect(ok).toBe(false)
    expect(bad.map(({ problem, models }) => [problem, models]).sort()).toEqual([
      ['damaged', [id]],
      ['missing', [id]],
    ])
    await expect(exportModel(zoo, id, join(dir, 'out'))).rejects.toThrow()
    await importModel(zoo, source)
    expect(await verifyZoo(zoo)).toMatchObject({ ok: true })
  })
})

describe('changing', () => {
  test('an edited card is searched, listed and exported; the old one goes', async () => {
    const { id } = await importModel(zoo, await writeTiny(join(dir, 'tiny')))
    const before = showModel(zoo, id).files.find(({ role }) => role === 'card')?.sha256 as string
    await editModel(zoo, id, { name: 'Renamed', description: 'for cats', stage: 'published', limits: 'no dogs' })
    expect(listModels(zoo, { query: 'stage:published cats dogs rena' }).models.map((row) => row.id)).toEqual([id])
    expect(listModels(zoo, { query: 'tiny' }).total).toBe(0)
    expect(existsSync(zoo.files.path(before))).toBe(false)
    await exportModel(zoo, id, join(dir, 'out'))
    expect((await readModel(join(dir, 'out'))).card).toMatchObject({ name: 'Renamed', description: 'for cats' })
    await editModel(zoo, id, { description: null, limits: null })
    const details = showModel(zoo, id)
    expect(details.card).not.toHaveProperty('description')
    expect(details.limits).toBeNull()
    expect(await verifyZoo(zoo)).toMatchObject({ ok: true, files: 4 })
  })

  test('tags are words in lower case, added and removed at once', () => {
    const id = insertRow(zoo, { name: 'a', tags: ['old'] })
    expect(changeTags(zoo, id, ['Demo', 'b', 'demo'], ['old', 'none'])).toEqual(['b', 'demo'])
    expect(listModels(zoo, { query: 'old' }).total).toBe(0)
    for (const bad of ['', 'a b', '-a', 'a"b', 'x'.repeat(65)]) {
      expect(() => changeTags(zoo, id, [bad], [])).toThrow(/is no tag/)
    }
    expect(() => changeTags(zoo, 'nosuch', ['a'], [])).toThrow(/has no model 'nosuch'/)
  })

  test('inferences keep their ledger whole', () => {
    const id = insertRow(zoo, { name: 'a' })
    const ledger = { client: { entries: [{ phase: 'online', wallMs: 1.5 }] } }
    addInference(zoo, id, { at: 5, ledger })
    expect(inferencesOf(zoo, id)).toEqual([{ at: 5, ledger }])
    expect(showModel(zoo, id).inferences).toBe(1)
  })
})

test('comparing marks what differs, layer by layer', async () => {
  const a = await importModel(zoo, await writeTiny(join(dir, 'a'), 1))
  const b = await importModel(zoo, await writeTiny(join(dir, 'b'), 2, { licence: 'MIT' }))
  const { fields, layers } = await compareModels(zoo, [a.id, b.id])
  expect(fields.filter(({ differs }) => differs).map(({ field, values }) => [field, values])).toEqual([
    ['licence', ['CC0-1.0', 'MIT']],
  ])
  expect(fields.find(({ field }) => field === 'accuracy on MNIST')?.values).toEqual([0.75, 0.75])
  expect(layers.map(({ layer }) => layer)).toEqual(tinyModel().graph.nodes.map(({ id }) => id))
  expect(layers.some(({ differs }) => differs)).toBe(false)
})

test('lineage leads from a model to all it came from and all that came of it', async () => {
  const path = await writeTiny(join(dir, 'a'))
  const from = async (id: string) => (await importModel(zoo, path, { parent: { id, relation: 'linearised-from' } })).id
  const { id: root } = await importModel(zoo, path)
  const child = await from(root)
  const grandchild = await from(child)
  const sibling = await from(root)
  const ids = (id: string) => lineageOf(zoo, id).models.map((model) => model.id)
  expect(ids(grandchild)).toEqual([root, child, grandchild])
  expect(ids(root)).toEqual([root, child, grandchild, sibling])
  const edge = lineageOf(zoo, child).edges.find((one) => one.child === child && one.parent !== null)
  expect(edge).toMatchObject({ parent: root, relation: 'linearised-from', recipe: 'a recipe' })
  trashModels(zoo, [root])
  purgeModels(zoo, { ids: [root] })
  // The name stays when the model is gone.
  const orphan = lineageOf(zoo, child).edges.filter((one) => one.child === child)
  expect(orphan.map(({ parent, source }) => [parent, source])).toEqual([
    [null, path],
    [null, 'Tiny digits'],
  ])
})

test('of a model that comes with the program, the lineage does not say where that lies', async () => {
  const data = join(dir, 'data')
  const context = { onProgress: () => undefined, onNotice: () => undefined, signal: new AbortController().signal }
  const input = { data, path: 'bundled:digits-2k', link: false, stage: 'draft' as const, card: {}, compare: false }
  const { id } = await zooImport.run(input, context)
  expect(lineageOf(zoo, id).edges.map(({ relation, source }) => [relation, source])).toEqual([
    ['imported-from', 'bundled:digits-2k'],
  ])
})

describe('trash', () => {
  test('hides, gives back, and purges by age', async () => {
    const day = 24 * 3600 * 1000
    const [a, b, c] = ['a', 'b', 'c'].map((name) => insertRow(zoo, { name }))
    trashModels(zoo, [a], 100 * day)
    trashModels(zoo, [b], 110 * day)
    expect(listModels(zoo).models.map(({ id }) => id)).toEqual([c])
    expect(listModels(zoo, { trash: true }).models.map(({ id }) => id)).toEqual([a, b])
    expect(() => changeTags(zoo, a, ['x'], [])).toThrow(/in the trash/)
    expect(() => purgeModels(zoo, { ids: [c] })).toThrow(/is not in the trash/)
    expect(() => trashModels(zoo, [c, 'nosuch'])).toThrow(/nosuch/)
    expect(showModel(zoo, c).trashedAt).toBeNull()
    expect(purgeModels(zoo, { olderThanDays: 30 }, 130 * day).models).toEqual([a])
    restoreModels(zoo, [b])
    expect(purgeModels(zoo, { olderThanDays: 0 }).models).toEqual([])
    expect(listModels(zoo).total).toBe(2)
  })

  test('whoever puts something there deletes what has been there for 30 days', async () => {
    const ago = (days: number): number => Date.now() - days * 24 * 3600 * 1000
    const [old, recent, now] = ['a', 'b', 'c'].map((name) => insertRow(zoo, { name }))
    trashModels(zoo, [old], ago(30.1))
    trashModels(zoo, [recent], ago(29.9))
    const notices: string[] = []
    const onNotice = (line: string): void => void notices.push(line)
    await zooTrash.run(
      { data: join(dir, 'data'), ids: [now] },
      { onNotice, onProgress: () => undefined, signal: AbortSignal.any([]) },
    )
    expect(listModels(zoo, { trash: true, sort: 'name' }).models.map(({ id }) => id)).toEqual([recent, now])
    expect(notices).toEqual([`deleted for good after 30 days in the trash: ${old}`])
  })

  test('a purge removes files that nothing else uses, and leaves no trace of the text on the disk', async () => {
    const shared = await writeTiny(join(dir, 'a'), 1, { description: 'unmistakablewording' })
    const { id } = await importModel(zoo, shared)
    const other = await importModel(zoo, await writeTiny(join(dir, 'b'), 2))
    changeTags(zoo, id, ['peculiartag'], [])
    trashModels(zoo, [id])
    // Card and weights; graph and recipe are shared.
    expect(purgeModels(zoo, { ids: [id] })).toEqual({ models: [id], files: 2 })
    expect(await verifyZoo(zoo)).toMatchObject({ ok: true, files: 4 })
    expect(showModel(zoo, other.id).files).toHaveLength(4)
    for (const name of await readdir(zoo.folder)) {
      const path = join(zoo.folder, name)
      if (!(await stat(path)).isFile()) continue
      const bytes = await readFile(path, 'latin1')
      expect([name, bytes.includes('unmistakablewording'), bytes.includes('peculiartag')]).toEqual([name, false, false])
    }
    expect(() => showModel(zoo, id)).toThrow(/has no model/)
  })
})

describe('care', () => {
  test('verify names what lies around, and repair removes that only', async () => {
    const { id } = await importModel(zoo, await writeTiny(join(dir, 'a')))
    const orphan = zoo.files.path('ab'.repeat(32))
    await mkdir(join(zoo.folder, 'files', 'ab'), { recursive: true })
    await writeFile(orphan, 'nobody uses this')
    const stray = join(zoo.folder, 'files', 'ab', 'note.txt')
    await writeFile(stray, 'x')
    expect(await verifyZoo(zoo)).toMatchObject({ ok: false, orphans: [orphan, stray], repaired: false })
    expect(existsSync(orphan)).toBe(true)
    expect(await verifyZoo(zoo, { repair: true })).toMatchObject({ ok: true, orphans: [orphan, stray] })
    expect(existsSync(orphan) || existsSync(stray)).toBe(false)
    expect(await verifyZoo(zoo)).toMatchObject({ ok: true, files: 4, orphans: [] })
    expect(listModels(zoo, { query: 'tiny' }).models[0].id).toBe(id)
  })

  test('paths never come from the database', async () => {
    for (const name of ['../../etc', 'AB'.repeat(32), `${'ab'.repeat(31)}/.`, '']) {
      expect(() => zoo.files.path(name)).toThrow(/no SHA-256/)
    }
  })

  test('a backup is a catalog like the first, also while that one is written', async () => {
    const path = await writeTiny(join(dir, 'a'))
    const { id } = await importModel(zoo, path)
    const busy = (async () => {
      for (let i = 0; i < 5; i++) {
        const one = await importModel(zoo, await writeTiny(join(dir, `x${i}`), 10 + i))
        trashModels(zoo, [one.id])
        purgeModels(zoo, { ids: [one.id] })
      }
    })()
    const done = await backupZoo(zoo, join(dir, 'copy'))
    await busy
    expect(done.models).toBeGreaterThanOrEqual(1)
    await withZoo(join(dir, 'copy'), async (copy) => {
      expect(showModel(copy, id).card).toEqual(showModel(zoo, id).card)
      expect(await verifyZoo(copy)).toMatchObject({ ok: true })
    })
    await expect(backupZoo(zoo, join(dir, 'copy'))).rejects.toMatchObject({ code: 'usage' })
  })

  test('vacuum makes the database smaller and keeps what it holds', async () => {
    for (let i = 0; i < 300; i++) insertRow(zoo, { name: `model ${i}`, description: 'x'.repeat(2000) })
    const all = listModels(zoo, { limit: 1000 }).models.map(({ id }) => id)
    zoo.db.exec('DELETE FROM models WHERE key > 100; DELETE FROM search WHERE rowid > 100')
    const { before, after } = vacuumZoo(zoo)
    expect(after).toBeLessThan(before / 2)
    expect(all).toEqual(expect.arrayContaining(listModels(zoo, { query: 'model' }).models.map(({ id }) => id)))
    expect(listModels(zoo, { query: 'model' }).total).toBe(100)
  })
})
