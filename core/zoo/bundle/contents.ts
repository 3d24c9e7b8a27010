/** A bundle that was opened: what it says of itself, who signed it, and which of its files are not what it says. */
import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32 } from 'node:zlib'
import { AdytonError } from '../../errors/errors.ts'
import { refused, withArchive, type ArchiveFile } from './archive.ts'
import { MANIFEST, parseManifest, SIGNATURE, type Manifest } from './manifest.ts'
import { verifySignature, type Signer } from './sign.ts'

/** A file that is not what the manifest says. */
export interface Mismatch {
  readonly path: string
  readonly problem: 'missing' | 'another size' | 'another checksum'
}

export interface Contents {
  readonly manifest: Manifest
  /** The signature was checked; whether the signer is trusted is another question. */
  readonly signer: Signer | undefined
  /** signature.json. */
  readonly signature: string | undefined
  /**
   * Reads every file and compares it with the manifest; writes them into a folder if one is given. All of them, also those
   * that do not match.
   */
  readonly check: (into?: string) => Promise<Mismatch[]>
}

/** Opens a bundle for one action. Throws for what is no bundle, and for a wrong signature. */
export async function withContents<T>(path: string, action: (contents: Contents) => Promise<T>): Promise<T> {
  return await withArchive(path, async (files) => {
    try {
      return await action(await read(path, files))
    } catch (error) {
      throw located(error, path)
    }
  })
}

async function read(path: string, files: ReadonlyMap<string, ArchiveFile>): Promise<Contents> {
  const bytes = await readWhole(path, files, MANIFEST)
  const manifest = parseManifest(bytes)
  const listed = new Set(manifest.files.map((file) => file.path))
  for (const name of files.keys()) {
    if (name === MANIFEST || name === SIGNATURE || listed.has(name)) continue
    throw refused(path, `it holds ${name}, which its manifest does not list`)
  }
  const { signature, signer } = await readSignature(path, files, manifest, bytes)
  const check = async (into?: string): Promise<Mismatch[]> => {
    const found: Mismatch[] = []
    for (const { path: name, size, sha256 } of manifest.files) {
      const file = files.get(name)
      const problem = file === undefined ? 'missing' : await compare(file, { size, sha256 }, into && join(into, name))
      if (problem !== undefined) found.push({ path: name, problem })
    }
    return found
  }
  return { manifest, signature, signer, check }
}

async function readSignature(
  path: string,
  files: ReadonlyMap<string, ArchiveFile>,
  { signer: named }: Manifest,
  manifest: Uint8Array,
): Promise<{ signature: string | undefined; signer: Signer | undefined }> {
  if (named === null) {
    if (files.has(SIGNATURE)) throw refused(path, 'it has a signature that its manifest does not name')
    return { signature: undefined, signer: undefined }
  }
  if (!files.has(SIGNATURE)) throw refused(path, `it says that '${named.name}' signed it, but the signature is missing`)
  const bytes = await readWhole(path, files, SIGNATURE)
  const signer = verifySignature(bytes, manifest)
  if (signer.name !== named.name || signer.fingerprint !== named.fingerprint) {
    throw refused(path, `it says that '${named.name}' signed it, but '${signer.name}' did, or with another key`)
  }
  return { signature: bytes.toString('utf8'), signer }
}

/** A small file; its size was checked when the archive was opened. */
async function readWhole(path: string, files: ReadonlyMap<string, ArchiveFile>, name: string): Promise<Buffer> {
  const file = files.get(name)
  if (file === undefined) throw refused(path, `it has no ${name}`)
  const chunks: Buffer[] = []
  for await (const chunk of (await file.read()) as AsyncIterable<Buffer>) chunks.push(chunk)
  const bytes = Buffer.concat(chunks)
  if (bytes.length !== file.size || crc32(bytes) !== file.crc32) throw refused(path, `${name} is damaged`)
  return bytes
}

async function compare(
  file: ArchiveFile,
  expected: { readonly size: number; readonly sha256: string },
  to: string | undefined,
): Promise<Mismatch['problem'] | undefined> {
  const hash = createHash('sha256')
  const hashed = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      hash.update(chunk)
      yield chunk
    }
  }
  const target =
    to === undefined
      ? new Writable({ write: (_chunk, _encoding, done) => done() })
      : createWriteStream(to, { flags: 'wx', mode: 0o600 })
  await pipeline(await file.read(), hashed, target)
  if (file.size !== expected.size) return 'another size'
  return hash.digest('hex') === expected.sha256 ? undefined : 'another checksum'
}

/** An error about a part, told with the bundle's path. */
function located(error: unknown, path: string): unknown {
  if (!(error instanceof AdytonError) || error.message.includes(path)) return error
  return new AdytonError(error.code, `${path}: ${error.message}`, {
    ...(error.advice === undefined ? {} : { advice: error.advice }),
    cause: error,
  })
}
