/**
 * Who an installation is to its peers: a key and a self-signed certificate, known by the certificate's SHA-256
 * fingerprint. There is no certification authority: peers pin each other's fingerprints when they are paired.
 */
import { X509Certificate, createHash, createPrivateKey, timingSafeEqual } from 'node:crypto'
import { chmod, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AdytonError } from '../errors/errors.ts'
import { errorCode } from './socket.ts'
import { writeOnce } from './write-once.ts'

export interface Identity {
  /** PEM. */
  readonly certificate: string
  /** PEM, PKCS #8. Secret. */
  readonly privateKey: string
  /** SHA-256 of the certificate's DER, 64 lower-case hex digits. */
  readonly fingerprint: string
}

/** Both parts are in one file, so that it is written whole or not at all. */
export const IDENTITY_FILE = 'identity.pem'

/** An identity that is kept nowhere. */
export async function ephemeralIdentity(): Promise<Identity> {
  const { makeCertificate } = await import('./certificate.ts')
  const made = await makeCertificate()
  return { ...made, fingerprint: fingerprint(made.certificate) }
}

/**
 * The identity in the folder, made when there is none. Several processes may call this at once: all get the same
 * one. A damaged file is an error, never replaced: peers would no longer know this installation.
 */
export async function loadOrCreateIdentity(dir: string): Promise<Identity> {
  const path = join(dir, IDENTITY_FILE)
  const found = await load(path)
  if (found !== undefined) return found
  const made = await ephemeralIdentity()
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    await writeOnce(path, made.certificate + made.privateKey)
  } catch (cause) {
    throw new AdytonError('store-failed', `cannot write the identity to ${path} (${errorCode(cause) ?? 'error'})`, {
      advice: 'Check that the folder can be written and that the disk has room.',
      cause,
    })
  }
  const kept = await load(path)
  if (kept === undefined) throw damaged(path, 'it vanished while it was being made')
  return kept
}

/** SHA-256 of a certificate (PEM or DER), 64 lower-case hex digits. */
export function fingerprint(certificate: string | Uint8Array): string {
  const der = typeof certificate === 'string' ? new X509Certificate(certificate).raw : certificate
  return createHash('sha256').update(der).digest('hex')
}

/** A fingerprint for people: groups of four digits joined by colons. */
export function formatFingerprint(hex: string): string {
  return parseFingerprint(hex).match(/.{4}/g)!.join(':')
}

/** The first groups, to tell fingerprints apart in a message; not enough to trust one. */
export function shortFingerprint(hex: string): string {
  return `${formatFingerprint(hex).slice(0, 19)}…`
}

/** Reads a fingerprint in either form, or with a colon after every byte as OpenSSL prints it. */
export function parseFingerprint(text: string): string {
  const compact = text.trim().toLowerCase()
  const valid =
    /^[0-9a-f]{64}$/.test(compact) ||
    /^[0-9a-f]{4}(:[0-9a-f]{4}){15}$/.test(compact) ||
    /^[0-9a-f]{2}(:[0-9a-f]{2}){31}$/.test(compact)
  if (!valid) {
    throw new AdytonError('usage', `not a certificate fingerprint: ${JSON.stringify(text.slice(0, 100))}`, {
      advice: 'Give all 64 hexadecimal digits, with or without colons between groups.',
    })
  }
  return compact.replaceAll(':', '')
}

/** Compares in constant time. */
export function sameFingerprint(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(parseFingerprint(a), 'hex'), Buffer.from(parseFingerprint(b), 'hex'))
}

async function load(path: string): Promise<Identity | undefined> {
  let text
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return undefined
    throw new AdytonError('store-failed', `cannot read the identity ${path} (${errorCode(cause) ?? 'error'})`, {
      advice: 'Check the permissions of the file and its folder.',
      cause,
    })
  }
  const certificate = block(text, 'CERTIFICATE')
  const privateKey = block(text, 'PRIVATE KEY')
  if (certificate === undefined || privateKey === undefined) {
    throw damaged(path, `it has no ${certificate === undefined ? 'certificate' : 'private key'}`)
  }
  let belong
  try {
    belong = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey))
  } catch (cause) {
    throw damaged(path, 'its certificate or key cannot be read', cause)
  }
  if (!belong) throw damaged(path, 'its key does not belong to its certificate')
  // A file that was copied may have lost its permissions; some file systems have none to set.
  if (process.platform !== 'win32') await chmod(path, 0o600).catch(() => undefined)
  return { certificate, privateKey, fingerprint: fingerprint(certificate) }
}

function block(text: string, label: string): string | undefined {
  return text.match(new RegExp(`-----BEGIN ${label}-----[^-]+-----END ${label}-----\n?`))?.[0]
}

function damaged(path: string, what: string, cause?: unknown): AdytonError {
  return new AdytonError('file-corrupt', `the identity file ${path} is damaged: ${what}`, {
    advice:
      'Restore it from a backup, or move it away: a new identity is then made, and every peer has to be paired again.',
    cause,
  })
}
