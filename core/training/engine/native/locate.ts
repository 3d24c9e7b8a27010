/** Where a native backend may lie: tfjs-node installed with its own library, or what `npm run engine:setup` built. */
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

/** What `npm run engine:setup` writes beside the addon. */
export interface Manifest {
  /** Version of @tensorflow/tfjs-node whose sources were compiled. */
  readonly tfjsNode: string
  /** Folder of the library that the addon is linked to, absolute. */
  readonly library: string
}

/** An addon with the JavaScript that goes with it. */
export interface Candidate {
  /** tfjs-node's package folder, absolute. */
  readonly folder: string
  /** The compiled addon, absolute. */
  readonly addon: string
  /** For people. */
  readonly origin: string
}

export const ADDON_NAME = 'tfjs_binding.node'
export const TFJS_NODE = '@tensorflow/tfjs-node'
/** Origin of an addon that engine:setup, or the app, has built. */
export const BUILT = 'built by engine:setup'

/** build/engine of the repository, or the folder that ADYTON_ENGINE names. */
export function engineFolder(): string {
  const named = process.env.ADYTON_ENGINE
  return named !== undefined && named !== ''
    ? path.resolve(named)
    : path.resolve(import.meta.dirname, '../../../../build/engine')
}

/**
 * Every addon there is, best first, and for the places without one the reason. `folders`: more places, each as
 * {@link locateIn} takes it; what ADYTON_ENGINE names is better than they are.
 */
export function locateAddons(folders: readonly string[] = []): { candidates: Candidate[]; missing: string[] } {
  const named = (process.env.ADYTON_ENGINE ?? '') !== ''
  const candidates: Candidate[] = []
  const missing: string[] = []
  for (const folder of new Set(named ? [engineFolder(), ...folders] : [...folders, engineFolder()])) {
    const found = locateIn(folder)
    if (typeof found !== 'string') candidates.push(found)
    // A place where nothing was ever put is worth a word only when it is the usual one.
    else if (folder === engineFolder() || existsSync(path.join(folder, 'engine.json'))) missing.push(found)
  }
  for (const name of [`${TFJS_NODE}-gpu`, TFJS_NODE]) {
    const folder = installedFolder(name)
    if (folder === undefined) {
      missing.push(`${name} is not installed`)
      continue
    }
    const installed = installedAddon(folder)
    if (installed === undefined) missing.push(`${name} is installed without its compiled addon`)
    else candidates.push({ folder, addon: installed, origin: name })
  }
  return { candidates, missing }
}

/** The addon of a folder that engine:setup built, or of tfjs-node's own; else why there is none. */
export function locateIn(folder: string): Candidate | string {
  const name = nameOf(folder)
  if (name !== undefined) {
    const installed = installedAddon(folder)
    return installed === undefined
      ? `${name} in ${folder} is without its compiled addon`
      : { folder, addon: installed, origin: name }
  }
  const addon = path.join(folder, ADDON_NAME)
  const manifest = readManifest(folder)
  if (manifest === undefined || !existsSync(addon)) return 'no addon is built (npm run engine:setup)'
  if (!existsSync(manifest.library)) {
    return `the library that the addon was built with is gone: ${manifest.library} (npm run engine:setup)`
  }
  return { folder: packageFolder(folder), addon, origin: BUILT }
}

/** Name of tfjs-node's package when a folder is one. */
function nameOf(folder: string): string | undefined {
  try {
    const { name } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as { name?: unknown }
    return name === TFJS_NODE || name === `${TFJS_NODE}-gpu` ? name : undefined
  } catch {
    return undefined
  }
}

/** The copy of tfjs-node's JavaScript that engine:setup unpacks; it finds tfjs-core in the repository above it. */
export function packageFolder(built: string): string {
  return path.join(built, 'node_modules', TFJS_NODE)
}

export function readManifest(built: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(path.join(built, 'engine.json'), 'utf8')) as Manifest
  } catch {
    return undefined
  }
}

/** The folder of an installed package, or undefined. */
export function installedFolder(name: string): string | undefined {
  try {
    return path.dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
  } catch {
    return undefined
  }
}

/** lib/napi-v<n>/tfjs_binding.node of the highest n. */
function installedAddon(folder: string): string | undefined {
  const lib = path.join(folder, 'lib')
  if (!existsSync(lib)) return undefined
  return readdirSync(lib)
    .filter((name) => /^napi-v\d+$/.test(name))
    .sort((a, b) => Number(b.slice(6)) - Number(a.slice(6)))
    .map((name) => path.join(lib, name, ADDON_NAME))
    .find((file) => existsSync(file))
}
