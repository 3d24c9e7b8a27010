/**
 * What lies in a data folder and may no longer be needed: folders of trainings whose result is in the catalog by now,
 * catalogs that a restored backup took the place of, and what was prepared for inferences that never came: packages of
 * sessions that broke off, the other party's too, and of other releases.
 */
import type { Dirent } from 'node:fs'
import { lstat, readdir, realpath, rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import type { Job } from '../jobs/job.ts'
import { jobStore } from '../jobs/store.ts'
import { codeOf } from '../protocol/store/files.ts'
import { PackageStore } from '../protocol/store/store.ts'
import { FILE_NAMES } from '../zoo/file-names.ts'
import { tryHashFile } from '../zoo/files.ts'
import { BEFORE } from '../zoo/restore-state.ts'
import type { Zoo } from '../zoo/zoo.ts'

export interface Leftover {
  /** Path below the data folder, with '/': 'trainings/resnet8-w10-3f9c01ab', 'packages/server'. */
  readonly name: string
  readonly kind: 'training' | 'catalog' | 'packages'
  readonly bytes: number
  /** When something in it was last written, ms since 1970. */
  readonly changed: number
  /** Of a training: whether the weights in it are in the catalog too, byte for byte. */
  readonly model: 'kept' | 'only-here' | 'none'
  /** Why it cannot go: a job would go on from it, or the catalog links to its weights. */
  readonly needed: { readonly by: 'job'; readonly title: string } | { readonly by: 'link' } | null
}

const TRAININGS = 'trainings'
const PACKAGES = 'packages'
/** A session uses a package as soon as it is ready; one that has waited for so long is waited for by nobody. ms. */
const PACKAGE_AGE = 24 * 3600 * 1000

/** Those of a data folder and its catalog, the largest first. */
export async function findLeftovers(data: string, zoo: Zoo): Promise<Leftover[]> {
  const trainings = (await folders(join(data, TRAININGS))).map((name) => `${TRAININGS}/${name}`)
  const catalogs = (await folders(data)).filter((name) => name.startsWith(BEFORE))
  const jobs = jobStore(zoo).all()
  const links = await linksOf(zoo)
  const found: Leftover[] = []
  for (const name of [...trainings, ...catalogs]) {
    const path = join(data, name)
    found.push({
      name,
      kind: name.startsWith(BEFORE) ? 'catalog' : 'training',
      ...(await extent(path)),
      model: await modelIn(path, zoo),
      needed: neededBy(await realpath(path), jobs, links),
    })
  }
  for (const role of ['client', 'server'] as const) {
    const packages = await oldPackages(join(data, PACKAGES, role, 'ready'))
    if (packages.bytes > 0) {
      found.push({ name: `${PACKAGES}/${role}`, kind: 'packages', ...packages, model: 'none', needed: null })
    }
  }
  return found.sort((a, b) => b.bytes - a.bytes)
}

async function oldPackages(ready: string): Promise<{ bytes: number; changed: number }> {
  const old = Date.now() - PACKAGE_AGE
  const extents = await Promise.all((await folders(ready)).map((name) => extent(join(ready, name))))
  const found = extents.filter(({ changed }) => changed < old)
  return {
    bytes: found.reduce((sum, { bytes }) => sum + bytes, 0),
    changed: Math.max(0, ...found.map(({ changed }) => changed)),
  }
}

/** Deletes some for good; returns how many bytes that freed. Throws 'usage' for what is needed or is none of them. */
export async function removeLeftovers(data: string, zoo: Zoo, names: readonly string[]): Promise<number> {
  const all = new Map((await findLeftovers(data, zoo)).map((one) => [one.name, one]))
  const chosen = names.map((name) => {
    const leftover = all.get(name)
    if (leftover === undefined) throw new AdytonError('usage', `${name} is nothing that is left over in ${data}`)
    if (leftover.needed === null) return leftover
    const { needed } = leftover
    throw new AdytonError(
      'usage',
      needed.by === 'job'
        ? `${name} is needed by the job '${needed.title}'`
        : `the catalog links to the weights in ${name}`,
      {
        advice:
          needed.by === 'job'
            ? 'Let the job end, or take it off the list of jobs first.'
            : 'Delete the model that is linked to them for good first, or import it as a copy.',
      },
    )
  })
  let bytes = 0
  for (const leftover of chosen) {
    if (leftover.kind === 'packages') {
      // Burned first: no package that was seen once may come back.
      const role = leftover.name.endsWith('client') ? 'client' : 'server'
      const store = await PackageStore.open(join(data, PACKAGES), { role })
      await store.purge(Date.now() - PACKAGE_AGE)
    } else await rm(join(data, leftover.name), { recursive: true, force: true })
    bytes += leftover.bytes
  }
  return bytes
}

/** A job that ended without a result can be run again from its checkpoints. Paths in the input may be written in any way. */
function neededBy(path: string, jobs: readonly Job[], links: readonly string[]): Leftover['needed'] {
  const name = path.split(sep).at(-1) ?? path
  const job = jobs.find(({ state, input }) => state !== 'done' && JSON.stringify(input ?? null).includes(name))
  if (job !== undefined) return { by: 'job', title: job.title }
  return links.some((link) => link.startsWith(`${path}${sep}`)) ? { by: 'link' } : null
}

/** Where the catalog's linked weights lie. */
async function linksOf({ db, files }: Zoo): Promise<string[]> {
  const rows = db.prepare('SELECT sha256 FROM files').pluck().all() as string[]
  const paths = rows.map((sha256) => files.path(sha256))
  // What is missing leads nowhere.
  const targets = await Promise.all(paths.map((path) => realpath(path).catch(() => path)))
  return targets.filter((target, i) => target !== paths[i])
}

async function modelIn(folder: string, { db }: Zoo): Promise<Leftover['model']> {
  const weights = await tryHashFile(join(folder, FILE_NAMES.weights))
  if (weights === undefined) return 'none'
  const kept = db.prepare('SELECT 1 FROM files WHERE sha256 = ?').get(weights.sha256) !== undefined
  return kept ? 'kept' : 'only-here'
}

async function folders(path: string): Promise<string[]> {
  return (await entries(path)).filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

async function entries(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

/** Links count for themselves and are not followed. */
async function extent(path: string): Promise<{ bytes: number; changed: number }> {
  const own = await lstat(path)
  let bytes = own.isDirectory() ? 0 : own.size
  let changed = own.mtimeMs
  if (own.isDirectory()) {
    for (const { name } of await entries(path)) {
      const inner = await extent(join(path, name))
      bytes += inner.bytes
      changed = Math.max(changed, inner.changed)
    }
  }
  return { bytes, changed: Math.round(changed) }
}
