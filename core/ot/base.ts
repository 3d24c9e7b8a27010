/**
 * Base oblivious transfer: Endemic OT (Masny, Rindal: Endemic Oblivious Transfer, CCS 2019, section 5) with
 * Diffie-Hellman key agreement over ristretto255, 128 one-out-of-two random transfers in two messages.
 *
 * For each transfer the receiver with choice c draws a random group element r_(1-c), whose discrete logarithm nobody
 * knows, and a scalar a, and sets r_c = a*G - H(r_(1-c)). It sends (r_0, r_1), which are uniform whatever c is. The
 * sender draws one scalar b, answers with b*G and takes the keys of b*(r_0 + H(r_1)) and b*(r_1 + H(r_0)); the receiver
 * can compute only a*(b*G), the one of its choice.
 *
 * One b serves the whole batch, so hashes and keys are bound to session, index and slot (McQuoid, Rosulek, Roy:
 * Batching Base Oblivious Transfers, Asiacrypt 2021, show what goes wrong otherwise), keys also to both messages.
 */
import { createHash, randomBytes } from 'node:crypto'
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js'
import { bitAt, BLOCK_BYTES, checkBytes, checkMessage, invalidMessage, KAPPA } from './bits.ts'

const { Point } = ristretto255
type Point = InstanceType<typeof Point>

/** Transfers of one batch. */
export const BASE_COUNT = KAPPA
/** Bytes of an encoded group element. */
export const POINT_BYTES = 32
/** Exact bytes of the receiver's message: r_0 and r_1 of each transfer. */
export const BASE_RECEIVER_BYTES = BASE_COUNT * 2 * POINT_BYTES
/** Exact bytes of the sender's message: b*G. */
export const BASE_SENDER_BYTES = POINT_BYTES

/** The receiver's secrets between its two steps. */
export interface BaseReceiverState {
  /** 128 choice bits, packed. */
  readonly choices: Uint8Array
  readonly sid: Uint8Array
  readonly scalars: readonly bigint[]
  /** The message that was sent. */
  readonly message: Uint8Array
}

/**
 * Receiver, first step. `choices` are 128 packed bits; `sid` names the session and is the same on both sides.
 * About 0.15 s of CPU.
 */
export function baseReceiverStart(
  choices: Uint8Array,
  sid: Uint8Array,
): { readonly state: BaseReceiverState; readonly message: Uint8Array } {
  checkBytes('base OT choices', choices, BASE_COUNT / 8)
  const message = new Uint8Array(BASE_RECEIVER_BYTES)
  const scalars: bigint[] = []
  for (let i = 0; i < BASE_COUNT; i++) {
    const c = bitAt(choices, i)
    const scalar = randomScalar()
    const other = randomPoint()
    const otherBytes = other.toBytes()
    const mine = Point.BASE.multiply(scalar).subtract(hashToPoint(sid, i, 1 - c, otherBytes))
    message.set(otherBytes, (2 * i + 1 - c) * POINT_BYTES)
    message.set(mine.toBytes(), (2 * i + c) * POINT_BYTES)
    scalars.push(scalar)
  }
  return { state: { choices: choices.slice(), sid: sid.slice(), scalars, message: message.slice() }, message }
}

/**
 * Sender: answers the receiver's message and holds 128 pairs of 16-byte keys. Throws 'payload-invalid' on a wrong
 * length, a string that encodes no group element, or the identity. About half a second of CPU.
 */
export function baseSenderRespond(
  received: Uint8Array,
  sid: Uint8Array,
): { readonly message: Uint8Array; readonly keys: readonly (readonly [Uint8Array, Uint8Array])[] } {
  checkMessage('base OT, receiver to sender', received, BASE_RECEIVER_BYTES)
  // Decode everything before using the secret once.
  const slots = Array.from({ length: 2 * BASE_COUNT }, (_, slot) => {
    const bytes = received.slice(slot * POINT_BYTES, (slot + 1) * POINT_BYTES)
    return { bytes, point: decodePoint(bytes, `base OT, element ${slot} of the receiver`) }
  })
  const b = randomScalar()
  const message = Point.BASE.multiply(b).toBytes()
  const transcript = transcriptHash(sid, received, message)
  const key = (i: number, c: 0 | 1): Uint8Array => {
    const other = hashToPoint(sid, i, 1 - c, slots[2 * i + 1 - c].bytes)
    const agreed = slots[2 * i + c].point.add(other)
    // A receiver can aim for the identity only by inverting the hash; the library refuses to multiply it.
    if (agreed.is0()) throw invalidMessage(`base OT, transfer ${i}: the key agreement is degenerate`)
    return deriveKey(transcript, i, c, agreed.multiply(b))
  }
  const keys = Array.from({ length: BASE_COUNT }, (_, i) => [key(i, 0), key(i, 1)] as const)
  return { message, keys }
}

/**
 * Receiver, second step: the 128 keys of its choices. Throws 'payload-invalid' on a wrong length, a string that
 * encodes no group element, or the identity. About 0.2 s of CPU.
 */
export function baseReceiverFinish(state: BaseReceiverState, received: Uint8Array): readonly Uint8Array[] {
  checkMessage('base OT, sender to receiver', received, BASE_SENDER_BYTES)
  const theirs = decodePoint(received, 'base OT, element of the sender')
  const transcript = transcriptHash(state.sid, state.message, received)
  return state.scalars.map((a, i) => deriveKey(transcript, i, bitAt(state.choices, i), theirs.multiply(a)))
}

/** A uniform non-zero scalar; 64 bytes make the bias of the reduction negligible. */
function randomScalar(): bigint {
  for (;;) {
    const scalar = BigInt(`0x${randomBytes(64).toString('hex')}`) % Point.Fn.ORDER
    if (scalar !== 0n) return scalar
  }
}

/** A uniform group element with unknown discrete logarithm (RFC 9496, section 4.3.4). */
function randomPoint(): Point {
  return derivePoint(new Uint8Array(randomBytes(64)))
}

function derivePoint(bytes: Uint8Array): Point {
  const point = ristretto255_hasher.deriveToCurve?.(bytes)
  if (point === undefined) throw new TypeError('this version of @noble/curves cannot derive ristretto255 elements')
  return point
}

/** H: a random oracle into the group, for the element in slot `slot` of transfer `i`. */
function hashToPoint(sid: Uint8Array, i: number, slot: number, element: Uint8Array): Point {
  const hash = createHash('sha512').update('adyton/1 base OT element').update(framed(sid))
  return derivePoint(new Uint8Array(hash.update(Uint8Array.of(i, slot)).update(element).digest()))
}

function transcriptHash(sid: Uint8Array, fromReceiver: Uint8Array, fromSender: Uint8Array): Uint8Array {
  const hash = createHash('sha256').update('adyton/1 base OT transcript').update(framed(sid))
  return hash.update(fromReceiver).update(fromSender).digest()
}

function deriveKey(transcript: Uint8Array, i: number, choice: 0 | 1, shared: Point): Uint8Array {
  const hash = createHash('sha256').update('adyton/1 base OT key').update(transcript)
  const digest = hash.update(Uint8Array.of(i, choice)).update(shared.toBytes()).digest()
  return new Uint8Array(digest.subarray(0, BLOCK_BYTES))
}

/** A length in front keeps session ids of different lengths apart. */
function framed(sid: Uint8Array): Uint8Array {
  if (sid.length > 255) throw new RangeError(`a session id has at most 255 bytes, got ${sid.length}`)
  return Uint8Array.of(sid.length, ...sid)
}

function decodePoint(bytes: Uint8Array, what: string): Point {
  let point: Point
  try {
    point = Point.fromBytes(new Uint8Array(bytes))
  } catch (cause) {
    throw invalidMessage(`${what} is no element of ristretto255`, cause)
  }
  if (point.is0()) throw invalidMessage(`${what} is the identity`)
  return point
}
