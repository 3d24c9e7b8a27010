/**
 * Where the pixels of a data set are, as plain data that can be sent to another thread, and how they are read there.
 * Nothing is held that the operating system's page cache holds as well: record files are read where they lie.
 */
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { corrupt, digits, notFound } from './problems.ts'
import { renderShape, type ShapesOptions } from './shapes.ts'

/** [channels, height, width] */
export type ImageShape = readonly [number, number, number]

export const imageBytes = ([channels, height, width]: ImageShape): number => channels * height * width

export interface RecordFile {
  readonly path: string
  /** Records in it. */
  readonly count: number
}

/** Bytes [count][C][H][W] in memory; in a SharedArrayBuffer, so that a worker reads the same memory. */
export interface MemorySource {
  readonly kind: 'memory'
  readonly data: Uint8Array
  readonly shape: ImageShape
}

/** Files of equal records: `skip` bytes (labels), then the pixels. Records are numbered through the files in order. */
export interface RecordSource {
  readonly kind: 'records'
  readonly files: readonly RecordFile[]
  readonly skip: number
  readonly shape: ImageShape
}

/** One picture file a record, paths relative to `folder`. */
export interface PictureSource {
  readonly kind: 'pictures'
  readonly folder: string
  readonly files: readonly string[]
  readonly shape: ImageShape
  /** Whether a picture of another size is an error, rather than scaled to cover and cut around its middle. */
  readonly exact: boolean
}

/** Pictures that are drawn when they are asked for. */
export interface ShapesSource {
  readonly kind: 'shapes'
  readonly options: ShapesOptions
  readonly stream: string
  readonly count: number
  readonly shape: ImageShape
}

export type PixelSource = MemorySource | RecordSource | PictureSource | ShapesSource

/** Reads images; not for two calls at once. */
export interface Pixels {
  /**
   * Writes the images of these records one after another, each as bytes [C][H][W].
   * @throws AdytonError 'file-corrupt' or 'file-not-found', naming the file and the record
   */
  read(records: ArrayLike<number>, out: Uint8Array): Promise<void>
  close(): void
}

/** Pixels that cost work to make are kept up to this many bytes: all of Tiny-ImageNet's training images. */
const CACHE_BYTES = 1_300_000_000

/** Pictures that are decoded at the same time. */
const AT_ONCE = 64

export function openPixels(source: PixelSource, cacheBytes = CACHE_BYTES): Pixels {
  switch (source.kind) {
    case 'memory':
      return new MemoryPixels(source)
    case 'records':
      return new RecordPixels(source)
    case 'pictures':
      return new CachedPixels(imageBytes(source.shape), cacheBytes, pictureMaker(source))
    case 'shapes':
      return new CachedPixels(imageBytes(source.shape), cacheBytes, (record) =>
        renderShape(source.options, source.stream, record),
      )
  }
}

/** A copy in memory that threads can share. */
export function shared(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(new SharedArrayBuffer(bytes.length))
  out.set(bytes)
  return out
}

class MemoryPixels implements Pixels {
  readonly #source: MemorySource

  constructor(source: MemorySource) {
    this.#source = source
  }

  async read(records: ArrayLike<number>, out: Uint8Array): Promise<void> {
    const size = imageBytes(this.#source.shape)
    for (let i = 0; i < records.length; i++) {
      out.set(this.#source.data.subarray(records[i] * size, (records[i] + 1) * size), i * size)
    }
  }

  close(): void {}
}

class RecordPixels implements Pixels {
  readonly #source: RecordSource
  readonly #descriptors: number[] = []
  /** First record of each file, and the end of the last. */
  readonly #starts: number[] = [0]

  constructor(source: RecordSource) {
    this.#source = source
    for (const { count } of source.files) this.#starts.push(this.#starts[this.#starts.length - 1] + count)
    try {
      for (const { path } of source.files) this.#descriptors.push(openSync(path, 'r'))
    } catch (cause) {
      this.close()
      throw notFound(source.files[this.#descriptors.length].path, 'cannot be opened', cause)
    }
  }

  // Synchronous reads: a record is a few kilobytes in the page cache, and a promise for each costs more than the read.
  async read(records: ArrayLike<number>, out: Uint8Array): Promise<void> {
    const { files, skip, shape } = this.#source
    const size = imageBytes(shape)
    for (let i = 0; i < records.length; i++) {
      let file = 0
      while (records[i] >= this.#starts[file + 1]) file++
      if (!(file < files.length)) throw new RangeError(`record ${records[i]} of ${this.#starts[files.length]}`)
      const record = records[i] - this.#starts[file]
      const at = record * (skip + size) + skip
      let done = 0
      while (done < size) {
        const got = readSync(this.#descriptors[file], out, i * size + done, size - done, at + done)
        if (got === 0) {
          const expected = digits(files[file].count * (skip + size))
          throw corrupt(files[file].path, `ends in record ${record}; when it was opened it had ${expected} bytes`)
        }
        done += got
      }
    }
  }

  close(): void {
    for (const descriptor of this.#descriptors.splice(0)) closeSync(descriptor)
  }
}

/**
 * Keeps what was made until the budget is spent, and lets go of nothing: an epoch asks for every record once, so that
 * dropping the least recently used would drop just what comes next.
 */
class CachedPixels implements Pixels {
  readonly #size: number
  readonly #make: (record: number) => Uint8Array | Promise<Uint8Array>
  readonly #kept = new Map<number, Uint8Array>()
  #left: number

  constructor(size: number, budget: number, make: (record: number) => Uint8Array | Promise<Uint8Array>) {
    this.#size = size
    this.#left = budget
    this.#make = make
  }

  async read(records: ArrayLike<number>, out: Uint8Array): Promise<void> {
    for (let from = 0; from < records.length; from += AT_ONCE) {
      const some = Array.from({ length: Math.min(AT_ONCE, records.length - from) }, (_, i) => from + i)
      await Promise.all(some.map(async (i) => out.set(await this.#image(records[i]), i * this.#size)))
    }
  }

  async #image(record: number): Promise<Uint8Array> {
    const kept = this.#kept.get(record)
    if (kept !== undefined) return kept
    const image = await this.#make(record)
    if (this.#left >= this.#size && !this.#kept.has(record)) {
      this.#kept.set(record, image)
      this.#left -= this.#size
    }
    return image
  }

  close(): void {
    this.#kept.clear()
  }
}

function pictureMaker({ folder, files, shape, exact }: PictureSource): (record: number) => Promise<Uint8Array> {
  return async (record) => {
    if (!(record < files.length)) throw new RangeError(`record ${record} of ${files.length}`)
    // The decoder is a native library; sets without picture files do without it.
    const { imageToBytes } = await import('./image.ts')
    return imageToBytes(join(folder, files[record]), { shape, exact })
  }
}
