/** What an app carries, part by part, and what of it lies unpacked beside the archive. */
import { readdirSync, statSync } from 'node:fs'
import { join, matchesGlob, relative, sep } from 'node:path'

/** Packages smaller than this, bytes, are added up. */
const SMALL = 1e6

export interface Part {
  readonly name: string
  readonly files: number
  /** Bytes. */
  readonly packed: number
  readonly unpacked: number
}

/** The parts of a staged app, the largest first; the last is the total. `unpack`: the builder's asarUnpack. */
export function contents(folder: string, unpack: readonly string[]): Part[] {
  const parts = new Map<string, { files: number; packed: number; unpacked: number }>()
  const all = { files: 0, packed: 0, unpacked: 0 }
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    const path = relative(folder, file).split(sep).join('/')
    const name = partOf(path)
    const part = parts.get(name) ?? { files: 0, packed: 0, unpacked: 0 }
    parts.set(name, part)
    const where = unpack.some((pattern) => matchesGlob(path, pattern)) ? 'unpacked' : 'packed'
    for (const sum of [part, all]) {
      sum.files++
      sum[where] += statSync(file).size
    }
  }
  const size = ({ packed, unpacked }: Omit<Part, 'name'>): number => packed + unpacked
  const rows = [...parts].map(([name, part]) => ({ name, ...part }))
  const isSmall = (row: Part): boolean => row.name.startsWith('node_modules/') && size(row) < SMALL
  const small = rows.filter(isSmall).reduce(
    (sum, row) => ({
      name: sum.name,
      files: sum.files + row.files,
      packed: sum.packed + row.packed,
      unpacked: sum.unpacked + row.unpacked,
    }),
    { name: 'small packages', files: 0, packed: 0, unpacked: 0 },
  )
  const listed = [...rows.filter((row) => !isSmall(row)), small].sort((a, b) => size(b) - size(a))
  return [...listed, { name: 'total', ...all }]
}

function partOf(path: string): string {
  const package_ = /^node_modules\/(@[^/]+\/)?[^/]+/.exec(path)
  if (package_ !== null) return package_[0]
  const [first, second] = path.split('/')
  if (second === undefined) return 'package.json and licences'
  return first === 'build' || first === 'resources' ? `${first}/${second}` : first
}

/** A table for people. */
export function contentsTable(parts: readonly Part[]): string {
  const mb = (bytes: number): string => (bytes === 0 ? '' : `${(bytes / 1e6).toFixed(2)} MB`)
  const rows = [
    ['', 'files', 'in the archive', 'unpacked'],
    ...parts.map(({ name, files, packed, unpacked }) => [name, String(files), mb(packed), mb(unpacked)]),
  ]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column].length)))
  const line = (row: string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ')
  return rows.map(line).join('\n')
}
