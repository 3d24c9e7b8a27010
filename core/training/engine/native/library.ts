/**
 * TensorFlow's C library with its headers: a folder that the user names, or the copy inside TensorFlow's Python wheel.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { AdytonError } from '../../../errors/errors.ts'
import type { EngineFetch } from './fetch.ts'

export interface Library {
  /** Folder of the shared objects, absolute. */
  readonly folder: string
  /** Their file names, for the linker. */
  readonly files: readonly string[]
  /** Folder that holds tensorflow/c/c_api.h. */
  readonly headers: string
}

/** TensorFlow for x86-64 Linux as the Python registry publishes it; the sum is that of the wheel. */
export const WHEEL = {
  project: 'tensorflow-cpu',
  version: '2.18.1',
  python: '3.11',
  abi: 'cp311',
  platform: 'manylinux_2_17_x86_64',
  sha256: '810c75d7149d2da0cb2092187817b0dcabb80728ca9f9cf3a61f3f42fadd1298',
} as const

/** libtensorflow is the C library as Google distributes it, libtensorflow_cc the one inside the Python wheel. */
const NAMES = [/^libtensorflow\.so(\.2)?$/, /^libtensorflow_cc\.so(\.2)?$/]
const FRAMEWORK = /^libtensorflow_framework\.so(\.2)?$/

/** The library that the user named: the C distribution, a TensorFlow Python package, their lib folder, or a file in it. */
export function namedLibrary(named: string): Library {
  const given = path.resolve(named)
  if (!existsSync(given)) throw new AdytonError('file-not-found', `${given} does not exist`)
  const root = statSync(given).isDirectory() ? given : path.dirname(given)
  for (const folder of [root, path.join(root, 'lib'), path.join(root, 'tensorflow')]) {
    const library = inspect(folder)
    if (library !== undefined) return library
  }
  throw new AdytonError(
    'file-unsupported',
    `${root} holds no TensorFlow library: libtensorflow.so.2 or libtensorflow_cc.so.2, libtensorflow_framework.so.2, ` +
      'and the header include/tensorflow/c/c_api.h',
    {
      advice:
        'Name the folder of an unpacked libtensorflow archive, or that of the Python package: ' +
        'python3 -c "import tensorflow, os; print(os.path.dirname(tensorflow.__file__))"',
    },
  )
}

function inspect(folder: string): Library | undefined {
  if (!existsSync(folder)) return undefined
  const all = readdirSync(folder).sort().reverse()
  const main = NAMES.map((pattern) => all.find((name) => pattern.test(name))).find((name) => name !== undefined)
  const framework = all.find((name) => FRAMEWORK.test(name))
  const headers = [path.join(folder, 'include'), path.join(folder, '..', 'include')].find((candidate) =>
    existsSync(path.join(candidate, 'tensorflow', 'c', 'c_api.h')),
  )
  if (main === undefined || framework === undefined || headers === undefined) return undefined
  return { folder, files: [main, framework], headers }
}

/** The library of the wheel, fetched into `built` unless it is already there. */
export async function wheelLibrary(built: string, fetch: EngineFetch): Promise<Library> {
  const target = path.join(built, 'libtensorflow', `${WHEEL.project}-${WHEEL.version}`)
  const present = inspect(path.join(target, 'tensorflow'))
  if (present !== undefined) return present
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new AdytonError(
      'file-not-found',
      `no TensorFlow library was named, and one can be fetched only for x86-64 Linux, not ${process.platform} ${process.arch}`,
      { advice: NAME_ONE },
    )
  }
  mkdirSync(built, { recursive: true })
  const scratch = mkdtempSync(path.join(built, 'tmp-'))
  try {
    const unpacked = await fetch.wheel(scratch)
    rmSync(target, { recursive: true, force: true })
    mkdirSync(path.dirname(target), { recursive: true })
    renameSync(unpacked, target)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
  const library = inspect(path.join(target, 'tensorflow'))
  if (library === undefined) throw new AdytonError('file-unsupported', `the wheel holds no library: ${target}`)
  return library
}

export const NAME_ONE =
  'Name one with --library FOLDER (or ADYTON_LIBTENSORFLOW); docs/training-engine.md tells where to get it.'
