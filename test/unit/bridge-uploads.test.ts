/** Names and failures of files that come through the browser. */
import { readdir } from 'node:fs/promises'
import { Readable } from 'node:stream'
import fc from 'fast-check'
import { basename, join, relative, sep } from 'node:path'
import { expect, test } from 'vitest'
import { TransferFolders } from '../../core/bridge/folders.ts'
import { safeName, safePath } from '../../core/bridge/names.ts'
import { Refusal } from '../../core/bridge/refusal.ts'
import { Uploads } from '../../core/bridge/uploads.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

test.each([
  ['model.onnx', 'model.onnx'],
  ['.hidden', '.hidden'],
  ['a: b?.onnx', 'a_ b_.onnx'],
  ['weights. ', 'weights__'],
  ['con', '_con'],
  ['COM1.txt', '_COM1.txt'],
  ['console', 'console'],
  // One letter or two code points: file systems that do not care would mix them up.
  ['a\u0308', '\u00e4'],
])('%j is stored as %j', (name, stored) => {
  expect(safeName(name)).toBe(stored)
})

test('whatever the name, a file lies where it should or is refused', () => {
  const piece = fc.oneof(
    fc.constantFrom('..', '.', '/', '\\', ':', ' ', 'con', '\u0000', 'a'),
    fc.string({ unit: 'binary' }),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const name = pieces.join('')
      let parts: string[]
      try {
        parts = safePath(name)
      } catch (error) {
        expect(error).toBeInstanceOf(Refusal)
        return
      }
      const below = relative('/data/batch', join('/data/batch', ...parts))
      expect(below.split(sep)).toEqual(parts)
      for (const part of parts) {
        expect(basename(part)).toBe(part)
        // A second time changes nothing, or the first was not safe.
        expect(safeName(part)).toBe(part)
      }
    }),
    { numRuns: 500 },
  )
})

test.each([
  ['ENOSPC', 507, /disk is full/],
  ['EDQUOT', 507, /disk is full/],
  ['EACCES', 500, /EACCES/],
])('an upload that fails with %s answers %i and leaves nothing', async (code, status, message) => {
  await using folder = await temporaryFolder()
  const uploads = new Uploads(new TransferFolders(join(folder.dir, 'uploads')))
  async function* body(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(1000)
    // What is thrown here takes the way of an error of the disk.
    throw Object.assign(new Error('no more'), { code })
  }
  const failing = uploads.receive(Readable.from(body()), { name: 'x', batch: null, bytes: undefined })
  await expect(failing).rejects.toMatchObject({ status, error: { code: 'store-failed' } })
  await expect(failing).rejects.toHaveProperty('error.message', expect.stringMatching(message))
  expect(await readdir(join(folder.dir, 'uploads'))).toEqual([])
})
