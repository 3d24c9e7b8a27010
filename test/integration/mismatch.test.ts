/** Two parties that do not fit each other: both say so by name, and neither waits. */
import { expect, test } from 'vitest'
import { architecture } from '../../core/architectures/index.ts'
import type { Channel, Frame } from '../../core/channel/channel.ts'
import { MESSAGES } from '../../core/channel/messages.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import type { LoweredModel } from '../../core/network/plan.ts'
import { randomTensors } from '../../core/network/tensors.ts'
import { PROTOCOL_VERSION } from '../../core/protocol/hello.ts'
import { prgFor } from '../../core/ring/prg.ts'
import { lowered, startParties, type PartyOptions } from '../fixtures/parties.ts'

const graph = architecture('lenet-tiny', { classes: 10 })
const model = lowered(graph, randomTensors(graph, prgFor(new Uint8Array(32), 'mismatch')))

/** Changes the JSON of one kind of greeting on its way out. */
const speaking = (type: number, change: (hello: Record<string, unknown>) => void) => {
  return (channel: Channel): Channel =>
    new Proxy(channel, {
      get(target, name) {
        if (name === 'send') {
          return (frame: Frame) => {
            if (frame.type !== type) return target.send(frame)
            const hello = JSON.parse(new TextDecoder().decode(frame.payload)) as Record<string, unknown>
            change(hello)
            return target.send({ ...frame, payload: new TextEncoder().encode(JSON.stringify(hello)) })
          }
        }
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
}

/** Code and message of both ends of a greeting that fails. */
async function refusals(offered: LoweredModel, options: PartyOptions): Promise<{ client: unknown; server: unknown }> {
  let server: Promise<unknown> = Promise.resolve(undefined)
  const client = await startParties(offered, {
    ...options,
    runServer: (serve) => {
      const ended = serve()
      server = ended.then(
        () => undefined,
        (error: unknown) => error,
      )
      return ended
    },
  }).then(
    () => undefined,
    (error: unknown) => error,
  )
  return { client, server: await server }
}

const withHe = (primeBits: readonly number[]): LoweredModel => ({
  ...model,
  plan: { ...model.plan, he: model.plan.he.map((he) => ({ ...he, primeBits })) },
})

test.each<[string, string, LoweredModel, PartyOptions]>([
  [
    'an older client',
    'version-mismatch',
    model,
    { wrapClient: speaking(MESSAGES.clientHello, (h) => (h['protocol'] = PROTOCOL_VERSION - 1)) },
  ],
  [
    'a newer server',
    'version-mismatch',
    model,
    { wrapServer: speaking(MESSAGES.serverHello, (h) => (h['protocol'] = PROTOCOL_VERSION + 1)) },
  ],
  ['another model than the expected one', 'model-mismatch', model, { expectedPlan: 'ab'.repeat(32) }],
  [
    'a plan that is not the announced one',
    'model-mismatch',
    model,
    { wrapServer: speaking(MESSAGES.serverHello, (h) => (h['planDigest'] = 'cd'.repeat(32))) },
  ],
  ['weak HE parameters', 'parameter-mismatch', withHe([30, 30, 30]), {}],
])('%s: both sides say %s', async (_what, code, offered, options) => {
  const { client, server } = await refusals(offered, options)
  expect(client).toMatchObject({ code })
  expect(server).toMatchObject({ code })
})

test('a client that has had its share is told so', async () => {
  let left = 1
  const parties = await startParties(model, {
    admit: () => {
      if (left-- === 0) throw new AdytonError('limit-reached', 'enough for now')
    },
  })
  try {
    await parties.client.prepare()
    await expect(parties.client.prepare()).rejects.toMatchObject({ code: 'limit-reached' })
  } finally {
    await parties.close()
  }
})
