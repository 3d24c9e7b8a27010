/** Small data sets in each layout, and what their images are, worked out apart from the code under test. */
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { crc32 } from 'node:zlib'
import sharp from 'sharp'
import { AdytonError } from '../../core/errors/errors.ts'

/** A pixel byte that depends on everything. */
export const pixel = (file: number, record: number, at: number): number => (file * 89 + record * 31 + at * 7) % 251

/** Records of `labels(record)` and 3,072 pixels. */
export function cifarBytes(file: number, count: number, labels: (record: number) => number[]): Buffer {
  const records: number[] = []
  for (let record = 0; record < count; record++) {
    records.push(...labels(record))
    for (let at = 0; at < 3072; at++) records.push(pixel(file, record, at))
  }
  return Buffer.from(records)
}

/** Five batches of three records and a test batch of two; labels count up through the batches. */
export function writeCifar10(folder: string): void {
  mkdirSync(folder, { recursive: true })
  for (let file = 1; file <= 5; file++) {
    const bytes = cifarBytes(file, 3, (record) => [((file - 1) * 3 + record) % 10])
    writeFileSync(path.join(folder, `data_batch_${file}.bin`), bytes)
  }
  writeFileSync(
    path.join(folder, 'test_batch.bin'),
    cifarBytes(6, 2, (record) => [9 - record]),
  )
  const names = 'airplane automobile bird cat deer dog frog horse ship truck'.replaceAll(' ', '\n')
  writeFileSync(path.join(folder, 'batches.meta.txt'), `${names}\n\n`)
}

export function writeCifar100(folder: string): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    path.join(folder, 'train.bin'),
    cifarBytes(1, 4, (record) => [record * 6, 99 - record]),
  )
  writeFileSync(
    path.join(folder, 'test.bin'),
    cifarBytes(2, 2, (record) => [19, record]),
  )
  const names = (kind: string, count: number) => Array.from({ length: count }, (_, i) => `${kind}${i}`).join('\n')
  writeFileSync(path.join(folder, 'fine_label_names.txt'), names('fine', 100))
  writeFileSync(path.join(folder, 'coarse_label_names.txt'), names('coarse', 20))
}

/** A picture of one colour. */
export async function picture(file: string, side: number, [r, g, b]: readonly number[]): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true })
  const image = sharp({ create: { width: side, height: side, channels: 3, background: { r, g, b } } })
  await (file.endsWith('.png') ? image.png() : image.jpeg({ quality: 100, chromaSubsampling: '4:4:4' })).toFile(file)
}

/** Two classes, listed in wnids.txt against their order, of two training pictures and one for validation. */
export async function writeTinyImageNet(folder: string): Promise<void> {
  for (const [id, shade] of [
    ['n01443537', 50],
    ['n02124075', 200],
  ] as const) {
    for (let i = 0; i < 2; i++) {
      await picture(path.join(folder, 'train', id, 'images', `${id}_${i}.JPEG`), 64, [shade, 10 * i, 0])
    }
    writeFileSync(path.join(folder, 'train', id, `${id}_boxes.txt`), `${id}_0.JPEG\t0\t0\t63\t63\n`)
  }
  await picture(path.join(folder, 'val/images/val_0.JPEG'), 64, [200, 0, 90])
  await picture(path.join(folder, 'val/images/val_1.JPEG'), 64, [50, 0, 90])
  writeFileSync(
    path.join(folder, 'val/val_annotations.txt'),
    'val_0.JPEG\tn02124075\t0\t0\t9\t9\nval_1.JPEG\tn01443537\t0\t0\t9\t9\n',
  )
  writeFileSync(path.join(folder, 'wnids.txt'), 'n02124075\nn01443537\n')
  writeFileSync(
    path.join(folder, 'words.txt'),
    'n00001740\tentity\nn01443537\tgoldfish, Carassius auratus\nn02124075\tEgyptian cat\n',
  )
}

/** An IDX file of unsigned bytes. */
export function idxBytes(shape: readonly number[], data: readonly number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length)
  header.set([0, 0, 8, shape.length])
  shape.forEach((size, axis) => header.writeUInt32BE(size, 4 + 4 * axis))
  return Buffer.concat([header, Buffer.from(data)])
}

export interface Entry {
  readonly name: string
  readonly data: Uint8Array
  /** Unix mode with the file type; a plain file unless given. */
  readonly mode?: number
  /** What the archive claims, when that is not the truth. */
  readonly size?: number
  readonly link?: string
}

/** A zip archive of stored entries, by the appnote (4.3.7, 4.3.12, 4.3.16). */
export function zipBytes(entries: readonly Entry[]): Buffer {
  const local: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const { name, data, mode = 0o100644, size = data.length } of entries) {
    const fields = Buffer.alloc(26)
    fields.writeUInt16LE(20, 0)
    fields.writeUInt32LE(crc32(data), 10)
    fields.writeUInt32LE(size, 14)
    fields.writeUInt32LE(size, 18)
    fields.writeUInt16LE(Buffer.byteLength(name), 22)
    local.push(Buffer.from('PK\x03\x04', 'latin1'), fields, Buffer.from(name), Buffer.from(data))
    const rest = Buffer.alloc(14)
    rest.writeUInt32LE((mode << 16) >>> 0, 6)
    rest.writeUInt32LE(offset, 10)
    // Version made by: 3 is Unix, so that the mode counts.
    central.push(Buffer.from('PK\x01\x02\x14\x03', 'latin1'), fields, rest, Buffer.from(name))
    offset += 30 + Buffer.byteLength(name) + data.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(entries.length, 4)
  end.writeUInt16LE(entries.length, 6)
  end.writeUInt32LE(directory.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...local, directory, Buffer.from('PK\x05\x06', 'latin1'), end])
}

/** A tar archive (POSIX ustar). */
export function tarBytes(entries: readonly Entry[]): Buffer {
  const blocks: Buffer[] = []
  for (const { name, data, size = data.length, link } of entries) {
    const header = Buffer.alloc(512)
    header.write(name, 0)
    header.write('0000644\0', 100)
    header.write('0000000\0', 108)
    header.write('0000000\0', 116)
    header.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
    header.write('00000000000\0', 136)
    header.write('        ', 148)
    header.write(link === undefined ? (name.endsWith('/') ? '5' : '0') : '2', 156)
    header.write(link ?? '', 157)
    header.write('ustar\x0000', 257)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    blocks.push(header, Buffer.from(data), Buffer.alloc((512 - (data.length % 512)) % 512))
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

/** The error that a promise is rejected with. */
export async function rejection(promise: Promise<unknown>): Promise<AdytonError> {
  try {
    await promise
  } catch (error) {
    if (error instanceof AdytonError) return error
    throw error
  }
  throw new Error('was not refused')
}
