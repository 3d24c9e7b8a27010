/** A worker process, seen from the process that started it. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { AdytonError } from '../../errors/errors.ts'
import type { OperationProgress } from '../operation.ts'
import { fromPartyError } from '../party/party.ts'
import type { FromWorker, ToWorker } from './messages.ts'

export interface WorkerEvents {
  readonly onProgress: (progress: OperationProgress) => void
  readonly onNotice: (line: string) => void
}

interface Running extends WorkerEvents {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #running = new Map<number, Running>()
  #next = 1
  #gone: AdytonError | undefined

  /** `data`: the data folder of operations that are told of no other. */
  constructor(data?: string) {
    this.#child = fork(fileURLToPath(new URL('./process.ts', import.meta.url)), [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      ...(data === undefined ? {} : { env: { ...process.env, ADYTON_DATA: data } }),
    })
    this.#child.on('message', (message: FromWorker) => this.#heard(message))
    this.#child.on('error', (cause) => {
      this.#end(new AdytonError('internal', 'a worker process could not be started', { cause }))
    })
    this.#child.on('exit', (code, signal) => {
      const how = signal === null ? `with exit code ${code}` : `by ${signal}`
      const advice = 'Try again; if it happens again, the machine may be short of memory.'
      this.#end(new AdytonError('internal', `the worker process ended ${how}`, { advice }))
    })
  }

  /** Whether it still runs. */
  get alive(): boolean {
    return this.#gone === undefined
  }

  /** How many operations it is at. */
  get load(): number {
    return this.#running.size
  }

  /** Runs an operation; `stop` asks it to end soon. */
  run(operation: string, input: unknown, events: WorkerEvents): { done: Promise<unknown>; stop: () => void } {
    const id = this.#next++
    const done = new Promise<unknown>((resolve, reject) => {
      if (this.#gone !== undefined) {
        reject(this.#gone)
        return
      }
      this.#running.set(id, { ...events, resolve, reject })
      this.#send({ do: 'run', id, operation, input })
    })
    return { done, stop: () => this.#send({ do: 'stop', id }) }
  }

  /** Ends the process, by force. */
  kill(): void {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL')
  }

  #heard(message: FromWorker): void {
    const running = this.#running.get(message.id)
    if (running === undefined) return
    if (message.kind === 'progress') running.onProgress(message.progress)
    else if (message.kind === 'notice') running.onNotice(message.line)
    else {
      this.#running.delete(message.id)
      if (message.kind === 'done') running.resolve(message.result)
      else running.reject(fromPartyError(message.error))
    }
  }

  #send(message: ToWorker): void {
    // What a process that is gone was asked is rejected by 'exit'.
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }

  #end(error: AdytonError): void {
    this.#gone ??= error
    for (const running of this.#running.values()) running.reject(this.#gone)
    this.#running.clear()
  }
}
