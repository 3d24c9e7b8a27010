/** Turns what parties tell while they run into progress that a window can draw. */
import { PHASES, type Entry } from '../../ledger/ledger.ts'
import type { Plan } from '../../network/plan.ts'
import { gcBatches, isNonLinear } from '../../protocol/batches.ts'
import type { Progress } from '../../protocol/client/context.ts'
import {
  remaining,
  type WorkKind,
  type AnswerSoFar,
  type InferenceDetail,
  type InferenceStep,
  type PhaseSoFar,
  type StepState,
} from '../data/progress.ts'
import { stepCosts } from '../estimate.ts'
import type { OperationProgress } from '../operation.ts'
import { stepBytes, stepKind, stepValue } from './steps.ts'

type Party = 'client' | 'server'
type PhaseName = 'offline' | 'online'
type States = Record<PhaseName, { client: StepState; server: StepState } | null>

export interface TrackerOptions {
  readonly plan: Plan
  readonly images: number
  /** Whether the server's account is told too; a server on another machine tells none. */
  readonly bothParties: boolean
  readonly emit: (progress: OperationProgress & { readonly detail: InferenceDetail }) => void
  /** ms; for tests. */
  readonly now?: () => number
}

/** At most ten a second. */
const EVERY_MS = 100
/** What is left for comparing with the clear run. */
const RUNNING_SHARE = 0.99

export class InferenceTracker {
  readonly #options: TrackerOptions
  readonly #ids: ReadonlyMap<string, number>
  readonly #expected: ReturnType<typeof stepBytes>
  readonly #costs: ReturnType<typeof stepCosts>
  readonly #work: number
  readonly #started: number
  readonly #answers: AnswerSoFar[] = []
  #states: States[] = []
  #accounts: Record<PhaseName, Record<Party, readonly Entry[]>> = noAccounts()
  #image = 0
  #phase: InferenceDetail['phase'] = 'setup'
  #text = 'keys and base OT'
  #fraction = 0
  #last = -Infinity
  /** When the first image was begun: what came before says nothing about the rest. */
  #working: number | undefined

  constructor(options: TrackerOptions) {
    const { plan } = options
    this.#options = options
    this.#ids = new Map(plan.steps.map((step, index) => [step.id, index]))
    this.#expected = stepBytes(plan)
    this.#costs = stepCosts(plan)
    this.#work = Math.max(
      this.#costs.reduce((sum, { offline, online }) => sum + offline + online, 0),
      Number.MIN_VALUE,
    )
    this.#started = this.#now()
    this.#reset()
    this.#tell()
  }

  /** A party has done a part of a step. */
  done(party: Party, { phase, step, what }: Progress): void {
    const index = this.#ids.get(step) ?? -1
    const state = this.#states[index]?.[phase]
    if (state === null || state === undefined) return
    state[party] = what === 'encrypted' ? 0.5 : 1
    if (party === 'server' && this.#clientIsSilent(index, phase)) state.client = 1
    if (!this.#options.bothParties && state.client === 1) this.#inferServer(index, phase)
    this.#at(phase, `${step} ${what} by the ${party}`)
  }

  /** A party's account of the request that it is at. */
  account(party: Party, entries: readonly Entry[]): void {
    for (const phase of PHASES) {
      const own = entries.filter((entry) => entry.phase === phase)
      if (own.length === 0 || phase === 'setup') continue
      this.#accounts[phase][party] = own
      this.#at(phase)
    }
  }

  /** The answer to the image that was under way. */
  answer(label: number, name: string, clear?: number): void {
    this.#answers.push({ index: this.#image, label, name, ...(clear === undefined ? {} : { clear }) })
    this.#image++
    for (const { offline, online } of this.#states) {
      for (const state of [offline, online]) if (state !== null) state.client = state.server = 1
    }
    if (this.#image < this.#options.images) {
      this.#phase = 'offline'
      this.#accounts = noAccounts()
      this.#reset()
    }
    this.#tell()
  }

  /** Tells what is done once every answer is there. */
  after(text: string): void {
    this.#text = text
    this.#last = -Infinity
    this.#tell()
  }

  /** Tells the end, whenever the last word was; `transient` as in OperationProgress. */
  end(transient?: unknown): void {
    this.#phase = 'done'
    this.#text = 'done'
    this.#fraction = 1
    this.#last = -Infinity
    this.#tell(transient)
  }

  /** Whether the client tells nothing of a step that it takes part in, or has nothing to do. */
  #clientIsSilent(index: number, phase: PhaseName): boolean {
    const { plan } = this.#options
    const step = plan.steps[index]
    if (phase === 'online') return !isNonLinear(step) || step.op === 'reveal'
    return isNonLinear(step) && gcBatches(plan, step).length === 0
  }

  /** What the client has of a step, the server has done; online, and all before it. */
  #inferServer(index: number, phase: PhaseName): void {
    const done = phase === 'online' ? this.#states.slice(0, index + 1) : [this.#states[index]]
    for (const { [phase]: state } of done) if (state !== null) state.server = state.client = 1
  }

  #at(phase: PhaseName, text?: string): void {
    // The client may tell of the next phase while the server still tells of this one.
    if (this.#phase !== 'online') this.#phase = phase
    if (text !== undefined && phase === this.#phase) this.#text = text
    this.#working ??= this.#now()
    this.#tell()
  }

  #reset(): void {
    const { plan } = this.#options
    this.#states = plan.steps.map((step) => ({
      offline: (this.#expected.get(step.id)?.offline ?? 0) > 0 ? { client: 0, server: 0 } : null,
      online: { client: 0, server: 0 },
    }))
  }

  #tell(transient?: unknown): void {
    const now = this.#now()
    const { images, emit } = this.#options
    const steps = this.#steps()
    this.#fraction = Math.max(this.#fraction, RUNNING_SHARE * Math.min(1, (this.#image + this.#within(steps)) / images))
    if (now - this.#last < EVERY_MS) return
    this.#last = now
    const elapsedMs = now - this.#started
    const running = (this.#phase === 'offline' || this.#phase === 'online') && this.#image < images
    const place = running ? `image ${this.#image + 1} of ${images}, ${this.#phase}: ` : ''
    const detail: InferenceDetail = {
      kind: 'inference',
      image: this.#image,
      images,
      phase: this.#phase,
      steps,
      offline: this.#soFar('offline'),
      online: this.#soFar('online'),
      answers: [...this.#answers],
      elapsedMs,
      remainingMs: this.#phase === 'done' ? 0 : remaining(now - (this.#working ?? now), this.#fraction),
    }
    const text = `${place}${this.#text}`
    emit({ text, fraction: this.#fraction, detail, ...(transient === undefined ? {} : { transient }) })
  }

  #steps(): InferenceStep[] {
    const { plan } = this.#options
    const moved = {
      offline: movedBytes(this.#accounts.offline.client),
      online: movedBytes(this.#accounts.online.client),
    }
    return plan.steps.map((step, index) => {
      const total = this.#expected.get(step.id) ?? { offline: 0, online: 0 }
      const bytes = (phase: PhaseName) => ({ done: moved[phase].get(step.id) ?? 0, total: total[phase] })
      const { offline, online } = this.#states[index]
      return {
        id: step.id,
        kind: stepKind(plan, step),
        shape: plan.values[stepValue(step)].shape.join('×'),
        offline: offline === null ? null : { ...offline },
        online: online === null ? null : { ...online },
        bytes: { offline: bytes('offline'), online: bytes('online') },
      }
    })
  }

  /** Share of the image that is done: each step by its bytes, weighed by what its work is thought to take. */
  #within(steps: readonly InferenceStep[]): number {
    if (this.#image >= this.#options.images) return 0
    const part = (step: InferenceStep, phase: PhaseName): number => {
      const { done, total } = step.bytes[phase]
      return total > 0 ? Math.min(1, done / total) : (step[phase]?.server ?? 0)
    }
    return steps.reduce((sum, step, i) => {
      const { offline, online } = this.#costs[i]
      return sum + (offline * part(step, 'offline') + online * part(step, 'online')) / this.#work
    }, 0)
  }

  #soFar(phase: PhaseName): PhaseSoFar {
    const { client, server } = this.#accounts[phase]
    const sum = (entries: readonly Entry[], kind: string, key: 'wallMs' | 'sent' | 'received'): number =>
      entries.reduce((all, entry) => (entry.kind === kind ? all + entry[key] : all), 0)
    const ms = (entries: readonly Entry[]) => byKind((kind) => sum(entries, kind, 'wallMs'))
    return {
      bytes: byKind((kind) => ({ up: sum(client, kind, 'sent'), down: sum(client, kind, 'received') })),
      ms: { client: ms(client), server: this.#options.bothParties ? ms(server) : null },
    }
  }

  #now(): number {
    return (this.#options.now ?? performance.now.bind(performance))()
  }
}

function byKind<T>(of: (kind: WorkKind) => T): Record<WorkKind, T> {
  return { he: of('he'), gc: of('gc'), ot: of('ot'), share: of('share'), wait: of('wait') }
}

function noAccounts(): Record<PhaseName, Record<Party, readonly Entry[]>> {
  return { offline: { client: [], server: [] }, online: { client: [], server: [] } }
}

function movedBytes(entries: readonly Entry[]): Map<string, number> {
  const moved = new Map<string, number>()
  for (const { step, sent, received } of entries) moved.set(step, (moved.get(step) ?? 0) + sent + received)
  return moved
}
