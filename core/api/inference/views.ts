/** What each party of a local run held, drawn. See core/api/data/views.ts for where it may go. */
import { dequantise } from '../../network/fixed.ts'
import type { Plan, Value } from '../../network/plan.ts'
import { gcBatches, isNonLinear } from '../../protocol/batches.ts'
import type { RingVector } from '../../ring/ring.ts'
import { add, elementAt, toSigned } from '../../ring/vector.ts'
import { AdytonError } from '../../errors/errors.ts'
import type { CircuitView, InferenceViews, ValueView, WireView } from '../data/views.ts'
import type { LocalInference } from '../local-run.ts'
import type { Seen, Watch } from '../party/seen.ts'
import { interleave, pngUrl } from '../picture-url.ts'
import { stepValue } from './steps.ts'

/** Which picture and which step are to be shown. */
export interface ViewRequest {
  readonly image: number
  readonly step?: string | undefined
}

/** What the parties have to hand over for it. Throws 'usage' for a step that the plan does not have. */
export function watchFor(plan: Plan, { step: id }: ViewRequest): Watch {
  if (id === undefined) return { values: [0], step: null }
  const step = plan.steps.find((one) => one.id === id)
  if (step === undefined) {
    throw new AdytonError('usage', `the network has no step '${id}'`, {
      advice: `Its steps: ${plan.steps.map((one) => one.id).join(', ')}.`,
    })
  }
  return { values: [0, stepValue(step)], step: id }
}

export interface DrawOptions {
  readonly plan: Plan
  readonly request: ViewRequest
  readonly seen: NonNullable<LocalInference['seen']>
  /** Of the model, so that the picture looks as it was given. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

export async function drawViews({ plan, request, seen, mean, std }: DrawOptions): Promise<InferenceViews> {
  const shareOf = (party: readonly Seen[], value: number): RingVector => {
    const share = party.map(({ shares }) => shares.get(value)).find((found) => found !== undefined)
    if (share === undefined) throw new Error(`a party handed over no share of value ${value}`)
    return share
  }
  const view = (value: number, toByte?: ToByte): Promise<ValueView> =>
    drawValue(plan.values[value], shareOf(seen.client, value), shareOf(seen.server, value), toByte)
  const pixel: ToByte = (x, channel) => Math.round(255 * (x * std[channel] + mean[channel]))
  const input = await view(0, pixel)
  const step = plan.steps.find(({ id }) => id === request.step)
  if (step === undefined) return { kind: 'views', image: request.image, input, step: null }
  const batch = isNonLinear(step) ? gcBatches(plan, step).at(0) : undefined
  const circuit = batch === undefined ? null : drawCircuit(batch.inputs[0][0], seen)
  return {
    kind: 'views',
    image: request.image,
    input,
    step: { id: step.id, output: await view(stepValue(step)), circuit },
  }
}

/** A true value of a channel as a grey level; clamped to 0 to 255 by who calls it. */
type ToByte = (x: number, channel: number) => number

const MAX_CHANNELS = 16
const FIRST = 8

async function drawValue(value: Value, client: RingVector, server: RingVector, given?: ToByte): Promise<ValueView> {
  const truth = dequantise(value, toSigned(add(client, server)))
  const [channels, height, width] = value.shape.length === 3 ? value.shape : [1, 1, value.length]
  const shown = channels === 3 && given !== undefined ? 3 : Math.min(channels, MAX_CHANNELS)
  const area = height * width
  const high = (share: RingVector) => (i: number) => Number(elementAt(share, i) >> BigInt(Math.max(0, value.bits - 8)))
  const toByte = given ?? stretched(truth.subarray(0, shown * area))
  const picture = (byte: (i: number) => number): Promise<string> =>
    drawPlanes(
      Uint8ClampedArray.from({ length: shown * area }, (_, i) => byte(i)),
      { channels: shown, height, width, colour: shown === 3 && given !== undefined },
    )
  return {
    shape: [...value.shape],
    client: await picture(high(client)),
    server: await picture(high(server)),
    truth: await picture((i) => toByte(truth[i], Math.floor(i / area))),
    channels: { shown, of: channels },
    first: Array.from({ length: Math.min(FIRST, value.length) }, (_, i) => ({
      client: elementAt(client, i).toString(16),
      server: elementAt(server, i).toString(16),
      truth: truth[i],
    })),
  }
}

/** From the least to the greatest of what is shown. */
function stretched(shown: Float64Array): ToByte {
  const least = shown.reduce((a, b) => Math.min(a, b), Infinity)
  const range = shown.reduce((a, b) => Math.max(a, b), -Infinity) - least
  return (x) => (range === 0 ? 128 : (255 * (x - least)) / range)
}

interface Planes {
  readonly channels: number
  readonly height: number
  readonly width: number
  readonly colour: boolean
}

/** Channels as tiles of one grey picture, in rows that make it about square, or as the colours of one. */
async function drawPlanes(bytes: Uint8ClampedArray, { channels, height, width, colour }: Planes): Promise<string> {
  if (colour) return await pngUrl(interleave(bytes, 3), width, height, 3)
  // A vector is a tile of its own, folded into rows.
  const side = height === 1 ? Math.ceil(Math.sqrt(width)) : width
  const tall = Math.ceil((height * width) / side)
  const columns = Math.ceil(Math.sqrt(channels))
  const rows = Math.ceil(channels / columns)
  const out = new Uint8Array(columns * side * rows * tall)
  bytes.forEach((byte, i) => {
    const [channel, at] = [Math.floor(i / (height * width)), i % (height * width)]
    const x = (channel % columns) * side + (at % side)
    const y = Math.floor(channel / columns) * tall + Math.floor(at / side)
    out[y * columns * side + x] = byte
  })
  return await pngUrl(out, columns * side, rows * tall, 1)
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

function drawCircuit(element: number, seen: NonNullable<LocalInference['seen']>): CircuitView {
  const delta = seen.server.map((one) => one.delta).find((found) => found !== null)
  if (delta === undefined) throw new Error('the server handed over no labels')
  const labels = (party: readonly Seen[], owner: 'client' | 'server'): readonly Uint8Array[] =>
    party.flatMap((one) => one.labels).find((one) => one.owner === owner)?.labels ?? []
  const wires = (owner: 'client' | 'server'): WireView[] => {
    const held = labels(seen.client, owner)
    return labels(seen.server, owner).map((zero, bit) => ({
      bit,
      held: hex(held[bit]),
      pair: [hex(zero), hex(zero.map((byte, i) => byte ^ delta[i]))],
    }))
  }
  return { element, client: wires('client'), server: wires('server') }
}
