/** The renderer's built files. */
import { open, realpath, type FileHandle } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'
import { Refusal } from './refusal.ts'

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.mjs': 'text/javascript; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
}
/** What the bundler names after its content. */
const HASHED = /^assets\/.+-[\w-]{8}\.\w+$/

export interface StaticFile {
  readonly handle: FileHandle
  readonly bytes: number
  readonly type: string
  readonly caching: 'no-store' | 'no-cache' | 'public, max-age=31536000, immutable'
}

/**
 * Opens the file that an escaped path means; undefined when there is none. Throws a Refusal for one that could leave
 * the folder.
 */
export async function openStatic(folder: string, path: string): Promise<StaticFile | undefined> {
  const relative = path === '/' ? 'index.html' : decode(path).slice(1)
  const parts = relative.split('/')
  // Decoding comes first, so that no way of writing a dot or a slash gets past this. Colons are Windows' drives.
  if (parts.some((part) => part.startsWith('.') || part === '' || /[\\:\u0000]/.test(part))) {
    throw new Refusal(400, 'unsafe path')
  }
  const file = join(folder, ...parts)
  const [root, real] = await Promise.all([folder, file].map((one) => realpath(one).catch(() => undefined)))
  if (root === undefined || real === undefined) return undefined
  if (!real.startsWith(root + sep)) throw new Refusal(400, 'a link that leaves the folder')
  const handle = await open(real)
  const stats = await handle.stat()
  if (!stats.isFile()) {
    await handle.close()
    return undefined
  }
  const type = TYPES[extname(relative).toLowerCase()] ?? 'application/octet-stream'
  const hashed = HASHED.test(relative) ? 'public, max-age=31536000, immutable' : 'no-cache'
  return { handle, bytes: stats.size, type, caching: type.startsWith('text/html') ? 'no-store' : hashed }
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw new Refusal(400, 'path is badly escaped')
  }
}
