/** Which answer each address of the bridge has. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { KEY_FRAGMENT, KEY_HEADER } from '../api/data/bridge.ts'
import type { AdytonError } from '../errors/errors.ts'
import { codeOf } from '../protocol/store/files.ts'
import type { Downloads } from './downloads.ts'
import type { Entry } from './entry.ts'
import { openStatic } from './files.ts'
import { checkRequest, type Target } from './guard.ts'
import { securityHeaders } from './headers.ts'
import { NO_ENTRY, NOT_BUILT } from './pages.ts'
import { Refusal } from './refusal.ts'
import type { Uploads } from './uploads.ts'

/** What is left of a refused request is read for so long, ms: a connection that is cut takes the answer with it. */
const LINGER_MS = 2000
const HTML = 'text/html; charset=utf-8'

export interface RouterOptions {
  readonly renderer: string
  readonly port: number
  readonly entry: Entry
  readonly uploads: Uploads
  readonly downloads: Downloads
  readonly refused: (reason: string, request: IncomingMessage) => void
}

export class Router {
  readonly #options: RouterOptions
  readonly #running = new Set<Promise<void>>()

  constructor(options: RouterOptions) {
    this.#options = options
  }

  /** Never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const running = this.#route(request, response).catch((error: unknown) => this.#failed(request, response, error))
    this.#running.add(running)
    await running
    this.#running.delete(running)
  }

  /** When every answer that was begun has ended. */
  async settled(): Promise<void> {
    await Promise.all(this.#running)
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { entry, port, renderer } = this.#options
    const target = checkRequest(request, port)
    for (const [name, value] of Object.entries(securityHeaders(target.host))) response.setHeader(name, value)
    const { path } = target
    if (path === '/enter') return this.#enter(request, response, target)
    const session = entry.session(request.headers.cookie)
    if (session === undefined) throw new Refusal(403, NO_SESSION)
    if (request.method === 'POST') {
      const [key = ''] = request.headersDistinct[KEY_HEADER] ?? []
      if (!entry.hasKey(session, key)) throw new Refusal(403, 'wrong key')
      if (path === '/upload') return await this.#upload(request, response, target)
      if (path !== '/download-slot') throw new Refusal(404, 'nothing to post to')
      return json(response, 200, await this.#options.downloads.newSlot(target.query.get('name') ?? '', session))
    }
    if (path.startsWith('/download/')) return await this.#download(request, response, path.slice(10), session)
    const file = await openStatic(renderer, path)
    if (file === undefined) return path === '/' ? html(response, 503, NOT_BUILT) : text(response, 404, 'not found')
    response.setHeader('Cache-Control', file.caching)
    response.writeHead(200, { 'Content-Type': file.type, 'Content-Length': file.bytes })
    if (request.method === 'HEAD') {
      await file.handle.close()
      response.end()
    } else await pipeline(file.handle.createReadStream(), response)
  }

  /** HEAD spends no token: programs that show previews of links send it. */
  #enter(request: IncomingMessage, response: ServerResponse, { query }: Target): void {
    if (request.method !== 'GET') throw new Refusal(405, 'method not allowed')
    const entered = this.#options.entry.enter(query.get('token') ?? '')
    if (entered === undefined) throw new Refusal(403, BAD_TOKEN)
    // What follows '#' is never sent: only the page sees it, which keeps it and takes it out of the address.
    response.writeHead(303, { Location: `/${KEY_FRAGMENT}${entered.key}`, 'Set-Cookie': entered.cookie }).end()
  }

  async #upload(request: IncomingMessage, response: ServerResponse, { query }: Target): Promise<void> {
    const declared = request.headers['content-length']
    const uploaded = await this.#options.uploads.receive(request, {
      name: query.get('name') ?? '',
      batch: query.get('batch'),
      bytes: declared === undefined ? undefined : Number(declared),
    })
    json(response, 200, uploaded)
  }

  async #download(request: IncomingMessage, response: ServerResponse, secret: string, session: number): Promise<void> {
    if (request.method !== 'GET') throw new Refusal(405, 'method not allowed')
    const { handle, bytes, disposition, discard } = await this.#options.downloads.take(secret, session)
    try {
      response.writeHead(200, {
        'Content-Type': 'application/octet-stream',
        'Content-Length': bytes,
        'Content-Disposition': disposition,
      })
      await pipeline(handle.createReadStream({ autoClose: false }), response)
    } finally {
      await discard()
    }
  }

  #failed(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const refusal = error instanceof Refusal ? error : new Refusal(500, `failed (${codeOf(error) ?? 'internal'})`)
    const left = request.socket.destroyed || (request.destroyed && !request.complete)
    if (left || response.headersSent) {
      // The window went away, or a file could not be read on.
      response.destroy()
      return
    }
    this.#options.refused(refusal.message, request)
    linger(request)
    if (refusal.message === NO_SESSION || refusal.message === BAD_TOKEN) html(response, 403, NO_ENTRY)
    else if (refusal.error !== undefined) json(response, refusal.status, { error: words(refusal.error) })
    else text(response, refusal.status, refusal.message)
  }
}

const NO_SESSION = 'no session'
const BAD_TOKEN = 'wrong, used or old token'

function linger(request: IncomingMessage): void {
  if (request.complete) return
  request.resume()
  const timer = setTimeout(() => request.socket.destroy(), LINGER_MS).unref()
  request.once('close', () => clearTimeout(timer))
}

function words({ code, message, advice }: AdytonError): { code: string; message: string; advice: string | null } {
  return { code, message, advice: advice ?? null }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) }).end(body)
}
const html = (response: ServerResponse, status: number, body: string): void => send(response, status, HTML, body)
const json = (response: ServerResponse, status: number, body: unknown): void =>
  send(response, status, 'application/json', JSON.stringify(body))
const text = (response: ServerResponse, status: number, body: string): void =>
  send(response, status, 'text/plain; charset=utf-8', `${body}\n`)
