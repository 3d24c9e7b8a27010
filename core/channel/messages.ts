/**
 * Message types on the wire and what their bytes are spent on. Numbers are part of the protocol: never reuse one.
 *
 *   1 - 199    protocol messages, in the order in which a session first uses them
 *   200 - 239  reserved
 *   240 - 255  the channel's own: they may arrive where something else is due
 */
export const MESSAGES = {
  clientHello: 1,
  serverHello: 2,
  plan: 4,
  hePublicKey: 5,
  baseOtReceiver: 6,
  baseOtSender: 7,
  /** What the client wants next: an offline phase or an online phase. */
  request: 8,
  offlineAccept: 9,
  heUpload: 10,
  heAnswer: 11,
  delta: 12,
  otBootstrap: 13,
  otExtension: 14,
  tables: 15,
  offlineEnd: 16,
  onlineAccept: 18,
  maskedInput: 19,
  labels: 20,
  colours: 21,
  logitShare: 22,
  onlineEnd: 23,
  decodeBits: 24,
  offlineConfirm: 25,
  pairingClientShare: 26,
  pairingServerShare: 27,
  pairingClientProof: 28,
  pairingServerProof: 29,
  pairingClientName: 30,
  otTrees: 31,
  /** Of a server over TLS: the client's certificate is accepted. First frame, or the last one of a pairing. Empty. */
  welcome: 242,
  /** Why the peer ends the session; see encodeAbort in core/channel/frames.ts. */
  abort: 240,
  /** Orderly end: nothing follows. Empty. */
  close: 241,
} as const

export type MessageName = keyof typeof MESSAGES

/** What the bytes of a message are spent on. */
export type MessageKind = 'he' | 'gc' | 'ot' | 'share' | 'control'

const KINDS: Readonly<Record<MessageName, MessageKind>> = {
  clientHello: 'control',
  serverHello: 'control',
  plan: 'control',
  hePublicKey: 'he',
  baseOtReceiver: 'ot',
  baseOtSender: 'ot',
  request: 'control',
  offlineAccept: 'control',
  heUpload: 'he',
  heAnswer: 'he',
  delta: 'share',
  otBootstrap: 'ot',
  otTrees: 'ot',
  otExtension: 'ot',
  tables: 'gc',
  offlineEnd: 'control',
  onlineAccept: 'control',
  maskedInput: 'share',
  labels: 'gc',
  colours: 'gc',
  logitShare: 'share',
  onlineEnd: 'control',
  decodeBits: 'gc',
  offlineConfirm: 'control',
  pairingClientShare: 'control',
  pairingServerShare: 'control',
  pairingClientProof: 'control',
  pairingServerProof: 'control',
  pairingClientName: 'control',
  welcome: 'control',
  abort: 'control',
  close: 'control',
}

const NAMES = new Map<number, MessageName>(Object.entries(MESSAGES).map(([name, type]) => [type, name as MessageName]))

/** Step of a frame that belongs to no step of the plan. */
export const NO_STEP = 0xffff

/** The name of a message type for people, `unknown message 77` for one that this version does not have. */
export function messageName(type: number): string {
  return NAMES.get(type) ?? `unknown message ${type}`
}

/** What a message's bytes are spent on; 'control' for a type that this version does not have. */
export function messageKind(type: number): MessageKind {
  const name = NAMES.get(type)
  return name === undefined ? 'control' : KINDS[name]
}
