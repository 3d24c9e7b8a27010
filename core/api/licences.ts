/** Licences of the packages that this program is made of, from their own files. */
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as v from 'valibot'

export interface Licence {
  readonly name: string
  readonly version: string
  /** SPDX expression, as the package states it; null when it states none. */
  readonly licence: string | null
  /** Files with the text; none where the package brings none. */
  readonly files: readonly string[]
}

interface Manifest {
  readonly name?: unknown
  readonly version?: unknown
  readonly license?: unknown
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** What the build of the windows has bundled, by core/setup/bundled-licences.mjs. */
const BundledSchema = v.array(
  v.object({ name: v.string(), version: v.string(), licence: v.nullable(v.string()), files: v.array(v.string()) }),
)

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/**
 * The package itself, all that it needs at run time, directly or not, and what its windows were built from; each version
 * once, by name.
 */
export async function licences(root: string = ROOT): Promise<Licence[]> {
  const found = new Map<string, Licence>()
  const visit = async (folder: string): Promise<void> => {
    const manifest = await readManifest(folder)
    if (manifest === undefined || found.has(folder)) return
    const { name, version, license } = manifest
    const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file)).sort()
    found.set(folder, {
      name: typeof name === 'string' ? name : folder,
      version: typeof version === 'string' ? version : '',
      licence: typeof license === 'string' ? license : null,
      files: files.map((file) => join(folder, file)),
    })
    for (const needed of Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies })) {
      // An optional package of another platform is not there.
      const at = await locate(folder, needed)
      if (at !== undefined) await visit(at)
    }
  }
  await visit(root.replace(/[/\\]$/, ''))
  const all = [...(await bundled(join(root, 'build', 'renderer'))), ...found.values()]
  const versions = new Map(all.map((one) => [`${one.name} ${one.version}`, one]))
  return [...versions].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
}

/** Nothing where the windows have not been built. */
async function bundled(folder: string): Promise<Licence[]> {
  const text = await readFile(join(folder, 'licences', 'packages.json'), 'utf8').catch(() => '[]')
  const packages = v.parse(BundledSchema, JSON.parse(text))
  return packages.map((one) => ({ ...one, files: one.files.map((file) => join(folder, file)) }))
}

async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest
  } catch {
    return undefined
  }
}

/** As Node looks for a package: in node_modules of the folder and of every folder around it. */
async function locate(from: string, name: string): Promise<string | undefined> {
  for (let at = from; ; at = dirname(at)) {
    const folder = join(at, 'node_modules', name)
    if ((await readManifest(folder)) !== undefined) return folder
    if (dirname(at) === at) return undefined
  }
}
