/**
 * CPace, a balanced password-authenticated key exchange (draft-irtf-cfrg-cpace-21), in its initiator-responder form over
 * ristretto255 with SHA-512 (CPACE-RISTR255-SHA512), with the explicit key confirmation of its section 10.4.
 *
 * A peer with another code, channel identifier or session id gets an unrelated key; each run of the protocol tests one
 * code, and what passes over the wire tests none afterwards. Curve arithmetic is @noble/curves', which does not claim
 * constant time against an observer on this machine.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { ristretto255, ristretto255_hasher } from '@noble/curves/ed25519.js'
import { AdytonError } from '../../errors/errors.ts'

const { Point } = ristretto255
type Point = InstanceType<typeof Point>

/** Bytes of a share: an encoded group element. */
export const SHARE_BYTES = 32
/** Bytes of a confirmation: HMAC-SHA-512. */
export const CONFIRMATION_BYTES = 64

/** G_Ristretto255.DSI. */
const DSI = Buffer.from('CPaceRistretto255')
/** Input block of SHA-512, bytes: the code fills one with padding, so that its length does not show in the time. */
const HASH_BLOCK = 128

/** What both sides must have in common for their keys to agree. */
export interface Agreement {
  /** PRS: the low-entropy secret. */
  readonly secret: Uint8Array
  /** CI: who talks to whom. */
  readonly channel: Uint8Array
  /** sid: this conversation and no other. */
  readonly session: Uint8Array
}

/** A share and the data that its sender adds to it, as the transcript has them. */
export interface Contribution {
  readonly share: Uint8Array
  /** ADa or ADb. */
  readonly data: Uint8Array
}

/** What one side keeps between sending its share and receiving the other one. */
export interface OwnShare {
  readonly scalar: bigint
  readonly share: Uint8Array
}

/** Confirmations of both sides: send the own one, compare the other one with {@link sameBytes}. */
export interface Confirmations {
  readonly initiator: Uint8Array
  readonly responder: Uint8Array
}

/** Concatenation of strings, each with its length in LEB128 in front (appendix A). */
export function lvCat(...parts: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(parts.flatMap((part) => [leb128(part.length), part]))
}

function leb128(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  do {
    const low = rest % 128
    rest = Math.floor(rest / 128)
    bytes.push(rest > 0 ? low + 128 : low)
  } while (rest > 0)
  return Uint8Array.from(bytes)
}

/** generator_string of appendix A. */
export function generatorString({ secret, channel, session }: Agreement): Uint8Array {
  const before = lvCat(DSI).length + lvCat(secret).length
  const padding = new Uint8Array(Math.max(0, HASH_BLOCK - 1 - before))
  return lvCat(DSI, secret, padding, channel, session)
}

/** The generator that stands for the secret (section 8.3, calculate_generator). */
export function generator(agreement: Agreement): Point {
  const hash = createHash('sha512').update(generatorString(agreement)).digest()
  const point = ristretto255_hasher.deriveToCurve?.(new Uint8Array(hash))
  if (point === undefined) throw new TypeError('this version of @noble/curves cannot derive ristretto255 elements')
  return point
}

/** A fresh share for one run. `scalar` is for test vectors alone. */
export function makeShare(agreement: Agreement, scalar: bigint = randomScalar()): OwnShare {
  return { scalar, share: generator(agreement).multiply(scalar).toBytes() }
}

/** K (scalar_mult_vfy). Throws 'payload-invalid' for what encodes no group element and for the identity. */
export function sharedPoint(scalar: bigint, share: Uint8Array): Uint8Array {
  let theirs: Point
  try {
    theirs = Point.fromBytes(new Uint8Array(share))
  } catch (cause) {
    throw new AdytonError('payload-invalid', 'the share of the pairing is no element of ristretto255', { cause })
  }
  if (theirs.is0()) throw new AdytonError('payload-invalid', 'the share of the pairing is the identity')
  return theirs.multiply(scalar).toBytes()
}

/** ISK, the key of this run (section 7.2), 64 bytes. */
export function sessionKey(
  session: Uint8Array,
  point: Uint8Array,
  initiator: Contribution,
  responder: Contribution,
): Uint8Array {
  const hash = createHash('sha512').update(lvCat(Buffer.concat([DSI, Buffer.from('_ISK')]), session, point))
  for (const { share, data } of [initiator, responder]) hash.update(lvCat(share, data))
  return new Uint8Array(hash.digest())
}

/** Both sides' proofs that they hold the key (section 10.4). */
export function confirmations(
  session: Uint8Array,
  key: Uint8Array,
  initiator: Contribution,
  responder: Contribution,
): Confirmations {
  const macKey = createHash('sha512').update('CPaceMac').update(session).update(key).digest()
  const mac = ({ share, data }: Contribution): Uint8Array =>
    new Uint8Array(createHmac('sha512', macKey).update(lvCat(share, data)).digest())
  return { initiator: mac(initiator), responder: mac(responder) }
}

/** Compares in constant time; false for different lengths. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

/** A uniform non-zero scalar; 64 bytes make the bias of the reduction negligible. */
function randomScalar(): bigint {
  for (;;) {
    const scalar = BigInt(`0x${randomBytes(64).toString('hex')}`) % Point.Fn.ORDER
    if (scalar !== 0n) return scalar
  }
}
