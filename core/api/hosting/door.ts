/** Who may come in: clients that were named, the first one where that was asked for, and those that are paired. */
import { isIP } from 'node:net'
import { formatFingerprint, parseFingerprint, shortFingerprint } from '../../channel/identity.ts'
import { CODE_ATTEMPTS, formatCode, PairingDesk } from '../../channel/pairing/code.ts'
import { pairAsServer } from '../../channel/pairing/exchange.ts'
import type { TlsChannel } from '../../channel/tls.ts'
import { AdytonError } from '../../errors/errors.ts'
import type { HostingDetail } from '../data/hosting.ts'
import { PeerStore } from '../peers.ts'
import { PinnedClient } from '../serving.ts'
import { parsePlace } from './addresses.ts'

export interface DoorOptions {
  /** The data folder. */
  readonly data: string
  readonly ownFingerprint: string
  /** What this installation is called. */
  readonly name: string
  readonly allow: readonly string[]
  readonly allowFirst: boolean
  readonly onNotice: (line: string) => void
  readonly onRefused: (address: string, why: string) => void
}

export class Door {
  readonly peers: PeerStore
  readonly #options: DoorOptions
  readonly #allowed: Set<string>
  readonly #pinned: PinnedClient
  readonly #desk = new PairingDesk()
  readonly #pairings = new Set<Promise<void>>()
  #first = false
  #paired: string | null = null

  private constructor(options: DoorOptions) {
    this.#options = options
    this.peers = new PeerStore(options.data)
    this.#pinned = new PinnedClient(options.data)
    this.#allowed = new Set(options.allow.map(parseFingerprint))
  }

  static async open(options: DoorOptions): Promise<Door> {
    const door = new Door(options)
    if (options.allowFirst) for (const fingerprint of await door.#pinned.read()) door.#allowed.add(fingerprint)
    door.#first = options.allowFirst && door.#allowed.size === 0
    return door
  }

  /** Whether anybody can come in without pairing first. */
  async hasKeys(): Promise<boolean> {
    if (this.#first || this.#allowed.size > 0) return true
    return (await this.peers.list()).some(({ role }) => role === 'client')
  }

  /** Whether a client that was let in may still be here. */
  admits(fingerprint: string): boolean {
    return this.#allowed.has(fingerprint) || this.peers.has('client', fingerprint)
  }

  /** Decides on a connection. */
  async authorise(fingerprint: string): Promise<boolean> {
    if (this.admits(fingerprint)) return true
    if (!this.#first) return false
    this.#first = false
    this.#allowed.add(fingerprint)
    await this.#pinned.write(fingerprint)
    this.#options.onNotice(`the first client is pinned: ${formatFingerprint(fingerprint)}`)
    return true
  }

  /** What a client is called, by whoever paired with it. */
  async nameOf(fingerprint: string): Promise<string> {
    return (await this.peers.find('client', fingerprint))?.name ?? shortFingerprint(fingerprint)
  }

  newCode(): void {
    this.#desk.open()
    const shown = this.#desk.current
    if (shown === null) return
    const until = new Date(shown.expires).toLocaleTimeString()
    this.#options.onNotice(
      `pairing code ${formatCode(shown.code)}, for one client, until ${until} or ${CODE_ATTEMPTS} attempts`,
    )
  }

  stopPairing(): void {
    this.#desk.stop()
  }

  get pairing(): HostingDetail['pairing'] {
    return this.#desk.current
  }

  /** Why no code is shown; null while one is. */
  get pairingEnded(): HostingDetail['pairingEnded'] {
    return this.#desk.current === null ? this.#desk.ended : null
  }

  /** Fingerprint of the client that paired last. */
  get paired(): string | null {
    return this.#paired
  }

  /** Pairs with whoever is at the other end, if it knows the code. */
  pair(channel: TlsChannel): void {
    const run = this.#pair(channel).finally(() => this.#pairings.delete(run))
    this.#pairings.add(run)
  }

  async #pair(channel: TlsChannel): Promise<void> {
    const { ownFingerprint, name, onNotice, onRefused } = this.#options
    const { peerAddress } = channel
    try {
      const client = await pairAsServer(
        { channel, ownFingerprint, name },
        () => this.#desk.attempt(),
        ({ fingerprint, name: theirs }) =>
          this.peers.pin(
            'client',
            fingerprint,
            theirs === '' ? shortFingerprint(fingerprint) : theirs,
            hostOf(peerAddress),
          ),
      )
      this.#paired = client.fingerprint
      onNotice(`paired with ${client.name} at ${peerAddress}: ${formatFingerprint(client.fingerprint)}`)
      await channel.close()
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      const left = this.#desk.current?.attempts
      // A wrong code is answered with them.
      const rest = left === undefined || why.includes('for the code') ? '' : `; attempts left for the code: ${left}`
      onNotice(`${peerAddress} was not paired: ${why}${rest}`)
      onRefused(peerAddress, why)
    }
  }

  /** Ends when no pairing is under way. */
  async close(): Promise<void> {
    this.stopPairing()
    await Promise.all(this.#pairings)
  }
}

/** Why a server that nobody could use is not started. */
export function nobody(): AdytonError {
  return new AdytonError('usage', 'no client may connect', {
    advice:
      "Pair one with --pair, or name clients with --allow FINGERPRINT ('adyton identity' prints it on their machine), or use --allow-first.",
  })
}

/** The port of a client says nothing about where it is. */
export function hostOf(address: string): string | null {
  const host = parsePlace(address)?.host
  return host === undefined || isIP(host) === 0 ? null : host
}
