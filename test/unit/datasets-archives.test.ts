import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { create } from 'tar'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { archiveIn, entryPath, unpackArchive } from '../../core/datasets/archives.ts'
import { isOfficial } from '../../core/datasets/checksum.ts'
import { openDataset } from '../../core/datasets/dataset.ts'
import { CIFAR10_ARCHIVE, OFFICIAL, TINY_IMAGENET_ARCHIVE } from '../../core/datasets/official.ts'
import {
  cifarBytes,
  rejection,
  tarBytes,
  writeCifar10,
  writeTinyImageNet,
  zipBytes,
  type Entry,
} from './datasets-helpers.ts'
import { failing } from '../fixtures/errors.ts'

const root = mkdtempSync(path.join(tmpdir(), 'adyton-archives-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

let folder = root
let made = 0
beforeEach(() => {
  folder = path.join(root, String(made++))
  mkdirSync(folder)
})
const at = (...names: string[]) => path.join(folder, ...names)

const text = (content: string) => Buffer.from(content)
const records = cifarBytes(1, 3, (record) => [record])
/** The least that is a CIFAR-10 archive. */
const CIFAR: Entry[] = [
  { name: 'cifar-10-batches-bin/', data: text('') },
  { name: 'cifar-10-batches-bin/data_batch_1.bin', data: records },
  { name: 'cifar-10-batches-bin/test_batch.bin', data: records },
]

/** Every entry of a tree. */
const tree = (start: string): string[] =>
  readdirSync(start, { recursive: true, withFileTypes: true })
    .map((entry) => path.relative(start, path.join(entry.parentPath, entry.name)))
    .sort()

async function cifarArchive(): Promise<string> {
  writeCifar10(at('source', 'cifar-10-batches-bin'))
  const file = at('cifar-10-binary.tar.gz')
  await create({ gzip: true, file, cwd: at('source') }, ['cifar-10-batches-bin'])
  rmSync(at('source'), { recursive: true })
  return file
}

async function tinyEntries(): Promise<Entry[]> {
  await writeTinyImageNet(at('source', 'tiny-imagenet-200'))
  const entries = tree(at('source')).map((name) => ({ name, file: at('source', name) }))
  const out = entries.map(({ name, file }) =>
    lstatSync(file).isDirectory()
      ? { name: `${name}/`, data: text(''), mode: 0o40755 }
      : { name, data: readFileSync(file) },
  )
  rmSync(at('source'), { recursive: true })
  return out
}

describe('official archives', () => {
  test('a tar.gz is unpacked beside itself and opened; its unknown checksum is a notice', async () => {
    const archive = await cifarArchive()
    expect(await archiveIn(archive)).toBe(CIFAR10_ARCHIVE)
    const { kind, parts, path: where, notices } = await openDataset(archive)
    expect([kind, parts.train.count, parts.test.count]).toEqual(['cifar-10', 15, 2])
    expect(where).toBe(at('cifar-10-batches-bin'))
    expect(notices[0]).toMatch(/not the official cifar-10-binary\.tar\.gz .*170,052,171 bytes, MD5 c32a1d4a/)
    expect(readdirSync(folder).sort()).toEqual(['cifar-10-batches-bin', 'cifar-10-binary.tar.gz'])
  })

  test('is unpacked once, and found in the folder that it lies in', async () => {
    const archive = await cifarArchive()
    expect((await openDataset(folder)).parts.train.count).toBe(15)
    rmSync(at('cifar-10-batches-bin', 'data_batch_5.bin'))
    const again = await openDataset(archive)
    expect(again.parts.train.count).toBe(12)
    expect(again.notices[0]).toMatch(/was there already/)
  })

  test('is recognised by its content, whatever its name; unpacked where it is asked for', async () => {
    writeFileSync(at('download'), gzipSync(tarBytes(CIFAR)))
    const seen: number[] = []
    const unpackInto = at('elsewhere')
    const { parts } = await openDataset(at('download'), { unpackInto, onUnpack: ({ files }) => seen.push(files) })
    expect(parts.train.count).toBe(3)
    expect(seen).toEqual([1, 2])
    expect(existsSync(at('elsewhere', 'cifar-10-batches-bin', 'test_batch.bin'))).toBe(true)
  })

  test('a zip is unpacked without what has no use', async () => {
    const entries = await tinyEntries()
    const extra: Entry = { name: 'tiny-imagenet-200/test/images/test_0.JPEG', data: text('x') }
    writeFileSync(at('tiny.zip'), zipBytes([...entries, extra]))
    expect(await archiveIn(at('tiny.zip'))).toBe(TINY_IMAGENET_ARCHIVE)
    const { kind, parts } = await openDataset(at('tiny.zip'))
    expect([kind, parts.train.count, parts.test.count]).toEqual(['tiny-imagenet-200', 4, 2])
    const written = tree(at('tiny-imagenet-200'))
    expect(written).toContain('val/images/val_0.JPEG')
    expect(written.filter((name) => /^test|boxes/.test(name))).toEqual([])
  })

  test.each([0.3, 0.7, 0.98])(
    'cut short at %f: an error with the expected size, and nothing is left',
    async (share) => {
      // Pixels of noise, so that compression does not put all of it into the first bytes.
      const noise = Buffer.from(Array.from({ length: 3073 * 3 }, (_, i) => (i % 3073 === 0 ? 1 : (i * i * 7919) >>> 3)))
      const whole = gzipSync(tarBytes([CIFAR[0], { ...CIFAR[1], data: noise }, { ...CIFAR[2], data: noise }]))
      writeFileSync(at('cifar-10-binary.tar.gz'), whole.subarray(0, Math.floor(whole.length * share)))
      const { code, message } = await rejection(openDataset(at('cifar-10-binary.tar.gz')))
      expect(code).toBe('file-corrupt')
      expect(message).toMatch(/cifar-10-binary\.tar\.gz: is cut short or damaged .*official .* 170,052,171/)
      expect(readdirSync(folder)).toEqual(['cifar-10-binary.tar.gz'])
    },
  )

  test('a tar whose end is missing at a boundary of its blocks is cut short too', async () => {
    const whole = tarBytes(CIFAR)
    // Within the data of the last file.
    writeFileSync(at('a.tar.gz'), gzipSync(whole.subarray(0, whole.length - 1024 - 512 * 4)))
    expect((await rejection(openDataset(at('a.tar.gz')))).code).toBe('file-corrupt')
    expect(readdirSync(folder)).toEqual(['a.tar.gz'])
  })

  test('a zip that is cut short or damaged is an error', async () => {
    const whole = zipBytes(await tinyEntries())
    writeFileSync(at('cut.zip'), whole.subarray(0, whole.length - 100))
    const cut = await rejection(openDataset(at('cut.zip')))
    expect(cut).toEqual(failing('file-corrupt', /cut\.zip: is cut short or damaged.*248,100,043/))
    const bad = Buffer.from(whole)
    bad[whole.indexOf('goldfish')]++
    writeFileSync(at('bad.zip'), bad)
    expect((await rejection(openDataset(at('bad.zip')))).message).toMatch(/words\.txt does not have the checksum/)
    expect(readdirSync(folder).sort()).toEqual(['bad.zip', 'cut.zip'])
  })

  test('cancelling leaves nothing', async () => {
    const archive = await cifarArchive()
    const controller = new AbortController()
    const job = unpackArchive(archive, { signal: controller.signal, onUnpack: () => controller.abort() })
    expect((await rejection(job)).code).toBe('cancelled')
    expect(readdirSync(folder)).toEqual(['cifar-10-binary.tar.gz'])
  })
})

describe('hostile archives', () => {
  const evil = (name: string, more: Partial<Entry> = {}): Entry => ({ name, data: text('evil'), ...more })
  const inside = 'cifar-10-batches-bin'
  const cases: [string, Entry[]][] = [
    ['a path upwards', [evil('../evil')]],
    ['a path upwards inside', [evil(`${inside}/../../evil`)]],
    ['an absolute path', [evil('/tmp/adyton-evil')]],
    ['a backslash', [evil(`${inside}\\..\\evil`)]],
  ]

  test.each(cases)('%s is refused, in tar and in zip', async (_, more) => {
    writeFileSync(at('a.tar.gz'), gzipSync(tarBytes([...CIFAR, ...more])))
    writeFileSync(at('a.zip'), zipBytes([...CIFAR, ...more]))
    for (const name of ['a.tar.gz', 'a.zip']) {
      const { code, message } = await rejection(openDataset(at(name)))
      expect(code).toBe('file-corrupt')
      expect(message).toMatch(/is refused/)
    }
    expect(readdirSync(folder).sort()).toEqual(['a.tar.gz', 'a.zip'])
    expect(existsSync(path.join(root, 'evil'))).toBe(false)
  })

  test('links are refused', async () => {
    const name = `${inside}/data_batch_2.bin`
    writeFileSync(at('a.tar.gz'), gzipSync(tarBytes([...CIFAR, { name, data: text(''), link: '../../target' }])))
    writeFileSync(at('a.zip'), zipBytes([...CIFAR, { name, data: text('../../target'), mode: 0o120777 }]))
    for (const archive of ['a.tar.gz', 'a.zip']) {
      expect((await rejection(openDataset(at(archive)))).message).toMatch(/is refused.*not a file|is a Symbolic/)
    }
  })

  test('more bytes or entries than the data set can have are refused before they are written', async () => {
    const large = { name: `${inside}/data_batch_2.bin`, data: text('x'), size: 500_000_000 }
    writeFileSync(at('large.tar.gz'), gzipSync(tarBytes([large, ...CIFAR])))
    writeFileSync(at('large.zip'), zipBytes([large, ...CIFAR]))
    const many = Array.from({ length: 70 }, (_, i) => ({ name: `${inside}/${i}`, data: text('x') }))
    writeFileSync(at('many.tar.gz'), gzipSync(tarBytes([...CIFAR, ...many])))
    for (const name of ['large.tar.gz', 'large.zip']) {
      expect((await rejection(openDataset(at(name)))).message).toMatch(/declare more than 400,000,000 bytes/)
    }
    expect((await rejection(openDataset(at('many.tar.gz')))).message).toMatch(/more than 64 entries/)
  })

  test('only what the data set has is written', async () => {
    const more = ['data_batch_9.bin', 'x.sh', 'sub/data_batch_2.bin', '._data_batch_1.bin'].map((name) =>
      evil(`${inside}/${name}`),
    )
    writeFileSync(at('a.tar.gz'), gzipSync(tarBytes([...CIFAR, ...more, evil('other/test_batch.bin')])))
    await openDataset(at('a.tar.gz'))
    expect(tree(folder)).toEqual(['a.tar.gz', inside, `${inside}/data_batch_1.bin`, `${inside}/test_batch.bin`])
    // Nothing of the archive's modes: a data file is not executable.
    expect(statSync(at(inside, 'test_batch.bin')).mode & 0o111).toBe(0)
  })

  test('a place that leads elsewhere by a link is not written through', async () => {
    mkdirSync(at('target'))
    symlinkSync(at('target'), at('cifar-10-batches-bin'))
    writeFileSync(at('a.tar.gz'), gzipSync(tarBytes(CIFAR)))
    await rejection(openDataset(at('a.tar.gz')))
    expect(readdirSync(at('target'))).toEqual([])
  })
})

describe('the table of official files', () => {
  test('has sums of the right form, once each', () => {
    const files = OFFICIAL.flatMap(({ downloads }) => downloads)
    for (const { md5, sha256 } of files) {
      expect(md5).toMatch(/^[0-9a-f]{32}$/)
      if (sha256 !== undefined) expect(sha256).toMatch(/^[0-9a-f]{64}$/)
    }
    expect(new Set(files.map(({ md5 }) => md5)).size).toBe(files.length)
  })

  test('takes a file for official only when all that is known of it is right', () => {
    const { bytes, md5 = '', sha256 = '' } = CIFAR10_ARCHIVE
    expect(isOfficial({ bytes, md5, sha256 }, CIFAR10_ARCHIVE)).toBe(true)
    expect(isOfficial({ bytes: bytes - 1, md5, sha256 }, CIFAR10_ARCHIVE)).toBe(false)
    expect(isOfficial({ bytes, md5: sha256.slice(0, 32), sha256 }, CIFAR10_ARCHIVE)).toBe(false)
    expect(isOfficial({ bytes, md5, sha256: '0'.repeat(64) }, CIFAR10_ARCHIVE)).toBe(false)
    expect(isOfficial({ bytes, md5, sha256 }, { name: 'x', bytes })).toBe(false)
  })

  test('names every file that the official archives have', () => {
    for (const name of ['data_batch_5.bin', 'batches.meta.txt']) {
      expect(entryPath(CIFAR10_ARCHIVE, `cifar-10-batches-bin/${name}`)).toBe(name)
    }
    for (const name of ['train/n01443537/images/n01443537_499.JPEG', 'val/images/val_9999.JPEG', 'words.txt']) {
      expect(entryPath(TINY_IMAGENET_ARCHIVE, `./tiny-imagenet-200/${name}`)).toBe(name)
    }
  })
})
