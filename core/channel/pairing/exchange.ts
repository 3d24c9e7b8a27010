/**
 * Pairing by a short code over a connection whose certificates nobody knows yet: CPace, bound to this very TLS connection
 * (its exporter, RFC 8446 section 7.5) and to both certificates. Somebody in the middle has two connections with two
 * exporters, so what one side proves means nothing to the other.
 *
 *   client                                            server
 *   pairingClientShare   Ya                     ->
 *                                               <-    pairingServerShare    Yb         an attempt is spent
 *   pairingClientProof   Ta                     ->    refuses a wrong one
 *   refuses a wrong one                         <-    pairingServerProof    Tb, name   the code is used up
 *   pairingClientName    name                   ->    pins the client
 *   pins the server                             <-    welcome
 *
 * The client proves first: the server says nothing that depends on the code to somebody who does not know it. Names are
 * sent once the receiver has proved itself.
 */
import { AdytonError } from '../../errors/errors.ts'
import type { Channel } from '../channel.ts'
import { MESSAGES, NO_STEP, type MessageName } from '../messages.ts'
import { parseCode, type Attempt } from './code.ts'
import {
  CONFIRMATION_BYTES,
  confirmations,
  lvCat,
  makeShare,
  sameBytes,
  SHARE_BYTES,
  sessionKey,
  sharedPoint,
  type Agreement,
  type Confirmations,
  type Contribution,
} from './cpace.ts'

/** Longest name of an installation, UTF-8 bytes. */
export const MAX_NAME_BYTES = 200
const EXPORTER = 'EXPORTER-adyton-pairing'
const EXPORTER_BYTES = 32

/** A channel that a pairing can be bound to. */
export interface PairingChannel extends Channel {
  readonly peerFingerprint: string
  exportKey(label: string, length: number): Uint8Array
}

export interface PairingSide {
  readonly channel: PairingChannel
  /** Of the own certificate, 64 hexadecimal digits. */
  readonly ownFingerprint: string
  /** What the own installation is called. */
  readonly name: string
}

/** The peer, proved to have the code. */
export interface Paired {
  readonly fingerprint: string
  readonly name: string
}

/** The client's side. Throws 'peer-untrusted' when the server does not prove that it knows the code. */
export async function pairAsClient(side: PairingSide, typed: string): Promise<Paired> {
  const { channel } = side
  return await guarded(channel, async () => {
    const agreement = agree(channel, parseCode(typed), side.ownFingerprint, channel.peerFingerprint)
    const own = makeShare(agreement)
    await send(channel, 'pairingClientShare', own.share)
    const theirs = await receive(channel, 'pairingServerShare', SHARE_BYTES)
    const proofs = prove(agreement, own.scalar, theirs, own.share, theirs)
    await send(channel, 'pairingClientProof', proofs.initiator)
    const answer = await receive(channel, 'pairingServerProof', {
      min: CONFIRMATION_BYTES,
      max: CONFIRMATION_BYTES + MAX_NAME_BYTES,
    })
    if (!sameBytes(answer.subarray(0, CONFIRMATION_BYTES), proofs.responder)) {
      throw new AdytonError('peer-untrusted', 'the server did not prove that it knows the code', {
        advice: 'Somebody may be in between. Check the address, and pair again with a new code.',
      })
    }
    const name = readName(answer.subarray(CONFIRMATION_BYTES))
    await send(channel, 'pairingClientName', nameBytes(side.name))
    await receive(channel, 'welcome', 0)
    return { fingerprint: channel.peerFingerprint, name }
  })
}

/**
 * The server's side, for one connection. `attempt` spends one of the code's attempts; `keep` pins the client durably, and
 * the client hears that it is welcome afterwards. Throws 'peer-untrusted' when no code is good or the guess was wrong.
 */
export async function pairAsServer(
  side: PairingSide,
  attempt: () => Attempt,
  keep: (client: Paired) => Promise<void>,
): Promise<Paired> {
  const { channel } = side
  return await guarded(channel, async () => {
    const theirs = await receive(channel, 'pairingClientShare', SHARE_BYTES)
    const granted = attempt()
    try {
      const agreement = agree(channel, granted.code, channel.peerFingerprint, side.ownFingerprint)
      const own = makeShare(agreement)
      const proofs = prove(agreement, own.scalar, theirs, theirs, own.share)
      await send(channel, 'pairingServerShare', own.share)
      const proof = await receive(channel, 'pairingClientProof', CONFIRMATION_BYTES)
      if (!sameBytes(proof, proofs.initiator)) {
        const why = 'the code does not fit: it was mistyped, or somebody is in between'
        throw new AdytonError('peer-untrusted', `${why}; ${leftWords(granted.left())}`)
      }
      granted.succeed()
      await send(channel, 'pairingServerProof', Buffer.concat([proofs.responder, nameBytes(side.name)]))
    } catch (error) {
      granted.fail()
      throw error
    }
    const client = {
      fingerprint: channel.peerFingerprint,
      name: readName(await receive(channel, 'pairingClientName', { min: 0, max: MAX_NAME_BYTES })),
    }
    await keep(client)
    await send(channel, 'welcome', new Uint8Array(0))
    return client
  })
}

/** Told to whoever guessed wrong, who could count the attempts as well by making them. */
function leftWords(left: number): string {
  if (left === 0) return 'this was the last attempt for the code'
  return left === 1 ? 'one attempt is left for the code' : `${left} attempts are left for the code`
}

/** What both ends of one and the same connection have in common. */
function agree(channel: PairingChannel, code: string, client: string, server: string): Agreement {
  return {
    secret: Buffer.from(code, 'ascii'),
    channel: lvCat(Buffer.from('adyton/1 pairing'), Buffer.from(client, 'hex'), Buffer.from(server, 'hex')),
    session: channel.exportKey(EXPORTER, EXPORTER_BYTES),
  }
}

/** Different data of the two sides: a proof that is sent back as the other side's does not fit. */
const CLIENT_DATA = Buffer.from('client')
const SERVER_DATA = Buffer.from('server')

function prove(
  agreement: Agreement,
  scalar: bigint,
  theirs: Uint8Array,
  clientShare: Uint8Array,
  serverShare: Uint8Array,
): Confirmations {
  const initiator: Contribution = { share: clientShare, data: CLIENT_DATA }
  const responder: Contribution = { share: serverShare, data: SERVER_DATA }
  const key = sessionKey(agreement.session, sharedPoint(scalar, theirs), initiator, responder)
  return confirmations(agreement.session, key, initiator, responder)
}

function send(channel: Channel, message: MessageName, payload: Uint8Array): Promise<void> {
  return channel.send({ type: MESSAGES[message], step: NO_STEP, payload })
}

function receive(
  channel: Channel,
  message: MessageName,
  length: number | { readonly min: number; readonly max: number },
): Promise<Uint8Array> {
  return channel.receive({ type: MESSAGES[message], step: NO_STEP, length })
}

/** The name as it is sent: cut to MAX_NAME_BYTES, whole characters. */
function nameBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(MAX_NAME_BYTES)
  return bytes.subarray(0, new TextEncoder().encodeInto(name, bytes).written)
}

/** A name that a peer gave itself: shown to people, so nothing that a terminal or a page would obey. */
function readName(bytes: Uint8Array): string {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new AdytonError('payload-invalid', 'the name of the peer is not text', { cause })
  }
  return text.replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim()
}

/** Tells the peer when something fails on this side, so that it need not wait. */
async function guarded<T>(channel: Channel, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const told = error instanceof AdytonError && ['peer-untrusted', 'payload-invalid'].includes(error.code)
    if (told) await channel.abort(error.code, error.message)
    else await channel.abort('peer-untrusted', 'the pairing failed on the other side; its log says why')
    throw error
  }
}
