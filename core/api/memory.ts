/**
 * Largest resident set of each party before anything runs. Fitted to the peaks (VmHWM) of both processes over one and two
 * inferences with digits, HRN-2x5x3x (m = 8), ResNet-20 with 47K ReLUs and ResNet-18 with 25K, which it meets within a
 * fifth; when the collector runs moves the peaks of one network by nearly as much.
 */
import { uploadBytes, answerBytes } from '../he/wire.ts'
import { dataPrimes } from '../he/parameters.ts'
import { tilingCounts } from '../he/tiling.ts'
import type { Plan } from '../network/plan.ts'
import { heOf } from '../protocol/sizes.ts'
import { wordBytes } from '../protocol/store/words.ts'

const MIB = 2 ** 20
/** Node, compiled code, kernels; and each HE worker. */
const BASE = 165 * MIB
const WORKER = 28 * MIB
/** Chunks that are on their way, or that the collector has yet to free, at most. */
const CHUNKS = { client: 80 * MIB, server: 95 * MIB }
/** A weight: as it came from the asking process, as HE workers share it, and what the collector has yet to free. */
const WEIGHT_BYTES = 14
/** As HePool's batches. */
const TRANSFORMED = 64 * MIB

/** Bytes; `tables` are those of all garbled tables. */
export function peakMemory(
  plan: Plan,
  tables: number,
  threads: { readonly client: number; readonly server: number },
): { readonly client: number; readonly server: number } {
  const values = plan.values.reduce((sum, value) => sum + wordBytes(value), 0)
  let [wire, transformed, weights] = [0, 0, 0]
  for (const step of plan.steps) {
    if (step.op !== 'linear') continue
    const he = heOf(plan, step)
    const { inputs, resultCoefficients } = tilingCounts(step.geometry, step.tiling, he.polyDegree)
    const answers = resultCoefficients.reduce((sum, results) => sum + answerBytes(he, results), 0)
    wire = Math.max(wire, inputs * uploadBytes(he) + answers)
    transformed = Math.max(transformed, Math.min(TRANSFORMED, 16 * inputs * dataPrimes(he) * he.polyDegree))
    const g = step.geometry
    weights += (g.inChannels / g.groups) * g.kernelHeight * g.kernelWidth * g.outChannels
  }
  return {
    client: BASE + WORKER * threads.client + Math.min(CHUNKS.client, tables) + 2 * values + 2 * wire,
    server:
      BASE + WORKER * threads.server + Math.min(CHUNKS.server, tables) + values + transformed + WEIGHT_BYTES * weights,
  }
}
