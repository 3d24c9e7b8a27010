/** Writes a model of the catalog as a model folder, byte for byte as it was imported (an edited card as edited). */
import { constants, existsSync } from 'node:fs'
import { copyFile, mkdir, readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { beside } from './beside.ts'
import { hashFile } from './files.ts'
import { FILE_NAMES } from './import.ts'
import { findModel } from './models.ts'
import { filesOf } from './version-files.ts'
import type { Zoo } from './zoo.ts'

export interface Exported {
  readonly id: string
  readonly folder: string
  readonly files: readonly string[]
}

/** The folder appears whole or not at all; it must not exist, or be empty. Every file's checksum is compared. */
export async function exportModel(zoo: Zoo, id: string, path: string): Promise<Exported> {
  const folder = resolve(path)
  const { version } = findModel(zoo.db, id)
  await refuseFull(folder)
  return await beside(folder, async (building) => {
    await mkdir(building, { recursive: true })
    const files = filesOf(zoo.db, version)
    for (const { role, sha256 } of files) {
      const to = join(building, FILE_NAMES[role])
      await copyFile(zoo.files.path(sha256), to, constants.COPYFILE_FICLONE)
      if ((await hashFile(to)).sha256 === sha256) continue
      throw new AdytonError('catalog-corrupt', `the stored ${FILE_NAMES[role]} of '${id}' is damaged`, {
        advice: 'Import the model again from where it came from, or restore a backup.',
      })
    }
    return { id, folder, files: files.map(({ role }) => FILE_NAMES[role]) }
  })
}

/** Nothing that exists is overwritten. */
export async function refuseFull(folder: string): Promise<void> {
  if (!existsSync(folder)) return
  const entries = await readdir(folder).catch(() => ['a file'])
  if (entries.length === 0) return
  throw new AdytonError('usage', `${folder} exists already`, { advice: 'Name a folder that does not exist yet.' })
}
