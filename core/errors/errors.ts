/**
 * Errors that people see: a stable code, what happened, and what to do. `docs/errors.md` lists every code, and a
 * test keeps the two in step.
 */

/** Every error code. Codes are stable across releases; scripts may match on them. */
export const ERROR_CODES = [
  'usage',
  'file-not-found',
  'file-corrupt',
  'file-unsupported',
  'model-not-found',
  'model-invalid',
  'model-overflow',
  'plan-invalid',
  'version-mismatch',
  'model-mismatch',
  'parameter-mismatch',
  'peer-untrusted',
  'peer-unreachable',
  'peer-closed',
  'peer-aborted',
  'peer-timeout',
  'frame-invalid',
  'frame-unexpected',
  'frame-too-large',
  'payload-invalid',
  'package-used',
  'package-missing',
  'package-corrupt',
  'store-failed',
  'catalog-newer',
  'catalog-corrupt',
  'catalog-busy',
  'catalog-failed',
  'signer-untrusted',
  'host-running',
  'job-not-found',
  'limit-reached',
  'training-diverged',
  'checkpoint-mismatch',
  'cancelled',
  'internal',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

/** An error with a code. `message` says what is wrong and where; `advice` what to do about it. */
export class AdytonError extends Error {
  readonly code: ErrorCode
  readonly advice: string | undefined

  constructor(code: ErrorCode, message: string, options: { advice?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AdytonError'
    this.code = code
    this.advice = options.advice
  }
}
