/** Compiles tfjs-node's addon with the machine's C++ compiler, against node-api-headers: no node-gyp, no download. */
import { existsSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { AdytonError } from '../../../errors/errors.ts'
import type { Library } from './library.ts'
import { ADDON_NAME, packageFolder } from './locate.ts'
import { firstThatRuns, lastLines, run } from './process.ts'
import { addonSources } from './sources.ts'

/** Writes the addon into `built`; it finds the library by its absolute folder. */
export async function compileAddon(
  built: string,
  library: Library,
  log: (line: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const [command, ...args] = await findCompiler()
  log(`compiling the addon with ${command}`)
  const made = path.join(built, `${ADDON_NAME}.${process.pid}`)
  const line = [
    ...args,
    '-std=c++17',
    '-O2',
    '-shared',
    '-fPIC',
    '-w',
    '-DNAPI_VERSION=8',
    `-I${headersOfNode()}`,
    `-I${packageFolder(built)}`,
    `-I${library.headers}`,
    ...addonSources(built),
    '-o',
    made,
    `-L${library.folder}`,
    ...library.files.map((file) => `-l:${file}`),
    `-Wl,-rpath,${library.folder}`,
    // The rpath is looked at before LD_LIBRARY_PATH, and also for what the library itself needs.
    '-Wl,--disable-new-dtags',
  ]
  const compiled = await run(command, line, { signal })
  signal?.throwIfAborted()
  if (!compiled.ok || !existsSync(made)) {
    rmSync(made, { force: true })
    throw new AdytonError('file-unsupported', `the addon does not compile:\n${lastLines(compiled.output, 20)}`, {
      advice:
        'The library may be of a TensorFlow whose C interface has changed; docs/training-engine.md lists those tried.',
    })
  }
  renameSync(made, path.join(built, ADDON_NAME))
}

/** The machine's C++ compiler with its arguments. Throws AdytonError 'file-not-found' when there is none. */
export async function findCompiler(): Promise<readonly string[]> {
  const named = (process.env.CXX ?? '').trim().split(/\s+/).filter(Boolean)
  const compiler = await firstThatRuns(named.length > 0 ? [named] : [['c++'], ['g++'], ['clang++']])
  if (compiler !== undefined) return compiler
  throw new AdytonError('file-not-found', 'no C++ compiler was found (looked for $CXX, c++, g++, clang++)', {
    advice: 'Install one (on Debian and Ubuntu: apt install g++), or name one in CXX.',
  })
}

function headersOfNode(): string {
  const manifest = createRequire(import.meta.url).resolve('node-api-headers/package.json')
  // A compiler does not see into an app's archive; the headers lie beside it.
  return path.join(path.dirname(manifest).replace(/\bapp\.asar(?=[\\/])/, 'app.asar.unpacked'), 'include')
}
