/** A worker process, seen from the process that started it. */
import { AdytonError } from '../../errors/errors.ts'
import type { OperationProgress } from '../operation.ts'
import { fromPartyError } from '../party/party.ts'
import { startChild, type Child } from '../processes/child.ts'
import type { FromWorker, ToWorker } from './messages.ts'

export interface WorkerEvents {
  readonly onProgress: (progress: OperationProgress) => void
  readonly onNotice: (line: string) => void
}

/** An operation that is under way. */
export interface WorkerRun {
  readonly done: Promise<unknown>
  readonly stop: () => void
  readonly tell: (command: unknown) => void
}

interface Running extends WorkerEvents {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

export class WorkerProcess {
  readonly #child: Child
  readonly #running = new Map<number, Running>()
  #next = 1
  #gone: AdytonError | undefined

  /** `data`: the data folder of operations that are told of no other. */
  constructor(data?: string) {
    this.#child = startChild('worker', data === undefined ? {} : { env: { ...process.env, ADYTON_DATA: data } }, {
      onMessage: (message) => this.#heard(message as FromWorker),
      onEnd: ({ started, how }) => {
        const advice = 'Try again; if it happens again, the machine may be short of memory.'
        const words = started ? `the worker process ended ${how}` : `a worker process could not be started: ${how}`
        this.#end(new AdytonError('internal', words, { advice }))
      },
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

  /** Runs an operation; `stop` asks it to end soon, `tell` hands it a command. */
  run(operation: string, input: unknown, events: WorkerEvents): WorkerRun {
    const id = this.#next++
    const done = new Promise<unknown>((resolve, reject) => {
      if (this.#gone !== undefined) {
        reject(this.#gone)
        return
      }
      this.#running.set(id, { ...events, resolve, reject })
      this.#send({ do: 'run', id, operation, input })
    })
    return {
      done,
      stop: () => this.#send({ do: 'stop', id }),
      tell: (command) => this.#send({ do: 'tell', id, command }),
    }
  }

  /** Ends the process, by force. */
  kill(): void {
    this.#child.kill()
  }

  #heard(message: FromWorker): void {
    const running = this.#running.get(message.id)
    if (running === undefined) return
    if (message.kind === 'progress' || message.kind === 'notice') {
      try {
        if (message.kind === 'progress') running.onProgress(message.progress)
        else running.onNotice(message.line)
      } catch (error) {
        // Who asked cannot be told; the others that this process works for can.
        this.#running.delete(message.id)
        this.#send({ do: 'stop', id: message.id })
        running.reject(error instanceof Error ? error : new Error(String(error)))
      }
    } else {
      this.#running.delete(message.id)
      if (message.kind === 'done') running.resolve(message.result)
      else running.reject(fromPartyError(message.error))
    }
  }

  #send(message: ToWorker): void {
    // What a process that is gone was asked is rejected when it ends.
    this.#child.send(message)
  }

  #end(error: AdytonError): void {
    this.#gone ??= error
    for (const running of this.#running.values()) running.reject(this.#gone)
    this.#running.clear()
  }
}
