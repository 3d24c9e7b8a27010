/** What a server remembers of its clients. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { HourlyLimit, PinnedClient } from '../../core/api/serving.ts'

const folder = mkdtempSync(join(tmpdir(), 'adyton-serving-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('a client has so many inferences an hour, each client for itself', () => {
  const limit = new HourlyLimit(2)
  limit.admit('a', 0)
  limit.admit('a', 1000)
  expect(() => limit.admit('a', 2000)).toThrow(/2 inferences an hour; the next one in 60 min/)
  expect(() => limit.admit('b', 2000)).not.toThrow()
  // The first of the two is an hour old; what was refused did not count.
  expect(() => limit.admit('a', 3_600_001)).not.toThrow()
  expect(() => limit.admit('a', 3_600_002)).toThrow()
})

test('without a limit everybody is admitted', () => {
  const limit = new HourlyLimit(undefined)
  for (let i = 0; i < 1000; i++) expect(() => limit.admit('a', i)).not.toThrow()
})

test('the pinned client survives a restart, cannot be replaced, and a damaged file is an error', async () => {
  const data = join(folder, 'new', 'data')
  const fingerprint = 'ab'.repeat(32)
  expect(await new PinnedClient(data).read()).toEqual([])
  await new PinnedClient(data).write(fingerprint)
  expect(await new PinnedClient(data).read()).toEqual([fingerprint])
  await expect(new PinnedClient(data).write('cd'.repeat(32))).rejects.toThrow(/EEXIST/)
  writeFileSync(join(data, 'pinned-client'), 'nonsense')
  await expect(new PinnedClient(data).read()).rejects.toMatchObject({ code: 'store-failed' })
})
