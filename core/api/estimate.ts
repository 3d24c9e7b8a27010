/**
 * Estimates of time, memory and disk of one inference, before anything runs. Bytes are exact and in plan-summary.ts.
 *
 * Costs were fitted to runs of ResNet-18 and of the digits network on a 2-core virtual machine (2026) with both parties on
 * it, node-seal 7 in WebAssembly and native kernels. Other machines differ: the figures promise nothing.
 */
import { availableParallelism } from 'node:os'
import { dataPrimes } from '../he/parameters.ts'
import { tilingCounts } from '../he/tiling.ts'
import type { LinearStep, Plan, Step } from '../network/plan.ts'
import { gcBatches, isNonLinear } from '../protocol/batches.ts'
import { chunkBytes, exactBytes, heOf } from '../protocol/sizes.ts'
import { transferCount } from '../garble/session.ts'
import { wordBytes } from '../protocol/store/words.ts'

export interface Estimate {
  readonly offline: { readonly wallMs: number; readonly he: number; readonly gc: number; readonly ot: number }
  readonly online: { readonly wallMs: number; readonly gc: number; readonly share: number }
  /** Largest resident set of each process, bytes. */
  readonly memory: { readonly client: number; readonly server: number }
  /** Bytes of one stored package. */
  readonly disk: { readonly client: number; readonly server: number }
}

/** Milliseconds of one busy core (of two that share their caches), both parties' work and their disks included. */
const COST = {
  /** With two data primes; work under HE grows with their number. */
  encrypt: 3.2,
  uploadToNtt: 1.2,
  product: 0.06,
  answer: 1.5,
  decrypt: 3,
  /** A million AND gates: garbled, sent and stored; read back and evaluated. */
  garble: 80,
  evaluate: 72,
  /** A million correlated transfers, both ends. */
  transfer: 125,
  /** Setting up SEAL for a ring, in every worker, with the first package. */
  context: 350,
  /** A byte through TLS, in the bulk of the offline phase and in the turns of the online one. */
  offlineByte: 0.4e-6,
  onlineByte: 1.4e-6,
  /** A turn: one non-linear step online. */
  turn: 3,
  /** A million multiply-accumulates in the ring. */
  mac: 0.16,
} as const

const MIB = 2 ** 20
/** Resident set of a process that does nothing yet: Node, SEAL's WebAssembly, kernels; and of each HE worker. */
const BASE_MEMORY = 140 * MIB
const WORKER_MEMORY = 90 * MIB
/** Buffers of chunks that are on their way to or from the disk, at most. */
const CHUNK_MEMORY = 80 * MIB

/** Work of one step: ms of HE of each party, gates, transfers, ms in the ring. */
interface StepWork {
  readonly client: number
  readonly server: number
  readonly ands: number
  readonly transfers: number
  readonly share: number
}

function stepWork(plan: Plan, step: Step): StepWork {
  const work = { client: 0, server: 0, ands: 0, transfers: 0, share: 0 }
  if (step.op === 'linear') {
    const he = heOf(plan, step)
    const counts = tilingCounts(step.geometry, step.tiling, he.polyDegree)
    // The measured costs are for two data primes.
    const primes = dataPrimes(he) / 2
    const answers = counts.resultCoefficients.length
    work.client = primes * (counts.inputs * COST.encrypt + answers * COST.decrypt)
    work.server = primes * (counts.inputs * COST.uploadToNtt + counts.products * COST.product + answers * COST.answer)
    work.share = (perOutput(step) * plan.values[step.output].length * COST.mac) / 1e6
  }
  if (isNonLinear(step)) {
    for (const batch of gcBatches(plan, step)) {
      work.ands += batch.instances * batch.circuit.andGates
      for (const chunk of batch.chunks) work.transfers += transferCount(batch.circuit, chunk)
    }
  }
  return work
}

/** Multiply-accumulates for one element of the output. */
function perOutput({ geometry: g }: LinearStep): number {
  return (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth
}

/** About how long the work of each step takes, ms, in the plan's order: weights for progress. */
export function stepCosts(plan: Plan): { offline: number; online: number }[] {
  return plan.steps.map((step) => {
    const { client, server, ands, transfers, share } = stepWork(plan, step)
    return {
      offline: client + server + (ands * COST.garble + transfers * COST.transfer) / 1e6,
      online: share + (ands === 0 ? 0 : (ands * COST.evaluate) / 1e6 + COST.turn),
    }
  })
}

export function estimate(plan: Plan, threads = { client: 1, server: availableParallelism() }): Estimate {
  let client = 0
  let server = 0
  let ands = 0
  let transfers = 0
  let share = 0
  let turns = 0
  let largestLayer = 0
  let clientDisk = 16
  let serverDisk = 64
  let weights = 0
  for (const step of plan.steps) {
    const work = stepWork(plan, step)
    client += work.client
    server += work.server
    ands += work.ands
    transfers += work.transfers
    share += work.share
    if (step.op === 'linear') {
      const he = heOf(plan, step)
      const counts = tilingCounts(step.geometry, step.tiling, he.polyDegree)
      serverDisk += wordBytes(plan.values[step.output])
      weights += 4 * perOutput(step) * step.geometry.outChannels
      const polynomial = he.polyDegree * dataPrimes(he) * 8
      largestLayer = Math.max(
        largestLayer,
        counts.inputs * 3 * polynomial + counts.resultCoefficients.length * 2 * polynomial,
      )
    }
    if (!isNonLinear(step)) continue
    if (gcBatches(plan, step).length > 0) turns++
    for (const batch of gcBatches(plan, step)) {
      for (const chunk of batch.chunks) {
        clientDisk += chunkBytes.tables(batch, chunk) + 16 * transferCount(batch.circuit, chunk)
        serverDisk += chunkBytes.outputs(batch, chunk)
      }
    }
  }
  const bytes = exactBytes(plan)
  const moved = (phase: 'offline' | 'online'): number =>
    (bytes[phase].clientToServer + bytes[phase].serverToClient) * COST[`${phase}Byte`]
  // Both parties work at once, on as many cores as there are: the slower party decides, or the cores do.
  const cores = availableParallelism()
  const he = Math.max(client / threads.client, server / threads.server, (client + server) / cores)
  const gc = (ands / 1e6) * COST.garble
  const ot = (transfers / 1e6) * COST.transfer
  const evaluate = (ands / 1e6) * COST.evaluate
  const values = plan.values.reduce((sum, value) => sum + wordBytes(value), 0)
  const [image] = plan.values
  return {
    offline: { wallMs: plan.he.length * COST.context + he + gc + ot + moved('offline'), he, gc, ot },
    online: { wallMs: evaluate + share + moved('online') + turns * COST.turn, gc: evaluate, share },
    memory: {
      client:
        BASE_MEMORY + WORKER_MEMORY * threads.client + largestLayer + 2 * values + Math.min(CHUNK_MEMORY, clientDisk),
      server: BASE_MEMORY + (WORKER_MEMORY + largestLayer) * threads.server + 3 * weights + values,
    },
    disk: {
      client: clientDisk + wordBytes(image) + wordBytes(plan.values[plan.values.length - 1]),
      server: serverDisk,
    },
  }
}
