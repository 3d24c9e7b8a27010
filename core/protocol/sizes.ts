/**
 * Exact sizes of every frame of one inference, from the public plan alone. The sessions take the lengths they
 * expect from here, and `adyton describe --costs` adds them up, so that the two cannot differ.
 */
import { garblerLabelBytes, outputBytes, tableBytes, transferCount, type Chunk } from '../garble/session.ts'
import { HEADER_BYTES } from '../channel/frames.ts'
import { messageKind, MESSAGES } from '../channel/messages.ts'
import { tilingCounts } from '../he/tiling.ts'
import { answerBytes, uploadBytes } from '../he/wire.ts'
import type { Kind, Phase } from '../ledger/ledger.ts'
import { PACKAGE_SEED_BYTES } from '../ot/bootstrap.ts'
import { extensionBytes, TREE_BITS } from '../ot/extension.ts'
import { treesBytes } from '../ot/trees.ts'
import type { HeParameters, LinearStep, Plan } from '../network/plan.ts'
import { packedBytes } from '../ring/packing.ts'
import { ringOf } from './local.ts'
import { gcBatches, isNonLinear, splitActivation, type GcBatch } from './batches.ts'

export const ID_BYTES = 16
/** One byte that says what is asked for, then a nonce (offline) or a package id (online). */
export const REQUEST_BYTES = 1 + ID_BYTES
/** The server's nonce, then the start point of the hash. */
export const OFFLINE_ACCEPT_BYTES = ID_BYTES + 16
export const OT_TREES_BYTES = treesBytes(TREE_BITS)

/** HE parameters of a linear step. */
export function heOf(plan: Plan, step: LinearStep): HeParameters {
  const { bits } = plan.values[step.output]
  const found = plan.he.find((he) => he.plainBits === bits)
  if (found === undefined) throw new RangeError(`step ${step.id}: the plan has no HE parameters for Z_2^${bits}`)
  return found
}

/** Exact payloads of the messages of one chunk. */
export const chunkBytes = {
  otExtension: (batch: GcBatch, chunk: Chunk): number => extensionBytes(transferCount(batch.circuit, chunk)),
  tables: (batch: GcBatch, chunk: Chunk): number => tableBytes(batch.circuit, chunk),
  labels: (batch: GcBatch, chunk: Chunk): number => garblerLabelBytes(batch.circuit, chunk),
  /** Colour bits and decode bits. */
  outputs: (batch: GcBatch, chunk: Chunk): number => outputBytes(batch.circuit, chunk),
}

/** Frames of one kind and size. */
export interface FrameGroup {
  readonly phase: Phase
  readonly step: string
  readonly type: number
  readonly from: 'client' | 'server'
  /** Payload bytes of one frame. */
  readonly bytes: number
  readonly count: number
}

/** Every frame of one inference, offline and online, grouped. */
export function frameGroups(plan: Plan): FrameGroup[] {
  const groups: FrameGroup[] = []
  const put = (phase: Phase, step: string, from: 'client' | 'server', type: number, bytes: number, count = 1): void => {
    groups.push({ phase, step, type, from, bytes, count })
  }
  put('offline', '', 'client', MESSAGES.request, REQUEST_BYTES)
  put('offline', '', 'server', MESSAGES.offlineAccept, OFFLINE_ACCEPT_BYTES)
  put('offline', '', 'server', MESSAGES.otBootstrap, PACKAGE_SEED_BYTES)
  put('offline', '', 'client', MESSAGES.otTrees, OT_TREES_BYTES)
  put('offline', '', 'client', MESSAGES.offlineEnd, ID_BYTES)
  put('offline', '', 'server', MESSAGES.offlineConfirm, ID_BYTES)
  put('online', '', 'client', MESSAGES.request, REQUEST_BYTES)
  put('online', '', 'server', MESSAGES.onlineAccept, ID_BYTES)
  put('online', '', 'client', MESSAGES.maskedInput, packedBytes(ringOf(plan.values[0]), plan.values[0].length))
  put('online', '', 'client', MESSAGES.onlineEnd, ID_BYTES)
  for (const step of plan.steps) {
    if (step.op === 'linear') {
      const he = heOf(plan, step)
      const counts = tilingCounts(step.geometry, step.tiling, he.polyDegree)
      put('offline', step.id, 'client', MESSAGES.heUpload, uploadBytes(he), counts.inputs)
      for (const results of counts.resultCoefficients) {
        put('offline', step.id, 'server', MESSAGES.heAnswer, answerBytes(he, results))
      }
    }
    if (!isNonLinear(step)) continue
    if (step.op === 'activation') {
      const { linear } = splitActivation(plan, step)
      const bytes = packedBytes(ringOf(plan.values[step.output]), linear.length)
      if (linear.length > 0) put('offline', step.id, 'client', MESSAGES.delta, bytes)
    }
    for (const batch of gcBatches(plan, step)) {
      for (const chunk of batch.chunks) {
        put('offline', step.id, 'client', MESSAGES.otExtension, chunkBytes.otExtension(batch, chunk))
        put('offline', step.id, 'server', MESSAGES.tables, chunkBytes.tables(batch, chunk))
        put('online', step.id, 'server', MESSAGES.labels, chunkBytes.labels(batch, chunk))
        if (step.op === 'reveal')
          put('offline', step.id, 'server', MESSAGES.decodeBits, chunkBytes.outputs(batch, chunk))
        else put('online', step.id, 'client', MESSAGES.colours, chunkBytes.outputs(batch, chunk))
      }
    }
    if (step.op === 'reveal' && step.kind === 'logits') {
      const value = plan.values[step.input]
      put('online', step.id, 'server', MESSAGES.logitShare, packedBytes(ringOf(value), value.length))
    }
  }
  return groups
}

/** Framed bytes in each direction. */
export interface Bytes {
  clientToServer: number
  serverToClient: number
}

/** Exact framed bytes of one inference by phase, and by phase and kind. */
export function exactBytes(plan: Plan): {
  offline: Bytes
  online: Bytes
  byKind: Record<'offline' | 'online', Record<Exclude<Kind, 'wait'>, Bytes>>
} {
  const none = (): Bytes => ({ clientToServer: 0, serverToClient: 0 })
  const kinds = (): Record<Exclude<Kind, 'wait'>, Bytes> => ({ he: none(), gc: none(), ot: none(), share: none() })
  const total = { offline: none(), online: none(), byKind: { offline: kinds(), online: kinds() } }
  for (const group of frameGroups(plan)) {
    if (group.phase === 'setup') continue
    const bytes = group.count * (group.bytes + HEADER_BYTES)
    const direction = group.from === 'client' ? 'clientToServer' : 'serverToClient'
    const kind = messageKind(group.type)
    total[group.phase][direction] += bytes
    total.byKind[group.phase][kind === 'control' ? 'share' : kind][direction] += bytes
  }
  return total
}
