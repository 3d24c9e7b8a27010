/**
 * The account of one party: wall time, CPU time and bytes by phase, step and kind.
 *
 * Work is recorded as intervals on a common clock (milliseconds since the epoch, from performance.timeOrigin),
 * so that the two accounts of one machine can be laid over each other (core/ledger/report.ts).
 */
/** Part of an inference that work or traffic belongs to. */
export type Phase = 'setup' | 'offline' | 'online'
/** What the time or the bytes went to. */
export type Kind = 'he' | 'gc' | 'ot' | 'share' | 'wait'

export interface Interval {
  readonly phase: Phase
  /** Id of the plan step, or '' for work that belongs to none. */
  readonly step: string
  readonly kind: Kind
  /** Milliseconds since the epoch, fractional. */
  readonly start: number
  readonly end: number
  /** CPU time of the whole process (workers included) in the interval, ms. */
  readonly cpuMs: number
}

export interface Traffic {
  readonly phase: Phase
  readonly step: string
  readonly kind: Kind
  sent: number
  received: number
}

/** An account as data, for sending between processes. */
export interface LedgerData {
  readonly intervals: readonly Interval[]
  readonly traffic: readonly Readonly<Traffic>[]
}

const now = (): number => performance.timeOrigin + performance.now()

export class Ledger {
  readonly #intervals: Interval[] = []
  readonly #traffic = new Map<string, Traffic>()

  /** Runs `work` and records the time it took. Sections do not nest: time is counted once. */
  async section<T>(phase: Phase, step: string, kind: Kind, work: () => T | Promise<T>): Promise<T> {
    const start = now()
    const cpu = process.cpuUsage()
    try {
      return await work()
    } finally {
      const used = process.cpuUsage(cpu)
      this.#intervals.push({ phase, step, kind, start, end: now(), cpuMs: (used.user + used.system) / 1000 })
    }
  }

  /** Counts framed bytes in one direction. */
  traffic(phase: Phase, step: string, kind: Kind, direction: 'sent' | 'received', bytes: number): void {
    const key = `${phase}\n${step}\n${kind}`
    let row = this.#traffic.get(key)
    if (row === undefined) {
      row = { phase, step, kind, sent: 0, received: 0 }
      this.#traffic.set(key, row)
    }
    row[direction] += bytes
  }

  data(): LedgerData {
    return { intervals: this.#intervals, traffic: [...this.#traffic.values()] }
  }
}
