/**
 * The server's online phase: clear ring arithmetic on its shares, labels out, colour bits back.
 */
import { MESSAGES } from '../../channel/messages.ts'
import { splitActivation, gcBatches, isNonLinear, type GcBatch, type NonLinearStep } from '../batches.ts'
import type { ActivationStep } from '../../network/plan.ts'
import { SEED_BYTES } from '../../ring/prg.ts'
import { pack, packedBytes } from '../../ring/packing.ts'
import type { RingVector } from '../../ring/ring.ts'
import { add, gather, scatter, truncateServer, zeros } from '../../ring/vector.ts'
import { outputShares, shareBits } from '../../garble/inputs.ts'
import { decodeOutputs, garblerLabels, type Garbler } from '../../garble/session.ts'
import { place, type Place } from '../link.ts'
import { biasVector, isLocal, ringOf, runLinear, runLocal } from '../local.ts'
import { chunkBytes, ID_BYTES } from '../sizes.ts'
import type { PackageReader } from '../store/store.ts'
import { decodeWords, wordBytes } from '../store/words.ts'
import { checkId, unpackShare } from '../wire.ts'
import type { ServerContext } from './context.ts'
import { labelKey } from './offline.ts'

/** Serves one online request: burns the package first, then runs the network. */
export async function serveInfer(context: ServerContext, idBytes: Uint8Array): Promise<void> {
  const { link, store, plan } = context
  const id = Buffer.from(idBytes).toString('hex')
  context.checkPackage(await store.meta(id))
  const reader = await link.work(place('online'), 'share', () => store.take(id))
  try {
    await link.send(place('online'), MESSAGES.onlineAccept, idBytes)
    const seed = await reader.read('head', SEED_BYTES)
    const garbler: Garbler = {
      delta: await reader.read('head', 16),
      start: await reader.read('head', 16),
      labelKey: labelKey(seed),
    }
    const image = plan.values[0]
    const masked = await link.receive(place('online'), MESSAGES.maskedInput, packedBytes(ringOf(image), image.length))
    const shares = new Map<number, RingVector>([
      [0, unpackShare(ringOf(image), image.length, masked, 'the masked image')],
    ])
    for (const [index, step] of plan.steps.entries()) {
      const where = place('online', index, step.id)
      if (isLocal(step)) {
        const local = await link.work(where, 'share', () => runLocal(plan, step, (v) => shareOf(shares, v)))
        shares.set(step.output, local)
      } else if (step.op === 'linear') {
        const output = plan.values[step.output]
        const mask = decodeWords(ringOf(output), output.length, await reader.read('linear', wordBytes(output)))
        const share = await link.work(where, 'share', () => {
          const weights = context.secret.weights.get(step.id)
          if (weights === undefined) throw new Error(`step ${step.id} has no weights`)
          const product = runLinear(context.kernels, plan, step, weights, shareOf(shares, step.input))
          return add(add(product, mask), biasVector(plan, step, context.secret.biases.get(step.id)))
        })
        shares.set(step.output, share)
      } else if (isNonLinear(step)) {
        await serveNonLinear(context, where, step, shares, reader, garbler)
      }
      context.progress({ phase: 'online', step: step.id, what: 'computed' })
    }
    for (const [value, share] of shares) context.witness?.share(value, share)
    const named = await link.receive(place('online'), MESSAGES.onlineEnd, ID_BYTES)
    checkId(idBytes, named, 'the client ended')
  } finally {
    await reader.close()
  }
}

function shareOf(shares: ReadonlyMap<number, RingVector>, value: number): RingVector {
  const share = shares.get(value)
  if (share === undefined) throw new Error(`value ${value} is read before it is shared`)
  return share
}

async function serveNonLinear(
  context: ServerContext,
  where: Place,
  step: NonLinearStep,
  shares: Map<number, RingVector>,
  reader: PackageReader,
  garbler: Garbler,
): Promise<void> {
  const { link, plan } = context
  const input = shareOf(shares, step.input)
  if (step.op === 'reveal' && step.kind === 'logits') {
    await link.send(where, MESSAGES.logitShare, pack(input))
    return
  }
  const output =
    step.op === 'reveal' ? undefined : zeros(ringOf(plan.values[step.output]), plan.values[step.output].length)
  if (step.op === 'activation' && output !== undefined) {
    await link.work(where, 'share', () => linearised(context, step, input, output, reader))
  }
  const batches = gcBatches(plan, step)
  for (const batch of batches) await sendLabels(context, where, step, batch, input, garbler)
  if (output === undefined || step.op === 'reveal') return
  for (const batch of batches) await receiveColours(context, where, batch, output, reader)
  shares.set(step.output, output)
}

/** Linearised positions: the server's truncated share plus the client's offline correction. */
async function linearised(
  context: ServerContext,
  step: ActivationStep,
  input: RingVector,
  output: RingVector,
  reader: PackageReader,
): Promise<void> {
  const { linear } = splitActivation(context.plan, step)
  if (linear.length === 0) return
  const bytes = await reader.read('nonlinear', linear.length * output.ring.stride * 4)
  const correction = decodeWords(output.ring, linear.length, bytes)
  const truncated = truncateServer(gather(input, linear), step.shift, output.ring)
  scatter(output, linear, add(truncated, correction))
}

/** Active labels of the server's share, all chunks in order. */
async function sendLabels(
  context: ServerContext,
  where: Place,
  step: NonLinearStep,
  batch: GcBatch,
  input: RingVector,
  garbler: Garbler,
): Promise<void> {
  const { link, kernels } = context
  const slots = batch.inputs.map((slot) => gather(input, slot))
  for (const chunk of batch.chunks) {
    const labels = await link.work(where, 'gc', () =>
      garblerLabels(kernels, garbler, batch.circuit, chunk, shareBits(kernels, slots, batch.inputBits, chunk)),
    )
    if (chunk.offset === 0 && context.witness?.zero !== undefined) {
      const none = new Uint8Array(batch.circuit.garblerInputs * Math.ceil(chunk.instances / 8))
      const zero = garblerLabels(kernels, garbler, batch.circuit, chunk, none)
      context.witness.zero({ step: step.id, owner: 'server', instances: chunk.instances, labels: zero }, garbler.delta)
    }
    await link.send(where, MESSAGES.labels, labels)
  }
}

/** Decodes the output share of a batch from the client's colour bits. */
async function receiveColours(
  context: ServerContext,
  where: Place,
  batch: GcBatch,
  output: RingVector,
  reader: PackageReader,
): Promise<void> {
  const { link, kernels } = context
  for (const chunk of batch.chunks) {
    const bytes = chunkBytes.outputs(batch, chunk)
    const colours = await link.receive(where, MESSAGES.colours, bytes)
    const decode = await reader.read('nonlinear', bytes)
    await link.work(where, 'gc', () => {
      const share = outputShares(kernels, decodeOutputs(batch.circuit, chunk, decode, colours), output.ring, chunk)
      scatter(output, batch.outputs.subarray(chunk.offset, chunk.offset + chunk.instances), share)
    })
  }
}
