/** The order of commits and files, which a kill at an unlucky moment depends on, without waiting for one. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { collectFiles, removeCollected } from '../../core/zoo/collect.ts'
import { editModel } from '../../core/zoo/edit.ts'
import { importModel } from '../../core/zoo/import.ts'
import { insertVersion } from '../../core/zoo/insert.ts'
import { showModel } from '../../core/zoo/show.ts'
import { purgeModels, trashModels } from '../../core/zoo/trash.ts'
import { verifyZoo } from '../../core/zoo/verify.ts'
import { openZoo, type Zoo } from '../../core/zoo/zoo.ts'
import { CARD, temporaryFolder, writeTiny } from '../fixtures/zoo.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let zoo: Zoo
let other: Zoo
let path: string
beforeEach(async () => {
  folder = await temporaryFolder()
  zoo = await openZoo(join(folder.dir, 'data'))
  other = await openZoo(join(folder.dir, 'data'))
  path = await writeTiny(join(folder.dir, 'tiny'))
})
afterEach(async () => {
  zoo.close()
  other.close()
  await folder[Symbol.asyncDispose]()
})

const named = ({ db }: Zoo): string[] => db.prepare('SELECT sha256 FROM files').pluck().all() as string[]

test('at the moment of a commit, every file that was or will be named is in its place', async () => {
  let commits = 0
  const watched: Zoo = {
    ...zoo,
    write: (action) =>
      zoo.write(() => {
        const before = named(other)
        const result = action()
        for (const sha256 of [...named(zoo), ...before]) expect(existsSync(zoo.files.path(sha256))).toBe(true)
        commits++
        return result
      }),
  }
  const { id } = await importModel(watched, path)
  await editModel(watched, id, { name: 'edited' })
  trashModels(watched, [id])
  const files = named(zoo)
  expect(files).toHaveLength(4)
  purgeModels(watched, { ids: [id] })
  expect(commits).toBeGreaterThan(4)
  expect(files.filter((sha256) => existsSync(zoo.files.path(sha256)))).toEqual([])
})

test('files that another process brought in again after a purge was committed are not removed', async () => {
  const { id } = await importModel(zoo, path)
  const unused = zoo.write(() => {
    zoo.db.prepare('DELETE FROM models WHERE id = ?').run(id)
    return collectFiles(zoo.db)
  })
  expect(unused).toHaveLength(4)
  const again = await importModel(other, path)
  expect(removeCollected(zoo, unused)).toBe(0)
  expect(await verifyZoo(zoo)).toMatchObject({ ok: true, files: 4 })
  expect(showModel(zoo, again.id).files).toHaveLength(4)
})

test('files that another process purged while they were being imported are put back', async () => {
  const { id } = await importModel(zoo, path)
  await writeTiny(path, 1)
  await zoo.files.staging(async (staging) => {
    await writeTiny(staging, 1)
    const file = await zoo.files.stage(join(staging, 'weights.safetensors'))
    expect(file.known).toBe(true)
    trashModels(other, [id])
    expect(purgeModels(other, { ids: [id] }).files).toBe(4)
    zoo.write(() =>
      insertVersion(zoo, {
        ...{ stage: 'draft', card: CARD, counts: { relus: 1, macs: 1, params: 1 }, source: path, at: 1 },
        files: new Map([['weights', file]]),
      }),
    )
  })
  expect(await verifyZoo(zoo)).toMatchObject({ ok: true, files: 1 })
})

test('what a running process is importing is not swept away', async () => {
  await zoo.files.staging(async (staging) => {
    expect(await verifyZoo(other, { repair: true })).toMatchObject({ ok: true, orphans: [] })
    expect(existsSync(staging)).toBe(true)
  })
})
