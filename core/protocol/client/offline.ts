/**
 * The client's offline phase: fresh masks, their encryptions, its shares of every value, labels and tables.
 *
 * Three passes over the plan. Uploads and answers run side by side, because the server answers a layer while the
 * client still encrypts later ones, and neither may block the other's reading.
 */
import { randomBytes } from 'node:crypto'
import { MESSAGES } from '../../channel/messages.ts'
import { choiceBits, evaluatorBits } from '../../garble/inputs.ts'
import { transferCount } from '../../garble/session.ts'
import { tilingCounts } from '../../he/tiling.ts'
import { answerBytes } from '../../he/wire.ts'
import type { HeParameters, LinearStep, Plan } from '../../network/plan.ts'
import { CotReceiver, TREE_BITS } from '../../ot/extension.ts'
import { PACKAGE_SEED_BYTES, packageClientFinish } from '../../ot/bootstrap.ts'
import { growTrees } from '../../ot/trees.ts'
import { pack } from '../../ring/packing.ts'
import { freshSeed, prgFor } from '../../ring/prg.ts'
import { ring, type RingVector } from '../../ring/ring.ts'
import { Scratch } from '../../ring/scratch.ts'
import { gather, reduce, sub, truncateClient } from '../../ring/vector.ts'
import { gcBatches, isNonLinear, splitActivation, type GcBatch, type NonLinearStep } from '../batches.ts'
import { abortWith } from '../failure.ts'
import { place, type Place } from '../link.ts'
import { isLocal, ringOf, runLocal, stepInputs } from '../local.ts'
import { chunkBytes, heOf, ID_BYTES, OFFLINE_ACCEPT_BYTES } from '../sizes.ts'
import type { PackageWriter } from '../store/store.ts'
import { encodeWords } from '../store/words.ts'
import { checkId, packageId, Request, requestPayload } from '../wire.ts'
import type { ClientContext } from './context.ts'

/** A finished offline phase. */
export interface Prepared {
  /** 32 hexadecimal digits. */
  readonly id: string
  /** The seed of the package, for a simulator; secret, and only there when the session was asked to reveal seeds. */
  readonly seed?: Uint8Array
}

/** Labels under which the client's masks are derived from a package seed. */
export const maskLabel = (value: number): string => `client mask ${value}`

/** Values whose client share is a fresh mask: the image and the outputs of activations and max-pools. */
export function freshValues(plan: Plan): number[] {
  const fresh = [0]
  for (const step of plan.steps) if (step.op === 'activation' || step.op === 'maxPool') fresh.push(step.output)
  return fresh
}

/** The fresh masks of a package, by value. */
export function clientMasks(plan: Plan, seed: Uint8Array): Map<number, RingVector> {
  return new Map(
    freshValues(plan).map((v) => [v, prgFor(seed, maskLabel(v)).vector(ringOf(plan.values[v]), plan.values[v].length)]),
  )
}

/** Runs the offline phase of one package and stores it; the package is usable once this resolves. */
export async function prepare(context: ClientContext): Promise<Prepared> {
  const { link, store, plan } = context
  const nonce = new Uint8Array(randomBytes(ID_BYTES))
  await link.send(place('offline'), MESSAGES.request, requestPayload(Request.offline, nonce))
  const accept = await link.receive(place('offline'), MESSAGES.offlineAccept, OFFLINE_ACCEPT_BYTES)
  const id = packageId(nonce, accept.subarray(0, ID_BYTES))
  const start = accept.slice(ID_BYTES)
  const seed = freshSeed()
  const writer = await store.create(context.packageMeta(id))
  try {
    const shares = await runLinearLayers(context, seed)
    for (const [value, share] of shares) context.witness?.share(value, share)
    const head = shares.get(0)
    const last = shares.get(finalValue(plan))
    if (head === undefined || last === undefined) throw new Error('a share is missing after the offline linear layers')
    await writer.append('head', start)
    await writer.append('head', encodeWords(head))
    await writer.append('head', encodeWords(last))
    await runNonLinear(context, id, shares, writer)
    await link.work(place('offline'), 'share', () => writer.finish())
    const idBytes = Buffer.from(id, 'hex')
    await link.send(place('offline'), MESSAGES.offlineEnd, idBytes)
    const confirmed = await link.receive(place('offline'), MESSAGES.offlineConfirm, ID_BYTES)
    checkId(idBytes, confirmed, 'the server confirmed')
  } catch (error) {
    await writer.discard()
    throw error
  }
  return context.revealSeeds ? { id, seed } : { id }
}

function finalValue(plan: Plan): number {
  const last = plan.steps[plan.steps.length - 1]
  if (last.op !== 'reveal') throw new Error('the plan does not end by revealing')
  return last.input
}

const at = (index: number, step: { id: string }): Place => place('offline', index, step.id)

/** Client shares of every value that HE and local steps determine. */
async function runLinearLayers(context: ClientContext, seed: Uint8Array): Promise<Map<number, RingVector>> {
  const { link, plan, he } = context
  const shares = await link.work(place('offline'), 'share', () => clientMasks(plan, seed))
  const read = (value: number): RingVector => {
    const share = shares.get(value)
    if (share === undefined) throw new Error(`value ${value} is read before it is shared`)
    return share
  }
  const runLocals = async (): Promise<void> => {
    for (const [index, step] of plan.steps.entries()) {
      if (!isLocal(step) || shares.has(step.output) || !stepInputs(step).every((v) => shares.has(v))) continue
      shares.set(step.output, await link.work(at(index, step), 'share', () => runLocal(plan, step, read)))
    }
  }
  await runLocals()
  const linear = [...plan.steps.entries()].filter((e): e is [number, LinearStep] => e[1].op === 'linear')
  const inputs = new Map(linear.map(([, step]) => [step.id, read(step.input)]))

  const upload = async (): Promise<void> => {
    for (const [index, step] of linear) {
      const parameters = heOf(plan, step)
      const share = reduce(inputs.get(step.id) as RingVector, ring(parameters.plainBits))
      const uploads = await link.work(at(index, step), 'he', () =>
        he.encrypt(parameters, secretKey(context, parameters), step, share),
      )
      for (const bytes of uploads) await link.send(at(index, step), MESSAGES.heUpload, bytes)
      context.progress({ phase: 'offline', step: step.id, what: 'encrypted' })
    }
  }
  const download = async (): Promise<void> => {
    for (const [index, step] of linear) {
      const parameters = heOf(plan, step)
      const counts = tilingCounts(step.geometry, step.tiling, parameters.polyDegree)
      const answers: Uint8Array[] = []
      for (const results of counts.resultCoefficients) {
        answers.push(await link.receive(at(index, step), MESSAGES.heAnswer, answerBytes(parameters, results)))
      }
      shares.set(
        step.output,
        await link.work(at(index, step), 'he', () =>
          he.decrypt(parameters, secretKey(context, parameters), step, answers),
        ),
      )
      context.progress({ phase: 'offline', step: step.id, what: 'answered' })
    }
  }
  await bothOrFirstError(upload(), download(), (error) => abortWith(link.channel, error, 'client'))
  await runLocals()
  return shares
}

function secretKey(context: ClientContext, parameters: HeParameters): Uint8Array {
  const key = context.secretKeys.get(parameters.plainBits)
  if (key === undefined) throw new Error(`no secret key for plaintexts of ${parameters.plainBits} bits`)
  return key
}

/** Waits for both; when one fails, `stop` unblocks the other and the first error is thrown. */
export async function bothOrFirstError(
  a: Promise<void>,
  b: Promise<void>,
  stop: (error: unknown) => Promise<void>,
): Promise<void> {
  let first: unknown
  let failed = false
  const watch = async (p: Promise<void>): Promise<void> => {
    try {
      await p
    } catch (error) {
      if (failed) return
      failed = true
      first = error
      await stop(error)
    }
  }
  await Promise.all([watch(a), watch(b)])
  if (failed) throw first
}

/** Corrections of linearised positions, then labels by OT and garbled tables, step by step. */
async function runNonLinear(
  context: ClientContext,
  id: string,
  shares: Map<number, RingVector>,
  writer: PackageWriter,
): Promise<void> {
  const { link, plan, kernels } = context
  const bootstrap = await link.receive(place('offline'), MESSAGES.otBootstrap, PACKAGE_SEED_BYTES)
  const { leaves, message } = await link.work(place('offline'), 'ot', () =>
    growTrees(TREE_BITS, packageClientFinish(kernels, context.pairing, Buffer.from(id, 'hex'), bootstrap)),
  )
  await link.send(place('offline'), MESSAGES.otTrees, message)
  // The labels follow from the leaves: they are made again when the package is used.
  await writer.append('head', leaves.keys)
  const cot = new CotReceiver(kernels, leaves)
  const memory = [new Scratch(), new Scratch()]
  for (const [index, step] of plan.steps.entries()) {
    if (!isNonLinear(step)) continue
    if (step.op === 'activation') await sendCorrection(context, at(index, step), step, shares)
    const batches = gcBatches(plan, step)
    if (batches.length > 0) await fetchGarbled(context, at(index, step), step, batches, shares, cot, memory, writer)
  }
}

/** delta = trunc(c) - r at the linearised positions; one-time padded by r. */
async function sendCorrection(
  context: ClientContext,
  where: Place,
  step: Extract<NonLinearStep, { op: 'activation' }>,
  shares: Map<number, RingVector>,
): Promise<void> {
  const { link, plan } = context
  const { linear } = splitActivation(plan, step)
  if (linear.length === 0) return
  const payload = await link.work(where, 'share', () => {
    const share = shares.get(step.input) as RingVector
    const mask = shares.get(step.output) as RingVector
    return pack(sub(truncateClient(gather(share, linear), step.shift, mask.ring), gather(mask, linear)))
  })
  await link.send(where, MESSAGES.delta, payload)
}

/** Sends the OT messages of every chunk while it stores the tables of earlier ones. */
async function fetchGarbled(
  context: ClientContext,
  where: Place,
  step: NonLinearStep,
  batches: readonly GcBatch[],
  shares: Map<number, RingVector>,
  cot: CotReceiver,
  memory: Scratch[],
  writer: PackageWriter,
): Promise<void> {
  const { link, kernels } = context
  const input = shares.get(step.input) as RingVector
  const mask = step.op === 'reveal' ? undefined : (shares.get(step.output) as RingVector)
  const request = async (): Promise<void> => {
    for (const batch of batches) {
      const slots = batch.inputs.map((slot) => gather(input, slot))
      const next = mask === undefined ? undefined : gather(mask, batch.outputs)
      for (const chunk of batch.chunks) {
        const message = await link.work(where, 'ot', () => {
          const bits = evaluatorBits(kernels, slots, batch.inputBits, next, chunk)
          const choices = choiceBits(bits, batch.circuit.evaluatorInputs, chunk.instances)
          const count = transferCount(batch.circuit, chunk)
          if (context.witness?.active === undefined || chunk.offset !== 0) return cot.choose(choices, count)
          const { message, labels } = cot.extend(choices, count)
          context.witness.active({ step: step.id, owner: 'client', instances: chunk.instances, labels })
          return message
        })
        await link.send(where, MESSAGES.otExtension, message)
      }
    }
  }
  const collect = async (): Promise<void> => {
    let written = Promise.resolve()
    for (const batch of batches) {
      for (const chunk of batch.chunks) {
        const bytes = chunkBytes.tables(batch, chunk)
        // Two places in turn: tables arrive in one while those in the other are written.
        memory.reverse()
        const tables = await link.receive(where, MESSAGES.tables, bytes, memory[0].take(bytes))
        await link.work(where, 'gc', () => written)
        written = writer.append('tables', tables)
        written.catch(() => undefined) // reported by the next wait for it
        if (step.op !== 'reveal') continue
        const decode = await link.receive(where, MESSAGES.decodeBits, chunkBytes.outputs(batch, chunk))
        await writer.append('decode', decode)
      }
    }
    await link.work(where, 'gc', () => written)
    context.progress({ phase: 'offline', step: step.id, what: 'garbled' })
  }
  await bothOrFirstError(request(), collect(), (error) => abortWith(link.channel, error, 'client'))
}
