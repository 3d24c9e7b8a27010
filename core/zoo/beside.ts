/** Results that appear whole or not at all: built under a hidden name beside their place, then renamed. */
import { readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { systemFiles } from '../protocol/store/files.ts'
import { isLeftover, ownedName } from './sessions.ts'

const SUFFIX = '.tmp'

/**
 * Lets `build` make a file or a folder under a name beside `path`, and gives it that name once it returns. What processes
 * that were killed have left of the same thing is removed; so is this one's when it fails.
 */
export async function beside<T>(path: string, build: (building: string) => Promise<T>): Promise<T> {
  const folder = dirname(path)
  const prefix = `.${basename(path)}.`
  const building = join(folder, `${prefix}${ownedName()}${SUFFIX}`)
  for (const name of await readdir(folder).catch(() => [])) {
    const owned = name.startsWith(prefix) && name.endsWith(SUFFIX)
    if (owned && isLeftover(name.slice(prefix.length, -SUFFIX.length)))
      await rm(join(folder, name), { recursive: true, force: true })
  }
  try {
    const result = await build(building)
    await rename(building, path)
    await systemFiles.syncFolder(folder)
    return result
  } finally {
    await rm(building, { recursive: true, force: true })
  }
}
