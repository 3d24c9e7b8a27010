/** Errors as the host reports them, and as people read them. */
import type { ContractError } from '../../core/api/data/contract.ts'

/** An error that the host answered with: `code` is one of core/errors. */
export class HostError extends Error {
  readonly code: string
  readonly advice: string | null

  constructor({ code, message, advice }: ContractError) {
    super(message)
    this.code = code
    this.advice = advice
  }
}

/** Stopped because somebody asked for it: nothing to report. */
export function isCancelled(error: unknown): boolean {
  return error instanceof HostError
    ? error.code === 'cancelled'
    : error instanceof DOMException && error.name === 'AbortError'
}

export function toMessage(error: unknown): { message: string; advice: string | null } {
  if (error instanceof HostError) return { message: error.message, advice: error.advice }
  if (typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string') {
    const advice = 'advice' in error && typeof error.advice === 'string' ? error.advice : null
    return { message: error.message, advice }
  }
  return { message: String(error), advice: null }
}
