/**
 * Mutated, truncated, reordered and oversized frames in every state of a session. The outcome has to be an AdytonError
 * other than 'internal', or, for what is a valid encoding of something else, a session that goes on.
 */
import { inspect } from 'node:util'
import type { Channel, Expected } from '../../core/channel/channel.ts'
import { AdytonError } from '../../core/errors/errors.ts'
import { HePool } from '../../core/he/pool.ts'
import { freshSeed, prgFor } from '../../core/ring/prg.ts'
import { Dice, mutate, type Mutated } from './mutate.ts'
import { scripted, type Scripted } from './scripted.ts'
import { allStates, type State } from './states.ts'

/** A run that takes longer hangs, ms. */
const HANG_MS = 20_000
/** Failures that are kept word by word. */
const KEPT_FAILURES = 20

export interface MutationOptions {
  /** Mutations in each state. */
  readonly mutations: number
  /** 64 hexadecimal digits, as a report names it, to repeat a campaign. */
  readonly seed?: string
  readonly onState?: (done: number, total: number, result: StateResult) => void
}

export interface StateResult {
  readonly name: string
  mutations: number
  /** Those whose frame came through the framing: what parses the payload has judged it. */
  parsed: number
  /** Runs in which nothing was refused: the mutation is a valid encoding of something else. */
  accepted: number
  readonly codes: Record<string, number>
  seconds: number
}

export interface MutationReport {
  readonly seed: string
  readonly states: StateResult[]
  readonly failures: string[]
  /** Growth of the process over the campaign, bytes. */
  growth: number
  seconds: number
}

export async function runMutations(options: MutationOptions): Promise<MutationReport> {
  const seed = options.seed ?? Buffer.from(freshSeed()).toString('hex')
  const report: MutationReport = { seed, states: [], failures: [], growth: 0, seconds: 0 }
  const begun = performance.now()
  const stray: unknown[] = []
  const onStray = (error: unknown): void => void stray.push(error)
  process.on('unhandledRejection', onStray)
  const he = await HePool.create(0)
  try {
    const states = await allStates(he)
    const before = process.memoryUsage().rss
    for (const state of states) {
      const result = await oneState(state, options.mutations, seed, report.failures, stray)
      report.states.push(result)
      options.onState?.(report.states.length, states.length, result)
    }
    report.growth = process.memoryUsage().rss - before
  } finally {
    await he.close()
    process.off('unhandledRejection', onStray)
  }
  report.seconds = (performance.now() - begun) / 1000
  return report
}

async function oneState(
  state: State,
  mutations: number,
  seed: string,
  failures: string[],
  stray: unknown[],
): Promise<StateResult> {
  const result: StateResult = { name: state.name, mutations: 0, parsed: 0, accepted: 0, codes: {}, seconds: 0 }
  const begun = performance.now()
  const fail = (what: string): void => {
    if (failures.length < KEPT_FAILURES) failures.push(`${state.name}: ${what}`)
    else if (failures.length === KEPT_FAILURES) failures.push('and more')
  }
  const genuine = await attempt(state, scripted(state.frames).channel)
  const closed = genuine instanceof AdytonError && genuine.code === 'peer-closed'
  if (state.complete ? genuine !== undefined : !closed) fail(`the genuine frames end in ${describe(genuine)}`)
  for (let n = 0; n < mutations; n++) {
    const dice = new Dice(prgFor(Buffer.from(seed, 'hex'), `${state.name} ${n}`))
    const { outcome, excess, kind, contradiction } = await judge(state, dice)
    const what = `mutation ${n} (${kind})`
    if (contradiction !== undefined) fail(`${what}: ${contradiction}`)
    result.mutations++
    if (outcome === undefined) result.accepted++
    else if (outcome instanceof AdytonError && outcome.code !== 'internal') {
      result.codes[outcome.code] = (result.codes[outcome.code] ?? 0) + 1
    } else fail(`${what} ends in ${describe(outcome)}`)
    if (!(outcome instanceof AdytonError && /^(frame|peer|version)-/.test(outcome.code))) result.parsed++
    if (excess > 0) fail(`${what} made the session allocate ${excess} bytes`)
    // A rejection that nobody handles is reported once the queue of microtasks is empty.
    if (n % 64 === 0) await new Promise((resolve) => setImmediate(resolve))
    for (const error of stray.splice(0)) fail(`${what} or one shortly before leaves a rejection: ${describe(error)}`)
  }
  result.seconds = (performance.now() - begun) / 1000
  return result
}

interface Judgement {
  /** What the session threw, undefined for nothing. */
  readonly outcome: unknown
  readonly excess: number
  readonly kind: string
  readonly contradiction?: string
}

/** Of the mutations that framing refuses, one in this many also runs in a session that is slow. */
const TRIED = 16

/** Runs one mutation: in the session, or where that is slow, first against what the session would ask for. */
async function judge(state: State, dice: Dice): Promise<Judgement> {
  const { frames, at, payloadShare, rewrite, expected } = state
  if (at === undefined) {
    state.before?.(dice)
    const { channel, excess } = scripted(frames)
    return { outcome: await attempt(state, channel), excess: excess(), kind: 'payload rewritten' }
  }
  let made: Mutated | undefined
  const tampered = (): Scripted =>
    scripted(frames, {
      at,
      make: (frame, next) => (made ??= mutate(frame, at, dice, next, payloadShare, rewrite)),
    })
  const kindOf = (): string => made?.kind ?? 'not reached'
  let framing: AdytonError | undefined
  if (expected !== undefined) {
    const { channel, excess } = tampered()
    const refused = await attempt({ run: () => receiveAll(channel, expected) }, channel)
    if (refused !== undefined && !(refused instanceof AdytonError)) {
      return { outcome: refused, excess: excess(), kind: kindOf() }
    }
    framing = refused
    if (framing !== undefined && dice.below(TRIED) > 0) return { outcome: framing, excess: excess(), kind: kindOf() }
  }
  const { channel, excess } = tampered()
  const outcome = await attempt(state, channel)
  const judged = { outcome, excess: excess(), kind: kindOf() }
  if (framing === undefined || outcome instanceof AdytonError || endsEarly(framing)) return judged
  return {
    ...judged,
    contradiction: `the framing refuses with ${framing.code}, the session ends in ${describe(outcome)}`,
  }
}

/** A server takes a client that leaves before it asks for anything else for one that is done. */
function endsEarly(error: AdytonError): boolean {
  return error.code === 'peer-closed'
}

async function receiveAll(channel: Channel, expected: readonly Expected[]): Promise<void> {
  for (const one of expected) await channel.receive(one)
}

/** Undefined when the session is content; otherwise what it threw, or an error for a hang. */
async function attempt(state: Pick<State, 'run'>, channel: Channel): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined
  const hang = new Promise<unknown>((resolve) => {
    timer = setTimeout(() => resolve(new Error(`a hang: nothing for ${HANG_MS / 1000} s`)), HANG_MS)
  })
  const work = state.run(channel).then(
    () => undefined,
    (error: unknown) => error ?? new Error('it threw nothing'),
  )
  const outcome = await Promise.race([work, hang])
  clearTimeout(timer)
  return outcome
}

function describe(error: unknown): string {
  if (error === undefined) return 'success'
  if (error instanceof AdytonError) return `${error.code}: ${error.message}${cause(error.cause)}`
  return error instanceof Error ? (error.stack ?? error.message) : inspect(error)
}

function cause(error: unknown): string {
  return error instanceof Error ? ` (${error.stack ?? error.message})` : ''
}
