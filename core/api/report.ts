/** The result of private inferences as data: `adyton infer --json`, and what the tables are drawn from. */
import type { Kind, LedgerData } from '../ledger/ledger.ts'
import {
  cpuTime,
  jointSteps,
  jointTimes,
  mergeLedgers,
  noTimes,
  ownTimes,
  phaseBytes,
  stepReports,
  type KindTimes,
} from '../ledger/report.ts'
import type { Plan } from '../network/plan.ts'
import type { LocalInference } from './local-run.ts'

/** Times in ms, mean over the images. */
export interface PhaseReport {
  readonly wallMs: number
  readonly cpuMs: { readonly client: number; readonly server: number }
  /** Of the client's wall time; adds up to wallMs. */
  readonly kinds: KindTimes
  /** Each party's own wall time by kind; its waiting includes the other's work. */
  readonly parties: { readonly client: KindTimes; readonly server: KindTimes }
}

export interface DirectionBytes {
  readonly clientToServer: number
  readonly serverToClient: number
}

export interface LayerReport {
  readonly id: string
  readonly op: string
  /** Milliseconds of work of both parties, mean over the images. */
  readonly offline: Omit<KindTimes, 'wait'>
  readonly online: Omit<KindTimes, 'wait'>
  /** Of the client's wall time, as in PhaseReport: with what belongs to no layer the layers add up to it. */
  readonly time: { readonly offline: KindTimes; readonly online: KindTimes }
  /** Bytes of one inference. */
  readonly bytes: { readonly offline: DirectionBytes; readonly online: DirectionBytes }
  readonly kindBytes: { readonly offline: KindBytes; readonly online: KindBytes }
}

/** Bytes by what they were spent on; waiting moves none. */
export type KindBytes = Readonly<Record<'he' | 'gc' | 'ot' | 'share', DirectionBytes>>

type PhaseName = 'offline' | 'online'

const scaled = (times: KindTimes, by: number): KindTimes => ({
  he: times.he / by,
  gc: times.gc / by,
  ot: times.ot / by,
  share: times.share / by,
  wait: times.wait / by,
})

/** Merged accounts of a phase over several inferences. */
function accounts(runs: readonly LocalInference[], phase: PhaseName): { client: LedgerData; server: LedgerData } {
  return {
    client: mergeLedgers(runs.map((run) => run.client[phase])),
    server: mergeLedgers(runs.map((run) => run.server[phase])),
  }
}

export function phaseReport(runs: readonly LocalInference[], phase: PhaseName): PhaseReport {
  const { client, server } = accounts(runs, phase)
  const kinds = scaled(jointTimes(client, server, phase), runs.length)
  return {
    wallMs: kinds.he + kinds.gc + kinds.ot + kinds.share + kinds.wait,
    cpuMs: { client: cpuTime(client, phase) / runs.length, server: cpuTime(server, phase) / runs.length },
    kinds,
    parties: {
      client: scaled(ownTimes(client, phase), runs.length),
      server: scaled(ownTimes(server, phase), runs.length),
    },
  }
}

/** Framed bytes of one inference (every inference of a plan has the same). */
export function byteReport(runs: readonly LocalInference[]): Record<PhaseName, DirectionBytes> {
  const one = (phase: PhaseName): DirectionBytes => {
    const { clientToServer, serverToClient } = phaseBytes(runs[0].client[phase], phase)
    return { clientToServer, serverToClient }
  }
  return { offline: one('offline'), online: one('online') }
}

/** Framed bytes of one inference by kind, from the client's account of it; of one step when it is named. */
export function kindByteReport(client: Record<PhaseName, LedgerData>, step?: string): Record<PhaseName, KindBytes> {
  return {
    offline: kindBytes(client.offline.entries, 'offline', step),
    online: kindBytes(client.online.entries, 'online', step),
  }
}

function kindBytes(entries: LedgerData['entries'], phase: PhaseName, step?: string): KindBytes {
  const one = (kind: Kind): DirectionBytes => {
    const own = entries.filter((e) => e.phase === phase && e.kind === kind && (step === undefined || e.step === step))
    return {
      clientToServer: own.reduce((sum, e) => sum + e.sent, 0),
      serverToClient: own.reduce((sum, e) => sum + e.received, 0),
    }
  }
  return { he: one('he'), gc: one('gc'), ot: one('ot'), share: one('share') }
}

export function layerReports(plan: Plan, runs: readonly LocalInference[]): LayerReport[] {
  const offline = accounts(runs, 'offline')
  const online = accounts(runs, 'online')
  const client = mergeLedgers([offline.client, online.client])
  const server = mergeLedgers([offline.server, online.server])
  const n = runs.length
  const perImage = (times: Omit<KindTimes, 'wait'>): Omit<KindTimes, 'wait'> => ({
    he: times.he / n,
    gc: times.gc / n,
    ot: times.ot / n,
    share: times.share / n,
  })
  const bytesPerImage = (bytes: DirectionBytes): DirectionBytes => ({
    clientToServer: bytes.clientToServer / n,
    serverToClient: bytes.serverToClient / n,
  })
  const time = (report: Map<string, KindTimes>, id: string): KindTimes => scaled(report.get(id) ?? noTimes(), n)
  const joint = {
    offline: jointSteps(offline.client, offline.server, 'offline'),
    online: jointSteps(online.client, online.server, 'online'),
  }
  const ops = new Map(plan.steps.map((step) => [step.id, step.op]))
  return stepReports(client, server, [...ops.keys()]).map((report) => ({
    id: report.id,
    op: ops.get(report.id) as string,
    offline: perImage(report.offline),
    online: perImage(report.online),
    time: { offline: time(joint.offline, report.id), online: time(joint.online, report.id) },
    bytes: { offline: bytesPerImage(report.bytes.offline), online: bytesPerImage(report.bytes.online) },
    // Every inference of a plan moves the same bytes.
    kindBytes: kindByteReport(runs[0].client, report.id),
  }))
}
