/** What a witness of a local run is shown, against the simulator; and that it changes nothing on the wire. */
import { expect, test } from 'vitest'
import { Collector, type Seen } from '../../core/api/party/seen.ts'
import { watchFor } from '../../core/api/inference/views.ts'
import { rounds } from '../../core/api/inference/steps.ts'
import { referenceKernels } from '../../core/kernels/index.ts'
import { quantiseInput } from '../../core/network/fixed.ts'
import type { LoweredModel } from '../../core/network/plan.ts'
import { gcBatches, isNonLinear } from '../../core/protocol/batches.ts'
import { simulate } from '../../core/protocol/simulator.ts'
import { elementAt } from '../../core/ring/vector.ts'
import { noise, startParties } from '../fixtures/parties.ts'
import { recording, Recording } from '../fixtures/recorder.ts'
import { DENSE, tinyModel } from '../fixtures/tiny-networks.ts'

interface Ran {
  readonly seen: { readonly client: readonly Seen[]; readonly server: readonly Seen[] }
  readonly seeds: { readonly client: Uint8Array; readonly server: Uint8Array }
  readonly setup: Recording
  readonly offline: Recording
  readonly online: Recording
}

async function run(model: LoweredModel, image: Float64Array, step: string | undefined): Promise<Ran> {
  const watch = watchFor(model.plan, { image: 0, step })
  const witnesses = { client: new Collector(watch), server: new Collector(watch) }
  const frames = new Recording()
  const parties = await startParties(model, {
    wrapClient: (channel) => recording(channel, frames),
    ...(step === undefined ? {} : { witnesses }),
  })
  try {
    const setup = frames.take()
    const { id, seed } = await parties.client.prepare()
    const offline = frames.take()
    const first = { client: witnesses.client.take(), server: witnesses.server.take() }
    await parties.client.infer(id, image)
    const online = frames.take()
    const second = { client: witnesses.client.take(), server: witnesses.server.take() }
    const server = parties.served.find(({ phase }) => phase === 'offline')?.seed
    if (seed === undefined || server === undefined) throw new Error('no seeds')
    return {
      seen: { client: [first.client, second.client], server: [first.server, second.server] },
      seeds: { client: seed, server },
      ...{ setup, offline, online },
    }
  } finally {
    await parties.close()
  }
}

const model = tinyModel(DENSE, 0.5)
const { plan } = model
const image = quantiseInput(plan, noise(plan.values[0].length, 'watched'))

test.each(['d1', 'r1'])(
  'the shares of the image and of %s are those of the run, bit for bit',
  async (id) => {
    const { seen, seeds } = await run(model, image, id)
    const expected = simulate(referenceKernels, model, image, seeds.client, seeds.server)
    for (const value of watchFor(plan, { image: 0, step: id }).values) {
      for (const party of ['client', 'server'] as const) {
        const shares = seen[party].flatMap(({ shares }) => (shares.has(value) ? [shares.get(value)] : []))
        expect(shares).toEqual([expected[party].get(value)])
      }
    }
    // No other value is handed over.
    expect(seen.client.flatMap(({ shares }) => [...shares.keys()])).toHaveLength(2)
  },
  60_000,
)

test('of each wire the client held the label of its bit, the server both', async () => {
  const { seen, seeds } = await run(model, image, 'r1')
  const step = plan.steps.find(({ id }) => id === 'r1')
  if (step?.op !== 'activation') throw new Error('r1 is the activation')
  const expected = simulate(referenceKernels, model, image, seeds.client, seeds.server)
  const element = gcBatches(plan, step)[0].inputs[0][0]
  const [delta] = seen.server.flatMap((one) => (one.delta === null ? [] : [one.delta]))
  for (const owner of ['client', 'server'] as const) {
    const labels = (party: 'client' | 'server'): readonly Uint8Array[] =>
      seen[party].flatMap((one) => one.labels).find((one) => one.owner === owner)?.labels ?? []
    const share = expected[owner].get(step.input)
    if (share === undefined) throw new Error('the simulator has every share')
    expect(labels('client')).toHaveLength(4)
    labels('client').forEach((held, bit) => {
      const one = ((elementAt(share, element) >> BigInt(bit)) & 1n) === 1n
      const zero = labels('server')[bit]
      expect(held).toEqual(one ? zero.map((byte, i) => byte ^ delta[i]) : zero)
    })
  }
}, 60_000)

test('a witness changes no frame: types, steps and lengths are the same without one', async () => {
  const outline = ({ setup, offline, online }: Ran): unknown[] =>
    // Offline, uploads and answers may overtake each other.
    [...setup.frames, ...offline.frames.toSorted((a, b) => a.type - b.type || a.step - b.step), ...online.frames].map(
      ({ direction, type, step, payload }) => [direction, type, step, payload.length],
    )
  const watched = await run(model, image, 'r1')
  const alone = await run(model, image, undefined)
  expect(alone.seen.client.every(({ shares, labels }) => shares.size + labels.length === 0)).toBe(true)
  expect(outline(watched)).toEqual(outline(alone))
}, 60_000)

test('the turns of the online phase are counted as they happen', async () => {
  const { online } = await run(model, image, undefined)
  const turns = online.frames.filter(
    ({ direction }, i) => direction === 'received' && online.frames[i - 1]?.direction === 'sent',
  )
  expect(rounds(plan).online).toBe(turns.length)
  expect(rounds(plan).offline).toBe(
    2 + 1 + plan.steps.filter((s) => isNonLinear(s) && gcBatches(plan, s).length).length,
  )
}, 60_000)
