/**
 * What a request must be before anything looks at it. A page of any site may make the browser send requests to
 * loopback; it cannot choose Host and Origin, so these say whether the page is ours.
 */
import type { IncomingMessage } from 'node:http'
import { Refusal } from './refusal.ts'

/** Names by which a browser on this machine may call the bridge. Another one may be an attacker's that resolves to it. */
const NAMES = ['127.0.0.1', 'localhost']
const METHODS = new Set(['GET', 'HEAD', 'POST'])
/** Characters; a relative path of an upload, every byte of it escaped, fits. */
export const MAX_URL = 8192

export interface Target {
  /** As the browser calls the bridge, with the port. */
  readonly host: string
  /** Starts with a slash; still escaped. */
  readonly path: string
  readonly query: URLSearchParams
}

/** Throws a Refusal. `upgrade`: the request asks for a socket. */
export function checkRequest(request: IncomingMessage, port: number, upgrade = false): Target {
  const hosts = NAMES.map((name) => new URL(`http://${name}:${port}`).host)
  const [host, ...more] = request.headersDistinct['host'] ?? []
  if (host === undefined || more.length > 0 || !hosts.includes(host)) throw new Refusal(403, 'wrong Host header')
  const method = request.method ?? ''
  if (!METHODS.has(method)) throw new Refusal(405, 'method not allowed')
  const url = request.url ?? ''
  if (url.length > MAX_URL) throw new Refusal(414, 'address too long')
  if (!url.startsWith('/')) throw new Refusal(400, 'not a path')
  const origin = request.headers.origin
  if (origin === undefined) {
    // Browsers leave it out of plain navigation and of GET to the same origin, never of what follows.
    if (upgrade || method === 'POST') throw new Refusal(403, 'missing Origin header')
  } else if (origin !== `http://${host}`) throw new Refusal(403, 'wrong Origin header')
  const [path, ...rest] = url.split('?')
  return { host, path, query: new URLSearchParams(rest.join('?')) }
}

/** A request in a line of the log: the query, and what follows the first folder, may hold secrets. */
export function loggable(request: IncomingMessage): string {
  const path = (request.url ?? '').split(/[?#]/, 1)[0]
  const shown = path.replace(/^\/download\/.*/s, '/download/…').slice(0, 100)
  return `${request.method ?? '?'} ${shown.replaceAll(/[^\x21-\x7e…]/g, '?')}`
}
