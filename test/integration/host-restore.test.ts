/** A backup is restored in the program that has the catalog open. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Host } from '../../core/api/host.ts'
import { openZoo } from '../../core/zoo/zoo.ts'
import type { ModelList } from '../../core/zoo/list.ts'
import type { RestoredBackup } from '../../core/zoo/restore-backup.ts'
import { temporaryFolder, writeTiny } from '../fixtures/zoo.ts'

const silent = { onProgress: () => undefined, onNotice: () => undefined }

test('the catalog changes under a running program; its jobs stay, and those of the backup do not begin again', async () => {
  await using folder = await temporaryFolder()
  const data = join(folder.dir, 'data')
  const backup = join(folder.dir, 'backup')
  let host = await Host.open(data)
  const call = async (operation: string, input: unknown): Promise<unknown> =>
    await host.call(operation, input, silent).done
  const names = async (): Promise<string[]> =>
    ((await call('zooList', {})) as ModelList).models.map(({ name }) => name).sort()
  const bring = async (name: string, seed: number): Promise<unknown> =>
    call('zooImport', { path: await writeTiny(join(folder.dir, name), seed, { name }), compare: false })
  const ended = (id: string): Promise<void> =>
    new Promise((resolve) =>
      host.queue.listen(
        (event) => event.kind === 'job' && event.job.id === id && event.job.ended !== null && resolve(),
      ),
    )
  try {
    await bring('older', 1)
    const job = host.queue.submit('zooBackup', { path: backup }, 'back up')
    // Under way, so that a restore would take the ground from under it.
    await expect(call('zooRestoreBackup', { path: backup })).rejects.toMatchObject({ code: 'catalog-busy' })
    await ended(job.id)
    await bring('newer', 2)
    expect(await names()).toEqual(['newer', 'older'])

    // Another program has the catalog open: nothing is changed, and this one goes on with what it has.
    const other = await openZoo(data)
    await expect(call('zooRestoreBackup', { path: backup })).rejects.toMatchObject({ code: 'catalog-busy' })
    other.close()
    await expect(call('zooRestoreBackup', { path: join(folder.dir, 'older') })).rejects.toMatchObject({
      code: 'file-not-found',
    })
    expect(await names()).toEqual(['newer', 'older'])

    const restoring = call('zooRestoreBackup', { path: backup })
    // Asked meanwhile, answered after it.
    const later = names()
    const { before, models } = (await restoring) as RestoredBackup
    expect(models).toBe(1)
    expect(await later).toEqual(['older'])
    expect(host.queue.list().map(({ id, state }) => ({ id, state }))).toEqual([{ id: job.id, state: 'done' }])
    const next = host.queue.submit('zooVerify', {}, 'check')
    await ended(next.id)
    expect(host.queue.get(next.id).result).toMatchObject({ ok: true })
    await host.close()

    host = await Host.open(data)
    expect(await names()).toEqual(['older'])
    expect(host.queue.list().map(({ id, state }) => ({ id, state }))).toEqual([
      { id: job.id, state: 'done' },
      { id: next.id, state: 'done' },
    ])
    // What was there before is a backup like any other.
    await call('zooRestoreBackup', { path: before })
    expect(await names()).toEqual(['newer', 'older'])
  } finally {
    await host.close()
  }
})
