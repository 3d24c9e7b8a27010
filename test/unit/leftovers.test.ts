import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { operations } from '../../core/api/index.ts'
import type { Job } from '../../core/jobs/job.ts'
import { jobStore } from '../../core/jobs/store.ts'
import { PackageStore } from '../../core/protocol/store/store.ts'
import { withZoo } from '../../core/zoo/zoo.ts'
import { temporaryFolder, writeTiny } from '../fixtures/zoo.ts'

const context = { onProgress: () => undefined, onNotice: () => undefined, signal: new AbortController().signal }

test('what the zoo has as well can go; what a job or a link needs cannot, nor anything else of the data folder', async () => {
  await using folder = await temporaryFolder()
  const data = join(folder.dir, 'data')
  const trainings = join(data, 'trainings')
  const [kept, alone, paused, linked, failed] = ['kept', 'alone', 'paused', 'linked', 'failed'].map((n) => `net-${n}`)
  for (const [i, name] of [kept, alone, paused, linked, failed].entries()) await writeTiny(join(trainings, name), i + 1)
  await mkdir(join(trainings, kept, 'job'))
  await writeFile(join(trainings, kept, 'job', 'train.safetensors'), Buffer.alloc(10_000))
  // Whatever a link leads to is neither counted nor deleted.
  const outside = join(folder.dir, 'outside')
  await writeTiny(outside, 9)
  await symlink(outside, join(trainings, alone, 'elsewhere'))
  const bring = (name: string, link: boolean) =>
    operations.zooImport.run(
      { ...{ data, path: join(trainings, name), link, stage: 'draft', card: {}, compare: false } },
      context,
    )
  await bring(kept, false)
  await bring(linked, true)
  const job = (id: string, state: Job['state'], out: string): Job => ({
    ...{
      id,
      operation: 'train',
      input: { out: `${data}/trainings/${out}` },
      title: `training ${id}`,
      state,
      created: 1,
    },
    ...{ started: null, ended: null, spentMs: 0, progress: null, result: null, error: null },
  })
  await withZoo(data, (zoo) => {
    for (const one of [job('a', 'done', kept), job('b', 'paused', paused), job('c', 'failed', failed)])
      jobStore(zoo).put(one)
  })
  const aside = 'zoo.before-restore-2026-01-01T00-00-00.000Z'
  await cp(join(data, 'zoo'), join(data, aside, 'zoo'), { recursive: true })

  const list = await operations.leftovers.run({ data }, context)
  const by = Object.fromEntries(list.map((one) => [one.name, one]))
  expect(Object.keys(by).sort()).toEqual(
    [...[alone, failed, kept, linked, paused].map((name) => `trainings/${name}`), aside].sort(),
  )
  expect(by[`trainings/${kept}`]).toMatchObject({ kind: 'training', model: 'kept', needed: null })
  expect(by[`trainings/${alone}`]).toMatchObject({ kind: 'training', model: 'only-here', needed: null })
  expect(by[`trainings/${paused}`].needed).toEqual({ by: 'job', title: 'training b' })
  expect(by[`trainings/${failed}`].needed).toEqual({ by: 'job', title: 'training c' })
  expect(by[`trainings/${linked}`]).toMatchObject({ model: 'kept', needed: { by: 'link' } })
  expect(by[aside]).toMatchObject({ kind: 'catalog', model: 'none', needed: null })
  let size = 0
  for (const entry of await readdir(join(trainings, kept), { recursive: true, withFileTypes: true }))
    if (entry.isFile()) size += (await stat(join(entry.parentPath, entry.name))).size
  expect(by[`trainings/${kept}`].bytes).toBe(size)

  const remove = (...names: string[]) => operations.removeLeftovers.run({ data, names }, context)
  for (const name of [paused, failed, linked]) {
    // Nothing of a list goes where one of it is needed.
    await expect(remove(`trainings/${kept}`, `trainings/${name}`)).rejects.toMatchObject({ code: 'usage' })
  }
  for (const name of ['zoo', '../outside', 'trainings', 'trainings/..', `trainings/../trainings/${alone}`, '']) {
    await expect(remove(name)).rejects.toMatchObject({ code: 'usage' })
  }
  expect((await operations.leftovers.run({ data }, context)).length).toBe(6)
  const { bytes } = await remove(`trainings/${kept}`, `trainings/${alone}`, aside)
  expect(bytes).toBe(list.filter(({ needed }) => needed === null).reduce((sum, one) => sum + one.bytes, 0))
  expect((await readdir(trainings)).sort()).toEqual([failed, linked, paused].sort())
  expect(existsSync(join(outside, 'weights.safetensors'))).toBe(true)
  const checked = await operations.zooVerify.run({ data, repair: false }, context)
  expect(checked).toMatchObject({ ok: true, files: expect.any(Number) as number })
})

test('packages that have waited for a day can go, and do not come back; those of today stay', async () => {
  await using folder = await temporaryFolder()
  const data = join(folder.dir, 'data')
  const store = await PackageStore.open(join(data, 'packages'), { role: 'server' })
  const bytes = 100_000
  const made: string[] = []
  for (let i = 0; i < 3; i++) {
    const id = randomBytes(16).toString('hex')
    const of = { peer: '0'.repeat(64), planDigest: '0'.repeat(64), commitment: '0'.repeat(64), protocol: 1 }
    const writer = await store.create({ id, role: 'server', ...of, created: new Date().toISOString() })
    await writer.append('outputs', new Uint8Array(bytes))
    await writer.finish()
    made.push(id)
  }
  const [today, ...old] = made
  expect(await operations.leftovers.run({ data }, context)).toEqual([])
  const before = Date.now() / 1000 - 25 * 3600
  for (const id of old) {
    const package_ = join(data, 'packages', 'server', 'ready', id)
    for (const name of await readdir(package_)) await utimes(join(package_, name), before, before)
    await utimes(package_, before, before)
  }
  const [found, ...others] = await operations.leftovers.run({ data }, context)
  expect(others).toEqual([])
  expect(found).toMatchObject({ name: 'packages/server', kind: 'packages', model: 'none', needed: null })
  expect(found.bytes).toBeGreaterThan(2 * bytes)
  expect(found.bytes).toBeLessThan(3 * bytes)
  const freed = await operations.removeLeftovers.run({ data, names: [found.name] }, context)
  expect(freed).toEqual({ bytes: found.bytes })
  expect((await store.list()).map(({ id }) => id)).toEqual([today])
  for (const id of old) await expect(store.take(id)).rejects.toMatchObject({ code: 'package-used' })
  expect(await operations.leftovers.run({ data }, context)).toEqual([])
})
