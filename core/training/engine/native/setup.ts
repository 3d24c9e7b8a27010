/**
 * `npm run engine:setup -- [--library FOLDER]`: builds the native training backend into build/engine. See
 * docs/training-engine.md.
 */
import { parseArgs } from 'node:util'
import { AdytonError } from '../../../errors/errors.ts'
import { buildEngine } from './build.ts'
import { clientFetch } from './fetch-clients.ts'
import { engineFolder } from './locate.ts'

const USAGE = `npm run engine:setup -- [--library FOLDER]

Builds the native TensorFlow backend for training into build/engine.
  --library FOLDER   a TensorFlow C library that is on this machine (also: ADYTON_LIBTENSORFLOW);
                     without it, one is fetched from the Python registry with pip
`

const log = (line: string): void => void process.stdout.write(`${line}\n`)

try {
  const { values } = parseArgs({ options: { library: { type: 'string' }, help: { type: 'boolean' } } })
  if (values.help === true) {
    process.stdout.write(USAGE)
  } else {
    const environment = process.env.ADYTON_LIBTENSORFLOW
    const library = values.library ?? (environment === '' ? undefined : environment)
    log(await buildEngine({ into: engineFolder(), library, fetch: clientFetch(log), log }))
  }
} catch (error) {
  const usage = error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')
  if (!(error instanceof AdytonError) && !usage) throw error
  process.stderr.write(`${error.message}\n${error instanceof AdytonError ? (error.advice ?? '') : USAGE}\n`)
  process.exitCode = 1
}
