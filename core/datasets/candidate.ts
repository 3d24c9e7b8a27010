/** What a path holds, as far as formats need it to recognise themselves. */
import { open, readdir, stat } from 'node:fs/promises'
import { notFound } from './problems.ts'

export interface Candidate {
  readonly path: string
  readonly isFolder: boolean
  /** Names in the folder, sorted; empty for a file. */
  readonly files: readonly string[]
  readonly folders: readonly string[]
}

const byCodeUnit = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** @throws AdytonError 'file-not-found' */
export async function inspect(path: string): Promise<Candidate> {
  try {
    if (!(await stat(path)).isDirectory()) return { path, isFolder: false, files: [], folders: [] }
    const entries = await readdir(path, { withFileTypes: true })
    const names = (wanted: boolean) =>
      entries
        .filter((entry) => !entry.name.startsWith('.') && (wanted ? entry.isDirectory() : entry.isFile()))
        .map(({ name }) => name)
        .sort(byCodeUnit)
    return { path, isFolder: true, files: names(false), folders: names(true) }
  } catch (cause) {
    throw notFound(path, 'cannot be read', cause)
  }
}

/** The first bytes of a file, at most `count`. */
export async function headOf(file: string, count: number): Promise<Buffer> {
  try {
    await using handle = await open(file, 'r')
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(count), 0, count, 0)
    return buffer.subarray(0, bytesRead)
  } catch (cause) {
    throw notFound(file, 'cannot be read', cause)
  }
}
