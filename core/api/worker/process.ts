/** A process that runs operations for another one, which is not held up by them. It ends with that one. */
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { setProgramRunner } from '../../training/engine/native/process.ts'
import { operations } from '../index.ts'
import type { Operation } from '../operation.ts'
import { toPartyError } from '../party/serve-commands.ts'
import { setForker } from '../processes/child.ts'
import { parentLink } from '../processes/parent.ts'
import { runInChild } from '../processes/run-program.ts'
import type { FromWorker, ToWorker } from './messages.ts'

interface Running {
  readonly abort: AbortController
  readonly commands: Commands
}

const running = new Map<number, Running>()
const parent = parentLink()

/** Words for an operation, kept until it listens. */
class Commands {
  readonly #waiting: unknown[] = []
  #hear: ((command: unknown) => void) | undefined

  tell(command: unknown): void {
    if (this.#hear === undefined) this.#waiting.push(command)
    else this.#hear(command)
  }

  listen(hear: (command: unknown) => void): void {
    this.#hear = hear
    for (const command of this.#waiting.splice(0)) hear(command)
  }
}

function tell(message: FromWorker): void {
  parent.send(message)
}

async function run(id: number, name: string, input: unknown): Promise<void> {
  const abort = new AbortController()
  const commands = new Commands()
  running.set(id, { abort, commands })
  try {
    if (!Object.hasOwn(operations, name)) throw new AdytonError('usage', `there is no operation '${name}'`)
    const operation = operations[name as keyof typeof operations] as Operation<v.GenericSchema, unknown>
    const checked = v.safeParse(operation.input, input)
    if (!checked.success) {
      const [issue] = checked.issues
      throw new AdytonError('usage', `${v.getDotPath(issue) ?? name}: ${issue.message}`)
    }
    const result = await operation.run(checked.output, {
      onProgress: (progress) => tell({ id, kind: 'progress', progress }),
      onNotice: (line) => tell({ id, kind: 'notice', line }),
      signal: abort.signal,
      commands: (hear) => commands.listen(hear),
    })
    tell({ id, kind: 'done', result })
  } catch (error) {
    tell({ id, kind: 'failed', error: toPartyError(error) })
  } finally {
    running.delete(id)
  }
}

if (parent.fork !== undefined) {
  setForker(parent.fork)
  setProgramRunner(runInChild)
}
parent.onMessage((said) => {
  const message = said as ToWorker
  if (message.do === 'run') void run(message.id, message.operation, message.input)
  else if (message.do === 'tell') running.get(message.id)?.commands.tell(message.command)
  else running.get(message.id)?.abort.abort(new AdytonError('cancelled', 'stopped on request'))
})
// Ctrl-C in a terminal goes to every process of it; the one that started this one decides.
process.on('SIGINT', () => undefined)
