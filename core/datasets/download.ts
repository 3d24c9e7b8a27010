/**
 * Downloads one file: with progress, resumed after a break (HTTP range requests), checked, and put in its place only
 * when it is whole. Until then it is FILE.part, with what is known of it in FILE.part.json.
 */
import { open, readFile, rename, rm, stat, writeFile, mkdir, type FileHandle } from 'node:fs/promises'
import { get as httpGet, type IncomingMessage } from 'node:http'
import { get as httpsGet } from 'node:https'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import { checksums } from './checksum.ts'
import { cancelled, corrupt, digits } from './problems.ts'

export interface DownloadProgress {
  /** Bytes on disk, with those of an earlier try. */
  readonly received: number
  /** Undefined while the server has not said. */
  readonly total: number | undefined
  /** Where this try began: above 0 when it was resumed. */
  readonly resumedFrom: number
}

export interface DownloadOptions {
  /** Expected sums in hexadecimal, and size; a download that differs is an error and is deleted. */
  readonly sha256?: string
  readonly md5?: string
  readonly bytes?: number
  /** More than this is refused; 4 GiB unless given, or `bytes`. */
  readonly maxBytes?: number
  /** Further tries after the connection breaks; 3 unless given. Each goes on where the last one stopped. */
  readonly retries?: number
  /** Milliseconds without a byte after which the connection counts as broken; 30,000 unless given. */
  readonly idleMs?: number
  /** Milliseconds before the first further try, doubled for each after it; 500 unless given. */
  readonly retryMs?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: DownloadProgress) => void
}

const MAX_REDIRECTS = 5
const DEFAULT_MAX = 4 * 2 ** 30

/** What FILE.part is the beginning of. */
const BegunSchema = v.object({
  url: v.string(),
  /** A strong entity tag, or a date: what the server calls this version of the file. */
  version: v.nullable(v.string()),
})

type Begun = v.InferOutput<typeof BegunSchema>

/** A break that another try may mend. */
class Broken extends Error {}

/**
 * Downloads a file, or goes on with one that was begun. Nothing is fetched when `file` is there already.
 * @throws AdytonError 'file-not-found' (the server has no such file), 'peer-unreachable', 'peer-closed' (broke off, what
 *   came is kept), 'peer-timeout', 'peer-aborted' (the server refused), 'file-corrupt' (size or checksum), 'cancelled'
 *   (what came is kept), 'usage' (not an address, or the folder cannot be written)
 */
export async function download(url: string, file: string, options: DownloadOptions = {}): Promise<void> {
  const { retries = 3, retryMs = 500, signal } = options
  const aborted = (): boolean => signal?.aborted === true
  checkUrl(url)
  if (aborted()) throw cancelled(`downloading ${url}`)
  if ((await sizeOf(file)) !== undefined) return
  await mkdir(dirname(file), { recursive: true }).catch((cause: unknown) => {
    throw unwritable(file, cause)
  })
  for (let attempt = 0; ; attempt++) {
    try {
      await attemptOnce(url, file, options)
      break
    } catch (error) {
      if (aborted()) throw cancelled(`downloading ${url}`)
      if (!(error instanceof Broken)) throw error
      if (attempt >= retries) throw await gaveUp(url, file, error)
      await sleep(retryMs * 2 ** attempt, undefined, signal === undefined ? {} : { signal }).catch(() => {
        throw cancelled(`downloading ${url}`)
      })
    }
  }
  await verify(url, `${file}.part`, options)
  await rename(`${file}.part`, file)
  await rm(`${file}.part.json`, { force: true })
}

async function attemptOnce(url: string, file: string, options: DownloadOptions): Promise<void> {
  const { bytes: expected, maxBytes = expected ?? DEFAULT_MAX, signal, idleMs = 30_000, onProgress } = options
  const begun = await readBegun(url, file)
  if (expected !== undefined && begun.size === expected) return
  const ranged = begun.size > 0 && begun.version !== null
  const headers = ranged ? { range: `bytes=${begun.size}-`, 'if-range': begun.version ?? '' } : {}
  const response = await request(url, headers, idleMs, signal)
  try {
    const from = resumePoint(url, response, ranged ? begun.size : 0)
    if (from === undefined) {
      // 416: what is here is all of it, or belongs to another version.
      const total = /^bytes \*\/(\d+)$/.exec(response.headers['content-range'] ?? '')?.[1]
      if (total === String(begun.size)) return
      await rm(`${file}.part`, { force: true })
      throw new Broken('the file has changed on the server')
    }
    const length = response.headers['content-length']
    const total = length === undefined ? undefined : from + Number(length)
    if (total !== undefined && expected !== undefined && total !== expected) {
      throw corrupt(url, `the server has ${digits(total)} bytes, expected ${digits(expected)}`)
    }
    if (total !== undefined && total > maxBytes) throw tooLarge(url, maxBytes)
    await using part = await open(`${file}.part`, from === 0 ? 'w' : 'r+').catch((cause: unknown) => {
      throw unwritable(file, cause)
    })
    await part.truncate(from)
    await writeFile(`${file}.part.json`, JSON.stringify({ url, version: versionOf(response) } satisfies Begun))
    await receive(url, response, part, { from, total, maxBytes, signal, onProgress })
  } finally {
    response.destroy()
  }
}

interface Receiving {
  readonly from: number
  readonly total: number | undefined
  readonly maxBytes: number
  readonly signal: AbortSignal | undefined
  readonly onProgress: DownloadOptions['onProgress']
}

async function receive(url: string, response: IncomingMessage, part: FileHandle, to: Receiving): Promise<void> {
  const { from, total, maxBytes, signal, onProgress } = to
  let received = from
  onProgress?.({ received, total, resumedFrom: from })
  const chunks = (response as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  for (;;) {
    let next: IteratorResult<Buffer>
    try {
      next = await chunks.next()
    } catch (cause) {
      throw new Broken('the connection broke off', { cause })
    }
    if (signal?.aborted === true) throw cancelled(`downloading ${url}`)
    if (next.done === true) break
    if (received + next.value.length > maxBytes) throw tooLarge(url, maxBytes)
    await part.write(next.value, 0, next.value.length, received).catch((cause: unknown) => {
      throw unwritable(url, cause)
    })
    received += next.value.length
    onProgress?.({ received, total, resumedFrom: from })
  }
  await part.sync()
  if (total !== undefined && received !== total) {
    throw new Broken(`the connection ended after ${digits(received)} of ${digits(total)} bytes`)
  }
}

/** Offset of the first byte of the answer; undefined for a range that cannot be had. */
function resumePoint(url: string, response: IncomingMessage, asked: number): number | undefined {
  const { statusCode = 0, headers } = response
  if (statusCode === 200) return 0
  if (statusCode === 416 && asked > 0) return undefined
  if (statusCode === 206 && asked > 0) {
    const start = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '')?.[1]
    if (start === String(asked)) return asked
    throw new AdytonError('peer-aborted', `${url}: the server sent another range than was asked for`)
  }
  if (statusCode === 404 || statusCode === 410) {
    throw new AdytonError('file-not-found', `${url}: the server has no such file (HTTP ${statusCode})`, {
      advice: 'Download the data set with a browser and open the file here.',
    })
  }
  if (statusCode >= 500 || statusCode === 429) throw new Broken(`the server answered HTTP ${statusCode}`)
  throw new AdytonError('peer-aborted', `${url}: the server answered HTTP ${statusCode}`)
}

/** One answer, after redirections; its body is as stored, never decompressed. */
async function request(
  url: string,
  headers: Record<string, string>,
  idleMs: number,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  let at = checkUrl(url)
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
    const response = await requestOnce(at, headers, idleMs, signal)
    const { statusCode = 0, headers: answer } = response
    if (![301, 302, 303, 307, 308].includes(statusCode) || answer.location === undefined) return response
    response.destroy()
    const next = checkUrl(new URL(answer.location, at).href)
    if (at.protocol === 'https:' && next.protocol !== 'https:') {
      throw new AdytonError('peer-untrusted', `${url}: leads from an encrypted address to ${next.origin}, which is not`)
    }
    at = next
  }
  throw new AdytonError('peer-aborted', `${url}: more than ${MAX_REDIRECTS} redirections`)
}

function requestOnce(
  url: URL,
  headers: Record<string, string>,
  idleMs: number,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const get = url.protocol === 'https:' ? httpsGet : httpGet
    const options = { headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': 'adyton' }, timeout: idleMs }
    const sent = get(url, signal === undefined ? options : { ...options, signal }, resolve)
    sent.on('timeout', () => sent.destroy(new Broken(`nothing came for ${digits(idleMs)} ms`)))
    sent.on('error', (cause) => {
      reject(cause instanceof Broken ? cause : new Broken(`no connection (${cause.message})`, { cause }))
    })
  })
}

function checkUrl(url: string): URL {
  const parsed = URL.parse(url)
  if (parsed === null || !['http:', 'https:'].includes(parsed.protocol)) {
    throw new AdytonError('usage', `${url}: not an http or https address`)
  }
  return parsed
}

/** A weak entity tag does not promise the same bytes. */
function versionOf({ headers }: IncomingMessage): string | null {
  const { etag, 'last-modified': modified } = headers
  return etag !== undefined && !etag.startsWith('W/') ? etag : (modified ?? null)
}

async function sizeOf(file: string): Promise<number | undefined> {
  try {
    return (await stat(file)).size
  } catch {
    return undefined
  }
}

/** What was begun of this address; nothing when it cannot be gone on with. */
async function readBegun(url: string, file: string): Promise<{ size: number; version: string | null }> {
  const nothing = { size: 0, version: null }
  try {
    const { url: from, version } = v.parse(BegunSchema, JSON.parse(await readFile(`${file}.part.json`, 'utf8')))
    return from === url ? { size: (await sizeOf(`${file}.part`)) ?? 0, version } : nothing
  } catch {
    return nothing
  }
}

async function verify(url: string, part: string, { sha256, md5, bytes, signal }: DownloadOptions): Promise<void> {
  const sums = await checksums(part, signal)
  const wrong =
    bytes !== undefined && sums.bytes !== bytes
      ? `${digits(sums.bytes)} bytes came, expected ${digits(bytes)}`
      : sha256 !== undefined && sums.sha256 !== sha256.toLowerCase()
        ? `has SHA-256 ${sums.sha256}, expected ${sha256}`
        : md5 !== undefined && sums.md5 !== md5.toLowerCase()
          ? `has MD5 ${sums.md5}, expected ${md5}`
          : undefined
  if (wrong === undefined) return
  await rm(part, { force: true })
  await rm(`${part}.json`, { force: true })
  throw corrupt(url, `${wrong}; what came was deleted`)
}

async function gaveUp(url: string, file: string, error: Broken): Promise<AdytonError> {
  const size = (await sizeOf(`${file}.part`)) ?? 0
  const kept = size > 0 ? `; ${digits(size)} bytes are kept and will not be fetched again` : ''
  const code = /^nothing came/.test(error.message) ? 'peer-timeout' : size > 0 ? 'peer-closed' : 'peer-unreachable'
  return new AdytonError(code, `${url}: ${error.message}${kept}`, {
    advice: 'Check the connection and start the download again.',
    cause: error,
  })
}

const tooLarge = (url: string, limit: number): AdytonError =>
  corrupt(url, `is larger than ${digits(limit)} bytes, the most that was asked for`)

const unwritable = (file: string, cause: unknown): AdytonError =>
  new AdytonError('usage', `${file}: cannot be written`, {
    advice: 'Name a folder that can be written, with enough free space.',
    cause,
  })
