/** The training engines that this installation was given: built in its data folder, or found elsewhere and remembered. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { dataFolder } from '../data-folder.ts'

const FILE = 'adopted.json'
const Schema = v.strictObject({ folder: v.pipe(v.string(), v.minLength(1)) })

/** Where an engine of this installation is built. */
export function engineHome(data?: string): string {
  return join(dataFolder(data), 'engine')
}

/** A folder outside that was adopted; null when there is none. */
export function adoptedFolder(data?: string): string | null {
  try {
    return v.parse(Schema, JSON.parse(readFileSync(join(engineHome(data), FILE), 'utf8'))).folder
  } catch {
    return null
  }
}

/** What loadEngine looks through, best first. */
export function engineFolders(data?: string): string[] {
  const adopted = adoptedFolder(data)
  return [...(adopted === null ? [] : [adopted]), engineHome(data)]
}

/** Null goes back to the one that is built here. */
export function adopt(folder: string | null, data?: string): void {
  const file = join(engineHome(data), FILE)
  if (folder === null) {
    rmSync(file, { force: true })
    return
  }
  mkdirSync(engineHome(data), { recursive: true })
  writeFileSync(`${file}.tmp`, `${JSON.stringify({ folder })}\n`)
  renameSync(`${file}.tmp`, file)
}
