/** Refusals that name both sides. */
import { AdytonError } from '../errors/errors.ts'

/** `what` must be the same on both sides and is not; digests are shortened for reading. */
export function mismatch(
  what: 'model' | 'parameter',
  theirs: string,
  theirDigest: string,
  ours: string,
  ourDigest: string,
): AdytonError {
  const short = (digest: string): string => (digest.length > 16 ? `${digest.slice(0, 16)}…` : digest)
  return new AdytonError(`${what}-mismatch`, `${theirs} (${short(theirDigest)}) is not ${ours} (${short(ourDigest)})`, {
    advice: 'Make sure that both sides use the same model and release, then prepare again.',
  })
}
