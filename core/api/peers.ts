/**
 * Whom this installation is paired with: one small file a peer and role in `peers/`, so that processes that run at the same
 * time never overwrite each other's. A peer is allowed while its file is there; when it was last seen stands in another
 * file, so that noting it cannot bring back a peer that was forgotten meanwhile.
 */
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import { codeOf, systemFiles } from '../protocol/store/files.ts'
import type { Peer, PeerRole } from './data/hosting.ts'

const FINGERPRINT = /^[0-9a-f]{64}$/
const pinSchema = v.strictObject({
  fingerprint: v.pipe(v.string(), v.regex(FINGERPRINT)),
  role: v.picklist(['client', 'server']),
  name: v.pipe(v.string(), v.maxLength(200)),
  paired: v.number(),
})
const seenSchema = v.strictObject({ at: v.number(), address: v.nullable(v.string()) })

/** Longest name a person may give, characters. */
export const MAX_PEER_NAME = 100

export class PeerStore {
  readonly #folder: string

  /** `data`: the data folder. */
  constructor(data: string) {
    this.#folder = join(data, 'peers')
  }

  /** Everybody, the latest pairing first. */
  async list(): Promise<Peer[]> {
    const names = await systemFiles.list(this.#folder)
    const pins = names.filter((name) => /^(client|server)-[0-9a-f]{64}\.json$/.test(name))
    const peers = await Promise.all(pins.map((name) => this.#read(join(this.#folder, name))))
    return peers.filter((peer) => peer !== undefined).sort((a, b) => b.paired - a.paired)
  }

  /** Whether a peer of this fingerprint may connect; a look at the disk, so that forgetting takes effect at once. */
  has(role: PeerRole, fingerprint: string): boolean {
    return FINGERPRINT.test(fingerprint) && existsSync(this.#path(role, fingerprint))
  }

  async find(role: PeerRole, fingerprint: string): Promise<Peer | undefined> {
    return FINGERPRINT.test(fingerprint) ? await this.#read(this.#path(role, fingerprint)) : undefined
  }

  /** Pins a peer, durably when it returns. One that is known already keeps the name that a person gave it. */
  async pin(role: PeerRole, fingerprint: string, name: string, address: string | null): Promise<void> {
    const known = await this.find(role, fingerprint)
    await this.#write(role, { fingerprint, role, name: known?.name ?? cleanName(name), paired: Date.now() })
    await this.seen(role, fingerprint, address)
  }

  /** Notes that a peer was there just now, and where. Not durable: nothing depends on it. */
  async seen(role: PeerRole, fingerprint: string, address: string | null): Promise<void> {
    if (!this.has(role, fingerprint)) return
    const note = { at: Date.now(), address }
    await this.#replace(this.#path(role, fingerprint, 'seen'), JSON.stringify(note)).catch(() => undefined)
  }

  /** Throws 'usage' for a peer that is not known. */
  async rename(role: PeerRole, fingerprint: string, name: string): Promise<void> {
    const peer = await this.#known(role, fingerprint)
    const cleaned = cleanName(name)
    if (cleaned === '') throw new AdytonError('usage', 'a name has at least one character')
    await this.#write(role, { fingerprint, role, name: cleaned, paired: peer.paired })
  }

  /** Forgets a peer, durably when it returns. Throws 'usage' for one that is not known. */
  async forget(role: PeerRole, fingerprint: string): Promise<void> {
    await this.#known(role, fingerprint)
    await systemFiles.remove(this.#path(role, fingerprint))
    await systemFiles.remove(this.#path(role, fingerprint, 'seen'))
    await systemFiles.syncFolder(this.#folder)
  }

  async #known(role: PeerRole, fingerprint: string): Promise<Peer> {
    const peer = await this.find(role, fingerprint)
    if (peer !== undefined) return peer
    throw new AdytonError('usage', `no ${role} with the fingerprint ${fingerprint.slice(0, 64)} is paired`, {
      advice: 'Look it up among the peers.',
    })
  }

  #path(role: PeerRole, fingerprint: string, kind: 'json' | 'seen' = 'json'): string {
    return join(this.#folder, `${role}-${fingerprint}.${kind}`)
  }

  async #read(path: string): Promise<Peer | undefined> {
    const pin = await readJson(path, pinSchema, true)
    if (pin === undefined) return undefined
    const seen = await readJson(this.#path(pin.role, pin.fingerprint, 'seen'), seenSchema, false)
    return { ...pin, seen: seen?.at ?? null, address: seen?.address ?? null }
  }

  async #write(role: PeerRole, pin: v.InferOutput<typeof pinSchema>): Promise<void> {
    try {
      await this.#replace(this.#path(role, pin.fingerprint), JSON.stringify(pin))
    } catch (cause) {
      throw new AdytonError(
        'store-failed',
        `the pairing could not be written to ${this.#folder} (${codeOf(cause) ?? 'error'})`,
        { advice: 'Check that the folder can be written and that the disk has room.', cause },
      )
    }
  }

  /** Puts a file in place of another one, whole and durable, 0600. */
  async #replace(path: string, text: string): Promise<void> {
    await systemFiles.makeFolder(this.#folder)
    const draft = `${path}.${randomBytes(8).toString('hex')}.tmp`
    try {
      const file = await systemFiles.create(draft)
      try {
        await file.write(Buffer.from(text))
        await file.sync()
      } finally {
        await file.close()
      }
      await systemFiles.rename(draft, path)
    } catch (error) {
      await systemFiles.remove(draft)
      throw error
    }
    await systemFiles.syncFolder(this.#folder)
  }
}

/** A name for people: one line, no control characters. */
export function cleanName(name: string): string {
  return [...name.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim()].slice(0, MAX_PEER_NAME).join('')
}

/** Undefined when there is no such file; a damaged one is an error where it decides who is let in. */
async function readJson<T>(path: string, schema: v.GenericSchema<unknown, T>, strict: boolean): Promise<T | undefined> {
  let text: string
  try {
    text = await systemFiles.readText(path)
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || !strict) return undefined
    throw new AdytonError('store-failed', `${path} cannot be read (${codeOf(cause) ?? 'error'})`, { cause })
  }
  try {
    return v.parse(schema, JSON.parse(text))
  } catch (cause) {
    if (!strict) return undefined
    throw new AdytonError('file-corrupt', `${path} is damaged`, {
      advice: 'Remove it, and pair with that peer again.',
      cause,
    })
  }
}
