/**
 * The app in an ordinary browser: serves the renderer on loopback and carries its messages to the host.
 * docs/decisions/0005-browser-bridge.md says what it is safe against.
 */
import { createServer, STATUS_CODES, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { basename, join } from 'node:path'
import type { Duplex } from 'node:stream'
import { SOCKET_PROTOCOL } from '../api/data/bridge.ts'
import type { Host } from '../api/host.ts'
import { AdytonError } from '../errors/errors.ts'
import { ENDED } from '../jobs/job.ts'
import { codeOf } from '../protocol/store/files.ts'
import { Downloads } from './downloads.ts'
import { Entry } from './entry.ts'
import { TransferFolders } from './folders.ts'
import { checkRequest, loggable } from './guard.ts'
import { Refusal } from './refusal.ts'
import { Router } from './router.ts'
import { SOCKET_LIMITS, Sockets, type SocketLimits } from './sockets.ts'
import { Uploads } from './uploads.ts'

const ADDRESS = '127.0.0.1'
/** Connections at once; a browser opens six, and one for each socket. */
const MAX_CONNECTIONS = 256
const HEADERS_MS = 10_000
/** A whole request: 4 GiB at 3 MB/s. */
const REQUEST_MS = 25 * 60_000
/** A connection on which nothing moves; a browser lets a download wait while it asks where to save it. */
const IDLE_MS = 10 * 60_000
/** Codes of a connection that just ended; that is no refusal. */
const CUT = new Set(['ECONNRESET', 'EPIPE', 'HPE_INVALID_EOF_STATE'])

export interface BridgeOptions {
  readonly host: Host
  /** Folder with the renderer's built files. */
  readonly renderer: string
  /** Any free one when left out. */
  readonly port?: number
  /** Takes a line for each refusal; the lines hold no secrets. */
  readonly log: (line: string) => void
  /** For tests. */
  readonly now?: () => number
  readonly limits?: Partial<SocketLimits & { readonly upload: number }>
}

export interface Bridge {
  readonly port: number
  /** Where a browser enters; works once, within ten minutes. */
  readonly url: string
  /** Another such address. */
  readonly newEntry: () => string
  /** Ends all connections and removes what was uploaded. The host goes on. */
  readonly close: () => Promise<void>
}

/** Throws 'usage' when the port is taken. */
export async function startBridge(options: BridgeOptions): Promise<Bridge> {
  const { host, limits = {}, log } = options
  const uploadFolders = new TransferFolders(join(host.data, 'uploads'))
  const downloadFolders = new TransferFolders(join(host.data, 'downloads'))
  await Promise.all([uploadFolders.sweep(), downloadFolders.sweep()])

  const server = createServer({ connectionsCheckingInterval: 5000 })
  const port = await listen(server, options.port ?? 0)
  const entry = new Entry(port, options.now)
  const uploads = new Uploads(uploadFolders, limits.upload)
  const downloads = new Downloads(downloadFolders)
  const refused = (reason: string, request: IncomingMessage): void => log(`refused: ${reason} (${loggable(request)})`)
  const sockets = new Sockets(host, { ...SOCKET_LIMITS, ...limits }, refused)
  const router = new Router({ renderer: options.renderer, port, entry, uploads, downloads, refused })

  server.on('request', (request, response) => void router.answer(request, response))
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined)
    try {
      const { path } = checkRequest(request, port, true)
      const session = entry.session(request.headers.cookie)
      if (session === undefined) throw new Refusal(403, 'no session')
      if (!entry.hasKey(session, offeredKey(request))) throw new Refusal(403, 'wrong key')
      if (path !== '/socket' || request.method !== 'GET') throw new Refusal(404, 'no such socket')
      if (sockets.full) throw new Refusal(503, 'too many windows')
      sockets.accept(request, socket, head)
    } catch (error) {
      const { status, message } = error instanceof Refusal ? error : new Refusal(500, 'failed')
      refused(message, request)
      answerBare(socket, status, message)
    }
  })
  server.on('clientError', (error, socket) => {
    const code = codeOf(error) ?? 'unknown'
    if (socket.writable && !CUT.has(code)) {
      log(`refused: not a proper request (${code})`)
      answerBare(socket, 400, 'not a proper request')
    } else socket.destroy()
  })

  const newEntry = (): string => `http://${ADDRESS}:${port}/enter?token=${entry.newToken()}`
  const close = async (): Promise<void> => {
    sockets.close()
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    server.closeAllConnections()
    await closed
    await Promise.all([uploads.settled(), router.settled()])
    // What waits to go on at the next start still needs its files.
    const waiting = JSON.stringify(host.queue.list().filter(({ state }) => !ENDED.has(state)))
    await Promise.all([uploadFolders.clear((path) => waiting.includes(basename(path))), downloadFolders.clear()])
  }
  return { port, url: newEntry(), newEntry, close }
}

async function listen(server: Server, port: number): Promise<number> {
  server.headersTimeout = HEADERS_MS
  server.requestTimeout = REQUEST_MS
  server.timeout = IDLE_MS
  server.maxConnections = MAX_CONNECTIONS
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      const code = codeOf(cause)
      const why = code === 'EADDRINUSE' ? 'is in use by another program' : `cannot be used (${code ?? cause.message})`
      const advice = 'Name another one with --port, or leave it out for any free one.'
      reject(new AdytonError('usage', `port ${port} ${why}`, { advice, cause }))
    })
    server.listen({ host: ADDRESS, port, exclusive: true }, resolve)
  })
  server.removeAllListeners('error')
  server.on('error', () => undefined)
  return (server.address() as AddressInfo).port
}

/** The key among the sub-protocols that a window offers. */
function offeredKey(request: IncomingMessage): string {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim())
  return offered.length === 2 && offered[0] === SOCKET_PROTOCOL ? offered[1] : ''
}

/** For where there is no ServerResponse. */
function answerBare(socket: Duplex, status: number, reason: string): void {
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Refused'}`
  const headers = ['Connection: close', 'Content-Type: text/plain', `Content-Length: ${Buffer.byteLength(reason)}`]
  socket.once('finish', () => socket.destroy())
  socket.end(`${[head, ...headers].join('\r\n')}\r\n\r\n${reason}`)
}
