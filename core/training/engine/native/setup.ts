/**
 * `npm run engine:setup -- [--library FOLDER]`: builds the native training backend into build/engine. See
 * docs/training-engine.md.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { AdytonError } from '../../../errors/errors.ts'
import { compileAddon } from './compile.ts'
import { namedLibrary, wheelLibrary } from './library.ts'
import { engineFolder, type Manifest } from './locate.ts'
import { lastLines, run } from './process.ts'
import { prepareSources } from './sources.ts'

const USAGE = `npm run engine:setup -- [--library FOLDER]

Builds the native TensorFlow backend for training into build/engine.
  --library FOLDER   a TensorFlow C library that is on this machine (also: ADYTON_LIBTENSORFLOW);
                     without it, one is fetched from the Python registry with pip
`

async function setUp(library: string | undefined, log: (line: string) => void): Promise<string> {
  const built = engineFolder()
  mkdirSync(built, { recursive: true })
  if (process.platform !== 'linux') {
    throw new AdytonError('file-unsupported', `the addon can be built on Linux only, not on ${process.platform}`, {
      advice: 'Install @tensorflow/tfjs-node, which downloads a library of its own, or train with the WASM backend.',
    })
  }
  // Named wrongly, it should say so before anything is fetched.
  const named = library === undefined ? undefined : namedLibrary(library)
  const tfjsNode = await prepareSources(built, log)
  const found = named ?? (await wheelLibrary(built, log))
  const file = path.join(built, 'engine.json')
  rmSync(file, { force: true })
  await compileAddon(built, found, log)
  const manifest: Manifest = { tfjsNode, library: found.folder }
  writeFileSync(file, `${JSON.stringify(manifest, undefined, 2)}\n`)
  const check = await run(process.execPath, [path.join(import.meta.dirname, 'check.ts')])
  if (!check.ok) {
    rmSync(file, { force: true })
    throw new AdytonError('file-unsupported', `the addon was built but does not work:\n${lastLines(check.output, 5)}`, {
      advice: `The library in ${found.folder} may be for another machine or of another version.`,
    })
  }
  return lastLines(check.output, 1)
}

try {
  const { values } = parseArgs({ options: { library: { type: 'string' }, help: { type: 'boolean' } } })
  if (values.help === true) {
    process.stdout.write(USAGE)
  } else {
    const environment = process.env.ADYTON_LIBTENSORFLOW
    const library = values.library ?? (environment === '' ? undefined : environment)
    process.stdout.write(`${await setUp(library, (line) => process.stdout.write(`${line}\n`))}\n`)
  }
} catch (error) {
  const usage = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  if (!(error instanceof AdytonError) && !usage) throw error
  process.stderr.write(`${error.message}\n${error instanceof AdytonError ? (error.advice ?? '') : USAGE}\n`)
  process.exitCode = 1
}
