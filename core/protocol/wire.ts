/**
 * Fixed-form control payloads of the protocol.
 */
import { createHash } from 'node:crypto'
import { AdytonError } from '../errors/errors.ts'
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
