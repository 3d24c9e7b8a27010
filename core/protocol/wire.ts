/**
 * Fixed-form control payloads of the protocol.
 */
import { createHash } from 'node:crypto'
import { AdytonError } from '../errors/errors.ts'
import { unpack } from '../ring/packing.ts'
import type { Ring, RingVector } from '../ring/ring.ts'
import { ID_BYTES, REQUEST_BYTES } from './sizes.ts'

/** What a client may ask for after the handshake. */
export const Request = { offline: 1, online: 2 } as const
export type Request = (typeof Request)[keyof typeof Request]

/** One byte that says what is asked for, then 16 bytes: a nonce (offline) or a package id (online). */
export function requestPayload(request: Request, bytes: Uint8Array): Uint8Array {
  const payload = new Uint8Array(REQUEST_BYTES)
  payload[0] = request
  payload.set(bytes.subarray(0, ID_BYTES), 1)
  return payload
}

/** Inverse of {@link requestPayload}; throws 'payload-invalid' on an unknown request. */
export function parseRequest(payload: Uint8Array): { request: Request; bytes: Uint8Array } {
  const [code] = payload
  if (code !== Request.offline && code !== Request.online) {
    throw new AdytonError('payload-invalid', `the peer asked for something unknown (request ${code})`)
  }
  return { request: code, bytes: payload.slice(1) }
}

/** Id of a package: a hash of both parties' nonces, so that neither can force an old id on the other. */
export function packageId(clientNonce: Uint8Array, serverNonce: Uint8Array): string {
  return createHash('sha256')
    .update('adyton/1 package')
    .update(clientNonce)
    .update(serverNonce)
    .digest('hex')
    .slice(0, 2 * ID_BYTES)
}

/** A packed vector from the peer; 'payload-invalid' when it is not the one wire form of some vector. `what` names it. */
export function unpackShare(ring: Ring, length: number, payload: Uint8Array, what: string): RingVector {
  try {
    return unpack(ring, length, payload)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new AdytonError('payload-invalid', `${what}: ${cause.message}`, { cause })
  }
}

/** Refuses an id of the peer's that is not the one of the package under way; `what` says what the peer did with it. */
export function checkId(id: Uint8Array, theirs: Uint8Array, what: string): void {
  if (Buffer.from(id).equals(theirs)) return
  throw new AdytonError('payload-invalid', `${what} another package than the one under way`)
}
