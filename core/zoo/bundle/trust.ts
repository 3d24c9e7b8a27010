/**
 * Whose signatures are believed. The first bundle of a signer asks; afterwards key and name are known, and another key under
 * that name is refused.
 */
import { formatFingerprint, parseFingerprint } from '../../channel/identity.ts'
import { AdytonError } from '../../errors/errors.ts'
import type { Zoo } from '../zoo.ts'
import type { Signer } from './sign.ts'

/**
 * 'ask' takes known signers only; 'accept' also new ones, unless their name is somebody else's; a fingerprint takes exactly
 * that key, whatever its name.
 */
export type Trust = string

export interface KnownSigner {
  readonly fingerprint: string
  readonly name: string
  /** ms since 1970. */
  readonly firstSeen: number
}

/** known: this key; new: neither key nor name; taken: the name is known with another key. */
export type Standing = 'known' | 'new' | 'taken'

/** Names that look alike are one. */
function nameKey(name: string): string {
  return name.normalize('NFKC').toLowerCase().replaceAll(/\s+/g, ' ').trim()
}

export function standingOf({ db }: Zoo, { fingerprint, name }: Pick<Signer, 'fingerprint' | 'name'>): Standing {
  const key = db.prepare('SELECT name_key FROM signers WHERE fingerprint = ?').pluck().get(fingerprint)
  if (key === nameKey(name)) return 'known'
  const taken = db
    .prepare('SELECT 1 FROM signers WHERE name_key = ? AND fingerprint <> ?')
    .get(nameKey(name), fingerprint)
  if (taken !== undefined) return 'taken'
  return key === undefined ? 'new' : 'known'
}

/** Throws 'signer-untrusted', saying what to pass, unless the signer is known or trusted now. */
export function checkSigner(zoo: Zoo, signer: Signer, trust: Trust): void {
  const standing = standingOf(zoo, signer)
  if (standing === 'known') return
  if (trust === 'accept' ? standing === 'new' : trust !== 'ask' && parseFingerprint(trust) === signer.fingerprint)
    return
  const shown = formatFingerprint(signer.fingerprint)
  const { name } = signer
  const advice = `Compare the fingerprint with its owner over another medium; if it is right, pass '--trust ${shown}'.`
  if (standing === 'taken') {
    throw new AdytonError('signer-untrusted', `'${name}' is known with another key; this one is ${shown}`, { advice })
  }
  const known = trust === 'ask' || trust === 'accept' ? 'is not known yet' : 'is not the one that is trusted'
  throw new AdytonError('signer-untrusted', `the signer '${name}', ${shown}, ${known}`, { advice })
}

/** Within a write transaction. A key keeps the name that it was first seen with. */
export function rememberSigner({ db }: Zoo, { fingerprint, publicKey, name }: Signer, at: number): void {
  db.prepare(
    `INSERT INTO signers (fingerprint, public_key, name, name_key, first_seen) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT DO NOTHING`,
  ).run(fingerprint, publicKey, name, nameKey(name), at)
}

/** The name that a key was first seen with. */
export function knownName({ db }: Zoo, fingerprint: string): string | undefined {
  return db.prepare('SELECT name FROM signers WHERE fingerprint = ?').pluck().get(fingerprint) as string | undefined
}

/** By name. */
export function listSigners({ db }: Zoo): KnownSigner[] {
  return db
    .prepare('SELECT fingerprint, name, first_seen AS firstSeen FROM signers ORDER BY name_key, first_seen')
    .all() as KnownSigner[]
}

export function forgetSigner({ db }: Zoo, fingerprint: string): void {
  const { changes } = db.prepare('DELETE FROM signers WHERE fingerprint = ?').run(parseFingerprint(fingerprint))
  if (changes > 0) return
  throw new AdytonError('usage', `no signer is known by ${fingerprint}`, {
    advice: "'zoo signers' shows those who are.",
  })
}
