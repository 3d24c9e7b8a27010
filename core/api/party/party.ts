/** A party process, seen from the process that started it. */
import { AdytonError, ERROR_CODES } from '../../errors/errors.ts'
import { startChild, type Child } from '../processes/child.ts'
import type { FromParty, PartyError } from './messages.ts'

export type PartyEvent = Exclude<FromParty, { kind: 'done' | 'failed' }>

interface Waiting {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

export class Party<C extends { readonly do: string }> {
  readonly role: 'client' | 'server'
  readonly #child: Child
  readonly #waiting = new Map<number, Waiting>()
  #next = 1
  #gone: AdytonError | undefined

  private constructor(role: 'client' | 'server', onEvent: (event: PartyEvent) => void) {
    this.role = role
    this.#child = startChild(
      role,
      {},
      {
        onMessage: (said) => {
          const message = said as FromParty
          if (message.kind !== 'done' && message.kind !== 'failed') {
            onEvent(message)
            return
          }
          const waiting = this.#waiting.get(message.id)
          this.#waiting.delete(message.id)
          if (message.kind === 'done') waiting?.resolve(message.result)
          else waiting?.reject(fromPartyError(message.error))
        },
        onEnd: ({ started, how }) => {
          this.#gone = started
            ? new AdytonError('peer-closed', `the ${role} process ended ${how}`)
            : new AdytonError('internal', `the ${role} process could not be started: ${how}`)
          for (const waiting of this.#waiting.values()) waiting.reject(this.#gone)
          this.#waiting.clear()
          // Who waits for an event of this process, and not for an answer, must not wait for ever.
          onEvent({ kind: 'broken', error: { code: this.#gone.code, message: this.#gone.message, advice: null } })
        },
      },
    )
  }

  /** Starts the process of a role. `onEvent` takes what it tells unasked. */
  static start<C extends { readonly do: string }>(
    role: 'client' | 'server',
    onEvent: (event: PartyEvent) => void,
  ): Party<C> {
    return new Party<C>(role, onEvent)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Runs a command; rejects with the party's error, or when its process ends. */
  ask<R>(command: C): Promise<R> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone)
    const id = this.#next++
    return new Promise<R>((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (result: unknown) => void, reject })
      this.#child.send({ id, command })
    })
  }

  /** Ends the process, by force if need be. */
  kill(): void {
    this.#child.kill()
  }
}

export function fromPartyError(error: PartyError): AdytonError {
  const code = ERROR_CODES.find((known) => known === error.code) ?? 'internal'
  return new AdytonError(code, error.message, error.advice === null ? {} : { advice: error.advice })
}
