/**
 * Pictures (PNG, JPEG, WebP) as network inputs. {@link imageToDigit} turns any picture of one handwritten digit into
 * what MNIST's makers would have made of it; {@link imageToTensor} serves colour models.
 */
import { open } from 'node:fs/promises'
import sharp, { type FailOnOptions, type Sharp } from 'sharp'
import { AdytonError } from '../errors/errors.ts'
import { centreByMass, DIGIT_BOX, inkBox, inkOf, stretch } from './digit.ts'

/** Largest picture that is decoded, in pixels: a small file may declare an enormous one. */
const MAX_PIXELS = 1 << 26
const MAX_BYTES = 1 << 26
/** Pictures are shrunk to this before ink is looked for; a digit needs no more. */
const WORKING_SIDE = 512
/** From this side on, single stray pixels are noise and not strokes. */
const DESPECKLE_SIDE = 96

/** A path, or the file's content. */
export type ImageSource = string | Uint8Array

export interface ImageOptions {
  /** What errors call a picture that came as bytes. */
  readonly name?: string
}

export interface TensorOptions extends ImageOptions {
  /** [1 or 3, height, width]. */
  readonly shape: readonly [number, number, number]
  /** Per channel, on values of 0 to 1: the tensor holds (value - mean) / std. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

/**
 * A picture of one digit as 784 floats, row-major 28x28, 0 (paper) to 1 (ink). Any size, dark on light or light on dark.
 * In order: turned as EXIF says; transparency laid on white; greyscale; paper is the median of the border, ink what
 * differs from it most, so light ink on dark paper is inverted; contrast stretched; cropped to the ink; scaled to
 * fit 20x20 with its proportions kept; its centre of mass put in the middle of 28x28.
 * @throws AdytonError 'file-not-found', 'file-corrupt', 'file-unsupported' (not a picture, too large, blank)
 */
export async function imageToDigit(source: ImageSource, options: ImageOptions = {}): Promise<Float32Array> {
  const { name, image } = await load(source, options)
  const { width, height } = await image.metadata()
  const despeckle = Math.min(width, height) >= DESPECKLE_SIDE
  const fitted = image.resize({ width: WORKING_SIDE, height: WORKING_SIDE, fit: 'inside', withoutEnlargement: true })
  const grey = await pixels(name, (despeckle ? fitted.median(3) : fitted).toColourspace('b-w').extractChannel(0))
  const ink = inkOf(grey.data, grey.width, grey.height)
  const box = ink && inkBox(ink, grey.width, grey.height)
  if (!box) {
    throw new AdytonError('file-unsupported', `${name}: is blank, no digit can be seen`, {
      advice: 'Draw the digit darker than its paper, with some paper all around it.',
    })
  }
  const scale = DIGIT_BOX / Math.max(box.width, box.height)
  const size = (side: number) => Math.max(1, Math.round(side * scale))
  const raw = { width: grey.width, height: grey.height, channels: 1 as const }
  const crop = sharp(ink, { raw })
    .extract({ left: box.left, top: box.top, width: box.width, height: box.height })
    .resize({ width: size(box.width), height: size(box.height), fit: 'fill', kernel: 'cubic' })
    .toColourspace('b-w')
  const small = await pixels(name, crop)
  return centreByMass(stretch(small.data), small.width, small.height)
}

/**
 * A picture as a normalised tensor [channels][height][width]: turned as EXIF says, transparency laid on white, scaled
 * to cover height x width and cut to it around the middle.
 * @throws AdytonError as {@link imageToDigit}; RangeError for a shape, mean or std that do not go together
 */
export async function imageToTensor(source: ImageSource, options: TensorOptions): Promise<Float32Array> {
  const [channels, height, width] = options.shape
  const { mean, std } = options
  if (channels !== 1 && channels !== 3) throw new RangeError(`a picture has 1 or 3 channels, not ${channels}`)
  if (mean.length !== channels || std.length !== channels || std.some((value) => !(value > 0))) {
    throw new RangeError(`mean and std take ${channels} values each, and those of std are positive`)
  }
  const { name, image } = await load(source, options)
  const sized = image.resize({ width, height, fit: 'cover' })
  const { data } = await pixels(name, channels === 1 ? sized.toColourspace('b-w').extractChannel(0) : sized)
  const out = new Float32Array(channels * height * width)
  for (let pixel = 0; pixel < height * width; pixel++) {
    for (let c = 0; c < channels; c++) {
      out[c * height * width + pixel] = (data[pixel * channels + c] / 255 - mean[c]) / std[c]
    }
  }
  return out
}

export interface BytesOptions extends ImageOptions {
  /** [1 or 3, height, width]. */
  readonly shape: readonly [number, number, number]
  /** Whether another size is an error, rather than scaled to cover height x width and cut around the middle. */
  readonly exact?: boolean
}

/**
 * A picture as bytes [channels][height][width]: turned as EXIF says, transparency laid on white.
 * @throws AdytonError as {@link imageToDigit}, and 'file-corrupt' for another size than an exact one
 */
export async function imageToBytes(source: ImageSource, options: BytesOptions): Promise<Uint8Array> {
  const [channels, height, width] = options.shape
  if (channels !== 1 && channels !== 3) throw new RangeError(`a picture has 1 or 3 channels, not ${channels}`)
  // Pictures of data sets come as they come: an odd header is no reason to refuse one whose pixels are all there.
  const { name, image } = await load(source, options, 'error')
  const sized = options.exact === true ? image : image.resize({ width, height, fit: 'cover' })
  const found = await pixels(name, channels === 1 ? sized.toColourspace('b-w').extractChannel(0) : sized)
  if (found.width !== width || found.height !== height) {
    throw new AdytonError('file-corrupt', `${name}: is ${found.width} x ${found.height}, expected ${width} x ${height}`)
  }
  const plane = height * width
  const out = new Uint8Array(channels * plane)
  for (let pixel = 0, at = 0; pixel < plane; pixel++) {
    for (let c = 0; c < channels; c++) out[c * plane + pixel] = found.data[at++]
  }
  return out
}

/** Width and height of a picture, after turning as EXIF says. */
export async function imageSize(source: ImageSource, options: ImageOptions = {}): Promise<[number, number]> {
  const { name, image } = await load(source, options)
  const { width, height } = await pixels(name, image)
  return [width, height]
}

/** Only these reach the decoder library: it also takes formats (SVG, PDF) that can name other files. */
function isSupported(head: Uint8Array): boolean {
  const starts = (...bytes: number[]) => bytes.every((byte, at) => head[at] === byte)
  const text = (from: number, to: number) => Buffer.from(head.subarray(from, to)).toString('latin1')
  const png = starts(0x89, 0x50, 0x4e, 0x47)
  const jpeg = starts(0xff, 0xd8, 0xff)
  return png || jpeg || (text(0, 4) === 'RIFF' && text(8, 12) === 'WEBP')
}

/** Opens a picture for decoding, as upright sRGB without transparency. */
async function load(
  source: ImageSource,
  options: ImageOptions,
  failOn: FailOnOptions = 'warning',
): Promise<{ name: string; image: Sharp }> {
  const name = options.name ?? (typeof source === 'string' ? source : 'the picture')
  const bytes = typeof source === 'string' ? await readBounded(source) : source
  if (bytes.length > MAX_BYTES) throw tooLarge(name, `${bytes.length} bytes`, `${MAX_BYTES} bytes`)
  if (!isSupported(bytes)) {
    throw new AdytonError('file-unsupported', `${name}: is not a PNG, JPEG or WebP picture`, {
      advice: 'Save the picture as PNG and try again.',
    })
  }
  const image = sharp(bytes, { limitInputPixels: MAX_PIXELS, failOn })
  let size: { width: number; height: number }
  try {
    size = await image.metadata()
  } catch (cause) {
    throw decodeError(name, cause)
  }
  if (size.width * size.height > MAX_PIXELS)
    throw tooLarge(name, `${size.width} x ${size.height}`, `${MAX_PIXELS} pixels`)
  return { name, image: image.autoOrient().flatten({ background: '#ffffff' }).toColourspace('srgb') }
}

async function readBounded(file: string): Promise<Uint8Array> {
  try {
    await using handle = await open(file, 'r')
    const { size } = await handle.stat()
    if (size > MAX_BYTES) throw tooLarge(file, `${size} bytes`, `${MAX_BYTES} bytes`)
    return await handle.readFile()
  } catch (cause) {
    if (cause instanceof AdytonError) throw cause
    throw new AdytonError('file-not-found', `${file}: cannot be read`, {
      advice: 'Check the path and its permissions.',
      cause,
    })
  }
}

async function pixels(name: string, image: Sharp): Promise<{ data: Uint8Array; width: number; height: number }> {
  try {
    const { data, info } = await image.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
    return { data, width: info.width, height: info.height }
  } catch (cause) {
    throw decodeError(name, cause)
  }
}

function tooLarge(name: string, found: string, limit: string): AdytonError {
  return new AdytonError('file-unsupported', `${name}: is too large (${found}; the limit is ${limit})`, {
    advice: 'Scale the picture down.',
  })
}

function decodeError(name: string, cause: unknown): AdytonError {
  const detail = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
  if (/pixel limit/.test(detail)) return tooLarge(name, 'its header', `${MAX_PIXELS} pixels`)
  return new AdytonError('file-corrupt', `${name}: cannot be decoded (${detail})`, {
    advice: 'Open it in another program and save it again as PNG.',
    cause,
  })
}
