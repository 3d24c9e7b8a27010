/** One window's conversation with the host: what it is answered, about jobs and calls. */
import { expect, test } from 'vitest'
import { Connection } from '../../core/api/connection.ts'
import type { Reply } from '../../core/api/data/contract.ts'
import type { Host } from '../../core/api/host.ts'
import { JobQueue } from '../../core/jobs/queue.ts'

/** A queue whose jobs run until they are stopped, and windows onto it. */
function open() {
  const told: unknown[] = []
  const queue = new JobQueue({
    store: { all: () => [], put: () => undefined, remove: () => undefined, replace: () => undefined },
    kindOf: () => ({ lane: 'one', resumes: false }),
    runner: ({ operation }) => ({
      done: new Promise(() => undefined),
      stop: () => undefined,
      ...(operation === 'serve' ? { tell: (command) => void told.push(command) } : {}),
    }),
    log: () => undefined,
  })
  const call: Host['call'] = () => ({ done: Promise.resolve(1n), stop: () => undefined })
  const onReplaced: Host['onReplaced'] = () => () => undefined
  const window = (send?: (reply: Reply) => void) => {
    const replies: Reply[] = []
    const connection = new Connection({ queue, call, onReplaced }, send ?? ((reply) => void replies.push(reply)))
    let id = 0
    /** The answer to a request. */
    const ask = async (request: Record<string, unknown>): Promise<Reply | undefined> => {
      connection.receive({ ...request, id: ++id })
      await new Promise(setImmediate)
      return replies.find((reply) => 'id' in reply && reply.id === id)
    }
    return { ask, replies, connection }
  }
  return { queue, told, window }
}

test('a running job is told what a window has to say to it', async () => {
  const { queue, told, window } = open()
  const { ask } = window()
  const { id } = queue.submit('serve', {}, 'Host')
  const command = { do: 'pair', name: 'desk', n: [1, 2.5, null] }
  expect(await ask({ type: 'jobs.tell', job: id, command })).toMatchObject({ type: 'done' })
  expect(told).toEqual([command])
})

test('a job that is not there, that waits, or that does not listen is refused in words', async () => {
  const { queue, told, window } = open()
  const { ask } = window()
  const tell = (job: string) => ask({ type: 'jobs.tell', job, command: {} })
  const deaf = queue.submit('train', {}, 'Train')
  const waiting = queue.submit('serve', {}, 'Host')
  expect(await tell('0'.repeat(16))).toMatchObject({
    type: 'failed',
    error: {
      code: 'job-not-found',
      message: `there is no job '${'0'.repeat(16)}'`,
      advice: expect.any(String) as string,
    },
  })
  expect(await tell(waiting.id)).toMatchObject({
    type: 'failed',
    error: { code: 'usage', message: expect.stringMatching(/'Host' is queued/) as string },
  })
  expect(await tell(deaf.id)).toMatchObject({
    type: 'failed',
    error: { code: 'usage', message: expect.stringMatching(/'Train' is running/) as string },
  })
  expect(told).toEqual([])
})

test('a window that cannot be sent to costs the others nothing; an answer that cannot be sent becomes an error', async () => {
  const { queue, window } = open()
  window(() => {
    throw new Error('closed')
  })
  const { replies } = window()
  queue.submit('train', {}, 'Train')
  expect(replies.map(({ type }) => type)).toEqual(['job', 'job'])

  const sent: string[] = []
  const strict = window((reply) => void sent.push(JSON.stringify(reply)))
  strict.connection.receive({ type: 'call', id: 1, operation: 'about', input: {} })
  await new Promise(setImmediate)
  expect(JSON.parse(sent[0])).toMatchObject({
    type: 'failed',
    id: 1,
    error: { message: expect.stringMatching(/BigInt/) as string },
  })
})
