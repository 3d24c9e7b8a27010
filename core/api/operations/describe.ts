/** describe: counts of a network and, when asked, what one private inference costs before anything runs. */
import * as v from 'valibot'
import { countNetwork, type NetworkCounts } from '../../network/counts.ts'
import type { Plan } from '../../network/plan.ts'
import { LINKS, phaseTime, type NetworkLink, type PhaseCost } from '../data/link.ts'
import { LinkSchema } from '../data/settings.ts'
import { loadCalibration, type Calibration } from '../calibration/file.ts'
import { dataFolder } from '../data-folder.ts'
import { estimate, type Estimate } from '../estimate.ts'
import { rounds } from '../inference/steps.ts'
import type { Operation } from '../operation.ts'
import { planSummary, type PlanSummary } from '../plan-summary.ts'
import type { NewMeasurement } from '../../zoo/measurements.ts'
import { machineName, record } from '../recording.ts'
import { architectureOf, loadNetwork, lowerNetwork, sourceSchema } from '../source.ts'

export const describeInput = v.strictObject({
  source: sourceSchema,
  /** Lower the network and state bytes, time, memory and disk. */
  costs: v.optional(v.boolean(), false),
  reveal: v.optional(v.picklist(['logits', 'label']), 'logits'),
  /** With costs: a network of one's own to predict for, beside a LAN and a WAN. */
  link: v.exactOptional(LinkSchema),
  /** Folder of the catalog that zoo:ID means; a model of it keeps the costs. */
  data: v.exactOptional(v.string()),
})
export type DescribeInput = v.InferOutput<typeof describeInput>

export interface DescribeResult {
  readonly name: string
  readonly relus: number
  readonly macs: number
  readonly params: number
  readonly stages: readonly {
    readonly id: string
    readonly relus: number
    readonly macs: number
    readonly params: number
  }[]
  readonly layers: readonly {
    readonly id: string
    readonly op: string
    readonly relus: number
    readonly macs: number
    readonly params: number
  }[]
  readonly costs?: PlanSummary & { readonly estimate: Estimate; readonly calibrated: Calibrated | null } & Predictions
}

/** Whose costs the times were estimated with; null for those that come with the program. */
export type Calibrated = Pick<Calibration, 'machine' | 'date'>

export interface LinkTimes {
  /** Seconds of one inference. */
  readonly offline: number
  readonly online: number
}

export interface Predictions {
  /** What phaseTime of core/api/data/link.ts takes, for a slider. */
  readonly phases: { readonly offline: PhaseCost; readonly online: PhaseCost }
  readonly links: { readonly lan: LinkTimes; readonly wan: LinkTimes; readonly own?: LinkTimes }
}

export const describe: Operation<typeof describeInput, DescribeResult> = {
  name: 'describe',
  summary: 'Counts ReLUs, MACs and parameters; with costs, states bytes, time, memory and disk of one inference.',
  input: describeInput,
  async run(input, context) {
    const { source } = input
    if (!input.costs && 'arch' in source && source.reluKeep === 1) {
      const graph = architectureOf(source)
      return result(source.arch, countNetwork(graph), ops(graph))
    }
    const network = await loadNetwork(source, input.data)
    const counts = countNetwork(network.graph, network.tensors)
    const base = result(network.name, counts, ops(network.graph))
    if (!input.costs) return base
    context.onProgress({ text: 'lowering the network to the ring' })
    const { plan } = lowerNetwork(network, { reveal: input.reveal })
    const calibration = await loadCalibration(dataFolder(input.data), context.onNotice)
    const costs = predict(plan, calibration, input.link)
    if ('model' in source) await record(source.model, input.data, { measurements: predicted(costs) }, context)
    return { ...base, costs }
  },
}

function predict(
  plan: Plan,
  calibration: Calibration | undefined,
  own: NetworkLink | undefined,
): NonNullable<DescribeResult['costs']> {
  const summary = planSummary(plan)
  const times = estimate(plan, calibration?.costs)
  const turns = rounds(plan)
  const phase = (name: 'offline' | 'online'): PhaseCost => ({
    workMs: times[name].wallMs,
    bytesUp: summary.bytes[name].clientToServer,
    bytesDown: summary.bytes[name].serverToClient,
    rounds: turns[name],
  })
  const phases = { offline: phase('offline'), online: phase('online') }
  const over = (link: NetworkLink): LinkTimes => ({
    offline: phaseTime('offline', phases.offline, link),
    online: phaseTime('online', phases.online, link),
  })
  const links = { lan: over(LINKS.lan), wan: over(LINKS.wan), ...(own === undefined ? {} : { own: over(own) }) }
  const calibrated = calibration === undefined ? null : { machine: calibration.machine, date: calibration.date }
  return { ...summary, estimate: times, calibrated, phases, links }
}

function predicted({
  bytes,
  estimate: { offline, online },
}: PlanSummary & { readonly estimate: Estimate }): NewMeasurement[] {
  const here = { unit: 's', machine: machineName() }
  return [
    { what: 'predicted offline', value: offline.wallMs / 1000, ...here },
    { what: 'predicted online', value: online.wallMs / 1000, ...here },
    { what: 'predicted offline bytes', value: bytes.offline.clientToServer + bytes.offline.serverToClient, unit: 'B' },
    { what: 'predicted online bytes', value: bytes.online.clientToServer + bytes.online.serverToClient, unit: 'B' },
  ]
}

function ops(graph: { nodes: readonly { readonly id: string; readonly op: string }[] }): ReadonlyMap<string, string> {
  return new Map(graph.nodes.map((node) => [node.id, node.op]))
}

function result(name: string, counts: NetworkCounts, opOf: ReadonlyMap<string, string>): DescribeResult {
  const { relus, macs, params } = counts
  return {
    name,
    relus,
    macs,
    params,
    stages: counts.stages.map((stage) => ({
      id: stage.id,
      relus: stage.relus,
      macs: stage.macs,
      params: stage.params,
    })),
    layers: counts.nodes.map((node) => ({
      id: node.id,
      op: opOf.get(node.id) as string,
      relus: node.relus,
      macs: node.macs,
      params: node.params,
    })),
  }
}
