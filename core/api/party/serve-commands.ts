/** The loop of a party process: commands in, answers out, in order; it ends with the process that started it. */
import { AdytonError } from '../../errors/errors.ts'
import { parentLink } from '../processes/parent.ts'
import type { FromParty, PartyError, ToParty } from './messages.ts'

export function toPartyError(error: unknown): PartyError {
  if (error instanceof AdytonError) return { code: error.code, message: error.message, advice: error.advice ?? null }
  return {
    code: 'internal',
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
    advice: null,
  }
}

/** Sends an event to the process that started this one. */
export function tell(event: FromParty): void {
  parentLink().send(event)
}

/** Runs commands one after another until the parent goes. */
export function serveCommands<C>(run: (command: C) => Promise<unknown>): void {
  let queue = Promise.resolve()
  parentLink().onMessage((said) => {
    const message = said as ToParty<C>
    queue = queue.then(async () => {
      try {
        tell({ kind: 'done', id: message.id, result: await run(message.command) })
      } catch (error) {
        tell({ kind: 'failed', id: message.id, error: toPartyError(error) })
      }
    })
  })
}
