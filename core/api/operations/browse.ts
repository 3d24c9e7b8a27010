/** browse: what a folder of this machine holds, for windows that have no dialogue of the system to choose a file with. */
import { readdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { dataFolder } from '../data-folder.ts'
import type { Operation } from '../operation.ts'
import { loadSettings } from '../settings.ts'
import { dataEntry } from './zoo-input.ts'

const input = v.strictObject({
  /** The home folder when absent. */
  path: v.exactOptional(v.pipe(v.string(), v.minLength(1), v.maxLength(4096))),
  /** Show names that begin with a dot. */
  hidden: v.optional(v.boolean(), false),
  ...dataEntry,
})

export interface BrowseEntry {
  readonly name: string
  readonly path: string
  readonly type: 'folder' | 'file'
  /** Bytes; null for a folder. */
  readonly size: number | null
  /** ms since 1970. */
  readonly modified: number
}

export interface BrowseResult {
  readonly path: string
  /** The folder around it; null at the top. */
  readonly parent: string | null
  /** Folders, then files, each by name; what is neither, or cannot be looked at, is left out. */
  readonly entries: readonly BrowseEntry[]
  /** Names that were left out because there are too many. */
  readonly more: number
  /** Where to begin: the home folder, the data folder, and folders of data sets that were used and are there. */
  readonly places: readonly { readonly name: string; readonly path: string }[]
}

const MAX_ENTRIES = 5000

export const browse: Operation<typeof input, BrowseResult> = {
  name: 'browse',
  summary: 'Lists a folder of this machine, and places to begin.',
  input,
  async run({ path: given, hidden, data }, { onNotice }) {
    const path = resolve(given ?? homedir())
    const folder = dataFolder(data)
    const { datasets } = await loadSettings(folder, onNotice)
    const names = (await list(path)).filter((name) => hidden || !name.startsWith('.')).sort(byName)
    const looked = await Promise.all(names.slice(0, MAX_ENTRIES).map((name) => look(join(path, name), name)))
    const entries = looked.filter((entry) => entry !== undefined)
    const places = [
      { name: 'home', path: homedir() },
      { name: 'Adyton', path: folder },
      { name: 'data sets', path: join(folder, 'datasets') },
      ...datasets.map((dataset) => ({ name: dataset, path: dataset })),
    ]
    const there = await Promise.all(places.map(async (place) => (await look(place.path, ''))?.type === 'folder'))
    return {
      path,
      parent: dirname(path) === path ? null : dirname(path),
      entries: [...entries.filter(({ type }) => type === 'folder'), ...entries.filter(({ type }) => type === 'file')],
      more: Math.max(0, names.length - MAX_ENTRIES),
      places: places.filter((_, i) => there[i]),
    }
  },
}

/** As people sort: 2 before 10, upper and lower case alike. */
const byName = new Intl.Collator('en', { numeric: true }).compare

async function look(path: string, name: string): Promise<BrowseEntry | undefined> {
  try {
    const found = await stat(path)
    const type = found.isDirectory() ? 'folder' : found.isFile() ? 'file' : undefined
    if (type === undefined) return undefined
    return { name, path, type, size: type === 'file' ? found.size : null, modified: Math.round(found.mtimeMs) }
  } catch {
    return undefined
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such folder',
  ENOTDIR: 'is a file, not a folder',
  EACCES: 'this account may not look into it',
  EPERM: 'the system does not let this program look into it',
}

async function list(path: string): Promise<string[]> {
  try {
    return await readdir(path)
  } catch (cause) {
    const { code = 'unknown error' } = cause as NodeJS.ErrnoException
    throw new AdytonError('file-not-found', `${path}: ${WORDS[code] ?? `cannot be read (${code})`}`, {
      advice: 'Go to another folder.',
      cause,
    })
  }
}
