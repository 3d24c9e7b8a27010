/** A greeting and nothing more: what a server offers, and how long a word there and back takes. */
import type { Channel } from '../../channel/channel.ts'
import { MESSAGES, NO_STEP } from '../../channel/messages.ts'
import { abortWith } from '../failure.ts'
import {
  checkVersion,
  encodeHello,
  freshNonce,
  MAX_HELLO_BYTES,
  parseHello,
  PROTOCOL_VERSION,
  serverHelloSchema,
  type ServerHello,
} from '../hello.ts'

export interface Look {
  readonly hello: ServerHello
  /** From the client's greeting to the server's, ms: a round trip and what little the server does for it. */
  readonly roundTripMs: number
}

/**
 * Greets a server and closes the connection. Throws 'version-mismatch', and whatever a broken connection does.
 * @param model id of the model to ask about; the server's first one when undefined
 */
export async function lookAtServer(channel: Channel, software: string, model?: string): Promise<Look> {
  try {
    const started = performance.now()
    const payload = encodeHello({
      ...{ protocol: PROTOCOL_VERSION, software, nonce: freshNonce(), model: model ?? null, planDigest: null },
      // So that it is not sent.
      havePlan: true,
    })
    await channel.send({ type: MESSAGES.clientHello, step: NO_STEP, payload })
    const length = { min: 1, max: MAX_HELLO_BYTES }
    const theirs = await channel.receive({ type: MESSAGES.serverHello, step: NO_STEP, length })
    const roundTripMs = performance.now() - started
    const hello = parseHello(serverHelloSchema, theirs, 'server')
    checkVersion(hello.protocol, 'server')
    await channel.close()
    return { hello, roundTripMs }
  } catch (error) {
    await abortWith(channel, error, 'client')
    throw error
  }
}
