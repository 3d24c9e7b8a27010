/** Errors that every dataset format reports in the same words. */
import { AdytonError } from '../errors/errors.ts'

/** A file is not what its format demands. `detail` names the record or the offset, and the size expected. */
export function corrupt(file: string, detail: string, cause?: unknown): AdytonError {
  return new AdytonError('file-corrupt', `${file}: ${detail}`, {
    advice: 'Download or copy the data set again.',
    cause,
  })
}

export function notFound(file: string, detail = 'cannot be read', cause?: unknown): AdytonError {
  return new AdytonError('file-not-found', `${file}: ${detail}`, {
    advice: 'Check the path and its permissions.',
    cause,
  })
}

export const cancelled = (what: string): AdytonError => new AdytonError('cancelled', `${what} was cancelled`)

/** 1234567 as 1,234,567: sizes in messages are compared by eye. */
export const digits = (value: number): string => value.toLocaleString('en-GB')
