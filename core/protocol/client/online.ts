/**
 * The client's online phase: burn the package, send the masked image, evaluate circuits, learn the answer.
 */
import { MESSAGES } from '../../channel/messages.ts'
import { AdytonError } from '../../errors/errors.ts'
import { decodeOutputs, evaluateChunk, transferCount } from '../../garble/session.ts'
import { argmax } from '../../network/fixed.ts'
import type { Plan, RevealStep } from '../../network/plan.ts'
import { CotReceiver, TREE_BITS } from '../../ot/extension.ts'
import { leavesBytes } from '../../ot/trees.ts'
import { pack, packedBytes } from '../../ring/packing.ts'
import type { RingVector } from '../../ring/ring.ts'
import { Scratch } from '../../ring/scratch.ts'
import { add, fromSigned, sub, toSigned } from '../../ring/vector.ts'
import { gcBatches, isNonLinear, type NonLinearStep } from '../batches.ts'
import { place, type Place } from '../link.ts'
import { ringOf } from '../local.ts'
import { chunkBytes, ID_BYTES } from '../sizes.ts'
import { ReadAhead, type Wanted } from '../store/read-ahead.ts'
import type { PackageReader } from '../store/store.ts'
import { decodeWords, wordBytes } from '../store/words.ts'
import { checkId, Request, requestPayload, unpackShare } from '../wire.ts'
import type { ClientContext } from './context.ts'

/** What the client learns. */
export interface Answer {
  /** Index of the largest logit (lowest index on ties). */
  readonly label: number
  /** Integer logits at the scale of the last value; absent when the model reveals only the label. */
  readonly logits?: Float64Array
}

/** Takes a package for an image. When this resolves it is burned durably; no online byte was sent yet. */
export async function takePackage(context: ClientContext, id: string, image: Float64Array): Promise<PackageReader> {
  const { link, store, plan } = context
  const [first] = plan.values
  if (image.length !== first.length) {
    throw new RangeError(`the network takes ${first.length} numbers, got ${image.length}`)
  }
  context.checkPackage(await store.meta(id))
  return await link.work(place('online'), 'share', () => store.take(id))
}

/**
 * Runs one inference on a quantised image (signed integers at the scale of the plan's first value) with a package
 * that was taken for it, which is to be closed in any case.
 */
export async function infer(context: ClientContext, reader: PackageReader, image: Float64Array): Promise<Answer> {
  const { link, plan } = context
  // What needs no answer is under way while the server burns its package.
  const material = new ReadAhead(reader, clientReads(plan))
  const opening = openPackage(context, reader, image)
  opening.catch(() => undefined) // reported below, unless the server fails first
  const idBytes = Buffer.from(reader.meta.id, 'hex')
  await link.send(place('online'), MESSAGES.request, requestPayload(Request.online, idBytes))
  checkId(idBytes, await link.receive(place('online'), MESSAGES.onlineAccept, ID_BYTES), 'the server accepted')
  const { start, masked, lastShare, cot } = await link.work(place('online'), 'share', () => opening)
  await link.send(place('online'), MESSAGES.maskedInput, masked)
  const answer = await evaluateSteps(context, material, start, cot, lastShare)
  await link.send(place('online'), MESSAGES.onlineEnd, idBytes)
  return answer
}

/** What a package has for the whole network, and the image under its mask, as it is sent. */
async function openPackage({ plan, kernels }: ClientContext, reader: PackageReader, image: Float64Array) {
  const [first] = plan.values
  const reveal = plan.steps[plan.steps.length - 1] as RevealStep
  const last = plan.values[reveal.input]
  const start = await reader.read('head', 16)
  const mask = decodeWords(ringOf(first), first.length, await reader.read('head', wordBytes(first)))
  const lastShare = decodeWords(ringOf(last), last.length, await reader.read('head', wordBytes(last)))
  const keys = await reader.read('head', leavesBytes(TREE_BITS))
  return {
    start,
    masked: pack(sub(fromSigned(ringOf(first), image), mask)),
    lastShare,
    cot: new CotReceiver(kernels, { bits: TREE_BITS, keys }),
  }
}

/** What the evaluation of a plan reads, in order: tables of each chunk, and decode bits of what is revealed. */
function clientReads(plan: Plan): Wanted[][] {
  const reads: Wanted[][] = []
  for (const step of plan.steps) {
    if (!isNonLinear(step)) continue
    for (const batch of gcBatches(plan, step)) {
      for (const chunk of batch.chunks) {
        const tables = { section: 'tables', bytes: chunkBytes.tables(batch, chunk) }
        const decode = { section: 'decode', bytes: chunkBytes.outputs(batch, chunk) }
        reads.push(step.op === 'reveal' ? [tables, decode] : [tables])
      }
    }
  }
  return reads
}

/** What evaluation uses of a package, and memory for the labels of a chunk. */
interface Evaluator {
  /** The execution's start point. */
  readonly start: Uint8Array
  readonly cot: CotReceiver
  readonly material: ReadAhead
  /** Of its own inputs. */
  readonly own: Scratch
  readonly garblers: Scratch
}

async function evaluateSteps(
  context: ClientContext,
  material: ReadAhead,
  start: Uint8Array,
  cot: CotReceiver,
  lastShare: RingVector,
): Promise<Answer> {
  const { link, plan } = context
  const evaluator: Evaluator = { start, cot, material, own: new Scratch(), garblers: new Scratch() }
  for (const [index, step] of plan.steps.entries()) {
    if (!isNonLinear(step)) continue
    const where = place('online', index, step.id)
    if (step.op === 'reveal' && step.kind === 'logits') {
      const bytes = await link.receive(where, MESSAGES.logitShare, packedBytes(lastShare.ring, lastShare.length))
      return await link.work(where, 'share', () => {
        const logits = toSigned(
          add(lastShare, unpackShare(lastShare.ring, lastShare.length, bytes, "the server's share of the logits")),
        )
        return { logits, label: argmax(logits) }
      })
    }
    const outputs = await evaluateStep(context, where, step, evaluator)
    // One instance: each output bit of the argmax has a byte of its own.
    if (step.op === 'reveal') return { label: revealedLabel(plan, outputs[0]) }
    context.progress({ phase: 'online', step: step.id, what: 'evaluated' })
  }
  throw new Error('the plan does not end by revealing')
}

/** The number that an argmax's output bits stand for, a class of the plan. */
function revealedLabel(plan: Plan, bits: Uint8Array): number {
  const label = bits.reduce((sum, bit, i) => sum + bit * 2 ** i, 0)
  if (label < plan.classes) return label
  throw new AdytonError(
    'payload-invalid',
    `the circuit gave class ${label} of ${plan.classes}: labels or tables are wrong`,
  )
}

/** Evaluates every chunk of a step; colours go back unless the step reveals, in which case they are returned. */
async function evaluateStep(
  context: ClientContext,
  where: Place,
  step: NonLinearStep,
  evaluator: Evaluator,
): Promise<Uint8Array[]> {
  const { link, plan, kernels } = context
  const { start, cot, material } = evaluator
  const outputs: Uint8Array[] = []
  // Colours are sent while later chunks arrive; what is queued is bounded by one step's colour bits.
  const sends: Promise<void>[] = []
  for (const batch of gcBatches(plan, step)) {
    for (const chunk of batch.chunks) {
      // What does not wait for the server is made ready while it computes.
      const [tables, decode] = await link.work(where, 'gc', () => material.next())
      const transfers = transferCount(batch.circuit, chunk)
      const evaluatorLabels = await link.work(where, 'ot', () => cot.labels(transfers, evaluator.own))
      const bytes = chunkBytes.labels(batch, chunk)
      const garblerLabels = await link.receive(where, MESSAGES.labels, bytes, evaluator.garblers.take(bytes))
      if (chunk.offset === 0) {
        const { instances } = chunk
        context.witness?.active?.({ step: step.id, owner: 'server', instances, labels: garblerLabels })
      }
      const colours = await link.work(where, 'gc', () =>
        evaluateChunk(kernels, batch.circuit, chunk, { start, tables, evaluatorLabels, garblerLabels }),
      )
      if (step.op === 'reveal') outputs.push(decodeOutputs(batch.circuit, chunk, decode, colours))
      else {
        const sent = link.send(where, MESSAGES.colours, colours)
        sent.catch(() => undefined) // reported by Promise.all below, or by a receive that fails first
        sends.push(sent)
      }
    }
  }
  await Promise.all(sends)
  return outputs
}
