/** Where a command's words go: its result on standard output, everything else on standard error. */
import { AdytonError } from '../errors/errors.ts'
import type { OperationContext, OperationProgress } from '../api/operation.ts'

export const EXIT = { ok: 0, failure: 1, usage: 2 } as const

/** Prints a result: one JSON document, or text for people. */
export function printResult<T>(json: boolean, value: T, text: (value: T) => string): void {
  process.stdout.write(json ? `${JSON.stringify(value, undefined, 2)}\n` : `${text(value)}\n`)
}

/** Progress on standard error: one line that is overwritten on a terminal, now and then a line elsewhere. */
export function terminalContext(): { context: OperationContext; clear: () => void } {
  const abort = new AbortController()
  const started = performance.now()
  const terminal = process.stderr.isTTY
  let last = -Infinity
  let shown = false
  const clear = (): void => {
    if (shown) process.stderr.write('\r\u001b[K')
    shown = false
  }
  const onProgress = (progress: OperationProgress): void => {
    const now = performance.now()
    if (now - last < (terminal ? 100 : 10_000)) return
    last = now
    const line = `${progress.text}${eta(progress.fraction, now - started)}`
    if (!terminal) {
      process.stderr.write(`${line}\n`)
      return
    }
    process.stderr.write(`\r\u001b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`)
    shown = true
  }
  const onNotice = (line: string): void => {
    clear()
    process.stderr.write(`${line}\n`)
  }
  process.once('SIGINT', () => {
    clear()
    process.stderr.write('stopping…\n')
    abort.abort(new AdytonError('cancelled', 'stopped by the keyboard'))
    // A second Ctrl-C ends the process the usual way.
  })
  return { context: { onProgress, onNotice, signal: abort.signal }, clear }
}

function eta(fraction: number | undefined, elapsedMs: number): string {
  if (fraction === undefined || fraction < 0.02 || elapsedMs < 2000) return ''
  const left = Math.ceil((elapsedMs * (1 - fraction)) / fraction / 1000)
  return ` (${Math.round(100 * fraction)}%, about ${left < 100 ? `${left} s` : `${Math.ceil(left / 60)} min`} left)`
}

/** Prints an error and returns the exit code for it. */
export function printError(error: unknown, json: boolean): number {
  const known = error instanceof AdytonError
  const code = known ? error.code : 'internal'
  const message = error instanceof Error ? error.message : String(error)
  if (json) {
    const advice = known ? (error.advice ?? null) : null
    process.stdout.write(`${JSON.stringify({ error: { code, message, advice } }, undefined, 2)}\n`)
  }
  process.stderr.write(`adyton: ${message} [${code}]\n`)
  if (known && error.advice !== undefined) process.stderr.write(`${error.advice}\n`)
  if (!known && error instanceof Error && error.stack !== undefined) process.stderr.write(`${error.stack}\n`)
  return code === 'usage' ? EXIT.usage : EXIT.failure
}
