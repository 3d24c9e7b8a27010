/**
 * Draws the program's icon in every size and container that systems want: `node electron/packaging/icons.ts` writes
 * resources/icons, which is committed.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'

export const SIZES = [16, 24, 32, 48, 64, 128, 256, 512, 1024] as const
const ICO = [16, 24, 32, 48, 64, 128, 256]
/** Names of icns entries that hold a PNG of a size, pixels. */
const ICNS: readonly (readonly [string, number])[] = [
  ['icp4', 16],
  ['icp5', 32],
  ['icp6', 64],
  ['ic07', 128],
  ['ic08', 256],
  ['ic09', 512],
  ['ic10', 1024],
  ['ic11', 32],
  ['ic12', 64],
  ['ic13', 256],
  ['ic14', 512],
]

/** A Windows icon: a directory of 16 bytes an entry, then the pictures. */
export function ico(pictures: ReadonlyMap<number, Buffer>): Buffer {
  const entries = ICO.map((size) => [size, pictures.get(size) ?? Buffer.alloc(0)] as const)
  const head = Buffer.alloc(6 + 16 * entries.length)
  head.writeUInt16LE(1, 2)
  head.writeUInt16LE(entries.length, 4)
  let offset = head.length
  for (const [i, [size, png]] of entries.entries()) {
    const at = 6 + 16 * i
    // 0 stands for 256.
    head.writeUInt8(size % 256, at)
    head.writeUInt8(size % 256, at + 1)
    head.writeUInt16LE(1, at + 4)
    head.writeUInt16LE(32, at + 6)
    head.writeUInt32LE(png.length, at + 8)
    head.writeUInt32LE(offset, at + 12)
    offset += png.length
  }
  return Buffer.concat([head, ...entries.map(([, png]) => png)])
}

/** A macOS icon: 'icns' and its length, then entries of a name, a length with these eight bytes, and a picture. */
export function icns(pictures: ReadonlyMap<number, Buffer>): Buffer {
  const block = (name: string, content: Buffer): Buffer => {
    const head = Buffer.alloc(8)
    head.write(name, 'latin1')
    head.writeUInt32BE(8 + content.length, 4)
    return Buffer.concat([head, content])
  }
  return block('icns', Buffer.concat(ICNS.map(([name, size]) => block(name, pictures.get(size) ?? Buffer.alloc(0)))))
}

/** PNGs by size. macOS wants air around its icons; elsewhere they fill their square. */
async function draw(svg: Buffer, air: number): Promise<Map<number, Buffer>> {
  const pictures = new Map<number, Buffer>()
  for (const size of SIZES) {
    const margin = Math.round(size * air)
    const side = size - 2 * margin
    const drawn = sharp(svg, { density: (72 * side) / 64 }).resize(side, side)
    const edge = { top: margin, bottom: margin, left: margin, right: margin, background: '#00000000' }
    pictures.set(
      size,
      await drawn
        .extend(edge)
        .png({ compressionLevel: 9, palette: size >= 64 })
        .toBuffer(),
    )
  }
  return pictures
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const folder = join(root, 'resources', 'icons')
  const svg = readFileSync(join(root, 'renderer', 'ui', 'icon.svg'))
  mkdirSync(folder, { recursive: true })
  const full = await draw(svg, 0)
  for (const [size, png] of full) writeFileSync(join(folder, `${size}x${size}.png`), png)
  writeFileSync(join(folder, 'icon.ico'), ico(full))
  writeFileSync(join(folder, 'icon.icns'), icns(await draw(svg, 0.1)))
}
