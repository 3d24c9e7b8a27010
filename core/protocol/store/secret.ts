/** A secret that lives beside a store: made once, the same for every process that opens the folder. */
import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AdytonError } from '../../errors/errors.ts'

/** Bytes of a stored secret. */
export const SECRET_BYTES = 32

/** The 32-byte secret `name` in `dir`, made when there is none. Never written to a log or sent. */
export async function storedSecret(dir: string, name: string): Promise<Uint8Array> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const path = join(dir, name)
  const temporary = `${path}.${randomBytes(8).toString('hex')}`
  const known = await readSecret(path)
  if (known !== undefined) return known
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(randomBytes(SECRET_BYTES))
    await file.sync()
  } finally {
    await file.close()
  }
  // A hard link is refused when the name exists, so of two processes the first one's secret stays.
  await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await rm(temporary, { force: true })
  const kept = await readSecret(path)
  if (kept === undefined) throw new AdytonError('store-failed', `${path} vanished while it was being made`)
  return kept
}

async function readSecret(path: string): Promise<Uint8Array | undefined> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new AdytonError('store-failed', `cannot read ${path} (${error.code ?? error.message})`, { cause: error })
  })
  if (bytes === undefined) return undefined
  if (bytes.length === SECRET_BYTES) return new Uint8Array(bytes)
  throw new AdytonError('store-failed', `${path} has ${bytes.length} bytes and should have ${SECRET_BYTES}`, {
    advice: 'Remove the file; packages that were prepared with it must then be prepared again.',
  })
}
