/**
 * Puts together in build/package exactly what an installed app carries, for one platform: our code as JavaScript, what
 * it reads, and the packages that it needs. The builder packs this folder; Node runs it as it is.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync } from 'node:fs'
import { writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { buildApp } from '../../core/setup/build-app.mjs'
import { filesOf, neededPackages, processorsOf, type Target } from './packages.ts'
import { licencesText } from './licences.ts'

/** What lies beside the code, from and to the same place; with what of it is carried. */
const BESIDE: readonly (readonly [string, RegExp])[] = [
  ['resources', /^(models|recipes|samples|published)\/|^icons\/256x256\.png$/],
  ['build/renderer', /^[^.]/],
  ['build/electron', /\.cjs$/],
  ['build/native', /^adyton_kernels\.node$/],
]

export interface Staged {
  readonly folder: string
  /** Without the native kernels, everything works, several times slower. */
  readonly native: boolean
}

/** `date`: of every file, so that the same sources give the same package. */
export async function stagePackage(root: string, target: Target, date: Date): Promise<Staged> {
  const folder = join(root, 'build', 'package')
  const { folder: app } = await buildApp(root)
  rmSync(folder, { recursive: true, force: true })
  const copy = (from: string, to: string): void => {
    const target = join(folder, to)
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(from, target)
    chmodSync(target, 0o644)
  }
  for (const part of ['core', 'electron']) copyFolder(join(app, part), part, /\.js$/, copy)
  for (const [name, wanted] of BESIDE) {
    const native = name === 'build/native'
    // The addon is for this machine; where it does not load, the portable kernels run.
    if (native && (target.platform !== process.platform || !processorsOf(target).includes(process.arch))) continue
    if (existsSync(join(root, name))) copyFolder(join(root, name), name, wanted, copy)
    else if (!native) throw new Error(`${name} is missing: run npm run setup first`)
  }
  for (const pack of neededPackages(root, target)) {
    const to = relative(root, pack.folder)
    for (const file of filesOf(pack, target)) copy(join(pack.folder, file), join(to, file))
  }
  copy(join(root, 'LICENSE'), 'LICENSE')
  writeFileSync(join(folder, 'package.json'), manifest(app))
  writeFileSync(join(folder, 'licences.txt'), await licencesText(folder))
  for (const entry of readdirSync(folder, { recursive: true })) utimesSync(join(folder, String(entry)), date, date)
  return { folder, native: existsSync(join(folder, 'build', 'native', 'adyton_kernels.node')) }
}

/** Of the staged app, without packages that are not carried. */
function manifest(app: string): string {
  const { optionalDependencies: _, ...rest } = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8')) as {
    optionalDependencies?: unknown
  }
  return `${JSON.stringify({ ...rest, author: 'The Adyton authors' }, undefined, 2)}\n`
}

function copyFolder(from: string, to: string, wanted: RegExp, copy: (from: string, to: string) => void): void {
  for (const entry of readdirSync(from, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const inside = relative(from, path).replaceAll('\\', '/')
    if (entry.isFile() && wanted.test(inside)) copy(path, join(to, inside))
  }
}
