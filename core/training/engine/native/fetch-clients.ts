/** Fetches with the registries' own clients, npm and pip, which know of mirrors and proxies. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { AdytonError } from '../../../errors/errors.ts'
import { WHEEL_ENTRIES, type EngineFetch } from './fetch.ts'
import { NAME_ONE, WHEEL } from './library.ts'
import { digest, firstThatRuns, lastLines, run } from './process.ts'
import type { NpmPackage } from './sources.ts'

export function clientFetch(log: (line: string) => void): EngineFetch {
  return { npm: packed, wheel: (scratch) => wheel(scratch, log) }
}

async function packed(wanted: NpmPackage, scratch: string): Promise<string> {
  const spec = `${wanted.name}@${wanted.version}`
  const made = await run('npm', ['pack', spec, '--ignore-scripts', '--pack-destination', scratch])
  const archive = readdirSync(scratch).find((name) => name.endsWith('.tgz'))
  if (!made.ok || archive === undefined) {
    throw new AdytonError('file-not-found', `npm could not fetch ${spec}: ${lastLines(made.output, 3)}`, {
      advice: `Connect to the npm registry, or install it beforehand: npm install --no-save --ignore-scripts ${spec}`,
    })
  }
  const file = path.join(scratch, archive)
  if ((await digest(file, 'sha512', 'base64')) !== wanted.sha512) {
    throw new AdytonError('file-corrupt', `${spec} from the npm registry is not the package that was published`, {
      advice: 'Do not use it. Check which registry npm is set to.',
    })
  }
  const unpacked = await run('tar', ['-xzf', file, '-C', scratch])
  const folder = readdirSync(scratch).find((name) => existsSync(path.join(scratch, name, 'package.json')))
  if (!unpacked.ok || folder === undefined) {
    throw new AdytonError('file-corrupt', `tar could not unpack ${archive}: ${lastLines(unpacked.output, 3)}`)
  }
  return path.join(scratch, folder)
}

async function wheel(scratch: string, log: (line: string) => void): Promise<string> {
  const python = await firstThatRuns([
    ['python3', '-m', 'pip'],
    ['python', '-m', 'pip'],
  ])
  if (python === undefined) {
    throw new AdytonError('file-not-found', 'no TensorFlow library was named, and there is no pip to fetch one with', {
      advice: `${NAME_ONE} Or install Python with pip.`,
    })
  }
  log(`fetching ${WHEEL.project} ${WHEEL.version} from the Python registry (230 MB)`)
  const file = await downloadWheel(python, scratch)
  log('checking and unpacking it')
  if ((await digest(file, 'sha256', 'hex')) !== WHEEL.sha256) {
    throw new AdytonError('file-corrupt', `${path.basename(file)} is not the file that was published`, {
      advice: 'Do not use it. Check which registry pip is set to.',
    })
  }
  const unpacked = path.join(scratch, 'unpacked')
  const extracted = await run(python[0], ['-c', EXTRACT, file, unpacked, WHEEL_ENTRIES.source])
  if (!extracted.ok) {
    throw new AdytonError('file-corrupt', `the wheel could not be unpacked: ${lastLines(extracted.output, 3)}`)
  }
  return unpacked
}

/** A wheel is a ZIP archive, which Python reads. */
const EXTRACT = `
import re, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    wheel.extractall(sys.argv[2], [name for name in wheel.namelist() if re.match(sys.argv[3], name)])
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
      advice: 'Connect to the Python registry, or use a library that is on this disk.',
    })
  }
  return path.join(folder, wheel)
}
