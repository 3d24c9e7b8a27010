/** Files taken out of the system's file cache, so that the next one to read them waits for the disk. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** False where this cannot be done: it takes GNU dd, whose `nocache` without a block to copy drops a whole file. */
export function evict(folder: string): boolean {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  return files.every(({ parentPath, name }) => {
    const { status } = spawnSync('dd', [`if=${join(parentPath, name)}`, 'iflag=nocache', 'count=0', 'status=none'])
    return status === 0
  })
}
