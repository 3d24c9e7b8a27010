/**
 * A restore replaces the whole folder of the catalog, which takes two renames; this is what makes them one.
 *
 *   zoo.incoming.<owner>   a backup that is being copied; garbage when its owner is gone
 *   zoo.restoring.<owner>  the copy, checked and synced: the restore goes through unless it is taken back
 *   zoo.before-restore-…   a data folder with the catalog as it was
 *
 * While zoo.restoring is there, nobody opens the catalog. A restore makes that name first and then looks for markers of
 * open catalogs; who opens makes a marker first and then looks for that name. So at least one of them sees the other.
 */
import { rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { AdytonError } from '../errors/errors.ts'
import { codeOf, systemFiles } from '../protocol/store/files.ts'
import { beginSession, isLeftover, type Session } from './sessions.ts'

export const INCOMING = 'zoo.incoming.'
export const RESTORING = 'zoo.restoring.'
export const BEFORE = 'zoo.before-restore-'

/** The renames of a restore take milliseconds. */
const ATTEMPTS = 100
const PAUSE_MS = 50

/** As beginSession, for a catalog that no restore is replacing; finishes or undoes a restore that was cut off. */
export async function beginUndisturbed(dataFolder: string): Promise<Session> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await begin(dataFolder)
    } catch (error) {
      // The folder may vanish while the marker is made.
      const passing = error instanceof AdytonError ? error.code === 'catalog-busy' : codeOf(error) === 'ENOENT'
      if (!passing || attempt === ATTEMPTS) throw error
      await setTimeout(PAUSE_MS)
    }
  }
}

async function begin(dataFolder: string): Promise<Session> {
  await settleRestore(dataFolder)
  const folder = join(dataFolder, 'zoo')
  await systemFiles.makeFolder(folder)
  const session = await beginSession(join(folder, 'open'))
  try {
    await refuseDuringRestore(dataFolder)
    return session
  } catch (error) {
    session.end()
    throw error
  }
}

/**
 * After a restore whose process is gone: where the old catalog is still in its place, it stays; where it was put aside,
 * the new one takes the place. Throws 'catalog-busy' while one runs.
 */
export async function settleRestore(dataFolder: string): Promise<void> {
  await refuseDuringRestore(dataFolder)
  const names = await systemFiles.list(dataFolder)
  for (const name of names) {
    if (name.startsWith(INCOMING) && isLeftover(name.slice(INCOMING.length))) {
      await systemFiles.remove(join(dataFolder, name))
    }
    if (!name.startsWith(RESTORING)) continue
    const path = join(dataFolder, name)
    if (await isVacant(join(dataFolder, 'zoo'))) await putInPlace(path, dataFolder)
    else await systemFiles.remove(path)
    for (const other of names) if (other.startsWith(BEFORE)) await removeEmpty(join(dataFolder, other))
  }
}

/** Removes a folder that nothing was put aside into. */
export async function removeEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder)
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(codeOf(error) ?? '')) throw error
  }
}

async function refuseDuringRestore(dataFolder: string): Promise<void> {
  const names = await systemFiles.list(dataFolder)
  const running = names.find((name) => name.startsWith(RESTORING) && !isLeftover(name.slice(RESTORING.length)))
  if (running === undefined) return
  throw new AdytonError('catalog-busy', `a backup is being restored in ${dataFolder}`, {
    advice: `Try again. If that was on another machine and came to nothing, remove ${join(dataFolder, running)}.`,
  })
}

/** Whether there is no catalog: nothing, or the markers of those who looked for it in the wrong moment. */
export async function isVacant(zoo: string): Promise<boolean> {
  return (await systemFiles.list(zoo)).every((name) => name === 'open')
}

/** Never recursively: by now another process may have put a catalog there. */
async function removeVacant(zoo: string): Promise<void> {
  const open = join(zoo, 'open')
  for (const marker of await systemFiles.list(open)) await rm(join(open, marker), { force: true })
  await removeEmpty(open)
  await removeEmpty(zoo)
}

/** Renames a whole copy to zoo/. Another process that settles the same restore may be faster. */
export async function putInPlace(copy: string, dataFolder: string): Promise<void> {
  const zoo = join(dataFolder, 'zoo')
  for (let attempt = 1; ; attempt++) {
    try {
      await systemFiles.rename(copy, zoo)
      break
    } catch (error) {
      if (codeOf(error) === 'ENOENT') break
      const full = ['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(codeOf(error) ?? '')
      if (!full || attempt === ATTEMPTS || !(await isVacant(zoo))) throw error
      await removeVacant(zoo)
    }
  }
  await systemFiles.syncFolder(dataFolder)
}
