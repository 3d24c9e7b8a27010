/** Secret files that several processes may make at once: keys and identities. */
import { randomBytes } from 'node:crypto'
import { link, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errorCode } from './socket.ts'

/** Writes a file that is complete, synced and 0600 from the moment it has its name; a file that is there stays. */
export async function writeOnce(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(8).toString('hex')}.tmp`
  const file = await open(draft, 'wx', 0o600)
  try {
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    try {
      await link(draft, path)
    } catch (error) {
      const code = errorCode(error)
      if (code === 'EEXIST') return
      // File systems with no hard links: of two processes that create at the same instant, the last one wins.
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS' && code !== 'EOPNOTSUPP') throw error
      await rename(draft, path)
    }
  } finally {
    await rm(draft, { force: true })
  }
  await syncFolder(path)
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  const folder = await open(dirname(path), 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
