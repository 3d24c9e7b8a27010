import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { afterAll, describe, expect, test } from 'vitest'
import { loadMnist } from '../../core/datasets/mnist.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'adyton-mnist-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const bigEndian = (n: number) => [n >>> 24, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]
const header = (...shape: number[]) => [0, 0, 8, shape.length, ...shape.flatMap(bigEndian)]

/** Two images, all zero but for their first pixel. */
function write(images = [2, 28, 28], labels: readonly number[] = [7, 3]): void {
  const pixels = new Uint8Array(images.reduce((a, b) => a * b, 1))
  pixels[0] = 11
  pixels[784] = 22
  writeFileSync(path.join(folder, 't10k-images-idx3-ubyte'), Uint8Array.from([...header(...images), ...pixels]))
  writeFileSync(path.join(folder, 't10k-labels-idx1-ubyte'), Uint8Array.from([...header(labels.length), ...labels]))
}

describe('loadMnist', () => {
  test('loads images with their labels', () => {
    write()
    const { images, labels, ...rest } = loadMnist(folder, 'test')
    expect(rest).toEqual({ count: 2, shape: [1, 28, 28], classes: 10 })
    expect([...labels]).toEqual([7, 3])
    expect([images.length, images[0], images[784]]).toEqual([1568, 11, 22])
  })

  test('says which file is missing', () => {
    expect(() => loadMnist(folder, 'train')).toThrow(/neither train-images-idx3-ubyte nor train-images-idx3-ubyte\.gz/)
  })

  test('refuses other sizes, other counts and labels that are no digits', () => {
    write([2, 28, 29])
    expect(() => loadMnist(folder, 'test')).toThrow(/t10k-images-idx3-ubyte: holds 2 x 28 x 29, expected N x 28 x 28/)
    write([2, 28, 28], [1, 2, 3])
    expect(() => loadMnist(folder, 'test')).toThrow(/holds 3 labels, expected one for each of the 2 images/)
    write([2, 28, 28], [1, 10])
    expect(() => loadMnist(folder, 'test')).toThrow(/t10k-labels-idx1-ubyte: record 1: label 10/)
  })
})

const datasets = process.env.ADYTON_DATASETS ?? fileURLToPath(new URL('../../../shared/datasets', import.meta.url))
const real = path.join(datasets, 'mnist-10k')

describe.skipIf(!existsSync(real))(
  `the local MNIST (skipped unless ADYTON_DATASETS or ../shared/datasets has it)`,
  () => {
    test.each([
      ['train', 'train', 7497],
      ['test', 't10k', 1498],
    ] as const)('%s is what the files say', (part, prefix, count) => {
      const { images, labels, count: found } = loadMnist(real, part)
      const file = (kind: string) => gunzipSync(readFileSync(path.join(real, `${prefix}-${kind}-ubyte.gz`)))
      expect(found).toBe(count)
      expect(Buffer.compare(images, file('images-idx3').subarray(16))).toBe(0)
      expect(Buffer.compare(labels, file('labels-idx1').subarray(8))).toBe(0)
      // Every class is there, and ink is light on a dark ground.
      expect(new Set(labels).size).toBe(10)
      expect(images.reduce((sum, value) => sum + value, 0) / images.length).toBeLessThan(64)
    })
  },
)
