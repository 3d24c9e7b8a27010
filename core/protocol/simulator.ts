/**
 * The whole protocol without cryptography: given both parties' package seeds it repeats every share, so that the
 * private logits can be checked bit for bit. It follows the formulas of docs/protocol.md, not the sessions' code.
 */
import { stepMask } from '../he/mask.ts'
import type { Kernels } from '../kernels/interface.ts'
import { argmax } from '../network/fixed.ts'
import type { ActivationStep, LoweredModel, MaxPoolStep, Plan } from '../network/plan.ts'
import { derive } from '../ring/prg.ts'
import type { RingVector } from '../ring/ring.ts'
import {
  add,
  fromSigned,
  gather,
  reduce,
  scatter,
  sub,
  toSigned,
  truncateClient,
  truncateServer,
  zeros,
} from '../ring/vector.ts'
import { ring } from '../ring/ring.ts'
import { gcBatches, splitActivation } from './batches.ts'
import { clientMasks } from './client/offline.ts'
import { biasVector, isLocal, ringOf, runLinear, runLocal } from './local.ts'
import { answerMaskLabel } from './server/offline.ts'
import { heOf } from './sizes.ts'

export interface Simulated {
  readonly label: number
  readonly logits: Float64Array
  /** Both parties' shares of every value: what each saw. For local mode, in memory alone. */
  readonly client: ReadonlyMap<number, RingVector>
  readonly server: ReadonlyMap<number, RingVector>
}

/** Repeats an inference from both package seeds and the quantised image. */
export function simulate(
  kernels: Kernels,
  model: LoweredModel,
  image: Float64Array,
  clientSeed: Uint8Array,
  serverSeed: Uint8Array,
): Simulated {
  const { plan, secret } = model
  const client = clientMasks(plan, clientSeed)
  const server = new Map<number, RingVector>()
  const first = get(client, 0)
  server.set(0, sub(fromSigned(first.ring, image), first))
  for (const step of plan.steps) {
    if (isLocal(step)) {
      client.set(
        step.output,
        runLocal(plan, step, (v) => get(client, v)),
      )
      server.set(
        step.output,
        runLocal(plan, step, (v) => get(server, v)),
      )
    } else if (step.op === 'linear') {
      const weights = secret.weights.get(step.id)
      if (weights === undefined) throw new Error(`step ${step.id} has no weights`)
      const mask = stepMask(heOf(plan, step), step, derive(serverSeed, answerMaskLabel(step.id), 16))
      client.set(step.output, sub(runLinear(kernels, plan, step, weights, get(client, step.input)), mask))
      const product = runLinear(kernels, plan, step, weights, get(server, step.input))
      server.set(step.output, add(add(product, mask), biasVector(plan, step, secret.biases.get(step.id))))
    } else if (step.op === 'activation') {
      server.set(
        step.output,
        activation(plan, step, get(client, step.input), get(server, step.input), get(client, step.output)),
      )
    } else if (step.op === 'maxPool') {
      server.set(
        step.output,
        maxPool(plan, step, get(client, step.input), get(server, step.input), get(client, step.output)),
      )
    } else {
      const logits = toSigned(add(get(client, step.input), get(server, step.input)))
      return { logits, label: argmax(logits), client, server }
    }
  }
  throw new Error('the plan does not end by revealing')
}

function get(shares: ReadonlyMap<number, RingVector>, value: number): RingVector {
  const share = shares.get(value)
  if (share === undefined) throw new Error(`value ${value} is read before it is shared`)
  return share
}

/** The number that l-bit shares stand for, as a circuit sees it. */
function opened(c: RingVector, s: RingVector, indices: Uint32Array, bits: number): Float64Array {
  const to = ring(bits)
  return toSigned(add(reduce(gather(c, indices), to), reduce(gather(s, indices), to)))
}

function activation(plan: Plan, step: ActivationStep, c: RingVector, s: RingVector, r: RingVector): RingVector {
  const { kept, linear } = splitActivation(plan, step)
  const output = zeros(r.ring, r.length)
  if (kept.length > 0) {
    const y = opened(c, s, kept, step.circuitBits).map((x) => (x > 0 ? Math.floor(x / 2 ** step.shift) : 0))
    scatter(output, kept, sub(fromSigned(r.ring, y), gather(r, kept)))
  }
  if (linear.length > 0) {
    const correction = sub(truncateClient(gather(c, linear), step.shift, r.ring), gather(r, linear))
    scatter(output, linear, add(truncateServer(gather(s, linear), step.shift, r.ring), correction))
  }
  return output
}

function maxPool(plan: Plan, step: MaxPoolStep, c: RingVector, s: RingVector, r: RingVector): RingVector {
  const output = zeros(ringOf(plan.values[step.output]), r.length)
  for (const batch of gcBatches(plan, step)) {
    const best = new Float64Array(batch.instances).fill(step.relu ? 0 : -Infinity)
    for (const slot of batch.inputs) {
      opened(c, s, slot, step.circuitBits).forEach((x, j) => {
        if (x > best[j]) best[j] = x
      })
    }
    const y = best.map((x) => Math.floor(x / 2 ** step.shift))
    scatter(output, batch.outputs, sub(fromSigned(r.ring, y), gather(r, batch.outputs)))
  }
  return output
}
