/**
 * The server's online phase: clear ring arithmetic on its shares, labels out, colour bits back.
 */
import { MESSAGES } from '../../channel/messages.ts'
import { splitActivation, gcBatches, isNonLinear, type GcBatch, type NonLinearStep } from '../batches.ts'
import type { ActivationStep, Plan } from '../../network/plan.ts'
import { SEED_BYTES } from '../../ring/prg.ts'
import { pack, packedBytes } from '../../ring/packing.ts'
import type { RingVector } from '../../ring/ring.ts'
import { truncateServerInto } from '../../ring/fused.ts'
import { free } from '../../ring/memory.ts'
import { gather, scatter, zeros } from '../../ring/vector.ts'
import { outputShares, shareBits } from '../../garble/inputs.ts'
import { decodeOutputs, garblerLabels, type Garbler } from '../../garble/session.ts'
import { place, type Place } from '../link.ts'
import { isLocal, ringOf, runLocal, runServerLinear } from '../local.ts'
import { chunkBytes, ID_BYTES } from '../sizes.ts'
import { ReadAhead, type Wanted } from '../store/read-ahead.ts'
import { decodeWords, wordBytes } from '../store/words.ts'
import { checkId, unpackShare } from '../wire.ts'
import type { ServerContext } from './context.ts'
import { labelKey } from './offline.ts'
import { Shares } from './shares.ts'

/** Serves one online request: burns the package first, then runs the network. */
export async function serveInfer(context: ServerContext, idBytes: Uint8Array): Promise<void> {
  const { link, store, plan } = context
  const id = Buffer.from(idBytes).toString('hex')
  context.checkPackage(await store.meta(id))
  const reader = await link.work(place('online'), 'share', () => store.take(id))
  try {
    const material = new ReadAhead(reader, serverReads(plan))
    await link.send(place('online'), MESSAGES.onlineAccept, idBytes)
    const seed = await reader.read('head', SEED_BYTES)
    const garbler: Garbler = {
      delta: await reader.read('head', 16),
      start: await reader.read('head', 16),
      labelKey: labelKey(seed),
    }
    const image = plan.values[0]
    const masked = await link.receive(place('online'), MESSAGES.maskedInput, packedBytes(ringOf(image), image.length))
    const shares = new Shares(plan, context.witness)
    shares.set(0, unpackShare(ringOf(image), image.length, masked, 'the masked image'))
    for (const [index, step] of plan.steps.entries()) {
      const where = place('online', index, step.id)
      if (isLocal(step)) {
        const local = await link.work(where, 'share', () => runLocal(plan, step, (v) => shares.get(v)))
        shares.set(step.output, local)
      } else if (step.op === 'linear') {
        const output = plan.values[step.output]
        const share = await link.work(where, 'share', async () => {
          const weights = context.secret.weights.get(step.id)
          if (weights === undefined) throw new Error(`step ${step.id} has no weights`)
          const secret = { weights, biases: context.secret.biases.get(step.id) }
          const mask = decodeWords(ringOf(output), output.length, (await material.next())[0])
          return runServerLinear(context.kernels, plan, step, secret, shares.get(step.input), mask)
        })
        shares.set(step.output, share)
      } else if (isNonLinear(step)) {
        await serveNonLinear(context, where, step, shares, material, garbler)
      }
      shares.after(index)
      context.progress({ phase: 'online', step: step.id, what: 'computed' })
    }
    shares.show()
    const named = await link.receive(place('online'), MESSAGES.onlineEnd, ID_BYTES)
    checkId(idBytes, named, 'the client ended')
  } finally {
    await reader.close()
  }
}

/** What the online phase reads, in order: the mask of each answer, corrections, and decode bits of each chunk. */
function serverReads(plan: Plan): Wanted[][] {
  const reads: Wanted[][] = []
  const put = (section: string, bytes: number): number => reads.push([{ section, bytes }])
  for (const step of plan.steps) {
    if (step.op === 'linear') put('linear', wordBytes(plan.values[step.output]))
    if (!isNonLinear(step) || step.op === 'reveal') continue
    if (step.op === 'activation') {
      const { linear } = splitActivation(plan, step)
      if (linear.length > 0) put('nonlinear', linear.length * ringOf(plan.values[step.output]).stride * 4)
    }
    for (const batch of gcBatches(plan, step)) {
      for (const chunk of batch.chunks) put('nonlinear', chunkBytes.outputs(batch, chunk))
    }
  }
  return reads
}

async function serveNonLinear(
  context: ServerContext,
  where: Place,
  step: NonLinearStep,
  shares: Shares,
  material: ReadAhead,
  garbler: Garbler,
): Promise<void> {
  const { link, plan } = context
  const input = shares.get(step.input)
  if (step.op === 'reveal' && step.kind === 'logits') {
    await link.send(where, MESSAGES.logitShare, pack(input))
    return
  }
  const output =
    step.op === 'reveal' ? undefined : zeros(ringOf(plan.values[step.output]), plan.values[step.output].length)
  const batches = gcBatches(plan, step)
  for (const batch of batches) await sendLabels(context, where, step, batch, input, garbler)
  if (output === undefined || step.op === 'reveal') return
  // While the client evaluates.
  if (step.op === 'activation') {
    await link.work(where, 'share', () => linearised(context, step, input, output, material))
  }
  for (const batch of batches) await receiveColours(context, where, batch, output, material)
  shares.set(step.output, output)
}

/** Linearised positions: the server's truncated share plus the client's offline correction. */
async function linearised(
  context: ServerContext,
  step: ActivationStep,
  input: RingVector,
  output: RingVector,
  material: ReadAhead,
): Promise<void> {
  const { linear } = splitActivation(context.plan, step)
  if (linear.length === 0) return
  const correction = decodeWords(output.ring, linear.length, (await material.next())[0])
  truncateServerInto(output, linear, input, step.shift, correction)
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
    free(labels)
  }
}

/** Decodes the output share of a batch from the client's colour bits. */
async function receiveColours(
  context: ServerContext,
  where: Place,
  batch: GcBatch,
  output: RingVector,
  material: ReadAhead,
): Promise<void> {
  const { link, kernels } = context
  for (const chunk of batch.chunks) {
    const bytes = chunkBytes.outputs(batch, chunk)
    const colours = await link.receive(where, MESSAGES.colours, bytes)
    const [decode] = await material.next()
    await link.work(where, 'gc', () => {
      const share = outputShares(kernels, decodeOutputs(batch.circuit, chunk, decode, colours), output.ring, chunk)
      scatter(output, batch.outputs.subarray(chunk.offset, chunk.offset + chunk.instances), share)
    })
  }
}
