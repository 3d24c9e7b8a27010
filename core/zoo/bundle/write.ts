/**
 * Writes a model of the catalog as a bundle: a zip whose bytes follow from the model alone. Files are stored, not
 * compressed, so that no version of zlib has a say; weights hardly shrink.
 */
import { createWriteStream, existsSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ZipFile } from 'yazl'
import { AdytonError } from '../../errors/errors.ts'
import { codeOf } from '../../protocol/store/files.ts'
import { beside } from '../beside.ts'
import { FILE_NAMES } from '../file-names.ts'
import { ROLES, type About, type Origin } from '../insert.ts'
import type { Measurement } from '../measurements.ts'
import { findModel, type Found, type Stage } from '../models.ts'
import { filesOf } from '../version-files.ts'
import type { Zoo } from '../zoo.ts'
import { withContents } from './contents.ts'
import { MANIFEST, printManifest, SIGNATURE, type Manifest } from './manifest.ts'
import { keyFingerprint, loadOrCreateSigningKey, signManifest, verifySignature, type SigningKey } from './sign.ts'
import { rememberSigner } from './trust.ts'

export interface BundleExportOptions {
  /** With this installation's key; else a signature that the model came with stays, unless something was changed. */
  readonly sign?: boolean
  /** Who signs, for people; the key's first digits when absent. */
  readonly signerName?: string
}

export interface BundleExported {
  readonly id: string
  readonly path: string
  readonly bytes: number
  readonly files: readonly string[]
  readonly signer: Manifest['signer']
}

/** zip counts from 1980 and in local time; noon, since days may begin at one o'clock. */
const TIME = new Date(1980, 0, 1, 12)
const ENTRY = { mtime: TIME, mode: 0o100644, compress: false, forceDosTimestamp: true } as const

/** The file appears whole or not at all; it must not exist. Every file's checksum is compared. */
export async function exportBundle(
  zoo: Zoo,
  id: string,
  target: string,
  { sign = false, signerName }: BundleExportOptions = {},
): Promise<BundleExported> {
  const path = resolve(target)
  refuseExisting(path)
  const key = sign ? await loadOrCreateSigningKey(dirname(zoo.folder)) : undefined
  const { manifest, bytes, signature } = zoo.db.transaction(() => {
    const found = findModel(zoo.db, id)
    return key === undefined ? asItCame(zoo, found) : signed(zoo, found, key, signerName)
  })()
  return await beside(path, async (building) => {
    await writeZip(building, (zip) => {
      zip.addBuffer(bytes, MANIFEST, ENTRY)
      for (const { path: name, sha256 } of manifest.files) zip.addFile(zoo.files.path(sha256), name, ENTRY)
      if (signature !== undefined) zip.addBuffer(Buffer.from(signature), SIGNATURE, ENTRY)
    }).catch((error: unknown) => {
      throw codeOf(error) === 'ENOENT' ? corrupt(`stored files of '${id}' are missing`, error) : error
    })
    await checkWritten(building, id)
    const { size } = await stat(building)
    refuseExisting(path)
    if (key !== undefined && manifest.signer !== null) {
      const own = { ...key, name: manifest.signer.name }
      zoo.write(() => rememberSigner(zoo, own, Date.now()))
    }
    return { id, path, bytes: size, files: manifest.files.map((file) => file.path), signer: manifest.signer }
  })
}

interface Printed {
  readonly manifest: Manifest
  readonly bytes: Buffer
  readonly signature?: string
}

function signed(zoo: Zoo, found: Found, key: SigningKey, given: string | undefined): Printed {
  const { fingerprint } = key
  const name = given ?? `key ${fingerprint.slice(0, 8)}`
  const manifest = { ...manifestOf(zoo, found), signer: { name, fingerprint } }
  const bytes = printManifest(manifest)
  return { manifest, bytes, signature: signManifest(key, name, bytes) }
}

/** With the signature that it came with if that still holds. */
function asItCame(zoo: Zoo, found: Found): Printed {
  const plain = manifestOf(zoo, found)
  const signature = zoo.db.prepare('SELECT json FROM signatures WHERE version = ?').pluck().get(found.version) as
    string | undefined
  if (signature !== undefined) {
    const { name, publicKey } = JSON.parse(signature) as { name: string; publicKey: string }
    const fingerprint = keyFingerprint(Buffer.from(publicKey, 'base64'))
    const manifest = { ...plain, signer: { name, fingerprint } }
    const bytes = printManifest(manifest)
    if (isSigned(signature, bytes)) return { manifest, bytes, signature }
  }
  return { manifest: plain, bytes: printManifest(plain) }
}

function isSigned(signature: string, manifest: Buffer): boolean {
  try {
    verifySignature(Buffer.from(signature), manifest)
    return true
  } catch (error) {
    if (error instanceof AdytonError) return false
    throw error
  }
}

/**
 * Of the newest version, not signed. Left out is what only this catalog gave it: ids, the number of the version, when and
 * from where it was imported.
 */
function manifestOf({ db }: Zoo, { key, version, name }: Found): Manifest {
  const { stage, created } = db.prepare('SELECT stage, created FROM versions WHERE key = ?').get(version) as {
    stage: Stage
    created: number
  }
  const about = db
    .prepare('SELECT intended_use AS intendedUse, base_model AS baseModel, limits FROM cards WHERE version = ?')
    .get(version) as About
  const tags = db.prepare('SELECT tag FROM tags WHERE model = ? ORDER BY tag').pluck().all(key) as string[]
  const lineage = db
    .prepare(
      `SELECT relation, source, r.json AS recipe FROM lineage l LEFT JOIN recipes r ON r.key = l.recipe
       WHERE child = ? AND relation <> 'imported-from' ORDER BY l.key`,
    )
    .all(version) as (Omit<Origin, 'recipe'> & { recipe: string | null })[]
  // Oldest first, so that of two of the same time the same one stays the newest.
  const measurements = db
    .prepare(
      `SELECT what, value, unit, d.name AS dataset, images, machine, at
       FROM measurements m LEFT JOIN datasets d ON d.key = m.dataset WHERE version = ? ORDER BY what, at, m.key`,
    )
    .all(version) as Measurement[]
  const files = filesOf(db, version)
    .sort((a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role))
    .map(({ role, size, sha256 }) => ({ role, path: FILE_NAMES[role], size, sha256 }))
  return {
    ...{ format: 'adyton-bundle', version: 1, program: 'Adyton', name, created, stage, tags, ...about },
    ...{ files, lineage, measurements, signer: null },
  }
}

/** What was written is read again: a stored file may be damaged, or be a link to one that was changed. */
async function checkWritten(path: string, id: string): Promise<void> {
  const [damaged] = await withContents(path, (contents) => contents.check())
  if (damaged !== undefined) throw corrupt(`the stored ${damaged.path} of '${id}' is damaged`)
}

function corrupt(what: string, cause?: unknown): AdytonError {
  const advice = 'Import the model again from where it came from, or restore a backup.'
  return new AdytonError('catalog-corrupt', what, { advice, cause })
}

async function writeZip(path: string, fill: (zip: ZipFile) => void): Promise<void> {
  const zip = new ZipFile()
  const output = zip.outputStream as Readable
  zip.on('error', (error) => output.destroy(error instanceof Error ? error : new Error(String(error))))
  fill(zip)
  zip.end()
  await pipeline(output, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Nothing that exists is overwritten. */
function refuseExisting(path: string): void {
  if (existsSync(path)) {
    throw new AdytonError('usage', `${path} exists already`, { advice: 'Name a file that does not exist yet.' })
  }
  if (existsSync(dirname(path))) return
  throw new AdytonError('usage', `there is no folder ${dirname(path)}`, { advice: 'Make the folder first.' })
}
