import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { AdytonError } from '../../core/errors/errors.ts'
import { withContents } from '../../core/zoo/bundle/contents.ts'
import { canonicalJson } from '../../core/zoo/bundle/manifest.ts'
import { importBundle } from '../../core/zoo/bundle/read.ts'
import { listSigners } from '../../core/zoo/bundle/trust.ts'
import { exportBundle } from '../../core/zoo/bundle/write.ts'
import { importModel } from '../../core/zoo/import.ts'
import { insertVersion, ROLES, type Role } from '../../core/zoo/insert.ts'
import { FILE_NAMES } from '../../core/zoo/file-names.ts'
import { listModels } from '../../core/zoo/list.ts'
import { verifyZoo } from '../../core/zoo/verify.ts'
import { openZoo, type Zoo } from '../../core/zoo/zoo.ts'
import { makeZip, readZip, type ZipFrame, type ZipPart } from '../fixtures/zip.ts'
import { CARD, temporaryFolder, writeTiny } from '../fixtures/zoo.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let dir: string
/** Writes bundles. */
let zoo: Zoo
/** Is to stay empty. */
let target: Zoo
/** A good bundle of a model that can be run, signed. */
let good: Buffer
let parts: ZipPart[]
beforeAll(async () => {
  folder = await temporaryFolder()
  dir = folder.dir
  zoo = await openZoo(join(dir, 'data'))
  target = await openZoo(join(dir, 'target'))
  const { id } = await importModel(zoo, await writeTiny(join(dir, 'tiny')))
  await mkdir(join(dir, 'bundles'))
  await exportBundle(zoo, id, join(dir, 'good.adyton'), { sign: true, signerName: 'Ann' })
  good = await readFile(join(dir, 'good.adyton'))
  parts = readZip(good).map(({ name, data }) => ({ name, data }))
})
afterAll(async () => {
  zoo.close()
  target.close()
  await folder[Symbol.asyncDispose]()
})

/** Imports bytes; trusting everybody, so that it is not the signer that is refused. */
async function bring(bytes: Buffer): Promise<unknown> {
  const path = join(dir, 'bundles', 'hostile.adyton')
  await writeFile(path, bytes)
  return await importBundle(target, path, { trust: 'accept' })
}

/** Refused with one of these codes, and nothing was written anywhere. */
async function refused(bytes: Buffer, message: RegExp, code = 'file-corrupt'): Promise<void> {
  const before = await readdir(dir)
  await expect(bring(bytes)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string })
  expect(await readdir(dir)).toEqual(before)
  expect(await readdir(join(dir, 'bundles'))).toEqual(['hostile.adyton'])
  expect(target.db.prepare('SELECT count(*) FROM models').pluck().get()).toBe(0)
  expect(listSigners(target)).toEqual([])
  const left = await readdir(join(target.folder, 'files'), { recursive: true, withFileTypes: true })
  expect(left.filter((entry) => entry.isFile())).toEqual([])
}

/** The field of the zip64 format that gives both sizes. */
function zip64(size: number): Buffer {
  const field = Buffer.alloc(20)
  field.writeUInt16LE(1, 0)
  field.writeUInt16LE(16, 2)
  field.writeBigUInt64LE(BigInt(size), 4)
  field.writeBigUInt64LE(BigInt(size), 12)
  return field
}

/** The good parts, with one changed. */
const changed = (name: string, change: Partial<ZipPart>): ZipPart[] =>
  parts.map((part) => (part.name === name ? { ...part, ...change } : part))
const WEIGHTS = 'weights.safetensors'
const part = (name: string): ZipPart => {
  const found = parts.find((one) => one.name === name)
  if (found === undefined) throw new Error(name)
  return found
}
type Loose = Record<string, unknown> & { files: Record<string, unknown>[] }
const manifest = (): Loose => JSON.parse(Buffer.from(part('manifest.json').data).toString()) as Loose
/** An unsigned bundle with another manifest. */
const withManifest = (json: unknown): Buffer =>
  makeZip([
    { name: 'manifest.json', data: Buffer.from(typeof json === 'string' ? json : canonicalJson(json)) },
    ...parts.slice(1, -1),
  ])

describe('every byte', () => {
  /** A bundle of few bytes: what is in the files is looked at after the checksums only. */
  async function small(sign: boolean): Promise<{ path: string; bytes: Buffer }> {
    const at = 1_700_000_000_000
    const id = await zoo.files.staging(async (staging) => {
      const files = new Map<Role, Awaited<ReturnType<typeof zoo.files.stage>>>()
      for (const role of ROLES) {
        await writeFile(join(staging, FILE_NAMES[role]), `{"${role}":1}`)
        files.set(role, await zoo.files.stage(join(staging, FILE_NAMES[role])))
      }
      const counts = { relus: 1, macs: 2, params: 3 }
      return zoo.write(
        () =>
          insertVersion(zoo, { stage: 'draft', card: CARD, counts, files, source: 'a test', at, tags: ['demo'] }).id,
      )
    })
    const path = join(dir, `small-${id}.adyton`)
    await exportBundle(zoo, id, path, { sign, signerName: 'Ann' })
    return { path, bytes: await readFile(path) }
  }

  /** What a reader gets of a bundle, or the error. */
  async function content(path: string): Promise<unknown> {
    try {
      return await withContents(path, async ({ manifest, signature, signer, check }) => {
        const mismatches = await check()
        return mismatches.length > 0 ? 'refused' : { manifest, signature, signer }
      })
    } catch (error) {
      if (error instanceof AdytonError && ['file-corrupt', 'file-unsupported'].includes(error.code)) return 'refused'
      throw error
    }
  }

  /** Flips one bit of every byte in turn; returns the places where that does no harm. */
  async function flipAll(
    path: string,
    bytes: Buffer,
    [from, to]: [number, number],
    expected: unknown,
  ): Promise<number[]> {
    const harmless: number[] = []
    const file = await open(path, 'r+')
    const put = (byte: number, i: number): Promise<unknown> => file.write(Uint8Array.of(byte), 0, 1, i)
    for (let i = from; i < to; i++) {
      await put(bytes[i] ^ (1 << (i % 8)), i)
      const found = await content(path)
      await put(bytes[i], i)
      if (found === 'refused') continue
      harmless.push(i)
      // Whatever is accepted is the same.
      expect(found).toEqual(expected)
    }
    await file.close()
    return harmless
  }

  test('that is flipped is refused, unless nothing reads it', async () => {
    const { path, bytes } = await small(true)
    const expected = await content(path)
    expect(expected).not.toBe('refused')
    const entries = readZip(bytes)
    const inside = (i: number): boolean => entries.some(({ offset, data }) => i >= offset && i < offset + data.length)
    const harmless = await flipAll(path, bytes, [0, bytes.length], expected)
    expect(harmless.filter(inside)).toEqual([])
    // Versions, times, checksums and attributes of the zip; names, places and lengths are all read.
    expect(harmless.length).toBeLessThan(entries.length * 70)
    expect(harmless.length).toBeGreaterThan(0)
  })

  test('of a manifest that nobody signed is covered too', async () => {
    const { path, bytes } = await small(false)
    const [{ name, offset, data }] = readZip(bytes)
    expect(name).toBe('manifest.json')
    expect(await flipAll(path, bytes, [offset, offset + data.length], await content(path))).toEqual([])
  })

  test('that is cut off or added is refused', async () => {
    const { bytes } = await small(true)
    for (let length = 0; length < bytes.length; length += 50) await refused(bytes.subarray(0, length), /./)
    await refused(bytes.subarray(0, -1), /./)
    for (const more of [Buffer.from([0]), Buffer.alloc(22), bytes]) await refused(Buffer.concat([bytes, more]), /./)
    for (let length = 0; length < good.length; length += Math.ceil(good.length / 40)) {
      await refused(good.subarray(0, length), /./)
    }
  })
})

describe('zips made by hand', () => {
  test('are read when they are honest', async () => {
    const one = await openZoo(join(dir, 'honest'))
    const path = join(dir, 'honest.adyton')
    await writeFile(path, makeZip(parts))
    const made = await importBundle(one, path, { trust: 'accept' })
    expect(made).toMatchObject({ name: CARD.name, signer: { name: 'Ann' } })
    one.close()
  })

  test.each([
    '../evil',
    '../../card.json',
    '/etc/passwd',
    'C:/card.json',
    '..\\card.json',
    'card.json\0',
    'Card.json',
    'sub/',
    'sub/card.json',
    './card.json',
    'readme.txt',
    '',
  ])('with a file %j are refused', async (name) => {
    await refused(makeZip([...parts.slice(0, -1), { name, data: Buffer.from('x') }, part('signature.json')]), /hostile/)
    await refused(makeZip(changed('card.json', { name })), /hostile/)
  })

  test('with a file twice, in another order or not listed are refused', async () => {
    const [first, weights, graph, ...rest] = parts
    await refused(makeZip([first, weights, weights, graph, ...rest]), /twice/)
    await refused(makeZip([first, graph, weights, ...rest]), /not in its place/)
    await refused(makeZip([first, first, weights, graph, ...rest]), /twice/)
    await refused(makeZip([...parts, part('signature.json')]), /twice/)
    await refused(makeZip([weights, graph, ...rest]), /no manifest/)
    await refused(makeZip([]), /no manifest/)
    await refused(makeZip([...parts.slice(0, -1), { name: 'calibration.json', data: Buffer.from('{}') }]), /not list/)
  })

  test('that are encrypted, compressed or commented are refused', async () => {
    const { data } = part(WEIGHTS)
    const bomb = deflateRawSync(Buffer.alloc(2 ** 20))
    const cases: [Partial<ZipPart>, RegExp][] = [
      [{ flags: 1 | (1 << 11) }, /encrypted|mismatch/],
      [{ flags: 0x41 }, /encryption/],
      [{ flags: 1 << 13 }, /of another kind/],
      [
        { method: 8, data: deflateRawSync(data), uncompressed: data.length, compressed: deflateRawSync(data).length },
        /compressed/,
      ],
      [{ method: 8, data: bomb, compressed: bomb.length, uncompressed: 2 ** 31 }, /has 2147483648 bytes/],
      [{ method: 8, data: bomb, compressed: bomb.length, uncompressed: data.length }, /compressed/],
      [{ method: 12 }, /compressed/],
      [{ comment: Buffer.from('x') }, /has fields/],
      [{ extra: Buffer.from([0x55, 0x54, 1, 0, 0]) }, /has fields/],
      [
        {
          extra: Buffer.from([1, 0, 8, 0, 0, 0, 0, 0, 1, 0, 0, 0]),
          compressed: 2 ** 32 - 1,
          uncompressed: 2 ** 32 - 1,
        },
        /zip64/,
      ],
      [{ extra: zip64(2 ** 40), compressed: 2 ** 32 - 1, uncompressed: 2 ** 32 - 1 }, /has 1099511627776 bytes/],
      [{ extra: zip64(data.length), compressed: 2 ** 32 - 1, uncompressed: 2 ** 32 - 1 }, /has fields/],
    ]
    for (const [change, message] of cases) await refused(makeZip(changed(WEIGHTS, change)), message)
  })

  test('whose sizes and places lie are refused', async () => {
    const { length } = part(WEIGHTS).data
    const cases: [Partial<ZipPart>, RegExp][] = [
      [{ compressed: length - 1, uncompressed: length - 1 }, /"graph.json" does not lie where it should/],
      [{ compressed: length + 1, uncompressed: length + 1 }, /"graph.json" does not lie where it should/],
      [{ compressed: 2 ** 31 - 1, uncompressed: 2 ** 31 - 1 }, /overflows file bounds/],
      [{ compressed: 2 ** 32 - 2, uncompressed: 2 ** 32 - 2 }, /has 4294967294 bytes/],
      [{ uncompressed: 5 }, /mismatch/],
      [{ place: 0 }, /does not lie where it should/],
      [{ place: good.length }, /does not lie where it should/],
      [{ localName: 'weights.safetensorz' }, /described in two ways/],
      [{ localName: '../evil' }, /described in two ways/],
      [{ gap: Buffer.from('hidden') }, /"graph.json" does not lie where it should/],
      [{ flags: (1 << 11) | (1 << 3) }, /"graph.json" does not lie where it should/],
    ]
    for (const [change, message] of cases) await refused(makeZip(changed(WEIGHTS, change)), message)
    const twoMethods = makeZip(parts)
    twoMethods.writeUInt16LE(8, readZip(twoMethods)[1].offset - WEIGHTS.length - 22)
    await refused(twoMethods, /described in two ways/)
    const extra = Buffer.from(good)
    extra.writeUInt16LE(1, readZip(extra)[1].offset - WEIGHTS.length - 2)
    await refused(extra, /described in two ways/)
    const large = { compressed: 2 ** 30, uncompressed: 2 ** 30 }
    await refused(makeZip(changed('manifest.json', large)), /"manifest.json" has 1073741824 bytes/)
    await refused(makeZip(changed('signature.json', { gap: Buffer.from('hidden') })), /belong to no file/)
  })

  test('one of whose files lies in another are refused', async () => {
    // The weights hold a header and a second card, which is the one that the directory names.
    const card = part('card.json')
    const inner = makeZip([card]).subarray(0, 30 + card.name.length + card.data.length)
    const weights = parts[0].data.length + 30 + parts[0].name.length
    const place = weights + 30 + WEIGHTS.length
    const both = changed(WEIGHTS, { data: inner }).map((one) => (one.name === 'card.json' ? { ...one, place } : one))
    await refused(makeZip(both), /"card.json" does not lie where it should/)
  })

  test('whose directory lies in a file are refused', async () => {
    const bytes = makeZip(parts)
    const end = bytes.length - 22
    const directory = bytes.readUInt32LE(end + 16)
    const weights = readZip(bytes)[1]
    bytes.copy(bytes, weights.offset, directory, end)
    bytes.fill(0, directory, end)
    bytes.writeUInt32LE(weights.offset, end + 16)
    await refused(bytes, /belong to no file/)
  })

  test('with something before, behind or beside are refused', async () => {
    const frames: [ZipFrame, RegExp][] = [
      [{ before: Buffer.from('#!/bin/sh\n') }, /does not lie where it should/],
      [{ comment: Buffer.from('comment') }, /belong to no file/],
      [{ after: Buffer.from('x') }, /Invalid comment length/],
      [{ count: parts.length - 1 }, /belong to no file/],
      [{ count: parts.length + 1 }, /EOF|signature/],
      [{ count: 65535 }, /has 65535 files/],
    ]
    for (const [frame, message] of frames) await refused(makeZip(parts, frame), message)
    await refused(Buffer.concat([Buffer.from('x'), good]), /hostile/)
  })

  test('that are no files are refused', async () => {
    await expect(importBundle(target, dir)).rejects.toMatchObject({ code: 'file-unsupported' })
    await expect(importBundle(target, join(dir, 'nowhere'))).rejects.toMatchObject({ code: 'file-not-found' })
    await refused(Buffer.from('not a zip at all'), /hostile/)
  })
})

describe('manifests', () => {
  const unsigned = (): Loose => ({ ...manifest(), signer: null })

  test('are read when they are honest', async () => {
    const one = await openZoo(join(dir, 'honest-manifest'))
    const path = join(dir, 'unsigned.adyton')
    await writeFile(path, withManifest(unsigned()))
    expect(await importBundle(one, path)).toMatchObject({ name: CARD.name, signer: null })
    one.close()
  })

  test('are not believed about counts, in whatever order they give them', async () => {
    const one = await openZoo(join(dir, 'counts'))
    const path = join(dir, 'counts.adyton')
    const measurements = manifest()['measurements'] as { what: string; value: number; at: number }[]
    const honest = measurements.find(({ what }) => what === 'relus')
    const lie = { ...honest, value: 1, at: 8e15 }
    await writeFile(path, withManifest({ ...unsigned(), measurements: [lie, ...measurements] }))
    expect(await importBundle(one, path)).toMatchObject({
      relus: honest?.value,
      notices: [expect.anything(), expect.stringMatching(/other counts.*: relus$/)],
    })
    expect(listModels(one, { query: `relus=${honest?.value ?? 0}` }).total).toBe(1)
    one.close()
  })

  test('of a newer format are refused by name', async () => {
    await refused(withManifest({ ...unsigned(), version: 2, more: 1 }), /version 2 of the format/, 'file-unsupported')
  })

  test('that are not JSON, or not in its one form, are refused', async () => {
    await refused(withManifest('no json'), /not valid JSON/)
    await refused(withManifest(JSON.stringify(unsigned())), /not written as Adyton writes it/)
    const text = canonicalJson(unsigned())
    await refused(
      withManifest(text.replace('"stage": "draft"', '"stage": "published",\n  "stage": "draft"')),
      /not written/,
    )
    await refused(withManifest(text.replace('{', '{\n  "__proto__": {},')), /manifest\.json/)
    await refused(withManifest(`\ufeff${text}`), /manifest\.json/)
    for (const json of ['null', '[]', '1', '{}']) await refused(withManifest(json), /manifest\.json/)
  })

  test.each<[string, (json: Loose) => unknown]>([
    ['an unknown field', (json) => ({ ...json, more: 1 })],
    ['a missing field', ({ tags: _, ...json }) => json],
    ['another format', (json) => ({ ...json, format: 'zip' })],
    ['no name', (json) => ({ ...json, name: '' })],
    ['a stage that there is not', (json) => ({ ...json, stage: 'final' })],
    ['a tag that is none', (json) => ({ ...json, tags: ['a b'] })],
    ['a tag twice', (json) => ({ ...json, tags: ['a', 'a'] })],
    ['a time that is none', (json) => ({ ...json, created: 1e17 })],
    ['too long a text', (json) => ({ ...json, limits: 'x'.repeat(20_001) })],
    ['a path outside', ({ files: [a, ...b], ...json }) => ({ ...json, files: [{ ...a, path: '../../x' }, ...b] })],
    ['another path', ({ files: [a, ...b], ...json }) => ({ ...json, files: [{ ...a, path: 'card.json' }, ...b] })],
    ['a role twice', ({ files, ...json }) => ({ ...json, files: [files[0], ...files] })],
    ['no weights', ({ files, ...json }) => ({ ...json, files: files.slice(1) })],
    ['another order', ({ files, ...json }) => ({ ...json, files: files.toReversed() })],
    ['a huge size', ({ files: [a, ...b], ...json }) => ({ ...json, files: [{ ...a, size: 2 ** 40 }, ...b] })],
    ['a negative size', ({ files: [a, ...b], ...json }) => ({ ...json, files: [{ ...a, size: -1 }, ...b] })],
    ['no checksum', ({ files: [a, ...b], ...json }) => ({ ...json, files: [{ ...a, sha256: 'A'.repeat(64) }, ...b] })],
    [
      'an origin of this catalog',
      (json) => ({ ...json, lineage: [{ relation: 'imported-from', source: 'x', recipe: null }] }),
    ],
    [
      'a recipe that is none',
      (json) => ({ ...json, lineage: [{ relation: 'trained-from', source: 'x', recipe: '{' }] }),
    ],
    ['a measurement without time', (json) => ({ ...json, measurements: [{ what: 'x', value: 1 }] })],
  ])('with %s are refused', async (_, change) => {
    await refused(withManifest(change(unsigned())), /manifest\.json/)
  })

  test('that say other sizes or checksums name the files', async () => {
    const files = unsigned().files.map((file) =>
      file['path'] === 'card.json'
        ? { ...file, size: 7 }
        : file['role'] === 'recipe'
          ? { ...file, sha256: '0'.repeat(64) }
          : file,
    )
    await refused(
      withManifest({ ...unsigned(), files }),
      /card\.json has another size; recipe\.json has another checksum$/,
    )
    const lacking = makeZip([
      { name: 'manifest.json', data: Buffer.from(canonicalJson(unsigned())) },
      ...parts.slice(1, -1).filter(({ name }) => name !== 'graph.json'),
    ])
    await refused(lacking, /graph\.json is missing$/)
    await expect(
      importBundle(target, join(dir, 'bundles', 'hostile.adyton'), { onMismatch: 'keep' }),
    ).rejects.toMatchObject({ code: 'file-not-found', message: /graph\.json/ })
    expect(await verifyZoo(target)).toMatchObject({ ok: true, files: 0 })
  })
})

describe('signatures', () => {
  const text = (): Record<string, string> =>
    JSON.parse(Buffer.from(part('signature.json').data).toString()) as Record<string, string>
  const resigned = (change: Record<string, string>): Buffer =>
    makeZip(changed('signature.json', { data: Buffer.from(canonicalJson({ ...text(), ...change })) }))
  /** A key that nobody knows. */
  function stranger(): { publicKey: string; fingerprint: string; sign: (bytes: Uint8Array) => string } {
    const pair = generateKeyPairSync('ed25519')
    const raw = Buffer.from(pair.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
    return {
      publicKey: raw.toString('base64'),
      fingerprint: createHash('sha256').update(raw).digest('hex'),
      sign: (bytes) => sign(null, bytes, pair.privateKey).toString('base64'),
    }
  }

  test('by another key, of another bundle or with another name are refused', async () => {
    const { publicKey, sign } = stranger()
    const signature = sign(part('manifest.json').data)
    await refused(resigned({ publicKey }), /signature of 'Ann' is wrong/)
    await refused(resigned({ signature }), /signature of 'Ann' is wrong/)
    // Right in itself, but not the one that the manifest names.
    await refused(resigned({ publicKey, signature }), /another key/)
    await refused(resigned({ name: 'Bob' }), /'Bob' did/)
    await refused(resigned({ publicKey: Buffer.alloc(32).toString('base64') }), /wrong/)
    await refused(resigned({ publicKey: Buffer.alloc(32, 255).toString('base64') }), /wrong/)
    const { id } = await importModel(zoo, await writeTiny(join(dir, 'second'), 2))
    await exportBundle(zoo, id, join(dir, 'second.adyton'), { sign: true, signerName: 'Ann' })
    const theirs = readZip(await readFile(join(dir, 'second.adyton'))).at(-1)?.data ?? Buffer.alloc(0)
    await refused(makeZip(changed('signature.json', { data: theirs })), /wrong/)
  })

  test('of another form are refused', async () => {
    await refused(resigned({ algorithm: 'none' }), /signature\.json/)
    await refused(resigned({ signature: '' }), /signature\.json/)
    await refused(resigned({ more: '1' }), /signature\.json/)
    await refused(resigned({ name: 'A\u202enn' }), /signature\.json/)
    await refused(makeZip(changed('signature.json', { data: Buffer.from(JSON.stringify(text())) })), /signature\.json/)
    await refused(makeZip(changed('signature.json', { data: Buffer.alloc(5000) })), /5000 bytes/)
  })

  test('do not hold for a manifest that was changed, even if the files fit', async () => {
    const data = Buffer.from(canonicalJson({ ...manifest(), stage: 'published' }))
    await refused(makeZip(changed('manifest.json', { data })), /signature of 'Ann' is wrong/)
  })

  test('cannot be taken away or added unnoticed', async () => {
    await refused(makeZip(parts.slice(0, -1)), /'Ann' signed it, but the signature is missing/)
    const data = Buffer.from(canonicalJson({ ...manifest(), signer: null }))
    await refused(makeZip(changed('manifest.json', { data })), /does not name/)
    // With the manifest changed too it is an unsigned bundle, and is taken as one: with a notice, under nobody's name.
    const one = await openZoo(join(dir, 'stripped'))
    await importBundle(one, join(dir, 'good.adyton'), { trust: 'accept' })
    const path = join(dir, 'stripped.adyton')
    await writeFile(path, withManifest({ ...manifest(), signer: null }))
    expect(await importBundle(one, path)).toMatchObject({
      signer: null,
      notices: [expect.stringContaining('not signed')],
    })
    one.close()
  })

  test('of a stranger under a known name are refused, whatever else fits', async () => {
    const one = await openZoo(join(dir, 'knows-ann'))
    await importBundle(one, join(dir, 'good.adyton'), { trust: 'accept' })
    const { fingerprint, publicKey, sign } = stranger()
    const bytes = Buffer.from(canonicalJson({ ...manifest(), signer: { name: 'Ann', fingerprint } }))
    const signature = canonicalJson({ algorithm: 'Ed25519', name: 'Ann', publicKey, signature: sign(bytes) })
    const path = join(dir, 'impostor.adyton')
    const all = [{ name: 'manifest.json', data: bytes }, ...parts.slice(1, -1)]
    await writeFile(path, makeZip([...all, { name: 'signature.json', data: Buffer.from(signature) }]))
    for (const trust of ['ask', 'accept']) {
      await expect(importBundle(one, path, { trust })).rejects.toMatchObject({
        code: 'signer-untrusted',
        message: expect.stringContaining("'Ann' is known with another key") as string,
      })
    }
    expect(one.db.prepare('SELECT count(*) FROM models').pluck().get()).toBe(1)
    one.close()
  })
})
