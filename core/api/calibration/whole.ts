/**
 * What whole inferences take beyond their operations: two processes, as `adyton infer` starts them, run networks that do
 * next to nothing, and one that does some of everything.
 */
import type { Graph, GraphNode } from '../../network/graph.ts'
import { quantiseInput } from '../../network/fixed.ts'
import { lower } from '../../network/lower/lower.ts'
import type { LoweredModel, Plan } from '../../network/plan.ts'
import { randomTensors } from '../../network/tensors.ts'
import { derive, prgFor } from '../../ring/prg.ts'
import { layerCounts, plannedTimes, type Threads } from '../estimate.ts'
import { HE_PLANNER } from '../he-planner.ts'
import { LocalRun } from '../local-run.ts'
import { phaseReport } from '../report.ts'
import { loadNetwork, lowerNetwork, noiseImages } from '../source.ts'
import type { Costs } from './costs.ts'
import { fitFactors, fitLine } from './fit.ts'

/** Masks and circuits, wide rings, layers under HE: a little of everything, mostly circuits, mostly linear layers. */
const BUSY = [
  { arch: 'resnet8-w20', classes: 10, reluKeep: 0.25, seed: 'calibration' },
  { arch: 'resnet20', classes: 10, reluKeep: 0.5, seed: 'calibration' },
  { arch: 'resnet18', classes: 10, reluKeep: 0.02, seed: 'calibration' },
]
/** Fresh processes that run each. */
const STARTS = 2
/** Layers of the idle networks. */
const SHORT = 1
const LONG = 12
const SIDE = 4
const CHANNELS = 2
const RUNS = 3
/** Even with all of its work side by side an inference takes as long as half of it. */
const LEAST_BUSY = 0.5
const CARD = { id: 'calibration', name: 'calibration', dataset: 'none', classNames: [] }

interface Times {
  readonly offline: number
  readonly online: number
}
const eachPhase = (of: (phase: keyof Times) => number): Times => ({ offline: of('offline'), online: of('online') })

/** Public: random weights of one seed could leave nothing but zeros after a few layers, those of this one do not. */
const SEED = derive(new TextEncoder().encode('calibration'), 'idle network', 32)

/** `layers` convolutions with ReLUs of 32 elements each. */
export function idleNetwork(layers: number): LoweredModel {
  const nodes: GraphNode[] = [{ id: 'image', inputs: [], op: 'input', shape: [CHANNELS, SIDE, SIDE] }]
  for (let i = 0; i < layers; i++) {
    const before = nodes[nodes.length - 1].id
    nodes.push({
      ...{ id: `conv${i}`, inputs: [before], op: 'conv2d', outChannels: CHANNELS, kernel: [3, 3], stride: 1 },
      ...{ padding: 1, groups: 1, bias: true },
    })
    nodes.push({ id: `relu${i}`, inputs: [`conv${i}`], op: 'relu', mask: 'none' })
  }
  const graph: Graph = { name: 'idle', nodes }
  const images = noiseImages({ inputShape: [CHANNELS, SIDE, SIDE] }, 2, SEED)
  return lower(graph, randomTensors(graph, prgFor(SEED, 'weights')), images, HE_PLANNER)
}

/** ms of the first of some inferences of fresh processes, and the least of the later ones. */
async function timesOf(model: LoweredModel, threads: Threads, signal: AbortSignal | undefined, runs = RUNS) {
  const preprocessing = { kind: 'image' as const, mean: [0], std: [1] }
  const run = await LocalRun.start({
    ...{ model, card: { ...CARD, preprocessing }, threads, kernels: null, revealSeeds: false },
    onProgress: () => undefined,
    ...(signal === undefined ? {} : { signal }),
  })
  try {
    const image = quantiseInput(model.plan, new Float32Array(model.plan.values[0].length))
    const times: Times[] = []
    for (let i = 0; i < runs; i++) {
      signal?.throwIfAborted()
      const inferred = [await run.infer(image)]
      times.push(eachPhase((phase) => phaseReport(inferred, phase).wallMs))
    }
    const [first, ...later] = times
    return { first, later: eachPhase((phase) => Math.min(...later.map((one) => one[phase]))) }
  } finally {
    await run.close()
  }
}

/** `costs` are those of the operations. */
export async function wholeCosts(
  costs: Omit<Costs, 'whole'>,
  threads: Threads,
  signal: AbortSignal | undefined,
): Promise<Costs['whole']> {
  const planned = (plan: Plan) => plannedTimes(plan, costs, threads)
  const [short, long] = [idleNetwork(SHORT), idleNetwork(LONG)]
  const quiet = await timesOf(short, threads, signal)
  const many = await timesOf(long, threads, signal)
  const [few, more] = [layerCounts(short.plan), layerCounts(long.plan)]
  const own = (plan: Plan): Times => {
    const { linear, circuits, online } = planned(plan)
    return { offline: linear + circuits, online }
  }
  const left = eachPhase((phase) => quiet.later[phase] - own(short.plan)[phase])
  const layer = eachPhase((phase) => {
    const both = many.later[phase] - own(long.plan)[phase] - left[phase]
    return Math.max(0, both) / (more[phase] - few[phase])
  })
  const inference = eachPhase((phase) => Math.max(0, left[phase] - few[phase] * layer[phase]))
  const beyond = (first: Times, plan: Plan): Times => {
    const layers = layerCounts(plan)
    return eachPhase((phase) => first[phase] - inference[phase] - layers[phase] * layer[phase])
  }
  const busy: Point[] = []
  for (const source of BUSY) {
    const model = lowerNetwork(await loadNetwork(source))
    const starts: Times[] = []
    for (let i = 0; i < STARTS; i++) starts.push((await timesOf(model, threads, signal, 1)).first)
    const first = eachPhase((phase) => Math.min(...starts.map((times) => times[phase])))
    busy.push({ ...planned(model.plan), beyond: beyond(first, model.plan) })
  }
  const start = Math.max(0, beyond(quiet.first, short.plan).offline - own(short.plan).offline)
  const [linear, circuits] = fitFactors(
    busy.map((point) => [point.linear, point.circuits, Math.max(1, point.beyond.offline - start)]),
  )
  // Without the idle networks, in which hardly anything warms up.
  const line = fitLine(busy.map((point) => [point.online, Math.max(1, point.beyond.online)]))
  const atLeast = (factor: number): number => Math.max(LEAST_BUSY, factor)
  return {
    ...{ inference, layer },
    start: { offline: start, online: Math.max(0, line.start) },
    busy: { linear: atLeast(linear), circuits: atLeast(circuits), online: atLeast(line.slope) },
  }
}

/** What the operations of a network should take, and what its first inference took beyond layers and itself. */
type Point = ReturnType<typeof plannedTimes> & { readonly beyond: Times }
