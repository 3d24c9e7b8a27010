/** One window's conversation with the host, over whatever carries the messages. */
import * as v from 'valibot'
import { AdytonError } from '../errors/errors.ts'
import type { QueueEvent } from '../jobs/queue.ts'
import { RequestSchema, type Reply, type Request } from './data/contract.ts'
import type { Call, Host } from './host.ts'
import { toPartyError } from './party/serve-commands.ts'

/** A window that asks for more at once is broken or hostile. */
const MAX_CALLS = 64

/** What a conversation needs of the host. */
type Answering = Pick<Host, 'queue' | 'call' | 'onReplaced'>

export class Connection {
  readonly #host: Answering
  readonly #send: (reply: Reply) => void
  readonly #calls = new Map<number, Call>()
  readonly #unlisten: readonly (() => void)[]

  constructor(host: Answering, send: (reply: Reply) => void) {
    this.#host = host
    this.#send = send
    this.#unlisten = [
      host.queue.listen((event) => send(jobReply(event))),
      host.onReplaced(() => send({ type: 'zoo.replaced' })),
    ]
  }

  /** Takes a parsed message; throws 'usage' for one that is none of the contract's. */
  receive(message: unknown): void {
    const parsed = v.safeParse(RequestSchema, message, { abortEarly: true })
    if (!parsed.success) {
      const [issue] = parsed.issues
      throw new AdytonError('usage', `not a request: ${v.getDotPath(issue) ?? '(root)'}: ${issue.message}`)
    }
    void this.#answer(parsed.output)
  }

  /** The window is gone: what it waited for is stopped, jobs go on. */
  close(): void {
    for (const unlisten of this.#unlisten) unlisten()
    for (const call of this.#calls.values()) call.stop()
    this.#calls.clear()
  }

  async #answer(request: Request): Promise<void> {
    const { id } = request
    if (request.type === 'stop') {
      this.#calls.get(id)?.stop()
      return
    }
    try {
      // JSON has no undefined: the key would be missing.
      this.#send({ type: 'done', id, result: (await this.#run(request)) ?? null })
    } catch (error) {
      this.#send({ type: 'failed', id, error: toPartyError(error) })
    }
  }

  async #run(request: Exclude<Request, { type: 'stop' }>): Promise<unknown> {
    const { queue } = this.#host
    switch (request.type) {
      case 'call':
        return await this.#call(request)
      case 'jobs.list':
        return queue.list()
      case 'jobs.submit':
        return queue.submit(request.operation, request.input, request.title)
      case 'jobs.pause':
        return queue.pause(request.job)
      case 'jobs.resume':
        return queue.resume(request.job)
      case 'jobs.cancel':
        return queue.cancel(request.job)
      case 'jobs.remove':
        return queue.remove(request.job)
      case 'jobs.tell':
        return queue.tell(request.job, request.command)
    }
  }

  async #call({ id, operation, input }: Extract<Request, { type: 'call' }>): Promise<unknown> {
    if (this.#calls.has(id) || this.#calls.size >= MAX_CALLS) {
      throw new AdytonError('usage', 'too many requests at once, or one number used twice')
    }
    const call = this.#host.call(operation, input, {
      onProgress: (progress) => this.#send({ type: 'progress', id, progress }),
      onNotice: (line) => this.#send({ type: 'notice', id, line }),
    })
    this.#calls.set(id, call)
    try {
      return await call.done
    } finally {
      this.#calls.delete(id)
    }
  }
}

function jobReply(event: QueueEvent): Reply {
  switch (event.kind) {
    case 'job':
      return { type: 'job', job: event.job }
    case 'progress':
      return { type: 'job.progress', job: event.id, progress: event.progress }
    case 'notice':
      return { type: 'job.notice', job: event.id, line: event.line }
    case 'removed':
      return { type: 'job.removed', job: event.id }
  }
}
