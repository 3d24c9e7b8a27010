/** The package store in one process: what is kept, what is refused, and what a failing disk does. */
import { createHash, randomBytes } from 'node:crypto'
import {
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemFiles, type FileOps, type OpenFile } from '../../core/protocol/store/files.ts'
import { formatOwner, ownOwner } from '../../core/protocol/store/owner.ts'
import { PackageStore } from '../../core/protocol/store/store.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { SECTIONS, build, check, content, testMeta } from './store-child.ts'

let dir: string
let store: PackageStore
const at = (...parts: string[]): string => join(dir, 'client', ...parts)
const open = (files?: FileOps): Promise<PackageStore> =>
  PackageStore.open(dir, files === undefined ? { role: 'client' } : { role: 'client', files })
const code = (value: string, text = ''): unknown =>
  expect.objectContaining({ name: 'AdytonError', code: value, message: expect.stringContaining(text) as unknown })

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'adyton-store-'))
  store = await open()
})
afterEach(() => rm(dir, { recursive: true }))

describe('a package', () => {
  test('is listed once it is finished, taken once, and gone from the disk after that', async () => {
    const meta = testMeta()
    const writer = await store.create(meta)
    await writer.append('head', Uint8Array.of(1, 2, 3))
    expect(await store.list()).toEqual([])
    await expect(store.take(meta.id)).rejects.toEqual(code('package-missing'))
    await writer.append('tables', new Uint8Array(10))
    await writer.append('head', Uint8Array.of(4))
    await writer.finish()
    expect(await store.list()).toEqual([{ ...meta, bytes: 14 }])
    expect(await store.meta(meta.id)).toEqual(meta)

    const reader = await store.take(meta.id)
    expect(await store.list()).toEqual([])
    expect(reader.meta).toEqual(meta)
    expect([reader.size('head'), reader.size('tables'), reader.size('other')]).toEqual([4, 10, 0])
    expect(await reader.read('head', 1)).toEqual(Uint8Array.of(1))
    expect(await reader.read('tables', 10)).toEqual(new Uint8Array(10))
    expect(await reader.read('head', 3)).toEqual(Uint8Array.of(2, 3, 4))
    await expect(store.take(meta.id)).rejects.toEqual(code('package-used'))
    await expect(store.meta(meta.id)).rejects.toEqual(code('package-used'))
    await reader.close()
    await expect(store.take(meta.id)).rejects.toEqual(code('package-used'))
    await expect(store.create(meta)).rejects.toEqual(code('package-used'))
    for (const area of ['building', 'ready', 'using']) expect(await readdir(at(area))).toEqual([])
    expect(await readdir(at('burned'))).toEqual([meta.id])
    await expect((await open()).take(meta.id)).rejects.toEqual(code('package-used'))
  })

  test('streams: large sections in pieces of any size, several at once', async () => {
    const meta = testMeta()
    const writer = await store.create(meta)
    const [big, small] = [randomBytes((7 << 20) + 12_345), randomBytes(50_000)]
    for (let start = 0; start < big.length; start += 777_777) {
      // Calls that are not awaited keep their order.
      void writer.append('big', big.subarray(start, start + 777_777))
      if (start === 0) void writer.append('small', small)
    }
    await writer.finish()
    const reader = await store.take(meta.id)
    const pieces: Uint8Array[] = []
    const sizes = [0, 1, 13, 65_536, (1 << 20) - 1, 1 << 20, (3 << 20) + 5]
    let start = 0
    for (let i = 0; start < big.length; i++) {
      const size = Math.min(sizes[i % sizes.length], big.length - start)
      const piece = await reader.read('big', size)
      expect(piece.byteOffset).toBe(0)
      pieces.push(piece)
      start += size
      if (i === 3) expect(Buffer.compare(await reader.read('small', small.length), small)).toBe(0)
    }
    expect(Buffer.compare(Buffer.concat(pieces), big)).toBe(0)
    await expect(reader.read('big', 1)).rejects.toEqual(code('package-corrupt', 'has 0 bytes left where 1 are needed'))
    await expect(reader.read('none', 1)).rejects.toEqual(code('package-corrupt', 'no section none'))
    await reader.close()
    await reader.close()
    await expect(reader.read('big', 0)).rejects.toThrow('the package is closed')
  })

  test("is read into the caller's memory where there is some", async () => {
    const id = await build(store)
    const reader = await store.take(id)
    const expected = content(id, 'tables')
    const memory = new Uint8Array(expected.length + 5).fill(7)
    const first = await reader.read('tables', 10, memory)
    expect([first.buffer, first.byteOffset, first.length]).toEqual([memory.buffer, 0, 10])
    expect(Buffer.compare(first, expected.subarray(0, 10))).toBe(0)
    const rest = await reader.read('tables', expected.length - 10, memory)
    expect(Buffer.compare(rest, expected.subarray(10))).toBe(0)
    // What was not asked for is as it was.
    expect(memory.subarray(expected.length)).toEqual(new Uint8Array(5).fill(7))
    await expect(reader.read('head', 10, new Uint8Array(9))).rejects.toThrow(RangeError)
    await reader.close()
  })

  test('goes to one of many that take it at once', async () => {
    const id = await build(store)
    const stores = await Promise.all([open(), open(), open(), open()])
    const results = await Promise.allSettled(stores.flatMap((one) => [one.take(id), one.take(id)]))
    const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
    expect(failures).toEqual(Array(7).fill(code('package-used')))
  })

  test('can be discarded at every stage', async () => {
    const begun = await store.create(testMeta())
    await begun.append('head', new Uint8Array(10))
    await begun.discard()
    await begun.discard()
    await expect(begun.append('head', new Uint8Array(1))).rejects.toThrow('the package is discarded already')
    const finished = await store.create(testMeta())
    await finished.append('head', new Uint8Array(10))
    await finished.finish()
    await expect(finished.finish()).rejects.toThrow('already')
    await finished.discard()
    expect(await store.list()).toEqual([])
    await expect(store.take(finished.meta.id)).rejects.toEqual(code('package-used'))
    const taken = await store.create(testMeta())
    await taken.append('head', new Uint8Array(10))
    await taken.finish()
    const reader = await store.take(taken.meta.id)
    await taken.discard()
    expect(await reader.read('head', 10)).toEqual(new Uint8Array(10))
    for (const area of ['building', 'ready']) expect(await readdir(at(area))).toEqual([])
  })

  test('is described by what a session compares, and by nothing else', async () => {
    const meta = testMeta()
    for (const [field, value] of [
      ['id', meta.id.toUpperCase()],
      ['id', '../../../../etc/passwd'],
      ['peer', 'somebody'],
      ['protocol', 1.5],
      ['created', 'yesterday'],
      ['role', 'server'],
      ['more', 1],
    ] as const) {
      await expect(store.create({ ...meta, [field]: value }), `${field} ${value}`).rejects.toThrow(RangeError)
    }
    const writer = await store.create(meta)
    for (const name of ['', 'A', '../x', 'a.b', 'x'.repeat(41)]) {
      expect(() => writer.append(name, new Uint8Array(1)), name).toThrow(RangeError)
    }
    await expect(store.take('../burned')).rejects.toThrow(RangeError)
    await writer.discard()
  })
})

describe('the store', () => {
  test('is readable by its owner alone', async ({ skip }) => {
    if (process.platform === 'win32') skip('Windows has no permission bits')
    const id = await build(store)
    for (const folder of ['', 'building', 'ready', 'burned', 'using', join('ready', id)]) {
      expect((await stat(at(folder))).mode & 0o777, folder).toBe(0o700)
    }
    for (const file of await readdir(at('ready', id))) {
      expect((await stat(at('ready', id, file))).mode & 0o777, file).toBe(0o600)
    }
    await store.take(id)
    expect((await stat(at('burned', id))).mode & 0o777).toBe(0o600)
  })

  test('keeps the packages of a client and a server apart', async () => {
    const id = await build(store)
    const server = await PackageStore.open(dir, { role: 'server' })
    expect(await server.list()).toEqual([])
    await expect(server.take(id)).rejects.toEqual(code('package-missing', 'this server'))
    await rename(at('ready', id), join(dir, 'server', 'ready', id))
    await expect(server.take(id)).rejects.toEqual(code('package-corrupt', 'it belongs to a client'))
  })

  test('lists the oldest first, and purges all', async () => {
    const created = ['2026-03-01T00:00:00Z', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z']
    const ids: string[] = []
    for (const time of created) {
      const writer = await store.create({ ...testMeta(), created: time })
      await writer.finish()
      ids.push(writer.meta.id)
    }
    expect((await store.list()).map(({ id }) => id)).toEqual([ids[1], ids[2], ids[0]])
    expect(await store.purge()).toBe(3)
    expect(await store.list()).toEqual([])
    expect(await readdir(at('ready'))).toEqual([])
    await expect(store.take(ids[0])).rejects.toEqual(code('package-used'))
  })

  test('says what is wrong with a place it cannot use', async () => {
    await writeFile(join(dir, 'file'), '')
    await expect(PackageStore.open(join(dir, 'file'), { role: 'client' })).rejects.toEqual(code('store-failed', 'file'))
  })
})

describe('damage', () => {
  const flip = async (path: string, index: number): Promise<void> => {
    const bytes = await readFile(path)
    bytes[index < 0 ? bytes.length + index : index] ^= 1
    await writeFile(path, bytes)
  }
  const ID = 'c0ffee00c0ffee00c0ffee00c0ffee00'
  const damages: Record<string, [(folder: string) => Promise<unknown>, string]> = {
    'a section that was cut': [(folder) => truncate(join(folder, 'tables.bin'), 5), 'section tables has 5 bytes'],
    'a section that is gone': [(folder) => unlink(join(folder, 'labels.bin')), 'section labels is missing'],
    'a manifest that is gone': [(folder) => unlink(join(folder, 'manifest.json')), 'manifest.json is missing'],
    'a manifest that was cut': [(folder) => truncate(join(folder, 'manifest.json'), 50), 'manifest.json is not JSON'],
    'a digit of the manifest': [
      async (folder) => {
        const path = join(folder, 'manifest.json')
        await writeFile(path, (await readFile(path, 'utf8')).replace('"protocol": 1', '"protocol": 2'))
      },
      'manifest.json does not match its checksum',
    ],
  }
  for (const [name, [damage, message]] of Object.entries(damages)) {
    test(`of ${name} is found before the package is used, which is lost`, async () => {
      await build(store, ID)
      await damage(at('ready', ID))
      await expect(store.take(ID)).rejects.toEqual(code('package-corrupt', message))
      await expect(store.take(ID)).rejects.toEqual(code('package-used'))
      expect(await readdir(at('ready'))).toEqual([])
    })
  }

  test('of the bytes of a section is found when the section was read', async () => {
    const id = await build(store, ID)
    await flip(at('ready', id, 'tables.bin'), -1)
    const reader = await store.take(id)
    const { length } = content(id, 'tables')
    await reader.read('tables', length - 1)
    await expect(reader.read('tables', 1)).rejects.toEqual(code('package-corrupt', 'section tables does not match'))
    await expect(reader.read('tables', 0)).rejects.toEqual(code('package-corrupt', 'section tables'))
    expect(Buffer.compare(await reader.read('head', content(id, 'head').length), content(id, 'head'))).toBe(0)
    await reader.close()
  })

  test('of a package under another name is found', async () => {
    const id = await build(store)
    await rename(at('ready', id), at('ready', ID))
    expect(await store.list()).toEqual([])
    await expect(store.take(ID)).rejects.toEqual(code('package-corrupt', `that of package ${id}`))
  })
})

test('a package of another release is neither listed, used nor burned, and can be purged', async () => {
  const id = await build(store)
  const path = at('ready', id, 'manifest.json')
  const { manifest } = JSON.parse(await readFile(path, 'utf8')) as { manifest: { format: number } }
  const of = (format: number): Promise<void> => {
    const body = { ...manifest, format }
    const sha256 = createHash('sha256').update(JSON.stringify(body)).digest('hex')
    return writeFile(path, JSON.stringify({ manifest: body, sha256 }))
  }
  for (const other of [manifest.format - 1, manifest.format + 1]) {
    await of(other)
    expect(await store.list()).toEqual([])
    await expect(store.take(id)).rejects.toEqual(code('version-mismatch', `another release (format ${other})`))
    expect(await readdir(at('burned'))).toEqual([])
  }
  // The release that made it still has it.
  await of(manifest.format)
  expect(await store.list()).toHaveLength(1)
  await of(manifest.format - 1)
  expect(await store.purge()).toBe(1)
  expect(await readdir(at('ready'))).toEqual([])
})

describe('leftovers', () => {
  const self = ownOwner()
  const id = 'deadbeef'.repeat(4)
  const leave = async (area: string, owner: string): Promise<string> => {
    const path = at(area, `${id}.${owner}`)
    await mkdir(path)
    await writeFile(join(path, 'head.bin'), 'x')
    return path
  }
  const exists = async (path: string): Promise<boolean> => (await systemFiles.stat(path)) !== undefined

  test('of this process, which lives, are left alone; those of dead ones go', async () => {
    for (const area of ['building', 'using']) {
      const live = await leave(area, formatOwner(self))
      // The same process number, started at another time or before the machine was.
      const dead = [
        await leave(area, formatOwner({ ...self, boot: '00000000' })),
        // Beyond the largest process number of Linux (2^22).
        await leave(area, formatOwner({ ...self, pid: 2 ** 22 + 1 })),
      ]
      if (process.platform === 'linux') dead.push(await leave(area, formatOwner({ ...self, start: '1' })))
      const strange = await leave(area, 'not-an-owner')
      await open()
      expect(await exists(live)).toBe(true)
      expect(await Promise.all(dead.map(exists))).toEqual(dead.map(() => false))
      expect(await exists(strange)).toBe(true)
    }
  })

  test('of another machine go when they have not changed for an hour', async () => {
    const foreign = await leave('building', formatOwner({ ...self, machine: '00000000' }))
    await open()
    expect(await exists(foreign)).toBe(true)
    const old = Date.now() / 1000 - 4000
    await utimes(foreign, old, old)
    await open()
    // The folder is old, the file in it is being written.
    expect(await exists(foreign)).toBe(true)
    await utimes(join(foreign, 'head.bin'), old, old)
    await open()
    expect(await exists(foreign)).toBe(false)
  })

  test('of a package that was burned and not moved go when the process that burned it is dead', async () => {
    const ready = at('ready', await build(store, id))
    const record = at('burned', id)
    for (const [text, kept] of [
      [`${formatOwner(self)} 2026-01-01T00:00:00Z\n`, true],
      // Just created: its process is about to write it.
      ['', true],
      [`${formatOwner({ ...self, boot: '00000000' })} 2026-01-01T00:00:00Z\n`, false],
    ] as const) {
      await writeFile(record, text)
      const reopened = await open()
      expect(await exists(ready)).toBe(kept)
      expect(await reopened.list()).toEqual([])
      await expect(reopened.take(id)).rejects.toEqual(code('package-used'))
      expect(await exists(record)).toBe(true)
    }
  })

  test('of a record that its process never wrote go after a minute', async () => {
    const ready = at('ready', await build(store, id))
    const record = at('burned', id)
    await writeFile(record, '')
    await utimes(record, Date.now() / 1000 - 100, Date.now() / 1000 - 100)
    await open()
    expect(await exists(ready)).toBe(false)
    expect(await exists(record)).toBe(true)
  })
})

/** The real file system, whose operation number `failAt` fails: writes after half of their bytes. */
class FailingFiles {
  count = 0
  failed = ''
  /** Operations that succeeded, in order. */
  readonly log: string[] = []
  readonly #failAt: number
  readonly #error: string

  constructor(failAt: number, error: string) {
    this.#failAt = failAt
    this.#error = error
  }

  async #step<T>(name: string, run: () => Promise<T>, half?: () => Promise<unknown>): Promise<T> {
    if (this.count++ === this.#failAt) {
      this.failed = name
      await half?.()
      throw Object.assign(new Error(`${this.#error}: injected`), { code: this.#error })
    }
    const result = await run()
    this.log.push(name)
    return result
  }

  #file(path: string, file: OpenFile): OpenFile {
    return {
      write: (bytes) =>
        this.#step(
          `write ${path}`,
          () => file.write(bytes),
          () => file.write(bytes.subarray(0, bytes.length >> 1)),
        ),
      read: (target, position) => this.#step(`read ${path}`, () => file.read(target, position)),
      sync: () => this.#step(`sync ${path}`, () => file.sync()),
      close: () =>
        this.#step(
          `close ${path}`,
          () => file.close(),
          () => file.close(),
        ),
    }
  }

  ops(): FileOps {
    const short = (path: string): string => path.slice(path.indexOf('client') + 7)
    return {
      makeFolder: (path) => this.#step(`makeFolder ${short(path)}`, () => systemFiles.makeFolder(path)),
      create: (path) =>
        this.#step(`create ${short(path)}`, async () => this.#file(short(path), await systemFiles.create(path))),
      open: (path) =>
        this.#step(`open ${short(path)}`, async () => this.#file(short(path), await systemFiles.open(path))),
      readText: (path) => this.#step(`readText ${short(path)}`, () => systemFiles.readText(path)),
      list: (path) => this.#step(`list ${short(path)}`, () => systemFiles.list(path)),
      stat: (path) => this.#step(`stat ${short(path)}`, () => systemFiles.stat(path)),
      rename: (from, to) => this.#step(`rename ${short(from)} ${short(to)}`, () => systemFiles.rename(from, to)),
      remove: (path) => this.#step(`remove ${short(path)}`, () => systemFiles.remove(path)),
      syncFolder: (path) => this.#step(`syncFolder ${short(path)}`, () => systemFiles.syncFolder(path)),
    }
  }
}

describe('a disk that fails', () => {
  for (const error of ['ENOSPC', 'EIO']) {
    test(`with ${error} at any single operation never lets a package be used twice or half`, async () => {
      const stages = { build: 0, take: 0, read: 0, complete: 0 }
      for (let failAt = 0; ; failAt++) {
        const id = randomBytes(16).toString('hex')
        const folder = join(dir, `disk-${failAt}`)
        const failing = new FailingFiles(failAt, error)
        let stage: keyof typeof stages = 'build'
        let uses = 0
        let failure: unknown
        try {
          const broken = await PackageStore.open(folder, { role: 'client', files: failing.ops() })
          await build(broken, id)
          stage = 'take'
          const reader = await broken.take(id)
          uses++
          stage = 'read'
          const synced = [`write burned/${id}`, `sync burned/${id}`, 'syncFolder burned']
          expect(failing.log.filter((entry) => synced.includes(entry))).toEqual(synced)
          await check(reader).finally(() => reader.close())
          stage = 'complete'
        } catch (caught) {
          failure = caught
        }
        stages[stage]++
        const context = `${failAt}: ${failing.failed} while ${stage}`
        if (failure !== undefined) {
          expect(failure, context).toBeInstanceOf(AdytonError)
          expect(failure, context).toEqual(code('store-failed', error))
          expect((failure as AdytonError).advice, context).toBeDefined()
        }
        // The disk works again. Whatever is offered is whole, and nothing is offered twice.
        const healthy = await PackageStore.open(folder, { role: 'client' })
        const listed = (await healthy.list()).some((one) => one.id === id)
        try {
          const reader = await healthy.take(id)
          uses++
          await check(reader)
          await reader.close()
          expect(listed, context).toBe(true)
        } catch (caught) {
          expect(caught, context).toEqual(
            code(uses > 0 ? 'package-used' : (expect.stringMatching(/used|missing/) as string)),
          )
          expect(listed, context).toBe(false)
        }
        expect(uses, context).toBeLessThanOrEqual(1)
        // A take that could not be recorded costs nothing: only a move that failed after the record does.
        if (stage === 'take' && !failing.failed.startsWith('rename')) expect(uses, context).toBe(1)
        if (failing.failed === '') break
      }
      for (const [stage, count] of Object.entries(stages)) expect(count, stage).toBeGreaterThan(0)
      expect(stages.take).toBeGreaterThan(8)
    })
  }

  test('while a package is made leaves nothing behind once it is discarded', async () => {
    const failing = new FailingFiles(Infinity, 'ENOSPC')
    const broken = await open(failing.ops())
    const operations = failing.count
    for (let failAt = operations; ; failAt++) {
      const files = new FailingFiles(failAt, 'ENOSPC')
      const made = await open(files.ops())
      const writer = await made.create(testMeta()).catch(() => undefined)
      if (writer === undefined) continue
      let failure: unknown
      try {
        for (const section of SECTIONS) await writer.append(section, new Uint8Array(100))
        await writer.finish()
      } catch (caught) {
        failure = caught
        // What is missing from the package must not go unnoticed.
        await expect(writer.append('head', new Uint8Array(1))).rejects.toEqual(code('store-failed'))
        await expect(writer.finish()).rejects.toEqual(code('store-failed'))
      }
      await writer.discard()
      expect(await readdir(at('ready')), files.failed).toEqual([])
      expect(await readdir(at('building')), files.failed).toEqual([])
      if (failure === undefined) break
    }
    expect(await broken.list()).toEqual([])
  })
})
