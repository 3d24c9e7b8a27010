/** File names that come from a browser, made safe for every file system that Adyton runs on. */
import { AdytonError } from '../errors/errors.ts'
import { Refusal } from './refusal.ts'

/** Bytes of UTF-8: file systems take 255, and a program may add an ending. */
const MAX_NAME_BYTES = 200
const MAX_PATH_BYTES = 1024
const MAX_DEPTH = 32

/** Throws a Refusal for a name that means a place elsewhere. What only Windows takes for special is replaced. */
export function safeName(text: string): string {
  const name = text
    .normalize('NFC')
    .replaceAll(/[<>:"|?*]/g, '_')
    .replace(/[. ]+$/, (end) => (end.length === text.length ? end : '_'.repeat(end.length)))
    .replace(/^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i, '_$1')
  if (/^[. ]*$/.test(name) || /[/\\\u0000-\u001f\u007f]/.test(name) || !name.isWellFormed()) throw unsafe()
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) throw unsafe()
  return name
}

/** The parts of a path below a folder, separated by slashes; throws a Refusal for one that could leave it. */
export function safePath(text: string): string[] {
  const parts = text.split('/')
  if (Buffer.byteLength(text) > MAX_PATH_BYTES || parts.length > MAX_DEPTH) throw unsafe()
  return parts.map(safeName)
}

function unsafe(): Refusal {
  const error = new AdytonError('usage', 'the file has a name that cannot be taken', {
    advice: `Rename it: no slashes, no control characters, not only dots, at most ${MAX_NAME_BYTES} bytes.`,
  })
  return new Refusal(400, 'unsafe file name', error)
}
