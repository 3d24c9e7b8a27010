/**
 * Two accounts laid over each other: where the time of an inference went, seen from the client, who waits for
 * the answer.
 */
import { KINDS, type Kind, type LedgerData, type Part, type Phase } from './ledger.ts'

/** Milliseconds by kind. */
export type KindTimes = Record<Kind, number>

export function noTimes(): KindTimes {
  return { he: 0, gc: 0, ot: 0, share: 0, wait: 0 }
}

/** Wall times of one party in one phase by kind; they add up to the time the party had the phase open. */
export function ownTimes(data: LedgerData, phase: Phase): KindTimes {
  const times = noTimes()
  for (const entry of data.entries) if (entry.phase === phase) times[entry.kind] += entry.wallMs
  return times
}

/** CPU time of one party in one phase, ms. */
export function cpuTime(data: LedgerData, phase: Phase): number {
  return data.entries.reduce((sum, entry) => (entry.phase === phase ? sum + entry.cpuMs : sum), 0)
}

/**
 * The client's wall time of a phase by step (as in Entry) and by what either party was doing: its own work first; while
 * it waits, the server's work; and what is left is waiting proper (the network, scheduling, disks). The steps and kinds
 * add up to the client's wall time. Both accounts must come from one machine, since they are matched by its clock.
 */
export function jointSteps(client: LedgerData, server: LedgerData, phase: Phase): Map<string, KindTimes> {
  const steps = new Map<string, KindTimes>()
  const charge = (parts: readonly Part[], length: number): void => {
    for (const { kind, step } of parts) {
      const times = steps.get(step) ?? noTimes()
      times[kind] += length / parts.length
      steps.set(step, times)
    }
  }
  const busy = server.segments.filter((s) => s.phase === phase && s.parts[0].kind !== 'wait')
  busy.sort((a, b) => a.start - b.start)
  let from = 0
  for (const segment of [...client.segments].sort((a, b) => a.start - b.start)) {
    if (segment.phase !== phase) continue
    const length = segment.end - segment.start
    if (segment.parts[0].kind !== 'wait') {
      charge(segment.parts, length)
      continue
    }
    while (from < busy.length && busy[from].end <= segment.start) from++
    let covered = 0
    for (let i = from; i < busy.length && busy[i].start < segment.end; i++) {
      const overlap = Math.min(busy[i].end, segment.end) - Math.max(busy[i].start, segment.start)
      if (overlap <= 0) continue
      charge(busy[i].parts, overlap)
      covered += overlap
    }
    charge(segment.parts, Math.max(0, length - covered))
  }
  return steps
}

/** The sum of {@link jointSteps} over the steps. */
export function jointTimes(client: LedgerData, server: LedgerData, phase: Phase): KindTimes {
  const times = noTimes()
  for (const step of jointSteps(client, server, phase).values()) for (const kind of KINDS) times[kind] += step[kind]
  return times
}

/** One line of the per-layer table. */
export interface StepReport {
  readonly id: string
  /** Busy milliseconds of both parties by kind (waiting left out: it belongs to no layer's work). */
  readonly offline: Omit<KindTimes, 'wait'>
  readonly online: Omit<KindTimes, 'wait'>
  /** Framed bytes. */
  readonly bytes: {
    readonly offline: { readonly clientToServer: number; readonly serverToClient: number }
    readonly online: { readonly clientToServer: number; readonly serverToClient: number }
  }
}

/** Work of both parties and bytes by step, in the order of `ids`. */
export function stepReports(client: LedgerData, server: LedgerData | undefined, ids: readonly string[]): StepReport[] {
  return ids.map((id) => {
    const times = (phase: Phase): Omit<KindTimes, 'wait'> => {
      const sum = noTimes()
      for (const data of [client, server]) {
        for (const e of data?.entries ?? []) if (e.step === id && e.phase === phase) sum[e.kind] += e.wallMs
      }
      return { he: sum.he, gc: sum.gc, ot: sum.ot, share: sum.share }
    }
    const bytes = (phase: Phase): { clientToServer: number; serverToClient: number } => {
      const own = client.entries.filter((e) => e.step === id && e.phase === phase)
      return {
        clientToServer: own.reduce((n, e) => n + e.sent, 0),
        serverToClient: own.reduce((n, e) => n + e.received, 0),
      }
    }
    return {
      id,
      offline: times('offline'),
      online: times('online'),
      bytes: { offline: bytes('offline'), online: bytes('online') },
    }
  })
}

/** Framed bytes of a phase in each direction, from the client's account; by kind as well. */
export function phaseBytes(
  client: LedgerData,
  phase: Phase,
): { clientToServer: number; serverToClient: number; byKind: Record<Kind, { sent: number; received: number }> } {
  const byKind = Object.fromEntries(KINDS.map((k) => [k, { sent: 0, received: 0 }])) as Record<
    Kind,
    { sent: number; received: number }
  >
  let clientToServer = 0
  let serverToClient = 0
  for (const e of client.entries) {
    if (e.phase !== phase) continue
    byKind[e.kind].sent += e.sent
    byKind[e.kind].received += e.received
    clientToServer += e.sent
    serverToClient += e.received
  }
  return { clientToServer, serverToClient, byKind }
}

/** Adds up accounts of several inferences; segments are kept in order. */
export function mergeLedgers(parts: readonly LedgerData[]): LedgerData {
  const entries = new Map<string, LedgerData['entries'][number]>()
  for (const part of parts) {
    for (const e of part.entries) {
      const key = `${e.phase}\n${e.step}\n${e.kind}`
      const sum = entries.get(key)
      entries.set(
        key,
        sum === undefined
          ? { ...e }
          : {
              ...sum,
              wallMs: sum.wallMs + e.wallMs,
              cpuMs: sum.cpuMs + e.cpuMs,
              sent: sum.sent + e.sent,
              received: sum.received + e.received,
            },
      )
    }
  }
  return { entries: [...entries.values()], segments: parts.flatMap((p) => p.segments) }
}
