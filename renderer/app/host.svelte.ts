/** The one connection of this window to the host: calls with progress, and the jobs as they change. */
import * as v from 'valibot'
import type { operations } from '../../core/api/index.ts'
import { ReplySchema, type Reply, type Request } from '../../core/api/data/contract.ts'
import type { OperationProgress } from '../../core/api/operation.ts'
import { HostError } from './failure.ts'
import type { OpenWire, Wire } from './wire.ts'

type Operations = typeof operations
export type OperationName = keyof Operations
export type Input<N extends OperationName> = v.InferInput<Operations[N]['input']>
export type Output<N extends OperationName> = Awaited<ReturnType<Operations[N]['run']>>

export interface CallOptions {
  readonly onProgress?: (progress: OperationProgress) => void
  readonly onNotice?: (line: string) => void
  readonly signal?: AbortSignal
}

interface Waiting extends CallOptions {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

type Unasked = Extract<Reply, { type: 'job' | 'job.progress' | 'job.notice' | 'job.removed' | 'zoo.replaced' }>
type WithoutId<R> = R extends { id: number } ? Omit<R, 'id'> : never

const RETRY_MS = [250, 500, 1000, 2000, 4000]

export class HostClient {
  /** 'lost' while it tries to come back. */
  state = $state<'connecting' | 'open' | 'lost'>('connecting')
  readonly #openWire: OpenWire
  readonly #waiting = new Map<number, Waiting>()
  readonly #listeners = new Set<(reply: Unasked) => void>()
  readonly #openers = new Set<() => void>()
  #wire: Wire | undefined
  #next = 1
  #failures = 0

  constructor(openWire: OpenWire) {
    this.#openWire = openWire
    this.#connect()
  }

  /** Runs an operation of the host's. */
  async call<N extends OperationName>(operation: N, input: Input<N>, options: CallOptions = {}): Promise<Output<N>> {
    // What a Svelte state holds is a proxy, which no channel carries: plain data goes out.
    const plain = $state.snapshot(input) as unknown
    return (await this.ask({ type: 'call', operation, input: plain }, options)) as Output<N>
  }

  /** Sends a request and waits for its answer. */
  async ask(request: WithoutId<Request>, options: CallOptions = {}): Promise<unknown> {
    const { signal } = options
    await this.#opened(signal)
    const id = this.#next++
    return await new Promise<unknown>((resolve, reject) => {
      const stop = (): void => this.#send({ type: 'stop', id })
      signal?.addEventListener('abort', stop, { once: true })
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          signal?.removeEventListener('abort', stop)
          then(value)
        }
      this.#waiting.set(id, { ...options, resolve: settle(resolve), reject: settle(reject) })
      this.#send({ ...request, id })
    })
  }

  /** Hears what the host says unasked. */
  listen(listener: (reply: Unasked) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Calls back now, if the connection is open, and whenever it opens again. */
  onOpen(opened: () => void): () => void {
    this.#openers.add(opened)
    if (this.state === 'open') opened()
    return () => this.#openers.delete(opened)
  }

  #connect(): void {
    this.#wire = this.#openWire({
      onOpen: () => {
        this.#failures = 0
        this.state = 'open'
        for (const opened of this.#openers) opened()
      },
      onMessage: (message) => this.#heard(message),
      onClosed: (reason) => this.#closed(reason),
    })
  }

  #closed(reason: string): void {
    this.state = 'lost'
    this.#wire = undefined
    const message = reason === '' ? 'the connection to the program was lost' : reason
    for (const { reject } of this.#waiting.values()) {
      reject(new HostError({ code: 'disconnected', message, advice: 'Jobs go on; this page comes back by itself.' }))
    }
    this.#waiting.clear()
    setTimeout(() => this.#connect(), RETRY_MS[Math.min(this.#failures++, RETRY_MS.length - 1)])
  }

  #send(request: Request): void {
    this.#wire?.send(request)
  }

  async #opened(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    if (this.state === 'open') return
    await new Promise<void>((resolve) => {
      const off = this.onOpen(() => {
        // The callback may come before `off` exists.
        queueMicrotask(() => off())
        resolve()
      })
    })
    signal?.throwIfAborted()
  }

  #heard(message: unknown): void {
    const parsed = v.safeParse(ReplySchema, message)
    if (!parsed.success) {
      console.error('the host said something that is not in the contract', parsed.issues[0].message)
      return
    }
    const reply = parsed.output
    if (!('id' in reply)) {
      for (const listener of this.#listeners) listener(reply)
      return
    }
    const waiting = this.#waiting.get(reply.id)
    if (waiting === undefined) return
    switch (reply.type) {
      case 'progress':
        return waiting.onProgress?.(reply.progress as OperationProgress)
      case 'notice':
        return waiting.onNotice?.(reply.line)
      case 'done':
        this.#waiting.delete(reply.id)
        return waiting.resolve(reply.result)
      case 'failed':
        this.#waiting.delete(reply.id)
        return waiting.reject(new HostError(reply.error))
    }
  }
}
