import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { afterAll, describe, expect, test } from 'vitest'
import { imageToDigit, imageToTensor, type ImageSource } from '../../core/datasets/image.ts'
import { loadMnist } from '../../core/datasets/mnist.ts'
import { AdytonError } from '../../core/errors/errors.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'adyton-image-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A seven on a white canvas: a bar along the top and a leg down from its right end. No symmetry. */
async function seven(width: number, height: number, ink = '#000', paper = '#fff'): Promise<Buffer> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="${width}" height="${height}"
    preserveAspectRatio="none"><rect width="100" height="100" fill="${paper}"/>
    <path d="M25 20 H70 L45 85" fill="none" stroke="${ink}" stroke-width="9"/></svg>`
  return sharp(Buffer.from(svg)).png().toBuffer()
}

function centroid(image: Float32Array): { x: number; y: number; mass: number } {
  let [mass, x, y] = [0, 0, 0]
  image.forEach((value, at) => {
    mass += value
    x += value * ((at % 28) + 0.5)
    y += value * (Math.floor(at / 28) + 0.5)
  })
  return { x: x / mass, y: y / mass, mass }
}

function extent(image: Float32Array): { width: number; height: number } {
  const inked = [...image.keys()].filter((at) => image[at] > 0)
  const [xs, ys] = [inked.map((at) => at % 28), inked.map((at) => Math.floor(at / 28))]
  return { width: Math.max(...xs) - Math.min(...xs) + 1, height: Math.max(...ys) - Math.min(...ys) + 1 }
}

function difference(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, at) => sum + Math.abs(value - b[at]), 0) / a.reduce((sum, value) => sum + value, 0)
}

/** The least {@link difference} when `b` may be shifted by a pixel: a hair's breadth can round the centre elsewhere. */
function shiftedDifference(a: Float32Array, b: Float32Array): number {
  const shifts = [-1, 0, 1].flatMap((dy) => [-1, 0, 1].map((dx) => dy * 28 + dx))
  return Math.min(
    ...shifts.map((shift) =>
      difference(
        a,
        b.map((_, at) => b[at + shift] ?? 0),
      ),
    ),
  )
}

async function failure(source: ImageSource, name?: string): Promise<AdytonError> {
  const error: unknown = await imageToDigit(source, name === undefined ? {} : { name }).catch((e: unknown) => e)
  if (error instanceof AdytonError) return error
  throw new Error('no AdytonError', { cause: error })
}

describe('imageToDigit', () => {
  test('makes ink light on dark, from 0 to 1, fits it into 20 x 20 and centres its mass', async () => {
    for (const [width, height] of [
      [300, 300],
      [1200, 900],
      [60, 80],
      [28, 28],
    ]) {
      const digit = await imageToDigit(await seven(width, height))
      expect(digit).toHaveLength(784)
      expect(Math.min(...digit)).toBe(0)
      expect(Math.max(...digit)).toBe(1)
      const { x, y } = centroid(digit)
      for (const centre of [x, y]) {
        expect(centre).toBeGreaterThan(14 - 1e-5)
        expect(centre).toBeLessThan(15 + 1e-5)
      }
      const box = extent(digit)
      expect(Math.max(box.width, box.height)).toBeLessThanOrEqual(20)
      expect(Math.max(box.width, box.height)).toBeGreaterThanOrEqual(19)
    }
  })

  test('does not care where on the paper, how large, in which ink or format the digit is', async () => {
    const plain = await imageToDigit(await seven(400, 400))
    const aside = sharp(await seven(400, 400)).extend({ left: 100, bottom: 60, background: '#fff' })
    const far = sharp(await seven(400, 400)).extend({ left: 900, bottom: 200, background: '#fff' })
    const variants: [string, Buffer, number][] = [
      ['moved', await aside.png().toBuffer(), 0.02],
      // Large paper is shrunk first, so edges fall on other pixels.
      ['far away', await far.png().toBuffer(), 0.35],
      ['white on black', await seven(400, 400, '#fff', '#000'), 0.02],
      ['blue on yellow', await seven(400, 400, '#1030a0', '#f0e090'), 0.02],
      ['faint', await seven(400, 400, '#999', '#ccc'), 0.02],
      ['larger', await seven(1600, 1600), 0.35],
      [
        'jpeg',
        await sharp(await seven(400, 400))
          .jpeg({ quality: 70 })
          .toBuffer(),
        0.1,
      ],
      [
        'webp',
        await sharp(await seven(400, 400))
          .webp({ quality: 70 })
          .toBuffer(),
        0.1,
      ],
      [
        '16 bit',
        await sharp(await seven(400, 400))
          .toColourspace('rgb16')
          .png()
          .toBuffer(),
        0.02,
      ],
      [
        'palette',
        await sharp(await seven(400, 400))
          .png({ palette: true, colours: 8 })
          .toBuffer(),
        0.1,
      ],
      [
        'grey',
        await sharp(await seven(400, 400))
          .greyscale()
          .png()
          .toBuffer(),
        0.02,
      ],
    ]
    for (const [name, picture, tolerance] of variants) {
      expect(shiftedDifference(plain, await imageToDigit(picture)), name).toBeLessThan(tolerance)
    }
  })

  test('lays transparency on white', async () => {
    const drawn = await sharp(await seven(400, 400))
      .negate()
      .extractChannel(0)
      .toBuffer()
    const black = { create: { width: 400, height: 400, channels: 3, background: '#000' } } as const
    const strokes = await sharp(black).joinChannel(drawn).png().toBuffer()
    expect((await sharp(strokes).metadata()).hasAlpha).toBe(true)
    expect(difference(await imageToDigit(await seven(400, 400)), await imageToDigit(strokes))).toBeLessThan(0.02)
  })

  test('turns a photograph as its EXIF orientation says', async () => {
    const upright = await seven(400, 400)
    // Stored on its side: orientation 6 asks for a quarter turn clockwise to show it.
    const turned = await sharp(upright).rotate(270).withMetadata({ orientation: 6 }).jpeg({ quality: 95 }).toBuffer()
    const sideways = await sharp(upright).rotate(270).jpeg({ quality: 95 }).toBuffer()
    const wanted = await imageToDigit(upright)
    expect(difference(wanted, await imageToDigit(turned))).toBeLessThan(0.1)
    expect(difference(wanted, await imageToDigit(sideways))).toBeGreaterThan(0.5)
  })

  test('keeps proportions, and shows thin strokes at full strength', async () => {
    const one = `<svg xmlns="http://www.w3.org/2000/svg" width="500" height="500"><rect width="500" height="500" fill="#fff"/>
      <path d="M250 60 V440" stroke="#000" stroke-width="5"/></svg>`
    const digit = await imageToDigit(await sharp(Buffer.from(one)).png().toBuffer())
    expect(extent(digit)).toEqual({ width: 1, height: 20 })
    expect(Math.max(...digit)).toBe(1)
  })

  test('ignores single specks far from the digit', async () => {
    const speck = await sharp({ create: { width: 1, height: 1, channels: 3, background: '#000' } })
      .png()
      .toBuffer()
    const specked = await sharp(await seven(400, 400))
      .composite([{ input: speck, left: 395, top: 5 }])
      .png()
      .toBuffer()
    expect(difference(await imageToDigit(await seven(400, 400)), await imageToDigit(specked))).toBeLessThan(0.02)
  })

  test('reads a file, and names it when it cannot', async () => {
    const file = path.join(folder, 'seven.png')
    writeFileSync(file, await seven(200, 200))
    expect(difference(await imageToDigit(await seven(200, 200)), await imageToDigit(file))).toBe(0)
    expect(await failure(path.join(folder, 'absent.png'))).toMatchObject({
      code: 'file-not-found',
      message: expect.stringContaining('absent.png') as string,
    })
    expect(await failure(folder)).toMatchObject({ code: 'file-not-found' })
  })

  test('refuses what is not a picture, before any decoder sees it', async () => {
    const text = await failure(Buffer.from('not a picture'), 'letter.png')
    expect(text).toMatchObject({ code: 'file-unsupported', message: 'letter.png: is not a PNG, JPEG or WebP picture' })
    expect(await failure(Buffer.alloc(0))).toMatchObject({ code: 'file-unsupported' })
    const svg = Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5" height="5"/></svg>',
    )
    expect(await failure(svg)).toMatchObject({ code: 'file-unsupported' })
    expect(
      await failure(
        await sharp(await seven(20, 20))
          .gif()
          .toBuffer(),
      ),
    ).toMatchObject({ code: 'file-unsupported' })
  })

  test('refuses damaged pictures', async () => {
    const png = await seven(300, 300)
    for (const length of [8, 40, png.length >> 1]) {
      expect((await failure(png.subarray(0, length), 'cut.png')).code).toBe('file-corrupt')
    }
    const flipped = Buffer.from(png)
    flipped[png.length >> 1] ^= 0x55
    expect((await failure(flipped, 'flipped.png')).message).toMatch(/^flipped\.png: cannot be decoded/)
  })

  test('refuses enormous pictures by their header alone', async () => {
    const png = Buffer.from(await seven(20, 20))
    png.writeUInt32BE(50_000, 16)
    png.writeUInt32BE(50_000, 20)
    png.writeUInt32BE(crc32(png.subarray(12, 29)), 29)
    const error = await failure(png, 'huge.png')
    expect(error.code).toBe('file-unsupported')
    expect(error.message).toMatch(/^huge\.png: is too large/)
  })

  test.each(['#fff', '#000', '#888'])('refuses blank paper (%s)', async (background) => {
    const blank = await sharp({ create: { width: 90, height: 90, channels: 3, background } })
      .png()
      .toBuffer()
    expect(await failure(blank, 'blank.png')).toMatchObject({
      code: 'file-unsupported',
      message: 'blank.png: is blank, no digit can be seen',
    })
  })
})

describe('imageToTensor', () => {
  /** 4 x 2: red, green, blue, white over black. */
  const rgb = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255]
  const small = sharp(Uint8Array.from([...rgb, ...new Array<number>(12).fill(0)]), {
    raw: { width: 4, height: 2, channels: 3 },
  })

  test('is planar and normalised', async () => {
    const mean = [0.5, 0.25, 0]
    const std = [0.5, 0.25, 2]
    const tensor = await imageToTensor(await small.png().toBuffer(), { shape: [3, 2, 4], mean, std })
    expect([...tensor]).toEqual(
      [
        [1, -1, -1, 1, -1, -1, -1, -1],
        [-1, 3, -1, 3, -1, -1, -1, -1],
        [0, 0, 0.5, 0.5, 0, 0, 0, 0],
      ].flat(),
    )
  })

  test('covers the shape and cuts around the middle', async () => {
    const bars = sharp({ create: { width: 400, height: 100, channels: 3, background: '#000' } }).composite([
      {
        input: await sharp({ create: { width: 100, height: 100, channels: 3, background: '#fff' } })
          .png()
          .toBuffer(),
        left: 150,
        top: 0,
      },
    ])
    const options = { shape: [1, 10, 10], mean: [0], std: [1] } as const
    const tensor = await imageToTensor(await bars.png().toBuffer(), options)
    expect(Math.min(...tensor)).toBeGreaterThan(0.9)
  })

  test('refuses shapes that are no picture', async () => {
    const png = await small.png().toBuffer()
    await expect(imageToTensor(png, { shape: [2, 4, 4], mean: [0, 0], std: [1, 1] })).rejects.toThrow(RangeError)
    await expect(imageToTensor(png, { shape: [3, 4, 4], mean: [0], std: [1] })).rejects.toThrow(RangeError)
    await expect(imageToTensor(png, { shape: [1, 4, 4], mean: [0], std: [0] })).rejects.toThrow(RangeError)
  })
})

const datasets = process.env.ADYTON_DATASETS ?? fileURLToPath(new URL('../../../shared/datasets', import.meta.url))
const mnist = path.join(datasets, 'mnist-10k')

describe.skipIf(!existsSync(mnist))('MNIST (skipped unless ADYTON_DATASETS or ../shared/datasets has it)', () => {
  test('a picture of an MNIST digit, however it is framed, gives that digit back', async () => {
    const { images } = loadMnist(mnist, 'test')
    for (let index = 0; index < 20; index++) {
      const pixels = images.slice(index * 784, (index + 1) * 784)
      const strongest = Math.max(...pixels)
      const wanted = Float32Array.from(pixels, (value) => value / strongest)
      const raw = { width: 28, height: 28, channels: 1 } as const
      const same = await sharp(pixels, { raw }).png().toBuffer()
      const onPaper = await sharp(
        pixels.map((value) => 255 - value),
        { raw },
      )
        .resize(280, 280, { kernel: 'cubic' })
        .extend({ top: 90, right: 200, background: '#fff' })
        .jpeg({ quality: 90 })
        .toBuffer()
      expect(difference(wanted, await imageToDigit(same)), `image ${index}`).toBeLessThan(0.1)
      expect(shiftedDifference(wanted, await imageToDigit(onPaper)), `image ${index} on paper`).toBeLessThan(0.35)
    }
  })
})

/** Of a PNG chunk; from the trailer of a zlib-free definition (RFC 2083, appendix 15). */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}
