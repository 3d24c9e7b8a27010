/**
 * Who has the catalog open: a marker file for each opening, named by its process. One whose process is gone says that the
 * catalog was not closed.
 */
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { systemFiles } from '../protocol/store/files.ts'
import { formatOwner, isAlive, ownOwner, parseOwner } from '../protocol/store/owner.ts'

/** A name that carries this process: what bears it is a leftover as soon as the process is gone. */
export function ownedName(): string {
  return `${formatOwner(ownOwner())}.${randomBytes(6).toString('hex')}`
}

/** Whether a name from {@link ownedName} belongs to a process that is certainly gone. */
export function isLeftover(name: string): boolean {
  const owner = parseOwner(name.slice(0, name.lastIndexOf('.')))
  return owner !== undefined && isAlive(owner) === false
}

export interface Session {
  /** Markers of processes that are gone. */
  readonly unclean: readonly string[]
  /** Forgets those markers, once the catalog was checked. */
  readonly forget: () => void
  /** Removes the own marker. */
  readonly end: () => void
}

export async function beginSession(folder: string): Promise<Session> {
  await systemFiles.makeFolder(folder)
  const unclean = (await systemFiles.list(folder)).filter(isLeftover)
  const own = ownedName()
  await (await systemFiles.create(join(folder, own))).close()
  const remove = (name: string): void => rmSync(join(folder, name), { force: true })
  return { unclean, forget: () => unclean.forEach(remove), end: () => remove(own) }
}
