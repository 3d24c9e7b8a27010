/**
 * One host for a data folder: a marker in `host/` that carries its process. Two that start at the same moment may both
 * give way to the other, never both stay.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { systemFiles } from '../protocol/store/files.ts'
import { formatOwner, isAlive, ownOwner, parseOwner } from '../protocol/store/owner.ts'

/** Throws 'host-running' when another process holds the folder; else gives what lets it go. */
export async function holdFolder(data: string): Promise<() => Promise<void>> {
  const folder = join(data, 'host')
  await systemFiles.makeFolder(folder)
  const own = formatOwner(ownOwner())
  const others = async (): Promise<string[]> => (await systemFiles.list(folder)).filter((name) => name !== own)
  const held = (await systemFiles.stat(join(folder, own))) !== undefined
  if (!held) await (await systemFiles.create(join(folder, own))).close()
  const release = (): Promise<void> => systemFiles.remove(join(folder, own))
  for (const name of await others()) {
    const owner = parseOwner(name)
    // One of another machine or container cannot be asked; the folder may be shared with it.
    if (owner !== undefined && isAlive(owner) === false) await systemFiles.remove(join(folder, name))
  }
  const [other] = held ? [own] : await others()
  if (other === undefined) {
    // Whichever way the process ends by itself.
    process.once('exit', () => rmSync(join(folder, own), { force: true }))
    return release
  }
  if (!held) await release()
  const pid = parseOwner(other)?.pid
  throw new AdytonError('host-running', `${data} is in use by another Adyton (process ${pid ?? other})`, {
    advice: `Use that one, or end it, or name another folder with --data. If there is none, remove ${join(folder, other)}.`,
  })
}
