/** How a session that failed on this side ends for the other. */
import type { Channel } from '../channel/channel.ts'
import { AdytonError, type ErrorCode } from '../errors/errors.ts'

/** Codes whose messages speak of nothing but public values and of what the peer itself did. */
const TOLD: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'version-mismatch',
  'model-mismatch',
  'parameter-mismatch',
  'plan-invalid',
  'peer-untrusted',
  'peer-closed',
  'peer-timeout',
  'frame-invalid',
  'frame-unexpected',
  'frame-too-large',
  'payload-invalid',
  'package-used',
  'package-missing',
  'limit-reached',
  'cancelled',
])

/**
 * Tells the peer why and closes. A bug of ours and a failure of our disk are not described to the peer: their
 * messages are written for whoever runs this side, and may name what only this side knows.
 */
export async function abortWith(channel: Channel, error: unknown, who: 'client' | 'server'): Promise<void> {
  const code = error instanceof AdytonError ? error.code : 'internal'
  const told = error instanceof AdytonError && TOLD.has(code)
  await channel.abort(code, told ? error.message : `the ${who} failed; its log says why`)
}
