/**
 * Checksum of a section, against damage: GMAC (NIST SP 800-38D) under a key that follows from the package's id and the
 * section's name. Damage, which does not know the key, goes unseen with probability below 2^-90, for all that a disk
 * holds. Somebody who can write to the folder can make a checksum fit, as with any. SHA-256 would take ten times as long.
 */
import { createCipheriv, hkdfSync, type CipherGCM } from 'node:crypto'

/** What one call of the cipher takes. */
const MAX_UPDATE = 2 ** 30

export class Checksum {
  readonly #cipher: CipherGCM

  /** `id`: of the package, 32 hexadecimal digits. */
  constructor(id: string, section: string) {
    const key = hkdfSync('sha256', Buffer.from(id, 'hex'), '', `adyton/1 checksum ${section}`, 16)
    // A key makes one checksum, so the nonce may be constant.
    this.#cipher = createCipheriv('aes-128-gcm', new Uint8Array(key), new Uint8Array(12))
  }

  update(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += MAX_UPDATE) this.#cipher.setAAD(bytes.subarray(at, at + MAX_UPDATE))
  }

  /** Ends the checksum: 32 hexadecimal digits. */
  digest(): string {
    this.#cipher.final()
    return this.#cipher.getAuthTag().toString('hex')
  }
}
