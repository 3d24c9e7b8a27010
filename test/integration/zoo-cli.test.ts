/** The catalog's commands end to end. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadNetwork } from '../../core/api/source.ts'
import { readModel } from '../../core/formats/model-directory.ts'
import { adyton } from '../fixtures/command.ts'
import { temporaryFolder, writeTiny } from '../fixtures/zoo.ts'

test('a model goes in, is found, changed, shared and deleted', async () => {
  await using folder = await temporaryFolder()
  const { dir } = folder
  const source = await writeTiny(join(dir, 'tiny'))
  const data = join(dir, 'data')
  const zoo = async (...args: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await adyton('zoo', '--data', data, ...args, '--json')
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('adyton:')])
    return JSON.parse(stdout)
  }
  // Two processes bring models into a catalog that does not exist yet.
  const made = (await Promise.all([zoo('import', source), zoo('import', source)])) as { id: string }[]
  const [a, b] = made.map(({ id }) => id)
  expect(a).not.toBe(b)
  expect(await zoo('tag', a, '+demo', '+x', '-x')).toEqual({ id: a, tags: ['demo'] })
  expect(await zoo('list', 'tag:demo', 'relus<50k')).toMatchObject({ total: 1, models: [{ id: a }] })
  expect(await zoo('list', '-tag:demo', '--sort', 'relus')).toMatchObject({ total: 1, models: [{ id: b }] })
  expect(await zoo('edit', a, '--name', 'Better', '--stage', 'published')).toMatchObject({ name: 'Better' })
  expect(await zoo('compare', a, b)).toMatchObject({ ids: [a, b] })
  expect(await zoo('export', `zoo:${a}`, join(dir, 'out'))).toMatchObject({ id: a })
  expect((await readdir(join(dir, 'out'))).sort()).toEqual((await readdir(source)).sort())
  const network = await loadNetwork({ model: `zoo:${a}` }, data)
  const original = await readModel(source)
  expect([network.name, network.graph, network.tensors]).toEqual(['Better', original.graph, original.tensors])
  await expect(loadNetwork({ model: 'zoo:nothing' }, data)).rejects.toMatchObject({ code: 'model-not-found' })
  await zoo('trash', a)
  expect(await zoo('purge', a)).toEqual({ models: [a], files: 1 })
  expect(await zoo('verify', '--repair')).toMatchObject({ ok: true })
  expect(await zoo('backup', join(dir, 'copy'))).toMatchObject({ models: 1 })

  const wrong = await adyton('zoo', '--data', data, 'list', 'colour:red', '--json')
  expect(wrong.code).toBe(2)
  expect(JSON.parse(wrong.stdout)).toMatchObject({
    error: { code: 'usage', message: expect.stringContaining('character 1:') as string },
  })
  const gone = await adyton('zoo', 'show', a, '--data', data)
  expect([gone.code, gone.stderr]).toEqual([1, expect.stringContaining(`no model '${a}'`)])
  // A dozen processes, one after another.
}, 240_000)

test('what is measured of a model of the catalog stays there, unless it is asked not to', async () => {
  await using folder = await temporaryFolder()
  const { dir } = folder
  const data = ['--data', join(dir, 'data')]
  const json = async (...args: string[]): Promise<unknown> => {
    const { code, stdout, stderr } = await adyton(...args, ...data, '--json')
    expect(code, stderr).toBe(0)
    return JSON.parse(stdout)
  }
  const { id } = (await json('zoo', 'import', await writeTiny(join(dir, 'tiny')))) as { id: string }
  const run = (await json('infer', '--model', `zoo:${id}`)) as { phases: { online: { wallMs: number } } }
  await json('infer', '--model', `zoo:${id}`, '--no-record')
  const { costs } = (await json('describe', '--model', `zoo:${id}`, '--costs')) as {
    costs: { bytes: { online: { clientToServer: number; serverToClient: number } } }
  }
  await json('describe', '--model', `zoo:${id}`, '--costs')

  const [one, ...others] = (await json('zoo', 'history', id)) as { ledger: Record<string, unknown> }[]
  expect(others).toEqual([])
  expect(one.ledger).toMatchObject({ images: 1, phases: run.phases })
  // Who was taken for what is nobody's business but the caller's.
  expect(Object.keys(one.ledger)).not.toContain('predictions')
  const { measurements } = (await json('zoo', 'show', id)) as {
    measurements: { what: string; value: number; unit: string; machine: string | null }[]
  }
  const of = (what: string) => measurements.filter((m) => m.what === what)
  expect(of('online')).toMatchObject([{ value: run.phases.online.wallMs / 1000, unit: 's' }])
  expect(of('online')[0].machine).toMatch(/cores$/)
  const { clientToServer, serverToClient } = costs.bytes.online
  expect(of('online bytes')).toMatchObject([{ value: clientToServer + serverToClient, unit: 'B' }])
  expect(of('predicted online bytes')).toHaveLength(1)
}, 240_000)

test('what came to nothing ends with 1, and says so in its result', async () => {
  await using folder = await temporaryFolder()
  const { dir } = folder
  const data = join(dir, 'data')
  const zoo = (...args: string[]) => adyton('zoo', '--data', data, ...args, '--json')
  const made = await zoo('import', await writeTiny(join(dir, 'tiny')))
  const { id } = JSON.parse(made.stdout) as { id: string }
  const bundle = join(dir, 'tiny.adyton')
  expect((await zoo('export', id, bundle)).code).toBe(0)
  const bytes = await readFile(bundle)
  // The manifest names the file first.
  const name = 'weights.safetensors'
  bytes[bytes.indexOf(name, bytes.indexOf(name) + 1) + name.length + 200] ^= 1
  await writeFile(bundle, bytes)
  const deleted = await zoo('import', bundle, '--on-mismatch', 'delete')
  expect([deleted.code, JSON.parse(deleted.stdout)]).toMatchObject([1, { deleted: bundle }])

  const [shard] = (await readdir(join(data, 'zoo', 'files'))).filter((name) => name !== 'incoming')
  await rm(join(data, 'zoo', 'files', shard), { recursive: true })
  const verified = await zoo('verify')
  expect([verified.code, JSON.parse(verified.stdout)]).toMatchObject([1, { ok: false, bad: [{ problem: 'missing' }] }])
}, 120_000)
