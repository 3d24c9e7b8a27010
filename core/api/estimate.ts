/**
 * Estimates of time, memory and disk of one inference, before anything runs. Bytes are exact and in plan-summary.ts.
 *
 * Costs are those of one core of a 2-core virtual machine (2026), node-seal 7 in WebAssembly and native kernels;
 * HE work is divided by the server's threads. Other machines differ: the figures order magnitudes, they promise nothing.
 */
import { availableParallelism } from 'node:os'
import { dataPrimes } from '../he/parameters.ts'
import { COST as HE_COST, tilingCounts } from '../he/tiling.ts'
import type { Plan } from '../network/plan.ts'
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

/** Milliseconds, of one core. */
const COST = {
  /** Garbling and evaluating, for a million AND gates. */
  garble: 12,
  evaluate: 8,
  /** Both ends of a million correlated transfers. */
  transfer: 120,
  /** A byte through TLS and the disk. */
  byte: 2.5e-6,
  /** A million multiply-accumulates in the ring, narrow and wide. */
  narrowMac: 0.35,
  wideMac: 1,
} as const

const MIB = 2 ** 20
/** Resident set of a process that does nothing yet: Node, SEAL's WebAssembly, kernels; and of each HE worker. */
const BASE_MEMORY = 140 * MIB
const WORKER_MEMORY = 90 * MIB

export function estimate(plan: Plan, threads = { client: 1, server: availableParallelism() }): Estimate {
  let client = 0
  let server = 0
  let ands = 0
  let transfers = 0
  let share = 0
  let largestLayer = 0
  let clientDisk = 16
  let serverDisk = 64
  let weights = 0
  for (const step of plan.steps) {
    if (step.op === 'linear') {
      const he = heOf(plan, step)
      const counts = tilingCounts(step.geometry, step.tiling, he.polyDegree)
      // The measured costs are for two data primes.
      const primes = dataPrimes(he) / 2
      const answers = counts.resultCoefficients.length
      client += primes * (counts.inputs * HE_COST.encrypt + answers * HE_COST.decrypt)
      server +=
        primes *
        (counts.inputs * HE_COST.toNtt +
          counts.products * (HE_COST.plainToNtt + HE_COST.multiply + HE_COST.add) +
          answers * (HE_COST.fromNtt + HE_COST.encryptZero))
      const g = step.geometry
      const perOutput = (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth
      const output = plan.values[step.output]
      share += (perOutput * output.length * (output.bits > 32 ? COST.wideMac : COST.narrowMac)) / 1e6
      serverDisk += wordBytes(output)
      weights += 4 * perOutput * g.outChannels
      const polynomial = he.polyDegree * dataPrimes(he) * 8
      largestLayer = Math.max(largestLayer, counts.inputs * 3 * polynomial + answers * 2 * polynomial)
    }
    if (!isNonLinear(step)) continue
    for (const batch of gcBatches(plan, step)) {
      ands += batch.instances * batch.circuit.andGates
      for (const chunk of batch.chunks) {
        transfers += transferCount(batch.circuit, chunk)
        clientDisk += chunkBytes.tables(batch, chunk) + 16 * transferCount(batch.circuit, chunk)
        serverDisk += chunkBytes.outputs(batch, chunk)
      }
    }
  }
  const bytes = exactBytes(plan)
  const moved = (phase: 'offline' | 'online'): number =>
    (bytes[phase].clientToServer + bytes[phase].serverToClient) * COST.byte
  // The client decrypts while the server evaluates; the longer of the two decides.
  const he = Math.max(client / threads.client, server / Math.max(1, Math.min(threads.server, availableParallelism())))
  const gc = (ands / 1e6) * COST.garble
  const ot = (transfers / 1e6) * COST.transfer
  const evaluate = (ands / 1e6) * COST.evaluate
  const values = plan.values.reduce((sum, value) => sum + wordBytes(value), 0)
  const [image] = plan.values
  return {
    offline: { wallMs: he + gc + ot + moved('offline'), he, gc, ot },
    online: { wallMs: evaluate + share + moved('online'), gc: evaluate, share },
    memory: {
      client: BASE_MEMORY + WORKER_MEMORY * threads.client + largestLayer + 2 * values,
      server: BASE_MEMORY + (WORKER_MEMORY + largestLayer) * threads.server + 3 * weights + values,
    },
    disk: {
      client: clientDisk + wordBytes(image) + wordBytes(plan.values[plan.values.length - 1]),
      server: serverDisk,
    },
  }
}
