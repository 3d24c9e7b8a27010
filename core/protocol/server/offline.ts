/**
 * The server's offline phase: answers under HE, then OT and garbled circuits, one package at a time.
 */
import { randomBytes } from 'node:crypto'
import { MESSAGES } from '../../channel/messages.ts'
import { garbleChunk, tableBytes, transferCount, type Garbler } from '../../garble/session.ts'
import { publicKeyFor, type ServerContext } from './context.ts'
import { tilingCounts } from '../../he/tiling.ts'
import { uploadBytes } from '../../he/wire.ts'
import type { LinearStep } from '../../network/plan.ts'
import { packageServerStart } from '../../ot/bootstrap.ts'
import { CotSender, TREE_BITS } from '../../ot/extension.ts'
import { pruneTrees } from '../../ot/trees.ts'
import { packedBytes } from '../../ring/packing.ts'
import { derive, freshSeed } from '../../ring/prg.ts'
import { Scratch } from '../../ring/scratch.ts'
import { gcBatches, isNonLinear, splitActivation, type GcBatch, type NonLinearStep } from '../batches.ts'
import { place, type Place } from '../link.ts'
import { ringOf } from '../local.ts'
import { chunkBytes, heOf, ID_BYTES, OT_TREES_BYTES } from '../sizes.ts'
import type { PackageWriter } from '../store/store.ts'
import { encodeWords } from '../store/words.ts'
import { checkId, packageId, unpackShare } from '../wire.ts'

/** Labels under which the server derives its secrets from a package seed. */
export const answerMaskLabel = (step: string): string => `answer mask ${step}`

/** Key of the labels of the garbler's own inputs. */
export const labelKey = (seed: Uint8Array): Uint8Array => derive(seed, 'garbler labels', 16)

/** Serves one offline request and stores the package; returns its id, and its seed when the session reveals seeds. */
export async function servePrepare(
  context: ServerContext,
  clientNonce: Uint8Array,
): Promise<{ id: string; seed?: Uint8Array }> {
  const { link, store } = context
  const nonce = new Uint8Array(randomBytes(ID_BYTES))
  const start = new Uint8Array(randomBytes(16))
  const id = packageId(clientNonce, nonce)
  const accept = new Uint8Array([...nonce, ...start])
  await link.send(place('offline'), MESSAGES.offlineAccept, accept)
  const seed = freshSeed()
  const writer = await store.create(context.packageMeta(id))
  try {
    await writer.append('head', seed)
    for (const [index, step] of context.plan.steps.entries()) {
      if (step.op === 'linear') await answerLinear(context, place('offline', index, step.id), step, seed, writer)
    }
    await serveNonLinear(context, id, start, seed, writer)
    const named = await link.receive(place('offline'), MESSAGES.offlineEnd, ID_BYTES)
    checkId(Buffer.from(id, 'hex'), named, 'the client finished')
    await link.work(place('offline'), 'share', () => writer.finish())
  } catch (error) {
    await writer.discard()
    throw error
  }
  await link.send(place('offline'), MESSAGES.offlineConfirm, Buffer.from(id, 'hex'))
  return context.revealSeeds ? { id, seed } : { id }
}

/** Receives the encrypted inputs of one layer, answers, and keeps the server's share. */
async function answerLinear(
  context: ServerContext,
  where: Place,
  step: LinearStep,
  seed: Uint8Array,
  writer: PackageWriter,
): Promise<void> {
  const { link, plan, he } = context
  const parameters = heOf(plan, step)
  const counts = tilingCounts(step.geometry, step.tiling, parameters.polyDegree)
  const uploads = async function* (): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < counts.inputs; i++) {
      yield await link.receive(where, MESSAGES.heUpload, uploadBytes(parameters))
    }
  }
  let sent = Promise.resolve()
  const weights = context.secret.weights.get(step.id)
  if (weights === undefined) throw new Error(`step ${step.id} has no weights`)
  const maskKey = derive(seed, answerMaskLabel(step.id), 16)
  const { share } = await link.work(where, 'he', () =>
    he.evaluate(parameters, publicKeyFor(context, parameters), step, weights, uploads(), maskKey, {
      signal: context.disconnected,
      onCiphertext: (_, answer) => {
        sent = sent.then(() => link.send(where, MESSAGES.heAnswer, answer))
        sent.catch(() => undefined) // reported below
      },
    }),
  )
  await writer.append('linear', encodeWords(share))
  await sent
  context.progress({ phase: 'offline', step: step.id, what: 'answered' })
}

async function serveNonLinear(
  context: ServerContext,
  id: string,
  start: Uint8Array,
  seed: Uint8Array,
  writer: PackageWriter,
): Promise<void> {
  const { link, plan, kernels } = context
  const { message, own } = await link.work(place('offline'), 'ot', () =>
    packageServerStart(kernels, context.pairing, Buffer.from(id, 'hex'), seed),
  )
  await writer.append('head', own.delta)
  await writer.append('head', start)
  await link.send(place('offline'), MESSAGES.otBootstrap, message)
  const trees = await link.receive(place('offline'), MESSAGES.otTrees, OT_TREES_BYTES)
  const leaves = await link.work(place('offline'), 'ot', () => pruneTrees(TREE_BITS, own.delta, own.seeds, trees))
  const cot = new CotSender(kernels, own.delta, leaves)
  const memory = new ChunkMemory()
  const garbler: Garbler = { delta: own.delta, start, labelKey: labelKey(seed) }
  for (const [index, step] of plan.steps.entries()) {
    if (!isNonLinear(step)) continue
    const where = place('offline', index, step.id)
    if (step.op === 'activation') {
      const { linear } = splitActivation(plan, step)
      const to = ringOf(plan.values[step.output])
      if (linear.length > 0) {
        const payload = await link.receive(where, MESSAGES.delta, packedBytes(to, linear.length))
        const correction = unpackShare(to, linear.length, payload, `corrections of step ${step.id}`)
        await writer.append('nonlinear', encodeWords(correction))
      }
    }
    for (const batch of gcBatches(plan, step)) {
      await garbleBatch(context, where, step, batch, garbler, cot, memory, writer)
    }
    context.progress({ phase: 'offline', step: step.id, what: 'garbled' })
  }
}

/** Garbles a batch chunk by chunk as the client's OT messages arrive. */
async function garbleBatch(
  context: ServerContext,
  where: Place,
  step: NonLinearStep,
  batch: GcBatch,
  garbler: Garbler,
  cot: CotSender,
  memory: ChunkMemory,
  writer: PackageWriter,
): Promise<void> {
  const { link, kernels } = context
  for (const chunk of batch.chunks) {
    const extension = await link.receive(where, MESSAGES.otExtension, chunkBytes.otExtension(batch, chunk))
    const labels = context.witness?.zero === undefined ? memory.labels : undefined
    const zero = await link.work(where, 'ot', () => cot.extend(transferCount(batch.circuit, chunk), extension, labels))
    if (chunk.offset === 0) {
      const { instances } = chunk
      context.witness?.zero?.({ step: step.id, owner: 'client', instances, labels: zero }, garbler.delta)
    }
    const { tables, decode } = await link.work(where, 'gc', () =>
      garbleChunk(kernels, garbler, batch.circuit, chunk, zero, memory.tables(tableBytes(batch.circuit, chunk))),
    )
    memory.keep(tables)
    await link.send(where, MESSAGES.tables, tables)
    if (step.op === 'reveal') await link.send(where, MESSAGES.decodeBits, decode)
    else await writer.append('nonlinear', decode)
  }
}

/** What chunks are garbled in, one after the other. */
class ChunkMemory {
  readonly labels = new Scratch()
  #tables: Uint8Array | undefined

  /** Room for tables where the kernels have found it aligned; undefined lets them make it. */
  tables(bytes: number): Uint8Array | undefined {
    return this.#tables === undefined || this.#tables.length < bytes ? undefined : this.#tables.subarray(0, bytes)
  }

  /** Takes back tables, which may be used again once they are sent. */
  keep(tables: Uint8Array): void {
    if (this.#tables === undefined || this.#tables.length < tables.length) this.#tables = tables
  }
}
