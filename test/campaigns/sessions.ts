/** Whole sessions between both parties, with one frame of one direction mutated on its way. */
import { inspect } from 'node:util'
import { makeOffer } from '../../core/api/offer.ts'
import { FramedChannel } from '../../core/channel/framed.ts'
import { decodeHeader } from '../../core/channel/frames.ts'
import { memoryTransports } from '../../core/channel/memory.ts'
import { messageName } from '../../core/channel/messages.ts'
import type { ByteTransport } from '../../core/channel/transport.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { HePool } from '../../core/he/pool.ts'
import { loadKernels } from '../../core/kernels/index.ts'
import { quantiseInput } from '../../core/network/fixed.ts'
import { ClientSession } from '../../core/protocol/client/session.ts'
import { serveClient, type Offer } from '../../core/protocol/server/session.ts'
import { freshSeed, prgFor } from '../../core/ring/prg.ts'
import { CARD, noise } from '../fixtures/parties.ts'
import { Dice, mutate } from './mutate.ts'
import { MemoryStore, networks } from './states.ts'

/** Both parties must have ended after this long, ms. */
const HANG_MS = 60_000
/** How long a party waits for a frame that never comes, ms. */
const IDLE_MS = 5_000

export interface SessionReport {
  readonly seed: string
  sessions: number
  /** Sessions that came to their end: the mutation was a valid encoding of something else, or came after the end. */
  completed: number
  readonly codes: Record<string, number>
  readonly failures: string[]
  seconds: number
}

/** Runs `count` sessions; in each, one frame of either direction is mutated. */
export async function runSessions(
  count: number,
  options: { readonly seed?: string; readonly onProgress?: (done: number, total: number) => void } = {},
): Promise<SessionReport> {
  const seed = options.seed ?? Buffer.from(freshSeed()).toString('hex')
  const report: SessionReport = { seed, sessions: 0, completed: 0, codes: {}, failures: [], seconds: 0 }
  const begun = performance.now()
  const stray: unknown[] = []
  const onStray = (error: unknown): void => void stray.push(error)
  process.on('unhandledRejection', onStray)
  const he = await HePool.create(0)
  try {
    const offers = Object.values(networks()).map((model) => makeOffer(model, CARD, new Uint8Array(32)))
    for (let n = 0; n < count; n++) {
      const dice = new Dice(prgFor(Buffer.from(seed, 'hex'), `session ${n}`))
      await oneSession(dice.pick(offers), he, dice, `session ${n}`, report)
      await new Promise((resolve) => setImmediate(resolve))
      for (const error of stray.splice(0)) report.failures.push(`session ${n} leaves a rejection: ${text(error)}`)
      options.onProgress?.(n + 1, count)
    }
  } finally {
    await he.close()
    process.off('unhandledRejection', onStray)
  }
  report.seconds = (performance.now() - begun) / 1000
  return report
}

async function oneSession(offer: Offer, he: HePool, dice: Dice, name: string, report: SessionReport): Promise<void> {
  const [left, right] = memoryTransports()
  const which = dice.below(2)
  let what = 'nothing'
  const tampered = tamper(which === 0 ? left : right, dice.below(16), dice, (kind) => {
    what = `${which === 0 ? 'client' : 'server'}'s ${kind}`
  })
  const options = { idleTimeoutMs: IDLE_MS }
  const clientEnd = new FramedChannel(which === 0 ? tampered : left, options)
  const serverEnd = new FramedChannel(which === 1 ? tampered : right, options)
  const kernels = loadKernels()
  const common = { kernels, he }
  const serving = serveClient({
    ...common,
    channel: serverEnd,
    peerFingerprint: 'c'.repeat(64),
    disconnected: serverEnd.disconnected,
    offer,
    store: new MemoryStore().asStore,
  })
  const using = async (): Promise<void> => {
    const store = new MemoryStore().asStore
    const options = { ...common, channel: clientEnd, peerFingerprint: '5'.repeat(64), store, software: 'test' }
    const session = await ClientSession.open(options)
    const { id } = await session.prepare()
    const { plan } = session
    await session.infer(id, quantiseInput(plan, noise(plan.values[0].length, name)))
    await session.close()
  }
  const outcomes = await Promise.all([settled(using()), settled(serving)])
  report.sessions++
  if (outcomes.every((outcome) => outcome === undefined)) report.completed++
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome === undefined) continue
    if (outcome instanceof AdytonError && outcome.code !== 'internal') {
      report.codes[outcome.code] = (report.codes[outcome.code] ?? 0) + 1
    } else report.failures.push(`${name}, ${what}: the ${i === 0 ? 'client' : 'server'} ends in ${text(outcome)}`)
  }
  await Promise.all([clientEnd.close(), serverEnd.close()])
}

/** Mutates the frame of this number; the later ones follow as they would in a stream. */
function tamper(
  transport: ByteTransport,
  number: number,
  dice: Dice,
  onMutated: (kind: string) => void,
): ByteTransport {
  let at = 0
  let shift = 0
  let closed = false
  return {
    get unread() {
      return transport.unread
    },
    get disconnected() {
      return transport.disconnected
    },
    read: (length, progress) => transport.read(length, progress),
    async write(header, payload, progress) {
      if (closed) return
      const { type, step, sequence } = decodeHeader(header)
      const none = new Uint8Array(0)
      if (at++ !== number) {
        const renumbered = header.slice()
        new DataView(renumbered.buffer).setUint32(4, sequence + shift, true)
        await transport.write(renumbered, payload, progress)
        return
      }
      // The next frame is not known yet, so "after the next one" is "not at all" here.
      const made = mutate({ type, step, payload: payload.slice() }, sequence, dice, () => undefined, 60)
      onMutated(`${messageName(type)}: ${made.kind}`)
      shift = made.shift
      for (const bytes of made.bytes) await transport.write(bytes, none, progress)
      if (!made.close) return
      closed = true
      transport.destroy(new AdytonError('peer-closed', 'the connection was cut'))
    },
    end: (reason, lingerMs) => transport.end(reason, lingerMs),
    destroy: (reason) => transport.destroy(reason),
  }
}

async function settled(work: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const hang = new Promise<unknown>((resolve) => {
    timer = setTimeout(() => resolve(new Error(`a hang: nothing for ${HANG_MS / 1000} s`)), HANG_MS)
  })
  const outcome = await Promise.race([
    work.then(
      () => undefined,
      (error: unknown) => error ?? new Error('it threw nothing'),
    ),
    hang,
  ])
  clearTimeout(timer)
  return outcome
}

function text(error: unknown): string {
  if (!(error instanceof Error)) return inspect(error)
  const cause = error.cause instanceof Error ? ` (${error.cause.stack})` : ''
  return (error instanceof AdytonError ? `${error.code}: ${error.message}` : (error.stack ?? error.message)) + cause
}
