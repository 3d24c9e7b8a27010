import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openDataset } from '../../core/datasets/dataset.ts'
import { download, type DownloadProgress } from '../../core/datasets/download.ts'
import { fetchDataset } from '../../core/datasets/fetch-official.ts'
import { idxBytes, rejection } from './datasets-helpers.ts'

const root = mkdtempSync(path.join(tmpdir(), 'adyton-download-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const CONTENT = randomBytes(300_000)
const SHA256 = createHash('sha256').update(CONTENT).digest('hex')
const MD5 = createHash('md5').update(CONTENT).digest('hex')
/** What is sent before a connection is dropped. */
const HALF = 140_000

type Handler = (request: IncomingMessage, response: ServerResponse) => void

let server: Server
let url = ''
let handle: Handler = () => undefined
/** The range header of each request. */
let ranges: (string | undefined)[] = []
let file = ''
let made = 0

beforeEach(async () => {
  ranges = []
  file = path.join(root, String(made++), 'data.bin')
  server = createServer((request, response) => {
    ranges.push(request.headers.range)
    handle(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/data.bin`
})

afterEach(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

interface Serving {
  readonly etag?: string
  /** Requests, counted from 0, whose connection is dropped in the middle. */
  readonly drop?: readonly number[]
  readonly ranged?: boolean
  readonly content?: Buffer
}

/** A server of one file, by RFC 9110. */
function serve({ etag = '"v1"', drop = [], ranged = true, content = CONTENT }: Serving = {}): Handler {
  let count = 0
  return (request, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const partial = ranged && request.headers.range !== undefined && request.headers['if-range'] === etag
    if (partial && from >= content.length) {
      response.writeHead(416, { 'content-range': `bytes */${content.length}` }).end()
      return
    }
    const body = partial ? content.subarray(from) : content
    response.writeHead(partial ? 206 : 200, {
      etag,
      'content-length': body.length,
      ...(partial ? { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
    })
    if (drop.includes(count++)) response.write(body.subarray(0, HALF), () => setTimeout(() => response.destroy(), 20))
    else response.end(body)
  }
}

const fast = { retryMs: 1 } as const
const whole = { sha256: SHA256, md5: MD5, bytes: CONTENT.length, ...fast }
const left = () => readdirSync(path.dirname(file)).sort()

describe('download', () => {
  test('fetches, reports progress and leaves nothing but the file', async () => {
    handle = serve()
    const seen: DownloadProgress[] = []
    await download(url, file, { ...whole, onProgress: (progress) => seen.push(progress) })
    expect(readFileSync(file).equals(CONTENT)).toBe(true)
    expect(left()).toEqual(['data.bin'])
    expect(seen[0]).toEqual({ received: 0, total: CONTENT.length, resumedFrom: 0 })
    expect(seen.at(-1)?.received).toBe(CONTENT.length)
    expect(seen.every(({ received }, i) => i === 0 || received >= seen[i - 1].received)).toBe(true)
    await download(url, file, whole)
    expect(ranges.length).toBe(1)
  })

  test('goes on by itself where the connection dropped', async () => {
    handle = serve({ drop: [0] })
    const resumed: number[] = []
    await download(url, file, { ...whole, onProgress: ({ resumedFrom }) => resumed.push(resumedFrom) })
    expect(readFileSync(file).equals(CONTENT)).toBe(true)
    expect(ranges.length).toBe(2)
    const from = Number(/^bytes=(\d+)-$/.exec(ranges[1] ?? '')?.[1])
    expect(from).toBeGreaterThan(0)
    expect(from).toBeLessThanOrEqual(HALF)
    expect(new Set(resumed)).toEqual(new Set([0, from]))
  })

  test('keeps what came when it gives up, and goes on another time', async () => {
    handle = serve({ drop: [0] })
    const { code, message } = await rejection(download(url, file, { ...whole, retries: 0 }))
    expect(code).toBe('peer-closed')
    expect(message).toMatch(/bytes are kept/)
    expect(existsSync(file)).toBe(false)
    await download(url, file, { ...whole, retries: 0 })
    expect(ranges[1]).toMatch(/^bytes=[1-9]/)
    expect(readFileSync(file).equals(CONTENT)).toBe(true)
    expect(left()).toEqual(['data.bin'])
  })

  test('starts anew when the server has no ranges, or another version', async () => {
    handle = serve({ drop: [0], ranged: false })
    await download(url, file, whole)
    expect(readFileSync(file).equals(CONTENT)).toBe(true)

    file = path.join(root, String(made++), 'data.bin')
    handle = serve({ drop: [0], etag: '"old"', content: randomBytes(CONTENT.length) })
    await rejection(download(url, file, { ...whole, retries: 0 }))
    handle = serve({ etag: '"new"' })
    await download(url, file, whole)
    expect(readFileSync(file).equals(CONTENT)).toBe(true)
  })

  test('starts anew when what was begun is of another address', async () => {
    handle = serve({ drop: [0] })
    await rejection(download(`${url}?other`, file, { retries: 0 }))
    await download(url, file, whole)
    expect(ranges).toEqual([undefined, undefined])
  })

  test('finishes what was whole but not yet in its place', async () => {
    handle = serve()
    const folder = path.dirname(file)
    await download(url, file, whole)
    rmSync(file)
    writeFileSync(`${file}.part`, CONTENT)
    writeFileSync(`${file}.part.json`, JSON.stringify({ url, version: '"v1"' }))
    await download(url, file, { ...fast, sha256: SHA256 })
    expect(readFileSync(file).equals(CONTENT)).toBe(true)
    expect(readdirSync(folder)).toEqual(['data.bin'])
  })

  test.each([
    ['SHA-256', { sha256: '0'.repeat(64) }],
    ['MD5', { md5: '0'.repeat(32) }],
  ])('deletes what has a wrong %s', async (name, sums) => {
    handle = serve()
    const { code, message } = await rejection(download(url, file, { ...fast, ...sums }))
    expect(code).toBe('file-corrupt')
    expect(message).toContain(`has ${name} ${name === 'MD5' ? MD5 : SHA256}, expected 000`)
    expect(left()).toEqual([])
  })

  test('refuses a wrong size at once, and more than is allowed', async () => {
    handle = serve()
    const wrong = await rejection(download(url, file, { ...fast, bytes: 5 }))
    expect(wrong.message).toMatch(/the server has 300,000 bytes, expected 5/)
    expect((await rejection(download(url, file, { ...fast, maxBytes: 1000 }))).message).toMatch(/larger than 1,000/)
    // A server that does not say how much is coming.
    handle = (_, response) => response.write(CONTENT, () => response.end())
    expect((await rejection(download(url, file, { ...fast, maxBytes: 1000 }))).message).toMatch(/larger than 1,000/)
    expect(existsSync(file)).toBe(false)
  })

  test('says that there is no such file, without trying again', async () => {
    handle = (_, response) => response.writeHead(404).end('no')
    const { code, message } = await rejection(download(url, file, fast))
    expect(code).toBe('file-not-found')
    expect(message).toMatch(/HTTP 404/)
    expect(ranges.length).toBe(1)
  })

  test('tries again after HTTP 503, and not after 403', async () => {
    let count = 0
    const good = serve()
    handle = (request, response) => (count++ === 0 ? response.writeHead(503).end() : good(request, response))
    await download(url, file, whole)
    expect(ranges.length).toBe(2)
    rmSync(file)
    handle = (_, response) => response.writeHead(403).end()
    expect((await rejection(download(url, file, fast))).code).toBe('peer-aborted')
    expect(ranges.length).toBe(3)
  })

  test('follows redirections, but not for ever, nor to other schemes', async () => {
    const good = serve()
    handle = (request, response) =>
      request.url === '/data.bin' ? response.writeHead(302, { location: '/real' }).end() : good(request, response)
    await download(url, file, whole)
    expect(readFileSync(file).equals(CONTENT)).toBe(true)
    rmSync(file)
    handle = (_, response) => response.writeHead(302, { location: '/again' }).end()
    expect((await rejection(download(url, file, fast))).message).toMatch(/more than 5 redirections/)
    handle = (_, response) => response.writeHead(302, { location: 'file:///etc/hostname' }).end()
    expect((await rejection(download(url, file, fast))).code).toBe('usage')
  })

  test('keeps a stored gzip file as it is, whatever encoding is declared', async () => {
    const stored = gzipSync(CONTENT)
    let asked: string | string[] | undefined
    handle = (request, response) => {
      asked = request.headers['accept-encoding']
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(stored)
    }
    await download(url, file, fast)
    expect(asked).toBe('identity')
    expect(readFileSync(file).equals(stored)).toBe(true)
  })

  test('can be cancelled, keeps what came and goes on later', async () => {
    handle = serve({ drop: [0] })
    const controller = new AbortController()
    const job = download(url, file, {
      ...whole,
      signal: controller.signal,
      onProgress: ({ received }) => received > 0 && controller.abort(),
    })
    expect((await rejection(job)).code).toBe('cancelled')
    expect(left()).toEqual(['data.bin.part', 'data.bin.part.json'])
    expect((await rejection(download(url, file, { signal: AbortSignal.abort() }))).code).toBe('cancelled')
    await download(url, file, whole)
    expect(ranges[1]).toMatch(/^bytes=[1-9]/)
    expect(readFileSync(file).equals(CONTENT)).toBe(true)
  })

  test('gives up on a server that is silent, or is not there', async () => {
    handle = () => undefined
    const silent = await rejection(download(url, file, { ...fast, retries: 1, idleMs: 50 }))
    expect(silent.code).toBe('peer-timeout')
    expect(ranges.length).toBe(2)
    const nobody = await rejection(download('http://127.0.0.1:1/data.bin', file, { ...fast, retries: 0 }))
    expect(nobody.code).toBe('peer-unreachable')
    expect((await rejection(download('ftp://127.0.0.1/x', file))).code).toBe('usage')
  })
})

describe('fetchDataset', () => {
  test('fetches every file, from the second address where the first fails, ready to be opened', async () => {
    const files = new Map<string, Buffer>()
    for (const prefix of ['train', 't10k']) {
      files.set(
        `${prefix}-images-idx3-ubyte.gz`,
        gzipSync(
          idxBytes(
            [2, 3, 3],
            Array.from({ length: 18 }, (_, i) => i),
          ),
        ),
      )
      files.set(`${prefix}-labels-idx1-ubyte.gz`, gzipSync(idxBytes([2], [1, 7])))
    }
    handle = (request, response) => {
      const found = /^\/good\/(.*)$/.exec(request.url ?? '')
      const content = files.get(found?.[1] ?? '')
      if (content === undefined) response.writeHead(404).end()
      else response.writeHead(200, { 'content-length': content.length }).end(content)
    }
    const base = new URL('/', url).href
    const downloads = [...files].map(([name, content]) => ({
      name,
      bytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
      urls: [`${base}bad/${name}`, `${base}good/${name}`],
    }))
    const seen = new Set<string>()
    const parent = path.join(root, 'fetched')
    const folder = await fetchDataset({ id: 'mnist', title: 'MNIST', downloads }, parent, {
      onProgress: ({ file: name }) => seen.add(name),
    })
    expect([...seen].sort()).toEqual([...files.keys()].sort())
    const { parts } = await openDataset(folder)
    expect([...parts.train.labels]).toEqual([1, 7])
  })
})
