/** The clients that are connected to a server. */
import { formatFingerprint } from '../../channel/identity.ts'
import type { TlsChannel } from '../../channel/tls.ts'
import { AdytonError } from '../../errors/errors.ts'
import type { ServerSessionOptions } from '../../protocol/server/session.ts'
import type { HourlyLimit } from '../serving.ts'
import { SessionLine, type HostingBoard } from './board.ts'
import { hostOf, type Door } from './door.ts'

interface SessionsOptions {
  readonly door: Door
  readonly board: HostingBoard
  readonly limiter: HourlyLimit
  readonly onNotice: (line: string) => void
}

type ServeSession = (
  session: Pick<
    ServerSessionOptions,
    'channel' | 'peerFingerprint' | 'disconnected' | 'admit' | 'onChosen' | 'onProgress' | 'onServed'
  >,
) => Promise<void>

/** The sessions that are under way. */
export class Sessions {
  readonly #options: SessionsOptions
  readonly #serve: ServeSession
  readonly #ends = new Map<TlsChannel, Promise<void>>()

  constructor(options: SessionsOptions, serve: ServeSession) {
    this.#options = options
    this.#serve = serve
  }

  accept(channel: TlsChannel): void {
    this.#ends.set(
      channel,
      this.#run(channel).finally(() => this.#ends.delete(channel)),
    )
  }

  /** Ends the sessions of a client, or all. */
  async end(why: string, peer?: string): Promise<void> {
    const meant = [...this.#ends].filter(([channel]) => peer === undefined || channel.peerFingerprint === peer)
    await Promise.all(meant.map(([channel]) => channel.abort('cancelled', why)))
    await Promise.all(meant.map(([, ended]) => ended))
  }

  async #run(channel: TlsChannel): Promise<void> {
    const { door, board, limiter, onNotice } = this.#options
    const { peerAddress, peerFingerprint } = channel
    const line = new SessionLine(channel, await door.nameOf(peerFingerprint).catch(() => ''))
    const who = `${peerAddress} (${formatFingerprint(peerFingerprint).slice(0, 19)}…)`
    board.enters(line)
    onNotice(`${who} connected`)
    void door.peers.seen('client', peerFingerprint, hostOf(peerAddress))
    try {
      await this.#serve({
        channel,
        peerFingerprint,
        disconnected: channel.disconnected,
        admit: (phase) => {
          // It may have been forgotten since it came in.
          if (!door.admits(peerFingerprint)) {
            throw new AdytonError('peer-untrusted', 'this client is no longer paired with the server')
          }
          if (phase === 'online') limiter.admit(peerFingerprint)
          line.begins(phase)
        },
        onChosen: ({ card, model }) => line.chose(card.id, model.plan),
        onProgress: (done) => line.did(done),
        onServed: ({ phase, ledger }) => {
          board.served(line, phase)
          const ms = ledger.entries.reduce((sum, entry) => sum + entry.wallMs, 0)
          const what = phase === 'offline' ? 'a package is ready' : 'an inference is done'
          onNotice(`${who}: ${what} (${Math.round(ms)} ms)`)
        },
      })
      onNotice(`${who} left`)
    } catch (error) {
      onNotice(`${who}: ${error instanceof Error ? error.message : String(error)}`)
    } finally {
      board.leaves(line)
    }
  }
}
