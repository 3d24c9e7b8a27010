/** Fetching what the native backend is built of, from registries on this machine; and remembering an engine. */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create } from 'tar'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ZipFile } from 'yazl'
import { adopt, adoptedFolder, engineFolders, engineHome } from '../../core/api/engines/adopted.ts'
import { engineFind } from '../../core/api/operations/engines.ts'
import { directFetch, type DirectOptions } from '../../core/training/engine/native/fetch-direct.ts'
import { WHEEL } from '../../core/training/engine/native/library.ts'
import { locateAddons, locateIn } from '../../core/training/engine/native/locate.ts'

const context = { signal: new AbortController().signal, onNotice: () => undefined, onProgress: () => undefined }

let folder: string
let scratch: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'adyton-engine-'))
  scratch = join(folder, 'scratch')
  mkdirSync(scratch)
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function files(...names: string[]): void {
  for (const name of names) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), name)
  }
}

describe('fetching without npm and pip', () => {
  let server: Server
  let base: string
  let served: Map<string, Buffer>
  let dropAt: number | undefined
  let ranges: (string | undefined)[]
  beforeEach(async () => {
    served = new Map()
    ranges = []
    dropAt = undefined
    server = createServer((request, response) => {
      const body = served.get(request.url ?? '')
      if (body === undefined) {
        response.writeHead(404).end()
        return
      }
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0)
      ranges.push(request.headers.range)
      const head = { etag: '"1"', 'content-length': body.length - from }
      const range = { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` }
      response.writeHead(from > 0 ? 206 : 200, from > 0 ? { ...head, ...range } : head)
      if (dropAt === undefined || request.url?.endsWith('.whl') !== true) response.end(body.subarray(from))
      else response.write(body.subarray(from, dropAt), () => response.destroy())
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })
  afterEach(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const options = (more: Partial<DirectOptions> = {}): DirectOptions => ({
    ...{ downloads: join(folder, 'downloads'), npm: base, python: base },
    ...more,
  })

  test('a package is checked and unpacked, and another one is refused and deleted', async () => {
    files('package/package.json', 'package/dist/index.js')
    await create({ cwd: folder, gzip: true, file: join(folder, 'it.tgz') }, ['package'])
    const archive = readFileSync(join(folder, 'it.tgz'))
    served.set('/@some/it/-/it-1.0.0.tgz', archive)
    const sha512 = createHash('sha512').update(archive).digest('base64')
    const wanted = { name: '@some/it', version: '1.0.0', sha512 }
    const into = await directFetch(options()).npm(wanted, scratch)
    expect(readFileSync(join(into, 'dist/index.js'), 'utf8')).toBe('package/dist/index.js')

    rmSync(scratch, { recursive: true })
    mkdirSync(scratch)
    const other = { ...wanted, sha512: createHash('sha512').update('other').digest('base64') }
    await expect(directFetch(options()).npm(other, scratch)).rejects.toMatchObject({ code: 'file-corrupt' })
    expect(readdirSync(join(folder, 'downloads'))).toEqual([])
  })

  const wheel = async (): Promise<{ bytes: Buffer; sha256: string }> => {
    const zip = new ZipFile()
    zip.addBuffer(Buffer.alloc(300_000, 7), 'tensorflow/libtensorflow_cc.so.2', { compress: false })
    zip.addBuffer(Buffer.from('header'), 'tensorflow/include/tensorflow/c/c_api.h')
    zip.addBuffer(Buffer.from('python'), 'tensorflow/__init__.py')
    zip.end()
    const chunks: Buffer[] = []
    for await (const chunk of zip.outputStream as AsyncIterable<Buffer>) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    return { bytes, sha256: createHash('sha256').update(bytes).digest('hex') }
  }
  const publish = (bytes: Buffer, sha256: string): void => {
    served.set('/files/it.whl', bytes)
    const urls = [
      { url: `${base}/files/other.whl`, filename: 'other.whl', digests: { sha256: '0'.repeat(64) } },
      { url: `${base}/files/it.whl`, filename: 'it.whl', digests: { sha256 } },
    ]
    served.set(`/pypi/${WHEEL.project}/${WHEEL.version}/json`, Buffer.from(JSON.stringify({ urls })))
  }

  test('the wheel is found by its sum; library and headers are taken, and no Python', async () => {
    const { bytes, sha256 } = await wheel()
    publish(bytes, sha256)
    const into = await directFetch(options({ sha256 })).wheel(scratch)
    expect(existsSync(join(into, 'tensorflow/libtensorflow_cc.so.2'))).toBe(true)
    expect(existsSync(join(into, 'tensorflow/include/tensorflow/c/c_api.h'))).toBe(true)
    expect(existsSync(join(into, 'tensorflow/__init__.py'))).toBe(false)
    expect(readdirSync(join(folder, 'downloads'))).toEqual([])
  })

  test('what was stopped goes on where it was', async () => {
    const { bytes, sha256 } = await wheel()
    publish(bytes, sha256)
    const abort = new AbortController()
    const half = options({
      ...{ sha256, signal: abort.signal },
      onProgress: ({ received }) => {
        if (received >= 100_000) abort.abort()
      },
    })
    dropAt = 150_000
    await expect(directFetch(half).wheel(scratch)).rejects.toMatchObject({ code: 'cancelled' })
    rmSync(scratch, { recursive: true })
    mkdirSync(scratch)
    dropAt = undefined
    ranges = []
    await directFetch(options({ sha256 })).wheel(scratch)
    expect(ranges.some((range) => range !== undefined && range !== 'bytes=0-')).toBe(true)
  })

  test('a registry without it, and one that sends another file, are told in words', async () => {
    const { bytes, sha256 } = await wheel()
    publish(bytes, 'f'.repeat(64))
    await expect(directFetch(options({ sha256 })).wheel(scratch)).rejects.toMatchObject({ code: 'file-not-found' })
    rmSync(join(scratch, 'index.json'))
    publish(Buffer.concat([bytes, Buffer.from('more')]), sha256)
    await expect(directFetch(options({ sha256 })).wheel(scratch)).rejects.toMatchObject({ code: 'file-corrupt' })
  })
})

describe('an engine that was adopted', () => {
  test('is remembered in the data folder, and looked at before the one that is built there', () => {
    expect(adoptedFolder(folder)).toBeNull()
    expect(engineFolders(folder)).toEqual([engineHome(folder)])
    adopt('/elsewhere/engine', folder)
    expect(engineFolders(folder)).toEqual(['/elsewhere/engine', engineHome(folder)])
    adopt(null, folder)
    expect(adoptedFolder(folder)).toBeNull()
    files('engine/adopted.json')
    expect(adoptedFolder(folder)).toBeNull()
  })

  test('is found as engine:setup builds it, and as an installed package', () => {
    expect(locateIn(folder)).toMatch(/no addon is built/)
    files('built/tfjs_binding.node', 'library/libtensorflow.so.2')
    const manifest = { tfjsNode: '4.22.0', library: join(folder, 'library') }
    writeFileSync(join(folder, 'built/engine.json'), JSON.stringify(manifest))
    const built = { addon: join(folder, 'built/tfjs_binding.node'), origin: 'built by engine:setup' }
    expect(locateIn(join(folder, 'built'))).toMatchObject(built)
    expect(locateAddons([join(folder, 'built')]).candidates[0]).toMatchObject(built)
    rmSync(join(folder, 'library'), { recursive: true })
    expect(locateIn(join(folder, 'built'))).toMatch(/is gone/)
    expect(locateAddons([join(folder, 'built')]).missing.join()).toContain(join(folder, 'library'))

    files('node_modules/it/lib/napi-v8/tfjs_binding.node')
    writeFileSync(join(folder, 'node_modules/it/package.json'), JSON.stringify({ name: '@tensorflow/tfjs-node' }))
    expect(locateIn(join(folder, 'node_modules/it'))).toMatchObject({ origin: '@tensorflow/tfjs-node' })
  })

  test('is not adopted when it does not load', async () => {
    files('built/tfjs_binding.node', 'library/libtensorflow.so.2')
    const manifest = { tfjsNode: '4.22.0', library: join(folder, 'library') }
    writeFileSync(join(folder, 'built/engine.json'), JSON.stringify(manifest))
    const found = engineFind.run({ path: join(folder, 'built'), data: folder }, context)
    await expect(found).rejects.toMatchObject({ code: 'file-unsupported' })
    expect(adoptedFolder(folder)).toBeNull()
  })

  test('what is no library is told so', async () => {
    const nothing = engineFind.run({ path: folder, data: folder }, context)
    await expect(nothing).rejects.toMatchObject({ code: 'file-unsupported' })
    const missing = engineFind.run({ path: join(folder, 'no'), data: folder }, context)
    await expect(missing).rejects.toMatchObject({ code: 'file-not-found' })
  })
})
