/**
 * Estimates of time, memory and disk of one inference, before anything runs. Bytes are exact and in plan-summary.ts.
 *
 * Times add up what the plan's operations cost (calibration/costs.ts), both parties on one machine: what one party does
 * while the other one waits adds up, what they do side by side takes as long as the slower one, or the cores.
 */
import { availableParallelism } from 'node:os'
import { layoutOf, tileCount } from '../he/layout.ts'
import { tilingCounts } from '../he/tiling.ts'
import type { LinearStep, Plan, Step } from '../network/plan.ts'
import { gcBatches, isNonLinear, splitActivation } from '../protocol/batches.ts'
import { chunkBytes, exactBytes, heOf } from '../protocol/sizes.ts'
import { transferCount } from '../garble/session.ts'
import { TREE_BITS } from '../ot/extension.ts'
import { leavesBytes } from '../ot/trees.ts'
import { wordBytes } from '../protocol/store/words.ts'
import { primesKey, type Costs } from './calibration/costs.ts'
import { DEFAULT_COSTS } from './calibration/defaults.ts'
import { peakMemory } from './memory.ts'

export interface Estimate {
  /** Milliseconds; `he`, `gc` and `ot` are both parties' work. */
  readonly offline: { readonly wallMs: number; readonly he: number; readonly gc: number; readonly ot: number }
  readonly online: { readonly wallMs: number; readonly gc: number; readonly share: number }
  /** Largest resident set of each process, bytes. */
  readonly memory: { readonly client: number; readonly server: number }
  /** Bytes of one stored package. */
  readonly disk: { readonly client: number; readonly server: number }
}

export interface Threads {
  readonly client: number
  readonly server: number
}

/** Additions that a linear step's output goes through online: its mask and its bias. */
const LINEAR_ADDS = 2

/** Work of one step, ms. */
interface StepWork {
  readonly he: { readonly client: number; readonly server: number }
  /** Garbling and what goes with it: the two parties' own work, side by side but for the first chunk. */
  readonly offline: Pair
  readonly online: Pair
  /** Of these, by kind. */
  readonly garble: number
  readonly evaluate: number
  readonly transfers: number
  /** The server's arithmetic on shares. */
  readonly share: number
  /** Bytes that the parties store. */
  readonly disk: { readonly client: number; readonly server: number }
  readonly tables: number
}

interface Pair {
  client: number
  server: number
  /** What is left when they work side by side. */
  wall: number
}

/** Two that hand on one chunk after the other. */
function addPair(pair: Pair, client: number, server: number, chunks: number): void {
  pair.client += client
  pair.server += server
  pair.wall += Math.max(client, server) + Math.min(client, server) / chunks
}

function stepWork(plan: Plan, step: Step, costs: Costs): StepWork {
  const none = (): Pair => ({ client: 0, server: 0, wall: 0 })
  const work = {
    ...{ he: { client: 0, server: 0 }, offline: none(), online: none(), disk: { client: 0, server: 0 } },
    ...{ garble: 0, evaluate: 0, transfers: 0, share: 0, tables: 0 },
  }
  const million = (count: number, cost: number): number => (count * cost) / 1e6
  if (step.op === 'linear') {
    const he = heOf(plan, step)
    const cost = costs.he[primesKey(he.primeBits)]
    const counts = tilingCounts(step.geometry, step.tiling, he.polyDegree)
    const tiles = tileCount(layoutOf(step.geometry, step.tiling, he.polyDegree))
    const answers = counts.resultCoefficients.length
    work.he.client = counts.inputs * cost.encrypt + answers * cost.decrypt
    work.he.server =
      counts.inputs * cost.upload +
      (counts.products / tiles) * cost.weights +
      counts.products * cost.product +
      answers * cost.answer
    const output = plan.values[step.output]
    work.share =
      million(perOutput(step) * output.length, output.bits > 32 ? costs.ring.wide : costs.ring.narrow) +
      million(LINEAR_ADDS * output.length, costs.ring.add)
    work.disk.server = wordBytes(output)
  }
  if (!isNonLinear(step)) return work
  if (step.op === 'activation') {
    const output = plan.values[step.output]
    const linear = splitActivation(plan, step).linear.length
    work.share += million(linear, costs.ring.rescale)
    work.offline.wall += million(linear, costs.ring.rescale + costs.ring.pack)
    work.disk.server += (linear * wordBytes(output)) / output.length
  }
  for (const batch of gcBatches(plan, step)) {
    const { circuit, instances, chunks } = batch
    const ands = instances * circuit.andGates
    let [transfers, tables, outputs, extension] = [0, 0, 0, 0]
    for (const chunk of chunks) {
      transfers += transferCount(circuit, chunk)
      tables += chunkBytes.tables(batch, chunk)
      outputs += chunkBytes.outputs(batch, chunk)
      extension += chunkBytes.otExtension(batch, chunk)
    }
    const labels = instances * circuit.garblerInputs
    const link = (bytes: number): number => million(bytes, costs.link.bytes) / 2
    const ot = {
      client: million(transfers, costs.transfers.client),
      server: million(transfers, costs.transfers.server),
    }
    const garble = million(ands, costs.garbling.garble)
    const evaluate = million(ands, costs.garbling.evaluate)
    const moved = link(tables + extension)
    addPair(
      work.offline,
      ot.client + moved + million(tables, costs.disk.write),
      ot.server + garble + moved + million(outputs, costs.disk.write),
      chunks.length,
    )
    addPair(
      work.online,
      link(16 * labels) + million(tables, costs.disk.read) + ot.client + evaluate,
      link(16 * labels) + million(labels, costs.garbling.labels) + million(8 * outputs, costs.garbling.outputs),
      chunks.length,
    )
    work.garble += garble
    work.evaluate += evaluate
    work.transfers += ot.client + ot.server
    work.tables += tables
    work.disk.client += tables + (step.op === 'reveal' ? outputs : 0)
    work.disk.server += step.op === 'reveal' ? 0 : outputs
  }
  return work
}

/** Multiply-accumulates for one element of the output. */
function perOutput({ geometry: g }: LinearStep): number {
  return (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth
}

/** About how long the work of each step takes, ms, in the plan's order: weights for progress. */
export function stepCosts(plan: Plan, costs: Costs = DEFAULT_COSTS): { offline: number; online: number }[] {
  return plan.steps.map((step) => {
    const { he, offline, online, share } = stepWork(plan, step, costs)
    return {
      offline: Math.max(he.client, he.server) + offline.wall,
      online: share + online.wall,
    }
  })
}

/** Layers that cost something beyond their work: linear ones offline, garbled ones online. */
export function layerCounts(plan: Plan): { offline: number; online: number } {
  return {
    offline: plan.steps.filter((step) => step.op === 'linear').length,
    online: plan.steps.filter((step) => isNonLinear(step) && gcBatches(plan, step).length > 0).length,
  }
}

/** How long operations take, ms, if nothing slows them down: layers under HE and circuits offline, and all online. */
interface Operations {
  readonly linear: number
  readonly circuits: number
  readonly online: number
}

function operationTimes(plan: Plan, works: readonly StepWork[], costs: Costs, threads: Threads): Operations {
  const sum = (of: (work: StepWork) => number): number => works.reduce((total, work) => total + of(work), 0)
  const he = { client: sum(({ he }) => he.client), server: sum(({ he }) => he.server) }
  const { he: bytes } = exactBytes(plan).byKind.offline
  const link = ((bytes.clientToServer + bytes.serverToClient) / 1e6) * costs.link.bytes
  return {
    linear: Math.max(
      he.client / threads.client,
      he.server / threads.server,
      (he.client + he.server + link) / availableParallelism(),
    ),
    circuits: sum(({ offline }) => offline.wall),
    online: sum(({ share, online }) => share + online.wall),
  }
}

/** As {@link estimate} has them, for the calibration of what whole inferences take beyond. */
export function plannedTimes(plan: Plan, costs: Omit<Costs, 'whole'>, threads: Threads): Operations {
  const all = { ...costs, whole: DEFAULT_COSTS.whole }
  const works = plan.steps.map((step) => stepWork(plan, step, all))
  return operationTimes(plan, works, all, threads)
}

export function estimate(
  plan: Plan,
  costs: Costs = DEFAULT_COSTS,
  threads: Threads = { client: 1, server: availableParallelism() },
): Estimate {
  const works = plan.steps.map((step) => stepWork(plan, step, costs))
  const sum = (of: (work: StepWork) => number): number => works.reduce((total, work) => total + of(work), 0)
  const operations = operationTimes(plan, works, costs, threads)
  const layers = layerCounts(plan)
  const { start, inference, layer, busy } = costs.whole
  const wallMs = (phase: 'offline' | 'online', work: number): number =>
    start[phase] + inference[phase] + layers[phase] * layer[phase] + work
  const clientDisk = sum(({ disk }) => disk.client)
  const [image] = plan.values
  return {
    offline: {
      wallMs: wallMs('offline', busy.linear * operations.linear + busy.circuits * operations.circuits),
      he: sum(({ he }) => he.client + he.server),
      gc: sum(({ garble }) => garble),
      ot: sum(({ transfers }) => transfers),
    },
    online: {
      wallMs: wallMs('online', busy.online * operations.online),
      gc: sum(({ evaluate }) => evaluate),
      share: sum(({ share }) => share),
    },
    memory: peakMemory(
      plan,
      sum(({ tables }) => tables),
      threads,
    ),
    disk: {
      client:
        16 + leavesBytes(TREE_BITS) + clientDisk + wordBytes(image) + wordBytes(plan.values[plan.values.length - 1]),
      server: 64 + sum(({ disk }) => disk.server),
    },
  }
}
