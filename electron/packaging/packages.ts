/** The npm packages that the installed app needs, and the files of each that it runs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'

export interface Target {
  /** As process.platform and process.arch. */
  readonly platform: NodeJS.Platform
  readonly arch: NodeJS.Architecture
}

export interface Package {
  readonly name: string
  readonly version: string
  readonly folder: string
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
  readonly libc?: readonly string[]
}

/**
 * What the program's `dependencies` need, directly or not, sorted by folder. Its own optional packages are left out: the
 * training engine that they bring is fetched from inside the app.
 */
export function neededPackages(root: string, target: Target): Package[] {
  const found = new Map<string, Package>()
  const visit = (from: string, names: readonly string[], optional: ReadonlySet<string>): void => {
    for (const name of names) {
      const folder = locate(from, name)
      // An optional one of another platform is not installed.
      if (folder === undefined && optional.has(name)) continue
      if (folder === undefined) throw new Error(`${name} is not installed (wanted by ${from})`)
      const manifest = readManifest(folder)
      if (found.has(folder) || !isFor(manifest, target)) continue
      found.set(folder, { name: manifest.name, version: manifest.version, folder })
      const others = Object.keys(manifest.optionalDependencies ?? {})
      visit(folder, [...Object.keys(manifest.dependencies ?? {}), ...others], new Set(others))
    }
  }
  visit(root, Object.keys(readManifest(root).dependencies ?? {}), new Set())
  return [...found.values()].sort((a, b) => (a.folder < b.folder ? -1 : 1))
}

/** Processors that one app is for. On macOS it is for both: the two builds that it is merged from carry the same. */
export function processorsOf({ platform, arch }: Target): readonly string[] {
  return platform === 'darwin' ? ['x64', 'arm64'] : [arch]
}

function isFor({ os, cpu, libc }: Manifest, target: Target): boolean {
  const { platform } = target
  const fits = (allowed: readonly string[] | undefined, own: readonly string[]): boolean =>
    allowed === undefined || own.some((one) => allowed.includes(one))
  // Electron is linked with glibc.
  return fits(os, [platform]) && fits(cpu, processorsOf(target)) && (platform !== 'linux' || fits(libc, ['glibc']))
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}

/** As Node looks for a package. */
function locate(from: string, name: string): string | undefined {
  for (let at = from; ; at = dirname(at)) {
    const folder = join(at, 'node_modules', name)
    if (existsSync(join(folder, 'package.json'))) return folder
    if (dirname(at) === at) return undefined
  }
}

const LICENCE = /^(licen[cs]e|copying|notice)/i
/** Of use to those who build with a package, not to those who run it. */
const UNUSED_FOLDERS = /^(tests?|__tests__|docs?|examples?|benchmarks?|coverage|\..+|man|miniprogram)$/i
const UNUSED_FILES =
  /(\.(map|md|markdown|ts|mts|cts|flow|tsbuildinfo|c|cc|cpp|h|hpp|gyp|gypi|yml|yaml|lock)|_test\.js|^\.[^.].*|^(makefile|tsconfig.*\.json|gruntfile\.js|gulpfile\.js|karma\.conf\.js))$/i

/** Of large packages, exactly what Node loads; paths with slashes. */
function largePackage({ name }: Package, target: Target): ((path: string) => boolean) | undefined {
  const { platform } = target
  const arch = `(${processorsOf(target).join('|')})`
  if (name.startsWith('@tensorflow/tfjs-')) return (path) => /^dist\/[^/]+(\.node\.js|\.wasm)$/.test(path)
  switch (name) {
    case 'onnxruntime-node':
      return (path) => path.startsWith('dist/') || new RegExp(`^bin/napi-v\\d+/${platform}/${arch}/`).test(path)
    case 'better-sqlite3':
      return (path) => path.startsWith('lib/') || new RegExp(`^prebuilds/${platform}-${arch}\\.node$`).test(path)
    case 'h5wasm':
      return (path) => /^dist\/(node|esm)\//.test(path)
    case 'sharp':
      return (path) => path.startsWith('dist/')
    case 'node-seal':
      return (path) => /^dist\/(index|seal)_allows\.(js|wasm)$/.test(path)
    // The training engine is compiled with its headers on the machine that runs the app.
    case 'node-api-headers':
      return (path) => path.startsWith('include/')
    case 'node-addon-api':
      return (path) => path === 'index.js'
    default:
      return undefined
  }
}

/** The files of a package that the app carries, relative to its folder, with slashes; sorted. */
export function filesOf(pack: Package, target: Target): string[] {
  const large = largePackage(pack, target)
  const files: string[] = []
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const at = join(folder, entry.name)
      const path = relative(pack.folder, at).split(sep).join('/')
      if (entry.isDirectory()) {
        // Packages inside are packages of their own.
        if (entry.name !== 'node_modules' && !UNUSED_FOLDERS.test(entry.name)) visit(at)
      } else if (entry.isFile() && keeps(path, entry.name, large)) files.push(path)
    }
  }
  visit(pack.folder)
  return files.sort()
}

function keeps(path: string, name: string, large: ((path: string) => boolean) | undefined): boolean {
  if (path === 'package.json' || (LICENCE.test(name) && !path.includes('/'))) return true
  if (large !== undefined) return large(path) && !name.endsWith('.map') && !name.endsWith('.d.ts')
  return !UNUSED_FILES.test(name)
}
