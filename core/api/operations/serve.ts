/** serve: offers one model to pinned clients over TLS until it is stopped. */
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import * as v from 'valibot'
import { formatFingerprint, loadOrCreateIdentity, parseFingerprint } from '../../channel/identity.ts'
import { listen, type TlsChannel } from '../../channel/tls.ts'
import { AdytonError } from '../../errors/errors.ts'
import { HePool } from '../../he/pool.ts'
import { loadKernels } from '../../kernels/index.ts'
import { serveClient } from '../../protocol/server/session.ts'
import { storedSecret } from '../../protocol/store/secret.ts'
import { PackageStore } from '../../protocol/store/store.ts'
import { makeOffer } from '../offer.ts'
import type { Operation, OperationContext } from '../operation.ts'
import { loadNetwork, lowerNetwork, publicCard, sourceSchema } from '../source.ts'
import { dataFolder } from '../data-folder.ts'
import { HourlyLimit, PinnedClient } from '../serving.ts'

/** A client that asks for nothing for this long is sent away. */
const IDLE_MS = 30 * 60_000

export const serveInput = v.strictObject({
  source: sourceSchema,
  host: v.optional(v.string(), '127.0.0.1'),
  port: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535)), 0),
  /** Fingerprints of the clients that may connect. */
  allow: v.pipe(v.array(v.string()), v.maxLength(10_000)),
  /** Pin the first client that ever connects, and allow it from then on, after a restart as well. */
  allowFirst: v.optional(v.boolean(), false),
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

/** What people are told where a server is started (docs/threat-model.md). */
export const DISCLOSURE = [
  'Security holds against parties that follow the protocol and are curious. A client that deviates can extract the',
  'weights, and a server that deviates can read the image, undetected. Answers tell something about the model in any case.',
  'Clients learn the architecture, which positions are linearised, and the number widths. Serve only clients you trust.',
] as const

export const serve: Operation<ServeInput, ServeResult> = {
  name: 'serve',
  summary: 'Offers a model to pinned clients over TLS until it is stopped.',
  input: serveInput,
  run: runServe,
}

async function runServe(input: ServeInput, context: OperationContext): Promise<ServeResult> {
  const data = dataFolder(input.data)
  const allowed = new Set(input.allow.map(parseFingerprint))
  const pinned = new PinnedClient(data)
  if (input.allowFirst) for (const fingerprint of await pinned.read()) allowed.add(fingerprint)
  let first = input.allowFirst && allowed.size === 0
  if (allowed.size === 0 && !first) {
    throw new AdytonError('usage', 'no client may connect', {
      advice:
        "Name clients with --allow FINGERPRINT ('adyton identity' prints it on their machine), or use --allow-first.",
    })
  }
  const identity = await loadOrCreateIdentity(data)
  const network = await loadNetwork(input.source, input.data)
  const kernels = loadKernels({ warn: context.onNotice })
  context.onProgress({ text: 'lowering the network to the ring' })
  const model = lowerNetwork(network, { reveal: input.reveal })
  const folder = join(data, 'packages')
  const store = await PackageStore.open(folder, { role: 'server' })
  const offer = makeOffer(model, publicCard(network), await storedSecret(folder, 'commitment-salt'))
  const he = await HePool.create(input.threads ?? availableParallelism())
  const sessions = new Set<{ channel: TlsChannel; ended: Promise<void> }>()
  const counts = { prepared: 0, inferences: 0 }
  const limiter = new HourlyLimit(input.limit)

  const accept = (channel: TlsChannel): void => {
    const who = `${channel.peerAddress} (${formatFingerprint(channel.peerFingerprint).slice(0, 19)}…)`
    context.onNotice(`${who} connected`)
    const ended = serveClient({
      channel,
      peerFingerprint: channel.peerFingerprint,
      disconnected: channel.disconnected,
      offer,
      kernels,
      he,
      store,
      admit: (phase) => {
        if (phase === 'online') limiter.admit(channel.peerFingerprint)
      },
      onServed: ({ phase, ledger }) => {
        if (phase === 'offline') counts.prepared++
        else counts.inferences++
        const ms = ledger.entries.reduce((sum, entry) => sum + entry.wallMs, 0)
        context.onNotice(
          `${who}: ${phase === 'offline' ? 'a package is ready' : 'an inference is done'} (${Math.round(ms)} ms)`,
        )
      },
    })
      .then(() => context.onNotice(`${who} left`))
      .catch((error: unknown) => context.onNotice(`${who}: ${error instanceof Error ? error.message : String(error)}`))
      .finally(() => sessions.delete(session))
    const session = { channel, ended }
    sessions.add(session)
  }

  const listener = await listen({
    host: input.host,
    port: input.port,
    identity,
    idleTimeoutMs: IDLE_MS,
    authorise: async (fingerprint) => {
      if (allowed.has(fingerprint)) return true
      if (!first) return false
      first = false
      allowed.add(fingerprint)
      await pinned.write(fingerprint)
      context.onNotice(`the first client is pinned: ${formatFingerprint(fingerprint)}`)
      return true
    },
    onChannel: accept,
    onRefused: ({ address, error }) => context.onNotice(`${address} was refused: ${error.message}`),
  })
  const where = `${listener.address}:${listener.port}`
  context.onNotice(`serving ${network.name} at ${where}`)
  context.onNotice(`fingerprint ${formatFingerprint(identity.fingerprint)}`)
  for (const line of DISCLOSURE) context.onNotice(line)
  context.onNotice(
    `connect with: npm run -s adyton -- connect ${where} --fingerprint ${identity.fingerprint} --input PICTURE`,
  )

  await new Promise<void>((resolve) => {
    if (context.signal.aborted) resolve()
    else context.signal.addEventListener('abort', () => resolve(), { once: true })
  })
  await listener.close()
  await Promise.all([...sessions].map(({ channel }) => channel.abort('cancelled', 'the server is being stopped')))
  await Promise.all([...sessions].map(({ ended }) => ended))
  await he.close()
  return { address: listener.address, port: listener.port, fingerprint: identity.fingerprint, ...counts }
}
