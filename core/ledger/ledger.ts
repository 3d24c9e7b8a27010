/**
 * The account of one party: wall time, CPU time and bytes by phase, step and kind.
 *
 * Sections may overlap (a client decrypts an answer while it waits for the next). At every section boundary the
 * wall and CPU time since the last boundary goes in equal parts to the working sections that were open, and to
 * the waiting ones only when nobody worked. So every millisecond is counted once and the kinds add up to the
 * phase. CPU time is that of the whole process, worker threads included. The system adds it up over all threads, which can
 * take it longer than a short section takes, so while sections follow each other it is asked now and then only.
 */

/** Part of an inference that work or traffic belongs to. */
export type Phase = 'setup' | 'offline' | 'online'
/** What the time or the bytes went to. */
export type Kind = 'he' | 'gc' | 'ot' | 'share' | 'wait'

export const PHASES: readonly Phase[] = ['setup', 'offline', 'online']
export const KINDS: readonly Kind[] = ['he', 'gc', 'ot', 'share', 'wait']

/** One row of the account. */
export interface Entry {
  readonly phase: Phase
  /** Id of the plan step, or '' for work that belongs to none. */
  readonly step: string
  readonly kind: Kind
  /** Milliseconds. */
  wallMs: number
  cpuMs: number
  /** Framed bytes. */
  sent: number
  received: number
}

/** A stretch of time in which one set of sections was open, on the clock of this machine (ms since the epoch). */
export interface Segment {
  readonly phase: Phase
  readonly start: number
  readonly end: number
  /** What was worked at, or what was waited for when nobody worked. */
  readonly parts: readonly Part[]
}

export interface Part {
  readonly kind: Kind
  /** As in {@link Entry}. */
  readonly step: string
}

/** An account as data, for sending between processes. */
export interface LedgerData {
  readonly entries: readonly Readonly<Entry>[]
  readonly segments: readonly Segment[]
}

interface OpenSection {
  readonly phase: Phase
  readonly step: string
  readonly kind: Kind
}

/** What is charged in one go of CPU time, at most, ms of wall time. */
const CPU_MS = 5

const now = (): number => performance.timeOrigin + performance.now()

export class Ledger {
  readonly #entries = new Map<string, Entry>()
  readonly #open = new Set<OpenSection>()
  #segments: Segment[] = []
  #lastWall = now()
  #lastCpu = process.cpuUsage()
  /** When that was asked. */
  #cpuAt = this.#lastWall

  /** Runs `work` and records what it took. */
  async section<T>(phase: Phase, step: string, kind: Kind, work: () => T | Promise<T>): Promise<T> {
    const section: OpenSection = { phase, step, kind }
    this.#tick(false)
    this.#open.add(section)
    try {
      return await work()
    } finally {
      // With nobody to charge later, now.
      this.#tick(this.#open.size === 1)
      this.#open.delete(section)
    }
  }

  /** Counts framed bytes in one direction. */
  traffic(phase: Phase, step: string, kind: Kind, direction: 'sent' | 'received', bytes: number): void {
    this.#entry(phase, step, kind)[direction] += bytes
  }

  /** The rows so far: what {@link data} has without its segments, for watching. */
  entries(): Entry[] {
    this.#tick(true)
    return [...this.#entries.values()].map((e) => ({ ...e }))
  }

  /** The account so far. */
  data(): LedgerData {
    this.#tick(true)
    return { entries: [...this.#entries.values()].map((e) => ({ ...e })), segments: [...this.#segments] }
  }

  /** Returns the account so far and starts a new one; sections that are open go on in the new one. */
  take(): LedgerData {
    const data = this.data()
    this.#entries.clear()
    this.#segments = []
    return data
  }

  #entry(phase: Phase, step: string, kind: Kind): Entry {
    const key = `${phase}\n${step}\n${kind}`
    let entry = this.#entries.get(key)
    if (entry === undefined) {
      entry = { phase, step, kind, wallMs: 0, cpuMs: 0, sent: 0, received: 0 }
      this.#entries.set(key, entry)
    }
    return entry
  }

  #tick(exact: boolean): void {
    const wall = now()
    const wallMs = wall - this.#lastWall
    const cpuMs = exact || wall - this.#cpuAt >= CPU_MS ? this.#takeCpu(wall) : 0
    const working = [...this.#open].filter((s) => s.kind !== 'wait')
    const charged = working.length > 0 ? working : [...this.#open]
    for (const section of charged) {
      const entry = this.#entry(section.phase, section.step, section.kind)
      entry.wallMs += wallMs / charged.length
      entry.cpuMs += cpuMs / charged.length
    }
    if (charged.length > 0 && wallMs > 0) {
      this.#segment({ phase: charged[0].phase, start: this.#lastWall, end: wall, parts: distinct(charged) })
    }
    this.#lastWall = wall
  }

  /** CPU time since the last call, ms. */
  #takeCpu(wall: number): number {
    const before = this.#lastCpu
    this.#lastCpu = process.cpuUsage()
    this.#cpuAt = wall
    return (this.#lastCpu.user + this.#lastCpu.system - before.user - before.system) / 1000
  }

  /** Adjoining segments of the same parts become one, so that a long run stays small. */
  #segment(next: Segment): void {
    const last = this.#segments.at(-1)
    const same =
      last !== undefined &&
      last.phase === next.phase &&
      next.start - last.end < 0.05 &&
      last.parts.length === next.parts.length &&
      last.parts.every(({ kind, step }, i) => kind === next.parts[i].kind && step === next.parts[i].step)
    if (last !== undefined && same) this.#segments[this.#segments.length - 1] = { ...last, end: next.end }
    else this.#segments.push(next)
  }
}

function distinct(sections: readonly Part[]): Part[] {
  const parts: Part[] = []
  for (const { kind, step } of sections) {
    if (!parts.some((part) => part.kind === kind && part.step === step)) parts.push({ kind, step })
  }
  return parts
}
