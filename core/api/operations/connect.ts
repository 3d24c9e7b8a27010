/** connect: private inferences against a server on this or another machine. */
import { join } from 'node:path'
import * as v from 'valibot'
import { loadOrCreateIdentity, parseFingerprint } from '../../channel/identity.ts'
import { connect as connectTls } from '../../channel/tls.ts'
import { AdytonError } from '../../errors/errors.ts'
import { HePool } from '../../he/pool.ts'
import { loadKernels } from '../../kernels/index.ts'
import type { LedgerData } from '../../ledger/ledger.ts'
import { ownTimes, phaseBytes, stepReports, cpuTime, mergeLedgers, type KindTimes } from '../../ledger/report.ts'
import { quantiseInput } from '../../network/fixed.ts'
import { ClientSession } from '../../protocol/client/session.ts'
import { PackageStore } from '../../protocol/store/store.ts'
import { dataFolder } from '../data-folder.ts'
import type { Operation, OperationContext } from '../operation.ts'
import type { DirectionBytes } from '../report.ts'
import { SOFTWARE } from '../software.ts'
import { loadPicture } from './infer.ts'

export const connectInput = v.strictObject({
  host: v.pipe(v.string(), v.minLength(1)),
  port: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65_535)),
  /** The server's fingerprint, in any form. */
  fingerprint: v.string(),
  pictures: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(10_000)),
  data: v.optional(v.string()),
  threads: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(256)), 1),
})
export type ConnectInput = v.InferOutput<typeof connectInput>

/** One party's view of a phase; waiting includes the server's work. Means over the pictures. */
export interface OwnPhase {
  readonly wallMs: number
  readonly cpuMs: { readonly client: number; readonly server: null }
  readonly kinds: KindTimes
}

export interface ConnectResult {
  readonly model: {
    readonly name: string
    readonly dataset: string
    readonly classes: number
    readonly planDigest: string
  }
  readonly predictions: readonly { readonly picture: string; readonly label: number; readonly name: string }[]
  readonly phases: {
    readonly setup: { readonly wallMs: number }
    readonly offline: OwnPhase
    readonly online: OwnPhase
  }
  readonly layers: ReturnType<typeof stepReports>
  readonly bytes: { readonly offline: DirectionBytes; readonly online: DirectionBytes }
}

export const connect: Operation<ConnectInput, ConnectResult> = {
  name: 'connect',
  summary: 'Runs private inferences against a server that shows the pinned fingerprint.',
  input: connectInput,
  run: runConnect,
}

async function runConnect(input: ConnectInput, context: OperationContext): Promise<ConnectResult> {
  const data = dataFolder(input.data)
  const identity = await loadOrCreateIdentity(data)
  const kernels = loadKernels({ warn: context.onNotice })
  const store = await PackageStore.open(join(data, 'packages'), { role: 'client' })
  context.onProgress({ text: `connecting to ${input.host}:${input.port}` })
  const channel = await connectTls({
    host: input.host,
    port: input.port,
    identity,
    serverFingerprint: parseFingerprint(input.fingerprint),
    signal: context.signal,
  })
  const stop = (): void => void channel.abort('cancelled', 'the client was stopped')
  context.signal.addEventListener('abort', stop)
  const he = await HePool.create(input.threads)
  try {
    const session = await ClientSession.open({
      channel,
      peerFingerprint: channel.peerFingerprint,
      kernels,
      he,
      store,
      software: SOFTWARE,
      onProgress: (done) => context.onProgress({ text: `${done.phase}: ${done.step} ${done.what}` }),
    })
    return await runPictures(session, input.pictures)
  } catch (error) {
    if (context.signal.aborted) throw new AdytonError('cancelled', 'the inference was cancelled', { cause: error })
    throw error
  } finally {
    context.signal.removeEventListener('abort', stop)
    await channel.close()
    await he.close()
  }
}

async function runPictures(session: ClientSession, pictures: readonly string[]): Promise<ConnectResult> {
  const { plan, card } = session
  const offline: LedgerData[] = []
  const online: LedgerData[] = []
  const predictions: { picture: string; label: number; name: string }[] = []
  const network = { inputShape: plan.values[0].shape, preprocessing: card.preprocessing }
  // Read every picture first: a bad file should not cost a package.
  const images = []
  for (const picture of pictures) images.push(quantiseInput(plan, await loadPicture(picture, network)))
  for (const [i, image] of images.entries()) {
    const prepared = await session.prepare()
    offline.push(prepared.ledger)
    const answer = await session.infer(prepared.id, image)
    online.push(answer.ledger)
    predictions.push({
      picture: pictures[i],
      label: answer.label,
      name: card.classNames[answer.label] ?? String(answer.label),
    })
  }
  const direction = (ledger: LedgerData, phase: 'offline' | 'online'): DirectionBytes => {
    const { clientToServer, serverToClient } = phaseBytes(ledger, phase)
    return { clientToServer, serverToClient }
  }
  return {
    model: { name: card.name, dataset: card.dataset, classes: plan.classes, planDigest: session.planDigest },
    predictions,
    phases: {
      setup: { wallMs: session.setup.entries.reduce((sum, entry) => sum + entry.wallMs, 0) },
      offline: ownPhase(offline, 'offline'),
      online: ownPhase(online, 'online'),
    },
    layers: stepReports(mergeLedgers([offline[0], online[0]]), undefined, [...new Set(plan.steps.map((s) => s.id))]),
    bytes: { offline: direction(offline[0], 'offline'), online: direction(online[0], 'online') },
  }
}

function ownPhase(ledgers: readonly LedgerData[], phase: 'offline' | 'online'): OwnPhase {
  const merged = mergeLedgers(ledgers)
  const n = ledgers.length
  const times = ownTimes(merged, phase)
  const kinds: KindTimes = {
    he: times.he / n,
    gc: times.gc / n,
    ot: times.ot / n,
    share: times.share / n,
    wait: times.wait / n,
  }
  return {
    wallMs: kinds.he + kinds.gc + kinds.ot + kinds.share + kinds.wait,
    cpuMs: { client: cpuTime(merged, phase) / n, server: null },
    kinds,
  }
}
