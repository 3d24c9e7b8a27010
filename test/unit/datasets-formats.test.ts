import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openDataset } from '../../core/datasets/dataset.ts'
import { splitByName } from '../../core/datasets/image-folder.ts'
import { readImages } from '../../core/datasets/part.ts'
import {
  cifarBytes,
  idxBytes,
  picture,
  pixel,
  rejection,
  writeCifar10,
  writeCifar100,
  writeTinyImageNet,
} from './datasets-helpers.ts'
import { failing } from '../fixtures/errors.ts'

const root = mkdtempSync(path.join(tmpdir(), 'adyton-datasets-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const at = (...names: string[]) => path.join(root, ...names)
let made = 0
/** A copy of a folder, to be damaged. */
function copy(name: string): string {
  const folder = at(`copy-${made++}`, name)
  cpSync(at(name), folder, { recursive: true })
  return folder
}

beforeAll(async () => {
  writeCifar10(at('cifar10'))
  writeCifar100(at('cifar100'))
  await writeTinyImageNet(at('tiny'))
})

describe('CIFAR-10', () => {
  test('reads images and labels through all files in order', async () => {
    const { kind, classes, classNames, shape, parts, notices } = await openDataset(at('cifar10'))
    expect({ kind, classes, shape }).toEqual({ kind: 'cifar-10', classes: 10, shape: [3, 32, 32] })
    expect(classNames[3]).toBe('cat')
    expect([...parts.train.labels]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4])
    expect([...parts.test.labels]).toEqual([9, 8])
    const images = await readImages(parts.train, [14, 0, 4])
    // Records 14, 0 and 4 are record 2 of file 5, 0 of file 1, 1 of file 2.
    const expected = [
      [5, 2],
      [1, 0],
      [2, 1],
    ].flatMap(([file, record]) => Array.from({ length: 3072 }, (_, i) => pixel(file, record, i)))
    expect([...images]).toEqual(expected)
    expect(notices.join()).toMatch(/not the official files.*data_batch_1\.bin \(3 records\)/)
  })

  test('is found through a folder around it and through one of its files', async () => {
    const around = at('around')
    cpSync(at('cifar10'), path.join(around, 'inner'), { recursive: true })
    expect((await openDataset(around)).kind).toBe('cifar-10')
    expect((await openDataset(at('cifar10', 'data_batch_2.bin'))).parts.train.count).toBe(15)
    cpSync(at('cifar100'), path.join(around, 'other'), { recursive: true })
    const error = await rejection(openDataset(around))
    expect(error.code).toBe('usage')
    expect(error.advice).toMatch(/inner.*other/)
    expect((await openDataset(around, { kind: 'cifar-100' })).classes).toBe(100)
  })

  test('names file, record and expected size when it is cut short', async () => {
    const folder = copy('cifar10')
    truncateSync(path.join(folder, 'data_batch_3.bin'), 3073 * 2 + 100)
    const { code, message } = await rejection(openDataset(folder))
    expect(code).toBe('file-corrupt')
    expect(message).toMatch(/data_batch_3\.bin: ends in record 2: has 6,246 bytes, .*3,073 bytes, so 9,219 /)
    expect(message).toMatch(/official file has 30,730,000 bytes/)
    truncateSync(path.join(folder, 'data_batch_3.bin'), 0)
    expect((await rejection(openDataset(folder))).message).toMatch(/data_batch_3\.bin: ends in record 0/)
  })

  test('names the record of a label out of range, whichever chunk it is in', async () => {
    const folder = copy('cifar10')
    const bytes = cifarBytes(1, 1, () => [4])
    const many = Buffer.concat(Array.from({ length: 700 }, () => bytes))
    many[3073 * 650] = 10
    writeFileSync(path.join(folder, 'data_batch_4.bin'), many)
    const { message } = await rejection(openDataset(folder))
    expect(message).toMatch(/data_batch_4\.bin: record 650: label 10, expected 0 to 9/)
  })

  test('says which file is missing, and when a file shrinks after it was opened', async () => {
    const folder = copy('cifar10')
    const { parts } = await openDataset(folder)
    truncateSync(path.join(folder, 'data_batch_5.bin'), 3073)
    expect((await rejection(readImages(parts.train))).message).toMatch(/data_batch_5\.bin: ends in record 1/)
    rmSync(path.join(folder, 'test_batch.bin'))
    expect(await rejection(openDataset(folder))).toEqual(failing('file-not-found', /no test_batch\.bin/))
  })

  test('refuses a wrong number of class names', async () => {
    const folder = copy('cifar10')
    appendFileSync(path.join(folder, 'batches.meta.txt'), 'eleventh\n')
    expect((await rejection(openDataset(folder))).message).toMatch(/holds 11 class names, expected 10/)
  })
})

describe('CIFAR-100', () => {
  test('reads fine and coarse labels', async () => {
    const fine = await openDataset(at('cifar100'))
    expect(fine).toMatchObject({ kind: 'cifar-100', classes: 100 })
    expect([...fine.parts.train.labels]).toEqual([99, 98, 97, 96])
    expect(fine.classNames[98]).toBe('fine98')
    const coarse = await openDataset(at('cifar100'), { labels: 'coarse' })
    expect([...coarse.parts.train.labels]).toEqual([0, 6, 12, 18])
    expect([coarse.classes, coarse.classNames[18]]).toEqual([20, 'coarse18'])
    const images = await readImages(coarse.parts.test, [1])
    expect([...images]).toEqual(Array.from({ length: 3072 }, (_, i) => pixel(2, 1, i)))
  })

  test.each([
    ['coarse', [20, 0], /train\.bin: record 1: coarse label 20, expected 0 to 19/],
    ['fine', [3, 100], /train\.bin: record 1: fine label 100, expected 0 to 99/],
  ])('names a %s label out of range', async (_, bad, message) => {
    const folder = copy('cifar100')
    writeFileSync(
      path.join(folder, 'train.bin'),
      cifarBytes(1, 3, (record) => (record === 1 ? bad : [0, 0])),
    )
    expect((await rejection(openDataset(folder))).message).toMatch(message)
  })

  test('names the expected size when it is cut short', async () => {
    const folder = copy('cifar100')
    truncateSync(path.join(folder, 'test.bin'), 3074 + 5)
    expect((await rejection(openDataset(folder))).message).toMatch(/test\.bin: ends in record 1: .*so 6,148 /)
  })
})

describe('Tiny ImageNet', () => {
  test('reads its folders; classes are in the order of their ids, not of wnids.txt', async () => {
    const { classNames, parts, shape, notices } = await openDataset(at('tiny'))
    expect(classNames).toEqual(['goldfish', 'Egyptian cat'])
    expect(shape).toEqual([3, 64, 64])
    expect([...parts.train.labels]).toEqual([0, 0, 1, 1])
    expect([...parts.test.labels]).toEqual([1, 0])
    const images = await readImages(parts.train, [3, 0])
    const means = Array.from({ length: 6 }, (_, plane) => {
      const values = images.subarray(plane * 4096, (plane + 1) * 4096)
      return values.reduce((sum, value) => sum + value, 0) / 4096
    })
    // Planes of red, green and blue, within what JPEG does to a flat picture.
    for (const [i, expected] of [200, 10, 0, 50, 0, 0].entries()) expect(Math.abs(means[i] - expected)).toBeLessThan(4)
    expect(notices.join()).toMatch(/has 2 classes, 4 training and 2 validation.*200 classes, 100,000 and 10,000/)
  })

  test('names what is wrong', async () => {
    const unknown = copy('tiny')
    appendFileSync(path.join(unknown, 'val/val_annotations.txt'), 'val_0.JPEG\tn00000000\t0\t0\t9\t9\n')
    expect((await rejection(openDataset(unknown))).message).toMatch(/record 2: class n00000000 is not in wnids/)
    const missing = copy('tiny')
    rmSync(path.join(missing, 'val/images/val_1.JPEG'))
    expect((await rejection(openDataset(missing))).message).toMatch(/record 1: val\/images\/val_1\.JPEG is not there/)
    const empty = copy('tiny')
    rmSync(path.join(empty, 'train/n02124075/images'), { recursive: true })
    expect((await rejection(openDataset(empty))).message).toMatch(/n02124075\/images/)
  })

  test('takes greyscale pictures, as the official set has them, for three equal channels', async () => {
    const folder = copy('tiny')
    const ramp = Buffer.from(Array.from({ length: 4096 }, (_, i) => i >> 4))
    const grey = sharp(ramp, { raw: { width: 64, height: 64, channels: 1 } }).toColourspace('b-w')
    await grey.jpeg({ quality: 100 }).toFile(path.join(folder, 'train/n01443537/images/n01443537_0.JPEG'))
    const image = await readImages((await openDataset(folder)).parts.train, [0])
    for (let at = 0; at < 4096; at++) {
      expect(Math.abs(image[at] - ramp[at])).toBeLessThan(6)
      expect([image[4096 + at], image[8192 + at]]).toEqual([image[at], image[at]])
    }
  })

  test('names a picture that is cut short or of another size', async () => {
    const folder = copy('tiny')
    const { parts } = await openDataset(folder)
    const first = 'train/n01443537/images/n01443537_0.JPEG'
    truncateSync(path.join(folder, first), statSync(path.join(folder, first)).size - 10)
    const cut = await rejection(readImages(parts.train))
    expect(cut).toEqual(failing('file-corrupt', /n01443537_0\.JPEG: cannot be decoded/))
    await picture(path.join(folder, first), 32, [1, 2, 3])
    const { message } = await rejection(readImages(parts.train))
    expect(message).toMatch(/n01443537_0\.JPEG: is 32 x 32, expected 64 x 64/)
  })
})

describe('IDX files', () => {
  const write = (folder: string, train: number[], test: number[], gz = false, side = [2, 3]) => {
    mkdirSync(at(folder), { recursive: true })
    for (const [prefix, labels] of [
      ['train', train],
      ['t10k', test],
    ] as const) {
      const pixels = labels.flatMap((label) => Array.from({ length: side[0] * side[1] }, (_, i) => label * 10 + i))
      const files = {
        'images-idx3': idxBytes([labels.length, ...side], pixels),
        'labels-idx1': idxBytes([labels.length], labels),
      }
      for (const [name, bytes] of Object.entries(files)) {
        writeFileSync(at(folder, `${prefix}-${name}-ubyte${gz ? '.gz' : ''}`), gz ? gzipSync(bytes) : bytes)
      }
    }
  }

  test.each([false, true])('are read, gzipped: %s', async (gz) => {
    write(`idx-${gz}`, [3, 0, 9], [5], gz)
    const { kind, shape, classes, parts, normalisation } = await openDataset(at(`idx-${gz}`))
    expect({ kind, shape, classes }).toEqual({ kind: 'idx', shape: [1, 2, 3], classes: 10 })
    expect([...parts.train.labels]).toEqual([3, 0, 9])
    expect([...(await readImages(parts.train, [2, 0]))]).toEqual([90, 91, 92, 93, 94, 95, 30, 31, 32, 33, 34, 35])
    const all = [30, 0, 90].flatMap((first) => [0, 1, 2, 3, 4, 5].map((i) => first + i))
    const mean = all.reduce((sum, value) => sum + value, 0) / 18
    const std = Math.sqrt(all.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 18)
    expect(normalisation.mean[0]).toBeCloseTo(mean / 255, 10)
    expect(normalisation.std[0]).toBeCloseTo(std / 255, 10)
  })

  test('may have more classes, but none that training does not have', async () => {
    write('letters', [26, 1], [4])
    expect((await openDataset(at('letters'))).classes).toBe(27)
    write('beyond', [3], [1, 11])
    expect((await rejection(openDataset(at('beyond')))).message).toMatch(/record 1: label 11/)
  })

  test('must agree with one another', async () => {
    write('short', [1, 2], [3])
    writeFileSync(at('short', 'train-labels-idx1-ubyte'), idxBytes([1], [1]))
    expect((await rejection(openDataset(at('short')))).message).toMatch(/holds 1 labels, .* 2 images/)
    write('lone', [1, 2], [3])
    rmSync(at('lone', 't10k-labels-idx1-ubyte'))
    expect((await rejection(openDataset(at('lone')))).message).toMatch(/has no t10k-labels-idx1-ubyte\.gz/)
  })
})

describe('a folder of images', () => {
  test('takes train/ and test/ as they are', async () => {
    for (const [part, count] of [
      ['train', 3],
      ['val', 2],
    ] as const) {
      for (let i = 0; i < count; i++) {
        await picture(at('folder', part, 'blue', `${i}.png`), 20, [0, 0, 250 - i])
        await picture(at('folder', part, 'red', `${i}.png`), 20, [250 - i, 0, 0])
      }
    }
    writeFileSync(at('folder', 'train', 'red', 'notes.txt'), 'no picture')
    const { kind, classNames, parts, shape, notices, normalisation } = await openDataset(at('folder'))
    expect({ kind, classNames, shape }).toEqual({
      kind: 'image-folder',
      classNames: ['blue', 'red'],
      shape: [3, 20, 20],
    })
    expect([...parts.train.labels]).toEqual([0, 0, 0, 1, 1, 1])
    expect([...parts.test.labels]).toEqual([0, 0, 1, 1])
    const image = await readImages(parts.test, [3])
    expect([image[0], image[400], image[800]]).toEqual([249, 0, 0])
    expect(notices).toEqual(['1 files are no PNG, JPEG or WebP and were passed over'])
    expect(normalisation.source).toBe('measured')
    expect(normalisation.mean[0]).toBeCloseTo((250 + 249 + 248) / 6 / 255, 6)
  })

  test('scales to the size that is asked for, in grey', async () => {
    const { shape, parts } = await openDataset(at('folder'), { side: 8, channels: 1 })
    expect(shape).toEqual([1, 8, 8])
    expect((await readImages(parts.train)).length).toBe(6 * 64)
    expect((await rejection(openDataset(at('folder'), { side: 4 }))).code).toBe('usage')
  })

  test('is parted by name where it is not parted', async () => {
    for (let i = 0; i < 10; i++) {
      await picture(at('flat', 'a', `${i}.png`), 16, [i, 0, 0])
      await picture(at('flat', 'b', `${i}.png`), 16, [0, i, 0])
    }
    const { parts, notices } = await openDataset(at('flat'))
    expect([parts.train.count, parts.test.count]).toEqual([16, 4])
    expect([...parts.test.labels]).toEqual([0, 0, 1, 1])
    expect(notices.join()).toMatch(/parted by file name/)
    const all = [...(await readImages(parts.train)), ...(await readImages(parts.test))]
    // Every picture is in one part: its red or green value, once each.
    const values = Array.from({ length: 20 }, (_, i) => Math.max(all[i * 768], all[i * 768 + 256]))
    expect(values.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i >> 1))
  })

  test('the split does not depend on order, and a class of one is for training', () => {
    const names = Array.from({ length: 23 }, (_, i) => `p${i}.png`)
    const { train, test: held } = splitByName('cat', names)
    expect(held.length).toBe(4)
    expect(splitByName('cat', [...names].reverse())).toEqual({ train, test: held })
    expect(splitByName('dog', names).test).not.toEqual(held)
    expect(splitByName('cat', ['one.png'])).toEqual({ train: ['one.png'], test: [] })
  })

  test('refuses a class that is only in test/', async () => {
    const folder = copy('folder')
    await picture(path.join(folder, 'val', 'green', '0.png'), 20, [0, 250, 0])
    expect((await rejection(openDataset(folder))).message).toMatch(/class green is not in train/)
  })
})

describe('the generated data set', () => {
  test('is the same for the same seed, and other for another seed, part or record', async () => {
    const some = [0, 10, 57]
    const read = async (seed: number, part: 'train' | 'test') =>
      readImages((await openDataset('generated', { generated: { seed } })).parts[part], some)
    const images = await read(7, 'train')
    expect(await read(7, 'train')).toEqual(images)
    expect(await read(8, 'train')).not.toEqual(images)
    expect(await read(7, 'test')).not.toEqual(images)
    expect(images.subarray(0, 3072)).not.toEqual(images.subarray(3072, 6144))
  })

  test('is balanced, of any size, and refuses impossible ones', async () => {
    const { parts, shape, classes } = await openDataset('', {
      kind: 'generated',
      generated: { train: 40, test: 20, side: 12, channels: 1 },
    })
    expect([shape, classes, parts.train.count]).toEqual([[1, 12, 12], 10, 40])
    for (let label = 0; label < 10; label++) expect(parts.train.labels.filter((l) => l === label).length).toBe(4)
    for (const generated of [{ side: 4 }, { train: 1.5 }, { noise: -1 }]) {
      expect((await rejection(openDataset('generated', { generated }))).code).toBe('usage')
    }
  })

  test('cannot be told by its pixels one by one, but by the directions of its edges', async () => {
    const { parts } = await openDataset('generated', { generated: { train: 800, test: 300, seed: 3 } })
    const accuracy = async (features: (image: Uint8Array) => number[]) => {
      const of = async (part: typeof parts.train) => {
        const images = await readImages(part)
        return Array.from(part.labels, (label, i) => ({
          label,
          x: features(images.subarray(i * 3072, (i + 1) * 3072)),
        }))
      }
      const [train, held] = [await of(parts.train), await of(parts.test)]
      const means = Array.from({ length: 10 }, (_, label) => {
        const own = train.filter((item) => item.label === label)
        return own[0].x.map((_, at) => own.reduce((sum, { x }) => sum + x[at], 0) / own.length)
      })
      const distance = (a: number[], b: number[]) => a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0)
      const right = held.filter(({ label, x }) => {
        const distances = means.map((mean) => distance(mean, x))
        return distances.indexOf(Math.min(...distances)) === label
      })
      return right.length / held.length
    }
    expect(await accuracy((image) => [...image])).toBeLessThan(0.35)
    expect(await accuracy(edgeDirections)).toBeGreaterThan(0.6)
  })
})

/** Histogram of 12 edge directions over the whole picture and in 3 x 3 regions, of unit length. */
function edgeDirections(image: Uint8Array): number[] {
  const out = Array<number>(12 * 10).fill(0)
  for (let c = 0; c < 3; c++) {
    const value = (x: number, y: number) => image[c * 1024 + y * 32 + x]
    for (let y = 1; y < 31; y++) {
      for (let x = 1; x < 31; x++) {
        const dx = value(x + 1, y) - value(x - 1, y)
        const dy = value(x, y + 1) - value(x, y - 1)
        const strength = Math.hypot(dx, dy)
        if (strength < 60) continue
        const bin = Math.floor(((Math.atan2(dy, dx) + 2 * Math.PI) / Math.PI) * 12) % 12
        out[bin] += 2 * strength
        out[12 + (Math.floor(y / 11) * 3 + Math.floor(x / 11)) * 12 + bin] += strength
      }
    }
  }
  const length = Math.hypot(...out) || 1
  return out.map((value) => value / length)
}

describe('openDataset', () => {
  test('says what it looked for', async () => {
    mkdirSync(at('nothing', 'here'), { recursive: true })
    writeFileSync(at('nothing', 'a.txt'), 'text')
    for (const place of [at('nothing'), at('nothing', 'a.txt')]) {
      const { code, message } = await rejection(openDataset(place))
      expect(code).toBe('file-unsupported')
      for (const word of [
        'data_batch_1.bin',
        'train.bin',
        'wnids.txt',
        'train-images-idx3-ubyte',
        'subfolders of PNG',
      ]) {
        expect(message).toContain(word)
      }
    }
    const only = await rejection(openDataset(at('cifar10'), { kind: 'idx' }))
    expect(only.message).toMatch(/train-images-idx3-ubyte/)
    expect(only.message).not.toMatch(/wnids/)
    expect((await rejection(openDataset(at('missing')))).code).toBe('file-not-found')
  })
})
