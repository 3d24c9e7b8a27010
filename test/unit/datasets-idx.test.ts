import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { readIdx } from '../../core/datasets/idx.ts'
import { AdytonError } from '../../core/errors/errors.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'adyton-idx-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

let made = 0
function file(bytes: readonly number[] | Uint8Array): string {
  const name = path.join(folder, `${made++}.idx`)
  writeFileSync(name, Uint8Array.from(bytes))
  return name
}

/** 3 records of 2 x 2, spelt out byte by byte. */
const SMALL = [0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]

function failure(name: string, options?: { maxBytes: number }): AdytonError {
  try {
    readIdx(name, options)
  } catch (error) {
    if (error instanceof AdytonError) return error
    throw error
  }
  throw new Error('was read')
}

describe('readIdx', () => {
  test('reads raw and gzipped files alike', () => {
    for (const name of [file(SMALL), file(gzipSync(Uint8Array.from(SMALL)))]) {
      const { shape, data } = readIdx(name)
      expect(shape).toEqual([3, 2, 2])
      expect([...data]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    }
  })

  test('reads gzip content that is far larger than its first kilobyte', () => {
    const data = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 2654435761) >>> 13)
    const name = file(gzipSync(Buffer.concat([Uint8Array.of(0, 0, 8, 1, 0, 4, 0x93, 0xe0), data])))
    expect(Buffer.compare(readIdx(name).data, data)).toBe(0)
  })

  test.each([
    ['nothing', [], /offset 0: 0 bytes/],
    ['a wrong start', [1, ...SMALL.slice(1)], /offset 0/],
    ['rank 0', [0, 0, 8, 0], /offset 3: rank 0/],
    ['rank 9', [0, 0, 8, 9, ...SMALL.slice(4)], /offset 3: rank 9/],
    ['a header that ends early', SMALL.slice(0, 9), /offset 9: the header ends early/],
    ['a dimension of zero', [...SMALL.slice(0, 11), 0, ...SMALL.slice(12)], /offset 8: dimension 1 is zero/],
    [
      'missing bytes',
      SMALL.slice(0, -3),
      /offset 25: ends in record 2 of 3 \(4 bytes each\): expected 28 bytes, found 25/,
    ],
    ['bytes after the end', [...SMALL, 0], /offset 28: 1 bytes follow/],
  ])('refuses %s', (_, bytes, message) => {
    const name = file(bytes)
    expect(failure(name)).toMatchObject({ code: 'file-corrupt', message: expect.stringContaining(name) as string })
    expect(failure(name).message).toMatch(message)
  })

  test.each([
    ['cut short', gzipSync(Uint8Array.from(SMALL)).subarray(0, -12), /damaged or cut short \(expected 28/],
    ['too short inside', gzipSync(Uint8Array.from(SMALL.slice(0, -1))), /ends in record 2 of 3/],
    ['too long inside', gzipSync(Uint8Array.from([...SMALL, 1])), /more than the 28 bytes/],
    ['not deflate', Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff), /cannot be decompressed/],
  ])('refuses gzip that is %s', (_, bytes, message) => {
    const error = failure(file(bytes))
    expect(error.code).toBe('file-corrupt')
    expect(error.message).toMatch(message)
  })

  test('refuses gzip with a wrong checksum', () => {
    const bytes = gzipSync(Uint8Array.from(SMALL))
    bytes[bytes.length - 8] ^= 1
    expect(failure(file(bytes))).toMatchObject({ code: 'file-corrupt' })
  })

  test('refuses other element types by number', () => {
    expect(failure(file([0, 0, 0x0d, ...SMALL.slice(3)]))).toMatchObject({ code: 'file-unsupported' })
  })

  test('does not decompress more than the header declares, nor more than the limit', () => {
    const bomb = file(gzipSync(Buffer.concat([Uint8Array.from(SMALL), Buffer.alloc(100 << 20)])))
    const before = process.memoryUsage().arrayBuffers
    expect(failure(bomb).message).toMatch(/more than the 28 bytes/)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10 << 20)
    const greedy = file(gzipSync(Uint8Array.of(0, 0, 8, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)))
    expect(failure(greedy).message).toMatch(/the limit is 1073741824/)
    expect(failure(file(SMALL), { maxBytes: 20 }).message).toMatch(/is 28 bytes, the limit is 20/)
  })

  test('tells a missing file from a folder', () => {
    expect(failure(path.join(folder, 'absent'))).toMatchObject({ code: 'file-not-found' })
    expect(failure(folder)).toMatchObject({ code: 'file-not-found' })
  })
})
