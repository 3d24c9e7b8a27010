import { execFile } from 'node:child_process'
import { X509Certificate, createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  IDENTITY_FILE,
  ephemeralIdentity,
  fingerprint,
  formatFingerprint,
  loadOrCreateIdentity,
  parseFingerprint,
  sameFingerprint,
  shortFingerprint,
} from '../../core/channel/identity.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'adyton-identity-'))
})
afterEach(() => rm(dir, { recursive: true }))

describe('an identity', () => {
  test('is a P-256 certificate that signs itself and says nothing about the machine', async () => {
    const identity = await ephemeralIdentity()
    const certificate = new X509Certificate(identity.certificate)
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
    expect(certificate.subject).toBe('CN=adyton')
    expect(certificate.ca).toBe(false)
    expect(certificate.validToDate.getUTCFullYear()).toBe(9999)
    // OpenSSL prints the same digest, in upper case with colons.
    expect(certificate.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(identity.fingerprint)
    expect(createHash('sha256').update(certificate.raw).digest('hex')).toBe(fingerprint(certificate.raw))
    expect((await ephemeralIdentity()).fingerprint).not.toBe(identity.fingerprint)
  })

  test('is made once, kept for its owner alone, and found again', async () => {
    const folder = join(dir, 'deep', 'er')
    const made = await loadOrCreateIdentity(folder)
    expect(await loadOrCreateIdentity(folder)).toEqual(made)
    expect(await readdir(folder)).toEqual([IDENTITY_FILE])
    if (process.platform !== 'win32') {
      expect((await stat(join(folder, IDENTITY_FILE))).mode & 0o777).toBe(0o600)
      expect((await stat(folder)).mode & 0o777).toBe(0o700)
    }
  })

  test('that is damaged is refused by name and left as it is', async () => {
    const path = join(dir, IDENTITY_FILE)
    const [one, other] = [await ephemeralIdentity(), await ephemeralIdentity()]
    for (const [text, why] of [
      ['', 'it has no certificate'],
      [one.certificate, 'it has no private key'],
      [one.certificate + other.privateKey, 'its key does not belong to its certificate'],
      [one.certificate.replace(/^MII/m, 'AAA') + one.privateKey, 'its certificate or key cannot be read'],
      [one.certificate + one.privateKey.slice(0, 80), 'it has no private key'],
    ] as const) {
      await writeFile(path, text)
      await expect(loadOrCreateIdentity(dir)).rejects.toMatchObject({
        code: 'file-corrupt',
        message: `the identity file ${path} is damaged: ${why}`,
        advice: expect.stringContaining('backup') as unknown,
      })
      expect(await readFile(path, 'utf8')).toBe(text)
    }
  })

  test('that cannot be written is an error that names the file', async () => {
    await writeFile(join(dir, 'file'), '')
    await expect(loadOrCreateIdentity(join(dir, 'file'))).rejects.toMatchObject({ code: 'store-failed' })
  })

  test('is one and the same for processes that make it at once', async () => {
    const module = new URL('../../core/channel/identity.ts', import.meta.url)
    const script = `
      const { loadOrCreateIdentity } = await import(${JSON.stringify(module.href)})
      console.log((await loadOrCreateIdentity(process.argv[1])).fingerprint)`
    const run = async (): Promise<string> => {
      const args = ['--input-type=module', '--eval', script, dir]
      return (await promisify(execFile)(process.execPath, args, { cwd: fileURLToPath(new URL('.', module)) })).stdout
    }
    const results = await Promise.all([run(), run(), run(), run()])
    const kept = await loadOrCreateIdentity(dir)
    expect(results).toEqual(Array(4).fill(`${kept.fingerprint}\n`))
    expect(await readdir(dir)).toEqual([IDENTITY_FILE])
  })
})

describe('a fingerprint', () => {
  const hex = createHash('sha256').update('x').digest('hex')

  test('is read back in every form it is shown in', () => {
    const shown = formatFingerprint(hex)
    expect(shown).toMatch(/^[0-9a-f]{4}(:[0-9a-f]{4}){15}$/)
    expect(parseFingerprint(shown)).toBe(hex)
    expect(parseFingerprint(` ${hex.toUpperCase()}\n`)).toBe(hex)
    expect(parseFingerprint(hex.match(/../g)!.join(':').toUpperCase())).toBe(hex)
    expect(hex.startsWith(shortFingerprint(hex).replace('…', '').replaceAll(':', ''))).toBe(true)
  })

  test('that is incomplete or odd is refused', () => {
    for (const text of [
      '',
      hex.slice(1),
      `${hex}0`,
      `g${hex.slice(1)}`,
      `${hex.slice(0, 32)}:${hex.slice(32)}`,
      'any',
    ]) {
      expect(() => parseFingerprint(text), text).toThrow('not a certificate fingerprint')
    }
  })

  test('equals itself only', () => {
    expect(sameFingerprint(hex, formatFingerprint(hex))).toBe(true)
    expect(
      sameFingerprint(
        hex,
        hex.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
      ),
    ).toBe(false)
  })
})
