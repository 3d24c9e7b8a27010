/** serve: offers models to pinned clients over TLS until it is stopped. */
import { availableParallelism, hostname } from 'node:os'
import { join } from 'node:path'
import * as v from 'valibot'
import { formatFingerprint, loadOrCreateIdentity } from '../../channel/identity.ts'
import { place } from '../../channel/tls-errors.ts'
import { listen } from '../../channel/tls.ts'
import { AdytonError } from '../../errors/errors.ts'
import { HePool } from '../../he/pool.ts'
import { loadKernels } from '../../kernels/index.ts'
import { MAX_MODELS } from '../../protocol/hello.ts'
import { serveClient } from '../../protocol/server/session.ts'
import { storedSecret } from '../../protocol/store/secret.ts'
import { PackageStore } from '../../protocol/store/store.ts'
import { DISCLOSURE, HostingCommandSchema } from '../data/hosting.ts'
import { dataFolder } from '../data-folder.ts'
import { reachable } from '../hosting/addresses.ts'
import { HostingBoard } from '../hosting/board.ts'
import { Door, nobody } from '../hosting/door.ts'
import { loadOffers } from '../hosting/offers.ts'
import { Sessions } from '../hosting/sessions.ts'
import type { Operation, OperationContext } from '../operation.ts'
import { collectInOneGo } from '../processes/collector.ts'
import { HourlyLimit } from '../serving.ts'
import { sourceSchema } from '../source.ts'

/** A client that asks for nothing for this long is sent away. */
const IDLE_MS = 30 * 60_000

export const serveInput = v.strictObject({
  /** What is served: one model, or several of which each client chooses one. */
  source: v.optional(sourceSchema),
  sources: v.optional(v.pipe(v.array(sourceSchema), v.minLength(1), v.maxLength(MAX_MODELS))),
  host: v.optional(v.string(), '127.0.0.1'),
  port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535)), 0),
  /** Fingerprints of the clients that may connect, beside those that are paired. */
  allow: v.optional(v.pipe(v.array(v.string()), v.maxLength(10_000)), []),
  /** Pin the first client that ever connects, and allow it from then on, after a restart as well. */
  allowFirst: v.optional(v.boolean(), false),
  /** Show a code at once, by which a client can pair. */
  pairing: v.optional(v.boolean(), false),
  /** What clients that pair are told this server is called; the name of the machine by default. */
  name: v.optional(v.pipe(v.string(), v.maxLength(100))),
  /** Inferences that one client may run within an hour: what makes extracting the weights slow. */
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1))),
  reveal: v.optional(v.picklist(['logits', 'label']), 'logits'),
  /** Folder of the identity and the packages. */
  data: v.optional(v.string()),
  threads: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(256))),
})
export type ServeInput = v.InferOutput<typeof serveInput>

/** How a server ended. */
export interface ServeResult {
  readonly address: string
  readonly port: number
  readonly fingerprint: string
  readonly prepared: number
  readonly inferences: number
}

export const serve: Operation<typeof serveInput, ServeResult> = {
  name: 'serve',
  summary: 'Offers models to paired clients over TLS until it is stopped.',
  input: serveInput,
  run: runServe,
}

async function runServe(input: ServeInput, context: OperationContext): Promise<ServeResult> {
  collectInOneGo()
  const { onNotice } = context
  const data = dataFolder(input.data)
  const sources = input.sources ?? (input.source === undefined ? [] : [input.source])
  if (sources.length === 0) throw new AdytonError('usage', 'no model is named to be served')
  const identity = await loadOrCreateIdentity(data)
  const door = await Door.open({
    ...{ data, ownFingerprint: identity.fingerprint, name: input.name ?? hostname() },
    ...{ allow: input.allow, allowFirst: input.allowFirst, onNotice },
    onRefused: (address, why) => board.refuses(address, why),
  })
  const board = new HostingBoard({
    fingerprint: identity.fingerprint,
    disclosure: DISCLOSURE,
    pairing: () => ({ pairing: door.pairing, pairingEnded: door.pairingEnded, paired: door.paired }),
    onProgress: context.onProgress,
  })
  try {
    if (!input.pairing && !(await door.hasKeys())) throw nobody()
    const kernels = loadKernels({ warn: onNotice })
    const folder = join(data, 'packages')
    const store = await PackageStore.open(folder, { role: 'server' })
    const [offer, ...more] = await loadOffers({
      ...{ sources, reveal: input.reveal, data: input.data },
      salt: await storedSecret(folder, 'commitment-salt'),
      onProgress: (text) => board.says(text),
    })
    const he = await HePool.create(input.threads ?? availableParallelism())
    try {
      const sessions = new Sessions({ door, board, onNotice, limiter: new HourlyLimit(input.limit) }, (session) =>
        serveClient({ ...session, offer, more, kernels, he, store }),
      )
      const listener = await listen({
        ...{ host: input.host, port: input.port, identity, idleTimeoutMs: IDLE_MS },
        authorise: (fingerprint) => door.authorise(fingerprint),
        onChannel: (channel) => sessions.accept(channel),
        onPairing: (channel) => door.pair(channel),
        onRefused: ({ address, error }) => {
          board.refuses(address, error.message)
          onNotice(`${address} was refused: ${error.message}`)
        },
      })
      const where = place(listener.address, listener.port)
      onNotice(`serving ${[offer, ...more].map(({ card }) => card.name).join(', ')} at ${where}`)
      onNotice(`fingerprint ${formatFingerprint(identity.fingerprint)}`)
      for (const line of DISCLOSURE) onNotice(line)
      const [known = where] = reachable(listener.address, listener.port)
      onNotice(
        `connect with: npm run -s adyton -- connect ${known} --fingerprint ${identity.fingerprint} --input PICTURE`,
      )
      if (input.pairing) {
        onNotice(`pair with: npm run -s adyton -- pair ${known} --code CODE`)
        door.newCode()
      }
      board.listens(
        where,
        reachable(listener.address, listener.port),
        [offer, ...more].map(({ card: { id, name } }) => ({ id, name })),
      )
      context.commands?.((command) => obey(command, door, sessions, onNotice))

      await aborted(context.signal)
      board.stops()
      await listener.close()
      await sessions.end('the server is being stopped')
      await door.close()
      return { address: listener.address, port: listener.port, fingerprint: identity.fingerprint, ...board.counts }
    } finally {
      await he.close()
    }
  } finally {
    board.stops()
  }
}

function obey(command: unknown, door: Door, sessions: Sessions, onNotice: (line: string) => void): void {
  const parsed = v.safeParse(HostingCommandSchema, command)
  if (!parsed.success) {
    onNotice(`a command was not understood: ${parsed.issues[0].message}`)
    return
  }
  switch (parsed.output.do) {
    case 'newCode':
      door.newCode()
      return
    case 'stopPairing':
      door.stopPairing()
      return
    case 'disconnect':
      void sessions.end('the server has ended this session', parsed.output.peer)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
