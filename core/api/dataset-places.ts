/** Data sets on this machine: in the data folder, where ADYTON_DATASETS points, and in folders that settings name. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openDataset, type DatasetKind } from '../datasets/dataset.ts'
import { dataFolder } from './data-folder.ts'
import { loadSettings } from './settings.ts'

export interface FoundDataset {
  /** What the operations take as a data set. */
  readonly folder: string
  readonly kind: DatasetKind
  readonly name: string
  readonly classes: number
  /** [channels, height, width] */
  readonly shape: readonly number[]
  readonly images: { readonly train: number; readonly test: number }
}

/** Of one place, by name; a folder with more is no collection of data sets. */
const MAX_FOLDERS = 64

/** Opening reads every label and compares checksums: not twice for a folder that has not changed. */
const known = new Map<string, { readonly changed: number; readonly found: FoundDataset | undefined }>()

/** What lies in the places, each folder once. What cannot be opened is passed over. */
export async function findDatasets(
  data: string | undefined,
  onNotice: (line: string) => void,
): Promise<FoundDataset[]> {
  const home = dataFolder(data)
  const { datasets } = await loadSettings(home, onNotice)
  const shared = process.env['ADYTON_DATASETS']
  const roots = [join(home, 'datasets'), ...(shared === undefined || shared === '' ? [] : [shared]), ...datasets]
  const folders = (await Promise.all(roots.map(async (root) => [root, ...(await inside(root))]))).flat()
  const found = new Map<string, FoundDataset>()
  for (const folder of new Set(folders)) {
    const dataset = await look(folder)
    // A folder around a data set is opened as that data set.
    if (dataset !== undefined && !found.has(dataset.folder)) found.set(dataset.folder, dataset)
  }
  return [...found.values()]
}

async function inside(root: string): Promise<string[]> {
  try {
    const entries = await readdir(root, { withFileTypes: true })
    const names = entries.filter((entry) => !entry.isFile() && !entry.name.startsWith('.')).map(({ name }) => name)
    return names
      .sort()
      .slice(0, MAX_FOLDERS)
      .map((name) => join(root, name))
  } catch {
    return []
  }
}

async function look(folder: string): Promise<FoundDataset | undefined> {
  try {
    const changed = (await stat(folder)).mtimeMs
    const before = known.get(folder)
    if (before?.changed === changed) return before.found
    const found = await open(folder)
    known.set(folder, { changed, found })
    return found
  } catch {
    return undefined
  }
}

async function open(folder: string): Promise<FoundDataset | undefined> {
  try {
    const { path, kind, name, classes, shape, parts } = await openDataset(folder, { unpack: false })
    return { folder: path, kind, name, classes, shape, images: { train: parts.train.count, test: parts.test.count } }
  } catch {
    return undefined
  }
}
