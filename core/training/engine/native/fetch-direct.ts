/**
 * Fetches over HTTPS with nothing but this program, as an installed one must: no npm, Python or tar. Downloads are kept
 * in a folder until they are whole, so that what was stopped goes on.
 */
import { mkdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import * as v from 'valibot'
import { download, type DownloadProgress } from '../../../datasets/download.ts'
import { untar } from '../../../datasets/untar.ts'
import { unzip } from '../../../datasets/unzip.ts'
import { AdytonError } from '../../../errors/errors.ts'
import { WHEEL_ENTRIES, type EngineFetch } from './fetch.ts'
import { NAME_ONE, WHEEL } from './library.ts'
import { digest } from './process.ts'
import type { NpmPackage } from './sources.ts'

export interface DirectOptions {
  /** Folder for what has come so far. */
  readonly downloads: string
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: DownloadProgress & { readonly file: string }) => void
  /** The registries; the public ones unless given. */
  readonly npm?: string
  readonly python?: string
  /** Sum of the wheel, hexadecimal; that of {@link WHEEL} unless given. */
  readonly sha256?: string
}

/** Nothing of either archive is larger; a wheel is 230 MB and unpacks to 1.1 GB. */
const LIMITS = { maxEntries: 100_000, maxBytes: 4 * 2 ** 30 }

const IndexSchema = v.object({
  urls: v.array(
    v.object({ url: v.pipe(v.string(), v.url()), filename: v.string(), digests: v.object({ sha256: v.string() }) }),
  ),
})

export function directFetch(options: DirectOptions): EngineFetch {
  return {
    npm: (wanted, scratch) => npmPackage(wanted, scratch, options),
    wheel: (scratch) => wheel(scratch, options),
  }
}

async function fetched(url: string, name: string, options: DirectOptions, sha256?: string): Promise<string> {
  const { downloads, signal, onProgress } = options
  const file = path.join(downloads, name)
  await download(url, file, {
    ...(signal === undefined ? {} : { signal }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(onProgress === undefined ? {} : { onProgress: (progress) => onProgress({ ...progress, file: name }) }),
  })
  return file
}

async function npmPackage(wanted: NpmPackage, scratch: string, options: DirectOptions): Promise<string> {
  const { npm = 'https://registry.npmjs.org', signal } = options
  const base = wanted.name.split('/').at(-1) as string
  const name = `${base}-${wanted.version}.tgz`
  const archive = await fetched(`${npm}/${wanted.name}/-/${name}`, name, options)
  if ((await digest(archive, 'sha512', 'base64')) !== wanted.sha512) {
    await rm(archive, { force: true })
    throw new AdytonError('file-corrupt', `${name} from ${npm} is not the package that was published`, {
      advice: 'It was deleted. Try again, or on another network.',
    })
  }
  // The first folder of the archive is called otherwise by some packages; these two have 'package'.
  const spec = { name, urls: [], bytes: 0, folder: 'package', entries: /./, ...LIMITS }
  const into = path.join(scratch, 'package')
  await mkdir(into)
  await untar({ archive, into, spec, signal, onFile: () => undefined })
  await rm(archive)
  return into
}

async function wheel(scratch: string, options: DirectOptions): Promise<string> {
  const { python = 'https://pypi.org', sha256 = WHEEL.sha256, signal } = options
  // The registry tells where the file lies; what comes is judged by its sum alone.
  const list = path.join(scratch, 'index.json')
  const stopping = signal === undefined ? {} : { signal }
  await download(`${python}/pypi/${WHEEL.project}/${WHEEL.version}/json`, list, { maxBytes: 16 * 2 ** 20, ...stopping })
  const index = v.safeParse(IndexSchema, parsed(await readFile(list, 'utf8')))
  const file = index.success ? index.output.urls.find(({ digests }) => digests.sha256 === sha256) : undefined
  if (file === undefined) {
    throw new AdytonError(
      'file-not-found',
      `${python} has no ${WHEEL.project} ${WHEEL.version} of the known checksum`,
      {
        advice: NAME_ONE,
      },
    )
  }
  const name = `${WHEEL.project}-${WHEEL.version}.whl`
  const archive = await fetched(file.url, name, options, sha256)
  const into = path.join(scratch, 'unpacked')
  const entries = new RegExp(WHEEL_ENTRIES.source.replace('^tensorflow\\/', '^'))
  const spec = { name, urls: [], bytes: 0, folder: 'tensorflow', entries, ...LIMITS }
  await mkdir(path.join(into, 'tensorflow'), { recursive: true })
  await unzip({ archive, into: path.join(into, 'tensorflow'), spec, signal, onFile: () => undefined })
  await rm(archive)
  return into
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
