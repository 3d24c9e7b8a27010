/** The account of private inferences as the screens use it: what the host answered or stored, checked. */
import * as v from 'valibot'
import { WORK_KINDS, type WorkKind } from '../../core/api/data/progress.ts'
import {
  blockOf,
  kindsOf,
  minus,
  NOTHING,
  plus,
  sum,
  type Amounts,
  type StackedData,
  type StackedRow,
} from '../charts/stacked.ts'
import { text } from './text.ts'

const n = v.number()
const times = v.object({ he: n, gc: n, ot: n, share: n, wait: v.optional(n, 0) })
const direction = v.object({ clientToServer: n, serverToClient: n })
const both = <T extends v.GenericSchema>(one: T) => v.object({ offline: one, online: one })
const kindBytes = both(v.object({ he: direction, gc: direction, ot: direction, share: direction }))
const interval = v.object({ low: n, high: n })

const phase = v.object({
  wallMs: n,
  cpuMs: v.object({ client: n, server: v.nullable(n) }),
  kinds: times,
  parties: v.optional(v.object({ client: times, server: times })),
})

const PredictionSchema = v.object({
  index: v.optional(n),
  label: n,
  name: v.string(),
  clear: v.optional(v.nullable(n), null),
  expected: v.optional(v.nullable(n), null),
  /** The most probable classes; null when only the label was revealed. */
  top: v.optional(v.nullable(v.array(v.object({ label: n, private: n, clear: v.nullable(n) }))), null),
})
export type Prediction = v.InferOutput<typeof PredictionSchema> & { readonly index: number }

const AccountSchema = v.object({
  model: v.optional(
    v.object({
      name: v.string(),
      dataset: v.nullable(v.string()),
      classes: n,
      classNames: v.optional(v.array(v.string()), []),
    }),
  ),
  images: v.optional(n),
  accuracy: v.optional(v.nullable(n), null),
  agreement: v.optional(v.nullable(n), null),
  intervals: v.optional(v.object({ accuracy: v.nullable(interval), agreement: interval })),
  maxLsbError: v.optional(v.nullable(n), null),
  deviation: v.optional(v.nullable(v.object({ fixed: n, float: n })), null),
  verified: v.optional(v.nullable(v.boolean()), null),
  relus: v.optional(n),
  phases: v.object({ setup: v.object({ wallMs: n }), offline: phase, online: phase }),
  layers: v.array(
    v.object({
      id: v.string(),
      op: v.optional(v.string(), ''),
      offline: times,
      online: times,
      /** Of the client's waiting time; absent where the server's account is not known. */
      time: v.optional(both(times)),
      bytes: both(direction),
      kindBytes: v.optional(kindBytes),
    }),
  ),
  bytes: both(direction),
  kindBytes: v.optional(kindBytes),
  memory: v.optional(v.object({ client: n, server: n })),
  failure: v.optional(v.object({ total: n })),
  kernels: v.optional(v.string()),
  threads: v.optional(v.object({ client: n, server: n })),
  machine: v.optional(v.string()),
  /** Of a server on another machine, as is the link. */
  server: v.optional(v.object({ name: v.nullable(v.string()), address: v.string() })),
  link: v.optional(v.object({ rttMs: n, up: v.nullable(n), down: v.nullable(n) })),
  predictions: v.optional(v.array(PredictionSchema), []),
})
export type Account = Omit<v.InferOutput<typeof AccountSchema>, 'predictions'> & {
  readonly predictions: readonly Prediction[]
}
type Layer = Account['layers'][number]
type Directions = v.InferOutput<typeof direction>

/** Undefined for what another version has stored. */
export function readAccount(stored: unknown): Account | undefined {
  const read = v.safeParse(AccountSchema, stored)
  if (!read.success) return undefined
  const { predictions } = read.output
  return { ...read.output, predictions: predictions.map((one, i) => ({ ...one, index: one.index ?? i })) }
}

export const PHASES = ['offline', 'online'] as const
export type Phase = (typeof PHASES)[number]
const COLUMNS = [text.offline, text.online]

export const bothWays = ({ clientToServer, serverToClient }: Directions): number => clientToServer + serverToClient

/** Rows with what the total has beyond them, so that they add up. */
function stacked(rows: readonly StackedRow[], total: readonly Amounts[]): StackedData {
  const rest = total.map((amounts, i) => {
    const left = minus(
      amounts,
      rows.reduce((all, { cells }) => plus(all, cells[i]), NOTHING),
    )
    // What rounding left over is nothing.
    const clear = (kind: WorkKind): number => (left[kind] > sum(amounts) * 1e-6 ? left[kind] : 0)
    return Object.fromEntries(WORK_KINDS.map((kind) => [kind, clear(kind)])) as unknown as Amounts
  })
  const outside = { id: '', label: text.outside, cells: rest }
  const all = rest.some((amounts) => sum(amounts) > 0) ? [...rows, outside] : rows
  const totalRow = { id: 'total', label: text.total, cells: total }
  return { columns: COLUMNS, rows: all, total: totalRow, kinds: kindsOf([totalRow, ...all]) }
}

/** Milliseconds that the person waited, by layer. */
export function timeData({ layers, phases }: Account): StackedData {
  const cell = (layer: Layer, at: Phase): Amounts => layer.time?.[at] ?? layer[at]
  const rows = layers.map((layer) => ({ id: layer.id, label: layer.id, cells: PHASES.map((at) => cell(layer, at)) }))
  return stacked(rows, [phases.offline.kinds, phases.online.kinds])
}

/** Bytes both ways of one inference, by layer; null where the kinds are not known. */
export function byteData({ layers, kindBytes: all }: Account): StackedData | null {
  if (all === undefined) return null
  const cell = ({ he, gc, ot, share }: NonNullable<Account['kindBytes']>[Phase]): Amounts => ({
    ...{ he: bothWays(he), gc: bothWays(gc), ot: bothWays(ot), share: bothWays(share), wait: 0 },
  })
  const rows = layers.map(({ id, kindBytes: own }) => ({
    ...{ id, label: id },
    cells: PHASES.map((at) => (own === undefined ? NOTHING : cell(own[at]))),
  }))
  return stacked(rows, [cell(all.offline), cell(all.online)])
}

/** Each party's own time; its waiting includes the other's work. Null where the server tells none. */
export function partyData({ phases }: Account): StackedData | null {
  const { offline, online } = phases
  if (offline.parties === undefined || online.parties === undefined) return null
  const rows = (['client', 'server'] as const).map((party) => ({
    ...{ id: party, label: text[party] },
    cells: [offline, online].map(({ parties }) => parties?.[party] ?? NOTHING),
  }))
  return { columns: COLUMNS, rows, total: null, kinds: kindsOf(rows) }
}

/** Whether blocks are fewer than layers, so that there is something to group. */
export function hasBlocks({ layers }: Account): boolean {
  return new Set(layers.map(({ id }) => blockOf(id))).size < layers.length
}
