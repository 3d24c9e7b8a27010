/** Which server is meant, and how it is recognised. */
import * as v from 'valibot'
import { formatFingerprint, parseFingerprint } from '../../channel/identity.ts'
import { place } from '../../channel/tls-errors.ts'
import type { Authorise, TlsChannel } from '../../channel/tls.ts'
import { AdytonError } from '../../errors/errors.ts'
import type { Peer } from '../data/hosting.ts'
import { parsePlace } from '../hosting/addresses.ts'
import type { PeerStore } from '../peers.ts'

/** Entries of an operation's input that name a server. */
export const targetEntries = {
  host: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(255))),
  port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535))),
  /** The server's fingerprint, in any form; not needed for one that is paired. */
  fingerprint: v.optional(v.string()),
  /** Fingerprint of a paired server, in any form: it is looked for where it was last, unless host and port are given. */
  peer: v.optional(v.string()),
}

export interface TargetInput {
  readonly host?: string | undefined
  readonly port?: number | undefined
  readonly fingerprint?: string | undefined
  readonly peer?: string | undefined
}

export interface Target {
  readonly host: string
  readonly port: number
  /** Who must answer: one fingerprint, or any server that is paired. */
  readonly serverFingerprint: string | Authorise
}

/** A server as it was named, known or not. */
export interface Located {
  readonly host: string
  readonly port: number
  /** Whose certificate is due; undefined when any server that is paired may answer. */
  readonly wanted: string | undefined
  /** The paired server that is expected, if it is one. */
  readonly peer: Peer | undefined
}

/** Throws 'usage' when no server is meant, and 'peer-untrusted' for a `peer` that is not paired. */
export async function locate(input: TargetInput, peers: PeerStore): Promise<Located> {
  const servers = (await peers.list()).filter(({ role }) => role === 'server')
  const named = input.peer ?? input.fingerprint
  const fingerprint = named === undefined ? undefined : parseFingerprint(named)
  const peer = servers.find((one) => one.fingerprint === fingerprint)
  if (input.peer !== undefined && peer === undefined) {
    throw new AdytonError('peer-untrusted', `no server ${formatFingerprint(fingerprint as string)} is paired`, {
      advice: 'Look it up among the peers, or pair with it by its address and code.',
    })
  }
  const { host, port } = whereIs(input, peer)
  if (fingerprint !== undefined) return { host, port, wanted: fingerprint, peer }
  const there = servers.find(({ address }) => address === place(host, port))
  return { host, port, wanted: there?.fingerprint, peer: there }
}

/** Throws as {@link locate}, and 'peer-untrusted' when it is not known who should answer. */
export async function resolveTarget(input: TargetInput, peers: PeerStore): Promise<Target> {
  const { host, port, wanted } = await locate(input, peers)
  if (wanted !== undefined) return { host, port, serverFingerprint: wanted }
  if ((await peers.list()).every(({ role }) => role === 'client')) {
    throw new AdytonError('peer-untrusted', `it is not known who should answer at ${place(host, port)}`, {
      advice: 'Pair with the server first, by this address and its code, or give its fingerprint.',
    })
  }
  // A paired server may have got another address; whoever answers has to be one of them.
  return { host, port, serverFingerprint: (fingerprint) => peers.has('server', fingerprint) }
}

/** Notes where a server was found, if it is paired. */
export async function noteServer(
  peers: PeerStore,
  { host, port }: Pick<Target, 'host' | 'port'>,
  channel: TlsChannel,
): Promise<void> {
  await peers.seen('server', channel.peerFingerprint, place(host, port))
}

function whereIs({ host, port }: TargetInput, peer: Peer | undefined): { host: string; port: number } {
  if (host !== undefined && port !== undefined) return { host, port }
  const last = typeof peer?.address === 'string' ? parsePlace(peer.address) : undefined
  if (last !== undefined) return { host: host ?? last.host, port: port ?? last.port }
  throw new AdytonError('usage', 'the address of the server is not known', { advice: 'Give host and port.' })
}
