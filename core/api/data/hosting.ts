/** What a server tells while it runs, what it can be told, and who is paired: plain data. */
import * as v from 'valibot'

const fingerprint = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
const count = v.pipe(v.number(), v.integer(), v.minValue(0))

/** What people are told where a server is started (docs/threat-model.md). */
export const DISCLOSURE = [
  'Security holds against parties that follow the protocol and are curious.',
  'A client that deviates can extract the weights, and a server that deviates can read the image, undetected.',
  'Answers tell something about the model in any case.',
  'Clients learn the architecture, which positions are linearised, and the number widths.',
  'Serve only clients you trust.',
] as const

/** A server offers so many models at most; core/protocol/hello.ts has the bound of the message. */
export const MOST_MODELS = 16

export const PEER_ROLES = ['client', 'server'] as const
/** What the peer is to this installation. */
export type PeerRole = (typeof PEER_ROLES)[number]

/** An installation that this one is paired with. */
export interface Peer {
  readonly fingerprint: string
  readonly role: PeerRole
  /** What a person called it here, or what it calls itself. */
  readonly name: string
  /** ms since 1970. */
  readonly paired: number
  readonly seen: number | null
  /** Where it was last seen: host:port of a server, host of a client. */
  readonly address: string | null
}

export const HostedSessionSchema = v.object({
  /** Fingerprint of the client. */
  peer: fingerprint,
  name: v.string(),
  /** Host and port. */
  address: v.string(),
  /** ms since 1970. */
  since: v.number(),
  /** Model that it uses; null before it has chosen. */
  model: v.nullable(v.string()),
  phase: v.picklist(['setup', 'idle', 'offline', 'online']),
  /** Step of the plan that was last worked on; null between requests. */
  layer: v.nullable(v.string()),
  /** Steps of the phase that are done, and in all. */
  done: count,
  total: count,
  bytesIn: count,
  bytesOut: count,
  prepared: count,
  inferences: count,
})
export type HostedSession = v.InferOutput<typeof HostedSessionSchema>

export const HostingDetailSchema = v.object({
  kind: v.literal('hosting'),
  state: v.picklist(['starting', 'listening', 'stopping']),
  /** What is offered: ids and names. */
  models: v.array(v.object({ id: v.string(), name: v.string() })),
  /** Where it listens, host:port; null before it does. */
  address: v.nullable(v.string()),
  /** host:port of every address at which other machines may reach it. */
  addresses: v.array(v.string()),
  fingerprint,
  disclosure: v.array(v.string()),
  /** The code that is shown, digits alone, until when it is good (ms since 1970), and attempts that are left. */
  pairing: v.nullable(v.object({ code: v.string(), expires: v.number(), attempts: count })),
  /** Why no code is shown; null while one is. */
  pairingEnded: v.nullable(v.picklist(['none', 'stopped', 'expired', 'attempts', 'used'])),
  /** Fingerprint of the client that paired last, once it is remembered; null when none has since the start. */
  paired: v.nullable(fingerprint),
  sessions: v.array(HostedSessionSchema),
  /** The last few that were not let in, newest first. */
  refused: v.array(v.object({ at: v.number(), address: v.string(), why: v.string() })),
  prepared: count,
  inferences: count,
})
export type HostingDetail = v.InferOutput<typeof HostingDetailSchema>

/** What a server that runs can be told. */
export const HostingCommandSchema = v.variant('do', [
  /** Shows a new code, in place of the last one. */
  v.strictObject({ do: v.literal('newCode') }),
  v.strictObject({ do: v.literal('stopPairing') }),
  /** Ends the sessions of a client; to keep it out, forget it. */
  v.strictObject({ do: v.literal('disconnect'), peer: fingerprint }),
])
export type HostingCommand = v.InferOutput<typeof HostingCommandSchema>
