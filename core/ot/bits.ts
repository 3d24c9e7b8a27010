/** Packed bits, least significant first: the choice vectors and correlations of oblivious transfer. */
import { AdytonError } from '../errors/errors.ts'

/** Security parameter: base transfers, columns of an extension, bits of a label. */
export const KAPPA = 128
/** Bytes of a label, a seed or a correlation. */
export const BLOCK_BYTES = 16

/** Bit `i` of a packed bit string. */
export function bitAt(bits: Uint8Array, i: number): 0 | 1 {
  return ((bits[i >> 3] >> (i & 7)) & 1) as 0 | 1
}

/** Throws RangeError unless `bytes` has exactly `length` bytes: for our own callers' mistakes. */
export function checkBytes(what: string, bytes: Uint8Array, length: number): void {
  if (bytes.length !== length) throw new RangeError(`${what}: ${length} bytes expected, got ${bytes.length}`)
}

/** Throws 'payload-invalid' unless a peer's message has exactly `length` bytes. */
export function checkMessage(what: string, message: Uint8Array, length: number): void {
  if (message.length !== length) {
    throw invalidMessage(`${what}: ${length} bytes expected, got ${message.length}`)
  }
}

/** The error for a peer's message that cannot be right. */
export function invalidMessage(message: string, cause?: unknown): AdytonError {
  return new AdytonError('payload-invalid', message, {
    advice: 'The peer does not follow the protocol; check that both sides run the same version, then connect again.',
    ...(cause === undefined ? {} : { cause }),
  })
}
