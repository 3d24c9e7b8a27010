/**
 * tfjs-node's JavaScript and C++ sources, laid out in the engine folder as a small node_modules of its own. Only the
 * files are taken: its install script, which downloads a library, never runs, and the tfjs packages it
 * asks for are stand-ins that give the repository's tfjs-core, so that there is one tfjs in the process.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import type { EngineFetch } from './fetch.ts'
import { TFJS_NODE, installedFolder, packageFolder } from './locate.ts'

/** A package as the npm registry publishes it; `sha512` of its archive, base64. */
export interface NpmPackage {
  readonly name: string
  readonly version: string
  readonly sha512: string
}

const PACKAGES: readonly NpmPackage[] = [
  {
    name: TFJS_NODE,
    version: '4.22.0',
    sha512: 'uHrXeUlfgkMxTZqHkESSV7zSdKdV0LlsBeblqkuKU9nnfxB1pC6DtoyYVaLxznzZy7WQSegjcohxxCjAf6Dc7w==',
  },
  {
    name: 'google-protobuf',
    version: '3.21.4',
    sha512: 'MnG7N936zcKTco4Jd2PX2U96Kf9PxygAPKBug+74LHzmHXmceN16MmRcdgZv+DGef/S9YvQAfRsNCn4cjf9yyQ==',
  },
]

/** Puts the sources into `built`; gives tfjs-node's version. */
export async function prepareSources(built: string, fetch: EngineFetch, log: (line: string) => void): Promise<string> {
  for (const wanted of PACKAGES) {
    const target = path.join(built, 'node_modules', wanted.name)
    if (versionOf(target) === wanted.version) continue
    rmSync(target, { recursive: true, force: true })
    mkdirSync(path.dirname(target), { recursive: true })
    const installed = installedFolder(wanted.name)
    if (installed !== undefined && versionOf(installed) === wanted.version) {
      log(`using ${wanted.name} ${wanted.version} as installed`)
      cpSync(installed, target, { recursive: true, filter: (file) => !/[\\/](deps|lib|node_modules)$/.test(file) })
    } else {
      log(`fetching ${wanted.name} ${wanted.version} from the npm registry`)
      const scratch = mkdtempSync(path.join(built, 'tmp-'))
      try {
        const folder = await fetch.npm(wanted, scratch)
        cpSync(folder, target, { recursive: true })
      } finally {
        rmSync(scratch, { recursive: true, force: true })
      }
    }
  }
  writeStandIns(path.join(built, 'node_modules', '@tensorflow'))
  return PACKAGES[0].version
}

/**
 * Makes the tfjs packages in a folder lead to this program's tfjs-core. Called again whenever the engine is loaded: an
 * AppImage lies elsewhere at every start.
 */
export function writeStandIns(folder: string): void {
  const core = createRequire(import.meta.url).resolve('@tensorflow/tfjs-core')
  for (const name of ['tfjs', 'tfjs-core']) {
    const standIn = path.join(folder, name)
    mkdirSync(standIn, { recursive: true })
    putFile(path.join(standIn, 'package.json'), `{ "name": "@tensorflow/${name}", "main": "index.js" }\n`)
    putFile(path.join(standIn, 'index.js'), `module.exports = require(${JSON.stringify(core)})\n`)
  }
}

/** Whole or not at all, as another process may be loading it. */
function putFile(file: string, text: string): void {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return
  writeFileSync(`${file}.${process.pid}`, text)
  renameSync(`${file}.${process.pid}`, file)
}

/** The C++ files to compile. */
export function addonSources(built: string): string[] {
  const folder = path.join(packageFolder(built), 'binding')
  return readdirSync(folder)
    .filter((name) => name.endsWith('.cc'))
    .sort()
    .map((name) => path.join(folder, name))
}

function versionOf(folder: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { version?: string }).version
  } catch {
    return undefined
  }
}
