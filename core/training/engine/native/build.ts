/** Builds the native backend in a folder: sources, library, addon, and a check of the result. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { AdytonError } from '../../../errors/errors.ts'
import { compileAddon, findCompiler } from './compile.ts'
import type { EngineFetch } from './fetch.ts'
import { namedLibrary, wheelLibrary, type Library } from './library.ts'
import type { Manifest } from './locate.ts'
import { lastLines, runProgram } from './process.ts'
import { prepareSources } from './sources.ts'

export interface BuildOptions {
  /** Folder of the result. */
  readonly into: string
  /** A TensorFlow library on this machine; the wheel's is fetched when there is none. */
  readonly library?: string | undefined
  readonly fetch: EngineFetch
  readonly log: (line: string) => void
  readonly signal?: AbortSignal
}

/**
 * Gives what was built, in words. What a stopped build has fetched stays and is not fetched again.
 * @throws AdytonError 'file-not-found', 'file-unsupported', 'file-corrupt', 'cancelled', and what fetching throws
 */
export async function buildEngine({ into, library, fetch, log, signal }: BuildOptions): Promise<string> {
  if (process.platform !== 'linux') {
    throw new AdytonError('file-unsupported', `the addon can be built on Linux only, not on ${process.platform}`, {
      advice: 'Install @tensorflow/tfjs-node, which downloads a library of its own, or train with the WASM backend.',
    })
  }
  try {
    mkdirSync(into, { recursive: true })
  } catch (cause) {
    throw new AdytonError('usage', `${into} cannot be written`, { advice: 'Choose another data folder.', cause })
  }
  // Named wrongly, or without a compiler, it should say so before anything is fetched.
  const named = library === undefined ? undefined : namedLibrary(library)
  await findCompiler()
  try {
    return await build(into, named, { fetch, log, ...(signal === undefined ? {} : { signal }) })
  } catch (error) {
    // Whatever a tool or a stream says when it is stopped.
    if (signal?.aborted === true) throw new AdytonError('cancelled', 'setting up the training engine was stopped')
    throw error
  }
}

async function build(
  into: string,
  named: Library | undefined,
  { fetch, log, signal }: Pick<BuildOptions, 'fetch' | 'log' | 'signal'>,
): Promise<string> {
  const tfjsNode = await prepareSources(into, fetch, log)
  const found = named ?? (await wheelLibrary(into, fetch))
  signal?.throwIfAborted()
  const file = path.join(into, 'engine.json')
  rmSync(file, { force: true })
  await compileAddon(into, found, log, signal)
  const manifest: Manifest = { tfjsNode, library: found.folder }
  writeFileSync(file, `${JSON.stringify(manifest, undefined, 2)}\n`)
  log('checking that it computes')
  const check = await checkEngine(into, signal)
  if (!check.ok) {
    rmSync(file, { force: true })
    throw new AdytonError('file-unsupported', `the addon was built but does not work:\n${check.words}`, {
      advice: `The library in ${found.folder} may be for another machine or of another version.`,
    })
  }
  return check.words
}

/** Loads the addon of a folder in a process of its own and checks a gradient; in words what runs, or why not. */
export async function checkEngine(folder: string, signal?: AbortSignal): Promise<{ ok: boolean; words: string }> {
  const check = fileURLToPath(new URL('./check.ts', import.meta.url))
  const { ok, output } = await runProgram(check, [], { env: { ...process.env, ADYTON_ENGINE: folder }, signal })
  return { ok, words: lastLines(output, ok ? 1 : 5) }
}
