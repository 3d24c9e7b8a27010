/**
 * Signatures of bundles: Ed25519 over the bytes of the manifest, which has the checksums of everything else. The key lies in
 * the data folder, apart from the identity that peers know.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import { writeOnce } from '../../channel/write-once.ts'
import { AdytonError } from '../../errors/errors.ts'
import { codeOf, systemFiles } from '../../protocol/store/files.ts'
import { canonicalJson, checkCanonical, parseJson, SIGNATURE, SignerNameSchema } from './manifest.ts'

export const KEY_FILE = 'signing-key.pem'
export const MAX_SIGNATURE_BYTES = 4096
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64

/** Somebody who signs. */
export interface Signer {
  readonly name: string
  /** 32 bytes, as in RFC 8032. */
  readonly publicKey: Buffer
  /** SHA-256 of the public key, 64 hexadecimal digits. */
  readonly fingerprint: string
}

export interface SigningKey extends Omit<Signer, 'name'> {
  readonly privateKey: KeyObject
}

const base64 = (bytes: number) =>
  v.pipe(
    v.string(),
    v.check((text) => {
      const decoded = Buffer.from(text, 'base64')
      return decoded.length === bytes && decoded.toString('base64') === text
    }, `not ${bytes} bytes in base64`),
  )

const SignatureSchema = v.strictObject({
  algorithm: v.literal('Ed25519'),
  name: SignerNameSchema,
  publicKey: base64(KEY_BYTES),
  signature: base64(SIGNATURE_BYTES),
})

/** The key in a data folder, made when there is none. A damaged file is an error, never replaced. */
export async function loadOrCreateSigningKey(dataFolder: string): Promise<SigningKey> {
  const path = join(dataFolder, KEY_FILE)
  try {
    let pem = await readKey(path)
    if (pem === undefined) {
      await systemFiles.makeFolder(dataFolder)
      const made = generateKeyPairSync('ed25519').privateKey
      await writeOnce(path, made.export({ type: 'pkcs8', format: 'pem' }).toString())
      // Of two processes that make one at once, the first wins.
      pem = await readFile(path, 'utf8')
    }
    return parseKey(pem, path)
  } catch (cause) {
    if (cause instanceof AdytonError) throw cause
    throw new AdytonError('store-failed', `the signing key ${path} cannot be used (${codeOf(cause) ?? 'error'})`, {
      advice: 'Check the permissions of the file and its folder.',
      cause,
    })
  }
}

async function readKey(path: string): Promise<string | undefined> {
  try {
    const pem = await readFile(path, 'utf8')
    // A file that was copied may have lost its permissions; some file systems have none to set.
    if (process.platform !== 'win32') await chmod(path, 0o600).catch(() => undefined)
    return pem
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function parseKey(pem: string, path: string): SigningKey {
  let privateKey
  try {
    privateKey = createPrivateKey(pem)
  } catch {
    // Told below, and without the cause: it may quote the key.
  }
  if (privateKey?.asymmetricKeyType !== 'ed25519') {
    throw new AdytonError('file-corrupt', `${path} holds no Ed25519 key`, {
      advice: 'Restore it from a backup, or move it away: a new key is then made, which nobody knows yet.',
    })
  }
  const publicKey = rawKey(createPublicKey(privateKey))
  return { privateKey, publicKey, fingerprint: keyFingerprint(publicKey) }
}

function rawKey(key: KeyObject): Buffer {
  return Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')
}

export function keyFingerprint(publicKey: Uint8Array): string {
  return createHash('sha256').update(publicKey).digest('hex')
}

/** The text of signature.json. */
export function signManifest(key: SigningKey, name: string, manifest: Uint8Array): string {
  const signature = sign(null, manifest, key.privateKey).toString('base64')
  return canonicalJson({ algorithm: 'Ed25519', name, publicKey: key.publicKey.toString('base64'), signature })
}

/** Who signed a manifest; throws 'file-corrupt' unless the signature is right. */
export function verifySignature(bytes: Uint8Array, manifest: Uint8Array): Signer {
  const parsed = checkCanonical(SignatureSchema, parseJson(bytes, SIGNATURE), bytes, SIGNATURE)
  const publicKey = Buffer.from(parsed.publicKey, 'base64')
  if (!isRight(publicKey, manifest, Buffer.from(parsed.signature, 'base64'))) {
    throw new AdytonError('file-corrupt', `the signature of '${parsed.name}' is wrong: the bundle was changed`, {
      advice: 'Get the bundle again from whoever signed it, and do not use this one.',
    })
  }
  return { name: parsed.name, publicKey, fingerprint: keyFingerprint(publicKey) }
}

function isRight(publicKey: Buffer, manifest: Uint8Array, signature: Uint8Array): boolean {
  try {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: publicKey.toString('base64url') }
    return verify(null, manifest, createPublicKey({ key: jwk, format: 'jwk' }), signature)
  } catch {
    // 32 bytes that are no point of the curve.
    return false
  }
}
