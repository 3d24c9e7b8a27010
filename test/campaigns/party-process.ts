/** The campaign's end of a party process (party-child.ts). */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { PartyError } from '../../core/api/party/messages.ts'
import type { LoweredModel } from '../../core/network/plan.ts'
import type { PublicCard } from '../../core/protocol/hello.ts'

export type Role = 'client' | 'server'
export type CampaignPhase = 'offline' | 'online'

export type ChildCommand =
  | { readonly do: 'identify'; readonly role: Role; readonly folder: string }
  | {
      readonly do: 'serve'
      readonly folder: string
      readonly log: string
      readonly model: LoweredModel
      readonly card: PublicCard
      readonly client: string
    }
  | {
      readonly do: 'connect'
      readonly folder: string
      readonly log: string
      readonly port: number
      readonly server: string
    }
  | { readonly do: 'prepare' }
  | { readonly do: 'infer'; readonly package: string; readonly image: Float64Array }
  | { readonly do: 'replay'; readonly package: string }

/** What a server tells unasked; its sessions are numbered from 1. */
export type ChildEvent = { readonly session: number } & (
  | { readonly kind: 'asked' }
  | { readonly kind: 'served'; readonly phase: CampaignPhase; readonly package: string }
  /** The client left between two requests. */
  | { readonly kind: 'left' }
  | { readonly kind: 'broken'; readonly error: PartyError }
)

type Answer =
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly error: PartyError }

/** How a command ended: its result, the party's error, or the death of the process. */
export type Outcome<T> = { readonly result: T } | { readonly error: PartyError } | { readonly died: true }

const CHILD = fileURLToPath(new URL('party-child.ts', import.meta.url))

export class PartyProcess {
  readonly role: Role
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (outcome: Outcome<unknown>) => void>()
  readonly #events: ChildEvent[] = []
  #wake: (() => void) | undefined
  #next = 1
  /** Printed on standard error: a party that runs well prints nothing. */
  stderr = ''

  constructor(role: Role) {
    this.role = role
    this.#child = fork(CHILD, [], { serialization: 'advanced', stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.stderr += chunk.toString()))
    this.#child.on('message', (message: Answer | ChildEvent) => {
      if (message.kind === 'done' || message.kind === 'failed') {
        this.#waiting.get(message.id)?.(message.kind === 'done' ? { result: message.result } : { error: message.error })
        this.#waiting.delete(message.id)
      } else {
        this.#events.push(message)
        this.#wake?.()
      }
    })
    this.#child.on('exit', () => {
      for (const settle of this.#waiting.values()) settle({ died: true })
      this.#waiting.clear()
    })
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  ask<T>(command: ChildCommand): Promise<Outcome<T>> {
    if (!this.alive) return Promise.resolve({ died: true })
    const id = this.#next++
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve as (outcome: Outcome<unknown>) => void)
      // When it cannot be sent the process is dying, and 'exit' settles the command.
      this.#child.send({ id, command }, () => undefined)
    })
  }

  /** Like ask, for commands that have to succeed. */
  async must<T>(command: ChildCommand): Promise<T> {
    const outcome = await this.ask<T>(command)
    if ('result' in outcome) return outcome.result
    const why = 'error' in outcome ? `${outcome.error.code}: ${outcome.error.message}` : `it died; ${this.stderr}`
    throw new Error(`the ${this.role} could not ${command.do}: ${why}`)
  }

  /** All events of a session once it has ended; undefined when it does not within `ms`. */
  async sessionEnd(session: number, ms: number): Promise<ChildEvent[] | undefined> {
    const deadline = performance.now() + ms
    const own = (): ChildEvent[] => this.#events.filter((event) => event.session === session)
    while (!own().some(({ kind }) => kind === 'left' || kind === 'broken')) {
      const left = deadline - performance.now()
      if (left <= 0) return undefined
      let timer: NodeJS.Timeout | undefined
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        timer = setTimeout(resolve, left)
      })
      clearTimeout(timer)
      this.#wake = undefined
    }
    return own()
  }

  /** SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    if (!this.alive) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await gone
  }
}
