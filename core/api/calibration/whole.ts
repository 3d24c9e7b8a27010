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
import { estimate, layerCounts, type Threads } from '../estimate.ts'
import { HE_PLANNER } from '../he-planner.ts'
import { LocalRun } from '../local-run.ts'
import { phaseReport } from '../report.ts'
import { loadNetwork, lowerNetwork, noiseImages } from '../source.ts'
import type { Costs } from './costs.ts'

/** Masks and circuits, wide rings, layers under HE: what warms up does so here. */
const BUSY = { arch: 'resnet8-w20', classes: 10, reluKeep: 0.25, seed: 'calibration' }
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

/** ms of the first inference of fresh processes, and the least of later ones. */
async function timesOf(model: LoweredModel, threads: Threads, signal: AbortSignal | undefined) {
  const preprocessing = { kind: 'image' as const, mean: [0], std: [1] }
  const run = await LocalRun.start({
    ...{ model, card: { ...CARD, preprocessing }, threads, kernels: null, revealSeeds: false },
    onProgress: () => undefined,
    ...(signal === undefined ? {} : { signal }),
  })
  try {
    const image = quantiseInput(model.plan, new Float32Array(model.plan.values[0].length))
    const times: Times[] = []
    for (let i = 0; i < RUNS; i++) {
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
  const none = { offline: 0, online: 0 }
  let whole: Costs['whole'] = { inference: none, layer: none, start: none, busy: { offline: 1, online: 1 } }
  const expected = (plan: Plan): Times => {
    const { offline, online } = estimate(plan, { ...costs, whole }, threads)
    return { offline: offline.wallMs, online: online.wallMs }
  }
  const [short, long] = [idleNetwork(SHORT), idleNetwork(LONG)]
  const quiet = await timesOf(short, threads, signal)
  const many = await timesOf(long, threads, signal)
  const [few, more] = [layerCounts(short.plan), layerCounts(long.plan)]
  const layer = eachPhase((phase) => {
    const left = (measured: Times, plan: Plan): number => measured[phase] - expected(plan)[phase]
    return Math.max(0, left(many.later, long.plan) - left(quiet.later, short.plan)) / (more[phase] - few[phase])
  })
  const inference = eachPhase((phase) =>
    Math.max(0, quiet.later[phase] - expected(short.plan)[phase] - few[phase] * layer[phase]),
  )
  const busy = lowerNetwork(await loadNetwork(BUSY))
  const { first, later } = await timesOf(busy, threads, signal)
  const work = expected(busy.plan)
  whole = { ...whole, inference, layer }
  const fixed = eachPhase((phase) => expected(busy.plan)[phase] - work[phase])
  return {
    ...{ inference, layer },
    start: eachPhase((phase) => Math.max(0, first[phase] - later[phase])),
    busy: eachPhase((phase) => Math.max(LEAST_BUSY, (later[phase] - fixed[phase]) / work[phase])),
  }
}
