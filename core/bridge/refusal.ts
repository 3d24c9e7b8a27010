/** What the bridge does not do: an HTTP status, and words for the log that repeat nothing of the request. */
import type { AdytonError } from '../errors/errors.ts'

export class Refusal extends Error {
  readonly status: number
  /** What the window is told as JSON, where a window asked. */
  readonly error: AdytonError | undefined

  constructor(status: number, reason: string, error?: AdytonError) {
    super(reason)
    this.name = 'Refusal'
    this.status = status
    this.error = error
  }
}
