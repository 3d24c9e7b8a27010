import { createHash, createPublicKey, verify } from 'node:crypto'
import { copyFile, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import * as v from 'valibot'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Operation } from '../../core/api/operation.ts'
import {
  zooExportBundle,
  zooForgetSigner,
  zooImportBundle,
  zooInspect,
  zooSigners,
} from '../../core/api/operations/zoo-bundles.ts'
import { readModel } from '../../core/formats/model-directory.ts'
import { importBundle, inspectBundle, type BundleImported } from '../../core/zoo/bundle/read.ts'
import { forgetSigner, listSigners } from '../../core/zoo/bundle/trust.ts'
import { exportBundle } from '../../core/zoo/bundle/write.ts'
import { editModel } from '../../core/zoo/edit.ts'
import { exportModel } from '../../core/zoo/export.ts'
import { importModel } from '../../core/zoo/import.ts'
import { addMeasurement } from '../../core/zoo/measurements.ts'
import { findModel } from '../../core/zoo/models.ts'
import { showModel } from '../../core/zoo/show.ts'
import { changeTags } from '../../core/zoo/tags.ts'
import { purgeModels, trashModels } from '../../core/zoo/trash.ts'
import { verifyZoo } from '../../core/zoo/verify.ts'
import { openZoo, type Zoo } from '../../core/zoo/zoo.ts'
import { readZip, type ZipEntry } from '../fixtures/zip.ts'
import { insertRow, temporaryFolder, writeTiny } from '../fixtures/zoo.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let dir: string
let zoo: Zoo
let opened: Zoo[]
beforeEach(async () => {
  folder = await temporaryFolder()
  dir = folder.dir
  opened = []
  zoo = await another('data')
})
afterEach(async () => {
  vi.useRealTimers()
  for (const one of opened) one.close()
  await folder[Symbol.asyncDispose]()
})

/** A further catalog, empty at first, with a signing key of its own. */
async function another(name: string): Promise<Zoo> {
  const one = await openZoo(join(dir, name))
  opened.push(one)
  return one
}

const imported = async (...args: Parameters<typeof importBundle>): Promise<BundleImported> => {
  const result = await importBundle(...args)
  if ('deleted' in result) throw new Error('deleted')
  return result
}

/** A model with everything that a bundle carries. */
async function fullModel(): Promise<string> {
  const parent = insertRow(zoo, { name: 'The parent' })
  const source = await writeTiny(join(dir, 'tiny'))
  const channels = (await readModel(source)).graph.nodes.map((node) => node.id)
  await writeFile(
    join(source, 'calibration.json'),
    JSON.stringify(Object.fromEntries(channels.map((id) => [id, { max: 2, linearised: 1 }]))),
  )
  const { id } = await importModel(zoo, source, {
    stage: 'candidate',
    parent: { id: parent, relation: 'linearised-from' },
  })
  await editModel(zoo, id, {
    ...{ name: 'Ändert — 名', description: 'edited', intendedUse: 'tests', baseModel: 'LeNet', limits: 'none\nat all' },
  })
  changeTags(zoo, id, ['zeta', 'demo', 'älter'], [])
  const { version } = findModel(zoo.db, id)
  zoo.write(() => {
    const time = { what: 'online-time', unit: 'ms', dataset: 'MNIST', images: 10, machine: 'laptop', at: 1000 }
    for (const value of [12.5, 1 / 3, 7]) addMeasurement(zoo.db, version, { ...time, value })
    addMeasurement(zoo.db, version, { ...time, what: 'accuracy', unit: '', value: 0.8125, at: 5 })
    addMeasurement(zoo.db, version, { ...time, what: 'bytes', unit: 'B', value: 2 ** 40, machine: null, at: -7 })
  })
  return id
}

/** What a person sees of a model, less what is of this catalog. */
function shown(one: Zoo, id: string): unknown {
  const { card, stage, tags, intendedUse, baseModel, limits, files, measurements, name, versions, ...rest } = showModel(
    one,
    id,
  )
  const { relus, macs, params, accuracy } = rest
  const lineage = rest.lineage
    .filter((edge) => edge.child === id && edge.relation !== 'imported-from')
    .map(({ relation, source, recipe }) => ({ relation, source, recipe }))
  const created = versions.at(-1)?.created
  return {
    ...{ card, stage, tags, intendedUse, baseModel, limits, files, measurements, name },
    ...{ relus, macs, params, accuracy, lineage, created },
  }
}

describe('a bundle', () => {
  test('brings all of a model into an empty catalog, and leaves it byte for byte', async () => {
    const id = await fullModel()
    const first = join(dir, 'first.adyton')
    const { files } = await exportBundle(zoo, id, first)
    expect(files).toEqual(['weights.safetensors', 'graph.json', 'card.json', 'recipe.json', 'calibration.json'])
    const empty = await another('empty')
    const made = await imported(empty, first)
    expect(made).toMatchObject({ version: 1, name: 'Ändert — 名', signer: null, mismatches: [] })
    expect(made.notices).toEqual([expect.stringContaining('not signed')])
    expect(shown(empty, made.id)).toEqual(shown(zoo, id))
    expect(showModel(empty, made.id).lineage.map((edge) => edge.relation)).toEqual(['imported-from', 'linearised-from'])
    await exportBundle(empty, made.id, join(dir, 'second.adyton'))
    expect(await readFile(join(dir, 'second.adyton'))).toEqual(await readFile(first))
    await exportModel(zoo, id, join(dir, 'a'))
    await exportModel(empty, made.id, join(dir, 'b'))
    for (const name of await readdir(join(dir, 'a'))) {
      expect(await readFile(join(dir, 'b', name))).toEqual(await readFile(join(dir, 'a', name)))
    }
    // A third catalog, into which the model comes beside others and as a second version.
    const third = await another('third')
    insertRow(third, { name: 'Other' })
    const before = await importModel(third, await writeTiny(join(dir, 'before'), 5))
    const again = await imported(third, join(dir, 'second.adyton'), { versionOf: before.id })
    expect(again).toMatchObject({ id: before.id, version: 2 })
    // That model has another name than the card of its new version.
    await exportBundle(third, before.id, join(dir, 'third.adyton'))
    const fourth = await another('fourth')
    const named = await imported(fourth, join(dir, 'third.adyton'))
    expect(showModel(fourth, named.id)).toMatchObject({ name: 'Tiny digits', card: { name: 'Ändert — 名' } })
    await exportBundle(fourth, named.id, join(dir, 'fourth.adyton'))
    expect(await readFile(join(dir, 'fourth.adyton'))).toEqual(await readFile(join(dir, 'third.adyton')))
    expect((await verifyZoo(empty)).ok).toBe(true)
  })

  test('of a model without recipe, calibration, tags and texts is the same again too', async () => {
    const source = await writeTiny(join(dir, 'tiny'))
    await rm(join(source, 'recipe.json'))
    const { id } = await importModel(zoo, source)
    await exportBundle(zoo, id, join(dir, 'a.adyton'))
    const empty = await another('empty')
    const made = await imported(empty, join(dir, 'a.adyton'))
    await exportBundle(empty, made.id, join(dir, 'b.adyton'))
    expect(await readFile(join(dir, 'b.adyton'))).toEqual(await readFile(join(dir, 'a.adyton')))
  })

  test('does not depend on when it is written, nor on when and where it was imported', async () => {
    const id = await fullModel()
    await exportBundle(zoo, id, join(dir, 'a.adyton'))
    vi.useFakeTimers({ toFake: ['Date'], now: new Date('2031-05-06T07:08:09Z') })
    const late = await another('late')
    const made = await imported(late, join(dir, 'a.adyton'))
    await exportBundle(late, made.id, join(dir, 'b.adyton'))
    await exportBundle(zoo, id, join(dir, 'c.adyton'))
    const a = await readFile(join(dir, 'a.adyton'))
    expect(await readFile(join(dir, 'b.adyton'))).toEqual(a)
    expect(await readFile(join(dir, 'c.adyton'))).toEqual(a)
    expect(a.includes(dir)).toBe(false)
    expect(a.includes(id)).toBe(false)
  })

  test('is a plain zip: fixed order and time, stored, with a manifest whose checksums are right', async () => {
    const id = await fullModel()
    await exportBundle(zoo, id, join(dir, 'a.adyton'), { sign: true, signerName: 'Ann' })
    const entries = readZip(await readFile(join(dir, 'a.adyton')))
    expect(entries.map(({ name }) => name)).toEqual([
      ...['manifest.json', 'weights.safetensors', 'graph.json', 'card.json', 'recipe.json', 'calibration.json'],
      'signature.json',
    ])
    // 1 January 1980 in DOS: month and day 1, year 0; noon: hour 12 in the upper five bits.
    for (const { date, time, method } of entries)
      expect({ date, time, method }).toEqual({ date: 33, time: 12 << 11, method: 0 })
    const data = (name: string): Buffer => entries.find((entry) => entry.name === name)?.data ?? Buffer.alloc(0)
    const manifest = JSON.parse(data('manifest.json').toString()) as {
      files: { path: string; size: number; sha256: string }[]
    } & Record<string, unknown>
    expect(manifest).toMatchObject({ format: 'adyton-bundle', version: 1, program: 'Adyton', name: 'Ändert — 名' })
    expect(manifest['lineage']).toEqual([
      { relation: 'linearised-from', source: 'The parent', recipe: data('recipe.json').toString() },
    ])
    for (const { path, size, sha256 } of manifest.files) {
      expect(data(path)).toHaveLength(size)
      expect(createHash('sha256').update(data(path)).digest('hex')).toBe(sha256)
    }
    const signature = JSON.parse(data('signature.json').toString()) as Record<string, string>
    const x = Buffer.from(signature['publicKey'], 'base64').toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    expect(verify(null, data('manifest.json'), key, Buffer.from(signature['signature'], 'base64'))).toBe(true)
  })

  test('is not written over a file, nor of a model whose files are damaged; nothing is left behind', async () => {
    const id = await fullModel()
    await writeFile(join(dir, 'mine'), 'mine')
    await expect(exportBundle(zoo, id, join(dir, 'no', 'a.adyton'))).rejects.toMatchObject({ code: 'usage' })
    await expect(exportBundle(zoo, id, join(dir, 'mine'))).rejects.toMatchObject({ code: 'usage' })
    expect(await readFile(join(dir, 'mine'), 'utf8')).toBe('mine')
    await expect(exportBundle(zoo, 'nosuch', join(dir, 'out.adyton'))).rejects.toMatchObject({
      code: 'model-not-found',
    })
    const bare = insertRow(zoo, { name: 'Bare' })
    await expect(exportBundle(zoo, bare, join(dir, 'out.adyton'))).rejects.toMatchObject({ code: 'file-unsupported' })
    const graph = showModel(zoo, id).files.find((file) => file.role === 'graph')
    await writeFile(zoo.files.path(graph?.sha256 ?? ''), '{}')
    await expect(exportBundle(zoo, id, join(dir, 'out.adyton'))).rejects.toMatchObject({
      code: 'catalog-corrupt',
      message: expect.stringContaining('graph.json') as string,
    })
    await rm(zoo.files.path(graph?.sha256 ?? ''))
    await expect(exportBundle(zoo, id, join(dir, 'out.adyton'))).rejects.toMatchObject({ code: 'catalog-corrupt' })
    expect((await readdir(dir)).filter((name) => /out|tmp/.test(name))).toEqual([])
  })

  test('gives the counts that its network has, whatever it says', async () => {
    const id = await fullModel()
    const { version } = findModel(zoo.db, id)
    const { relus, macs } = showModel(zoo, id)
    zoo.db.prepare(`UPDATE measurements SET value = 1, at = 8e15 WHERE version = ? AND what = 'relus'`).run(version)
    await exportBundle(zoo, id, join(dir, 'a.adyton'))
    const empty = await another('empty')
    const made = await imported(empty, join(dir, 'a.adyton'))
    expect(made.notices).toContainEqual(expect.stringMatching(/other counts.*relus$/))
    expect(showModel(empty, made.id)).toMatchObject({ relus, macs })
  })

  test('is inspected without an import', async () => {
    const id = await fullModel()
    await exportBundle(zoo, id, join(dir, 'a.adyton'), { sign: true, signerName: 'Ann' })
    const empty = await another('empty')
    const inspection = await inspectBundle(empty, join(dir, 'a.adyton'))
    expect(inspection).toMatchObject({
      manifest: { name: 'Ändert — 名', stage: 'candidate', tags: ['demo', 'zeta', 'älter'] },
      signer: { name: 'Ann', standing: 'new' },
      mismatches: [],
    })
    expect(await inspectBundle(zoo, join(dir, 'a.adyton'))).toMatchObject({ signer: { standing: 'known' } })
    expect(empty.db.prepare('SELECT count(*) FROM models').pluck().get()).toBe(0)
    expect(listSigners(empty)).toEqual([])
  })
})

describe('a signature', () => {
  let id: string
  let bundle: string
  beforeEach(async () => {
    ;({ id } = await importModel(zoo, await writeTiny(join(dir, 'tiny'))))
    bundle = join(dir, 'signed.adyton')
    await exportBundle(zoo, id, bundle, { sign: true, signerName: 'Ann' })
  })

  test('is by a key that is made once and only its owner can read', async () => {
    const path = join(dirname(zoo.folder), 'signing-key.pem')
    const pem = await readFile(path)
    if (process.platform !== 'win32') expect((await stat(path)).mode & 0o777).toBe(0o600)
    await exportBundle(zoo, id, join(dir, 'again.adyton'), { sign: true, signerName: 'Ann' })
    expect(await readFile(path)).toEqual(pem)
    // Ed25519 has no randomness: the same model, key and name give the same bundle.
    expect(await readFile(join(dir, 'again.adyton'))).toEqual(await readFile(bundle))
    await writeFile(path, 'broken')
    await expect(exportBundle(zoo, id, join(dir, 'no.adyton'), { sign: true })).rejects.toMatchObject({
      code: 'file-corrupt',
    })
    expect(await readFile(path, 'utf8')).toBe('broken')
  })

  test('of somebody new asks, and is known afterwards', async () => {
    const other = await another('other')
    const { signer } = await inspectBundle(other, bundle)
    const shownAs = signer?.fingerprint.match(/.{4}/g)?.join(':') ?? ''
    await expect(importBundle(other, bundle)).rejects.toMatchObject({
      code: 'signer-untrusted',
      message: expect.stringContaining(shownAs) as string,
      advice: expect.stringContaining(`--trust ${shownAs}`) as string,
    })
    expect(other.db.prepare('SELECT count(*) FROM models').pluck().get()).toBe(0)
    expect(listSigners(other)).toEqual([])
    await expect(importBundle(other, bundle, { trust: 'ab'.repeat(32) })).rejects.toMatchObject({
      code: 'signer-untrusted',
    })
    await expect(importBundle(other, bundle, { trust: 'everybody' })).rejects.toMatchObject({ code: 'usage' })
    const first = await imported(other, bundle, { trust: 'accept' })
    expect(first.signer).toEqual({ name: 'Ann', fingerprint: signer?.fingerprint })
    expect(first.notices).toEqual([expect.stringContaining('trusted from now on')])
    expect((await imported(other, bundle)).notices).toEqual([])
    expect(listSigners(other)).toMatchObject([{ name: 'Ann', fingerprint: signer?.fingerprint }])
    forgetSigner(other, shownAs)
    await expect(importBundle(other, bundle)).rejects.toMatchObject({ code: 'signer-untrusted' })
    // The fingerprint alone is enough as well, in either form.
    await imported(other, bundle, { trust: shownAs })
  })

  test('by one’s own key is known', async () => {
    expect((await imported(zoo, bundle)).signer).toMatchObject({ name: 'Ann' })
  })

  test('by a known key under a further name says so; without a name it is named by its key', async () => {
    const other = await another('other')
    await imported(other, bundle, { trust: 'accept' })
    await exportBundle(zoo, id, join(dir, 'renamed.adyton'), { sign: true, signerName: 'Anna' })
    const renamed = await imported(other, join(dir, 'renamed.adyton'))
    expect(renamed.notices).toEqual([expect.stringMatching(/'Anna' .* was known as 'Ann' so far/)])
    expect(listSigners(other)).toMatchObject([{ name: 'Ann' }])
    const { signer } = await exportBundle(zoo, id, join(dir, 'nameless.adyton'), { sign: true })
    expect(signer?.name).toBe(`key ${signer?.fingerprint.slice(0, 8)}`)
    for (const signerName of ['', ' Ann', 'A\u202enn', 'A\nnn']) {
      const refusedName = exportBundle(zoo, id, join(dir, 'no.adyton'), { sign: true, signerName })
      await expect(refusedName).rejects.toMatchObject({ code: 'file-unsupported', message: /signer\.name/ })
    }
  })

  test('under a name that is known with another key is refused unless that key is named', async () => {
    const other = await another('other')
    await imported(other, bundle, { trust: 'accept' })
    const impostor = await another('impostor')
    const { id: theirs } = await importModel(impostor, await writeTiny(join(dir, 'theirs'), 2))
    await exportBundle(impostor, theirs, join(dir, 'theirs.adyton'), { sign: true, signerName: 'ＡNN' })
    for (const trust of ['ask', 'accept']) {
      await expect(importBundle(other, join(dir, 'theirs.adyton'), { trust })).rejects.toMatchObject({
        code: 'signer-untrusted',
        message: expect.stringMatching(/'ＡNN' is known with another key/) as string,
      })
    }
    const { signer } = await inspectBundle(other, join(dir, 'theirs.adyton'))
    expect(signer?.standing).toBe('taken')
    await imported(other, join(dir, 'theirs.adyton'), { trust: signer?.fingerprint ?? '' })
    expect(listSigners(other)).toHaveLength(2)
    await imported(other, join(dir, 'theirs.adyton'))
    await imported(other, bundle)
  })

  test('stays with a model until something is changed, without the key', async () => {
    const other = await another('other')
    const { id: there } = await imported(other, bundle, { trust: 'accept' })
    expect(await exportBundle(other, there, join(dir, 'kept.adyton'))).toMatchObject({ signer: { name: 'Ann' } })
    expect(await readFile(join(dir, 'kept.adyton'))).toEqual(await readFile(bundle))
    changeTags(other, there, ['new'], [])
    expect(await exportBundle(other, there, join(dir, 'changed.adyton'))).toMatchObject({ signer: null })
    expect(readZip(await readFile(join(dir, 'changed.adyton'))).map(({ name }) => name)).not.toContain('signature.json')
    expect((await imported(zoo, join(dir, 'changed.adyton'))).signer).toBeNull()
    changeTags(other, there, [], ['new'])
    await exportBundle(other, there, join(dir, 'back.adyton'))
    expect(await readFile(join(dir, 'back.adyton'))).toEqual(await readFile(bundle))
    await editModel(other, there, { description: 'another' })
    expect(await exportBundle(other, there, join(dir, 'edited.adyton'))).toMatchObject({ signer: null })
    // One's own signature takes the place of the one that it came with.
    const own = await exportBundle(other, there, join(dir, 'own.adyton'), { sign: true, signerName: 'Bo' })
    expect(own.signer?.name).toBe('Bo')
    trashModels(other, [there])
    purgeModels(other, { ids: [there] })
    expect(other.db.prepare('SELECT count(*) FROM signatures').pluck().get()).toBe(0)
  })
})

describe('files that do not match', () => {
  let bundle: string
  let original: string
  let entries: ZipEntry[]
  beforeEach(async () => {
    original = (await importModel(zoo, await writeTiny(join(dir, 'tiny')))).id
    bundle = join(dir, 'a.adyton')
    await exportBundle(zoo, original, bundle, { sign: true, signerName: 'Ann' })
    const bytes = await readFile(bundle)
    entries = readZip(bytes)
    // The last byte is of a mask: the network has another number of ReLUs then.
    const weights = entries[1]
    bytes[weights.offset + weights.data.length - 1] ^= 1
    await writeFile(bundle, bytes)
  })
  const rows = (): unknown => zoo.db.prepare('SELECT count(*) FROM models').pluck().get()

  test('cancel the import, named', async () => {
    await expect(importBundle(zoo, bundle)).rejects.toMatchObject({
      code: 'file-corrupt',
      message: `${bundle} does not hold what it says: weights.safetensors has another checksum`,
      advice: expect.stringMatching(/on-mismatch keep.*on-mismatch delete/) as string,
      files: [{ path: 'weights.safetensors', problem: 'another checksum' }],
    })
    expect(rows()).toBe(1)
    expect(await verifyZoo(zoo)).toMatchObject({ ok: true, orphans: [] })
    expect((await inspectBundle(zoo, bundle)).mismatches).toEqual([
      { path: 'weights.safetensors', problem: 'another checksum' },
    ])
  })

  test('are kept if they can be read, marked and without the signature', async () => {
    const empty = await another('empty')
    const made = await imported(empty, bundle, { onMismatch: 'keep' })
    expect(made).toMatchObject({ signer: null, mismatches: [{ path: 'weights.safetensors' }] })
    expect(made.notices).toEqual([expect.stringContaining('unverified'), expect.stringMatching(/other counts.*relus$/)])
    expect(Math.abs(made.relus - (showModel(zoo, original).relus ?? 0))).toBe(1)
    expect(showModel(empty, made.id)).toMatchObject({
      tags: ['unverified'],
      limits: expect.stringContaining('weights.safetensors has another checksum') as string,
    })
    expect(listSigners(empty)).toEqual([])
    expect((await verifyZoo(empty)).ok).toBe(true)
    // What is exported now says what it is: the checksums fit, the mark stays, nobody signed it.
    expect(await exportBundle(empty, made.id, join(dir, 'kept.adyton'))).toMatchObject({ signer: null })
    const again = await another('again')
    const second = await imported(again, join(dir, 'kept.adyton'))
    expect(showModel(again, second.id).tags).toEqual(['unverified'])
  })

  test('are not kept if they cannot be read', async () => {
    const bytes = await readFile(bundle)
    const graph = entries[2]
    bytes[graph.offset] = 0x21
    await writeFile(bundle, bytes)
    await expect(importBundle(zoo, bundle, { onMismatch: 'keep' })).rejects.toMatchObject({
      code: 'file-corrupt',
      message: expect.stringContaining(join(bundle, 'graph.json')) as string,
    })
    expect(rows()).toBe(1)
    expect((await verifyZoo(zoo)).orphans).toEqual([])
  })

  test('let the bundle be deleted; a good one is imported all the same', async () => {
    const good = join(dir, 'good.adyton')
    await exportBundle(zoo, original, good)
    await copyFile(good, join(dir, 'copy.adyton'))
    expect(await importBundle(zoo, bundle, { onMismatch: 'delete' })).toEqual({
      deleted: bundle,
      mismatches: [{ path: 'weights.safetensors', problem: 'another checksum' }],
    })
    await expect(stat(bundle)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(rows()).toBe(1)
    await imported(zoo, good, { onMismatch: 'delete' })
    expect(await readFile(good)).toEqual(await readFile(join(dir, 'copy.adyton')))
    expect(rows()).toBe(2)
  })
})

describe('the operations', () => {
  test('export, inspect and import a bundle, and show and forget whom they trust', async () => {
    const { id } = await importModel(zoo, await writeTiny(join(dir, 'tiny')))
    const notices: string[] = []
    const context = {
      onProgress: () => undefined,
      onNotice: (line: string) => void notices.push(line),
      signal: AbortSignal.any([]),
    }
    const call = <O>(operation: Operation<v.GenericSchema, O>, input: unknown): Promise<O> =>
      operation.run(v.parse(operation.input, input), context)
    const path = join(dir, 'a.adyton')
    const data = join(dir, 'data')
    const there = join(dir, 'there')
    await call(zooExportBundle, { data, id: `zoo:${id}`, path, sign: true, signerName: ' Ann ' })
    const { signer } = await call(zooInspect, { data: there, path })
    expect(signer).toMatchObject({ name: 'Ann', standing: 'new' })
    await expect(call(zooImportBundle, { data: there, path })).rejects.toMatchObject({ code: 'signer-untrusted' })
    const made = await call(zooImportBundle, { data: there, path, trust: 'accept', stage: 'archived' })
    expect(made).toMatchObject({ version: 1, signer: { name: 'Ann' } })
    expect(notices).toEqual([expect.stringContaining('trusted from now on')])
    const { signers } = await call(zooSigners, { data: there })
    expect(signers).toMatchObject([{ name: 'Ann', fingerprint: signer?.fingerprint }])
    const { fingerprint } = signers[0]
    expect(await call(zooForgetSigner, { data: there, fingerprint })).toEqual({ signers: [] })
    await expect(call(zooForgetSigner, { data: there, fingerprint })).rejects.toMatchObject({ code: 'usage' })
  })
})
