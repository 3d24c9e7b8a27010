/** A process that runs operations for another one, which is not held up by them. It ends with that one. */
import * as v from 'valibot'
import { AdytonError } from '../../errors/errors.ts'
import { operations } from '../index.ts'
import type { Operation } from '../operation.ts'
import { toPartyError } from '../party/serve-commands.ts'
import type { FromWorker, ToWorker } from './messages.ts'

const running = new Map<number, AbortController>()

function tell(message: FromWorker): void {
  // The parent may be gone; 'disconnect' ends this process then.
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
}

async function run(id: number, name: string, input: unknown): Promise<void> {
  const abort = new AbortController()
  running.set(id, abort)
  try {
    if (!Object.hasOwn(operations, name)) throw new AdytonError('usage', `there is no operation '${name}'`)
    const operation = operations[name as keyof typeof operations] as Operation<unknown, unknown>
    const checked = v.safeParse(operation.input, input)
    if (!checked.success) {
      const [issue] = checked.issues
      throw new AdytonError('usage', `${v.getDotPath(issue) ?? name}: ${issue.message}`)
    }
    const result = await operation.run(checked.output, {
      onProgress: (progress) => tell({ id, kind: 'progress', progress }),
      onNotice: (line) => tell({ id, kind: 'notice', line }),
      signal: abort.signal,
    })
    tell({ id, kind: 'done', result })
  } catch (error) {
    tell({ id, kind: 'failed', error: toPartyError(error) })
  } finally {
    running.delete(id)
  }
}

process.on('message', (message: ToWorker) => {
  if (message.do === 'run') void run(message.id, message.operation, message.input)
  else running.get(message.id)?.abort(new AdytonError('cancelled', 'stopped on request'))
})
// Ctrl-C in a terminal goes to every process of it; the one that started this one decides.
process.on('SIGINT', () => undefined)
process.on('disconnect', () => process.exit(0))
