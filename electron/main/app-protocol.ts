/** Serves the renderer's built files as adyton://app/. */
import { Readable } from 'node:stream'
import { openStatic } from '../../core/bridge/files.ts'
import { securityHeaders } from '../../core/bridge/headers.ts'
import { Refusal } from '../../core/bridge/refusal.ts'
import type { ElectronApi } from './electron.ts'
import { APP_HOST, APP_SCHEME } from './origin.ts'

/** Before the app is ready: Electron takes privileges only then. */
export function registerScheme({ protocol }: Pick<ElectronApi, 'protocol'>): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: APP_SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true } },
  ])
}

/** After the app is ready. */
export function serveApp({ protocol }: Pick<ElectronApi, 'protocol'>, renderer: string): void {
  protocol.handle(APP_SCHEME, (request) => answer(request, renderer))
}

async function answer(request: Request, renderer: string): Promise<Response> {
  const { host, pathname } = new URL(request.url)
  // The window talks to the host over Electron's channels: no connection is allowed at all.
  const headers = securityHeaders(null)
  if (host !== APP_HOST || request.method !== 'GET') return new Response('', { status: 404, headers })
  try {
    const file = await openStatic(renderer, pathname)
    if (file === undefined) return new Response('', { status: 404, headers })
    const body = Readable.toWeb(file.handle.createReadStream()) as ReadableStream<Uint8Array>
    return new Response(body, {
      headers: { ...headers, 'Content-Type': file.type, 'Content-Length': String(file.bytes) },
    })
  } catch (error) {
    if (error instanceof Refusal) return new Response(error.message, { status: error.status, headers })
    throw error
  }
}
