/**
 * One process at a time, by markers in a folder that carry their process: one that died holds nothing. Two that come at
 * the same moment may both give way to the other, never both stay.
 */
import { randomInt } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { AdytonError } from '../errors/errors.ts'
import { codeOf, systemFiles } from '../protocol/store/files.ts'
import { formatOwner, isAlive, ownOwner, parseOwner } from '../protocol/store/owner.ts'

/** ms between two attempts, drawn anew for each: those who gave way to each other meet again less often. */
const RETRY = { from: 2, to: 40 }

/** Puts this process's marker into a folder; gives the name of the marker that is in its way, if there is one. */
async function claim(folder: string): Promise<string | undefined> {
  await systemFiles.makeFolder(folder)
  const own = formatOwner(ownOwner())
  try {
    await (await systemFiles.create(join(folder, own))).close()
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return own
    throw error
  }
  const others = async (): Promise<string[]> => (await systemFiles.list(folder)).filter((name) => name !== own)
  for (const name of await others()) {
    const owner = parseOwner(name)
    // One of another machine or container cannot be asked; the folder may be shared with it.
    if (owner !== undefined && isAlive(owner) === false) await systemFiles.remove(join(folder, name))
  }
  const [other] = await others()
  if (other !== undefined) await systemFiles.remove(join(folder, own))
  return other
}

const release = (folder: string): Promise<void> => systemFiles.remove(join(folder, formatOwner(ownOwner())))

/** One host for a data folder: throws 'host-running' when another process has it; else gives what lets it go. */
export async function holdFolder(data: string): Promise<() => Promise<void>> {
  const folder = join(data, 'host')
  const other = await claim(folder)
  if (other === undefined) {
    // Whichever way the process ends by itself.
    const atExit = (): void => rmSync(join(folder, formatOwner(ownOwner())), { force: true })
    process.once('exit', atExit)
    return () => {
      process.off('exit', atExit)
      return release(folder)
    }
  }
  const pid = parseOwner(other)?.pid
  throw new AdytonError('host-running', `${data} is in use by another Adyton (process ${pid ?? other})`, {
    advice: `Use that one, or end it, or use another data folder. If there is none, remove ${join(folder, other)}.`,
  })
}

/**
 * Does something that takes a moment while no other process does the same; waits for those that do, up to `patience` ms.
 * Throws 'store-failed' after that.
 */
export async function alone<T>(folder: string, work: () => Promise<T>, patience = 10_000): Promise<T> {
  const until = performance.now() + patience
  for (let other = await claim(folder); other !== undefined; other = await claim(folder)) {
    if (performance.now() > until) {
      throw new AdytonError('store-failed', `another Adyton has held ${folder} for ${patience / 1000} seconds`, {
        advice: `End it. If there is none, remove ${join(folder, other)}.`,
      })
    }
    await sleep(randomInt(RETRY.from, RETRY.to))
  }
  try {
    return await work()
  } finally {
    await release(folder)
  }
}
