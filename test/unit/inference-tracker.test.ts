/** Progress of a private inference, from what its parties tell. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { InferenceDetail } from '../../core/api/data/progress.ts'
import { stepBytes } from '../../core/api/inference/steps.ts'
import { InferenceTracker } from '../../core/api/inference/tracker.ts'
import type { Entry } from '../../core/ledger/ledger.ts'
import { exactBytes } from '../../core/protocol/sizes.ts'
import { DENSE, tinyModel } from '../fixtures/tiny-networks.ts'

const { plan } = tinyModel(DENSE, 0.5)
const bytesOf = stepBytes(plan)

interface Told {
  readonly at: number
  readonly text: string
  readonly fraction: number
  readonly detail: InferenceDetail
  readonly transient: unknown
}

/** A tracker over a clock that tests turn. */
function track(images: number, bothParties = true) {
  const told: Told[] = []
  const clock = { now: 0 }
  const tracker = new InferenceTracker({
    ...{ plan, images, bothParties, now: () => clock.now },
    emit: ({ text, fraction = NaN, detail, transient }) =>
      told.push({ at: clock.now, text, fraction, detail, transient }),
  })
  return { tracker, told, clock }
}

const entry = (phase: Entry['phase'], step: string, sent: number, received = 0): Entry => ({
  ...{ phase, step, kind: 'gc', wallMs: 1, cpuMs: 1, sent, received },
})

/** Everything that a phase moves, up to a share of it. */
const account = (phase: 'offline' | 'online', share: number): Entry[] =>
  plan.steps.map(({ id }) => entry(phase, id, Math.floor(share * (bytesOf.get(id)?.[phase] ?? 0))))

test('the bytes of the steps and of what belongs to none add up to those of the plan', () => {
  const { offline, online } = exactBytes(plan)
  const sum = (phase: 'offline' | 'online'): number => [...bytesOf.values()].reduce((all, one) => all + one[phase], 0)
  expect(sum('offline')).toBe(offline.clientToServer + offline.serverToClient)
  expect(sum('online')).toBe(online.clientToServer + online.serverToClient)
})

test('whatever the parties tell in whatever order, the fraction never falls and nothing is told too often', () => {
  const party = fc.constantFrom('client' as const, 'server' as const)
  const phase = fc.constantFrom('offline' as const, 'online' as const)
  const done = fc.record({
    ...{ party, phase, step: fc.constantFrom(...plan.steps.map(({ id }) => id), 'unknown') },
    what: fc.constantFrom('encrypted' as const, 'answered' as const, 'garbled' as const, 'computed' as const),
  })
  const accounted = fc.record({ party, phase, share: fc.double({ min: 0, max: 1.5, noNaN: true }) })
  const event = fc.oneof(done, accounted, fc.constant('answer' as const))
  const timed = fc.tuple(fc.integer({ min: 0, max: 300 }), event)
  fc.assert(
    fc.property(fc.array(timed, { maxLength: 60 }), (events) => {
      const { tracker, told, clock } = track(4)
      let answers = 0
      for (const [wait, what] of events) {
        clock.now += wait
        if (what === 'answer') {
          if (answers++ < 4) tracker.answer(1, 'one')
        } else if ('step' in what) tracker.done(what.party, what)
        else tracker.account(what.party, account(what.phase, what.share))
      }
      tracker.end()
      for (const [i, { fraction, at }] of told.entries()) {
        expect(fraction).toBeGreaterThanOrEqual(told[i - 1]?.fraction ?? 0)
        expect(fraction).toBeLessThanOrEqual(1)
        if (i < told.length - 1) expect(at - (told[i - 1]?.at ?? -100)).toBeGreaterThanOrEqual(100)
      }
      expect(told.at(-1)).toMatchObject({ fraction: 1, detail: { phase: 'done', remainingMs: 0 } })
    }),
  )
})

test('steps light up by party, and bytes and answers are told', () => {
  const { tracker, told, clock } = track(2)
  const tell = (act: () => void): InferenceDetail => {
    clock.now += 1000
    act()
    return (told.at(-1) as Told).detail
  }
  expect(told[0].detail).toMatchObject({ phase: 'setup', image: 0, remainingMs: null })
  expect(told[0].detail.steps.map(({ kind }) => kind)).toEqual(['dense', 'relu', 'dense', 'reveal'])
  const sent = tell(() => tracker.done('client', { phase: 'offline', step: 'd1', what: 'encrypted' }))
  expect(sent.steps[0].offline).toEqual({ client: 0.5, server: 0 })
  // Logits are revealed online alone.
  expect(sent.steps[3].offline).toBeNull()
  tell(() => tracker.done('server', { phase: 'offline', step: 'd1', what: 'answered' }))
  const answered = tell(() => tracker.done('client', { phase: 'offline', step: 'd1', what: 'answered' }))
  expect(answered.steps[0].offline).toEqual({ client: 1, server: 1 })
  const moved = tell(() => tracker.account('client', [entry('offline', 'd1', 30, 12)]))
  expect(moved.steps[0].bytes.offline).toEqual({ done: 42, total: bytesOf.get('d1')?.offline })
  expect(moved.offline.bytes.gc).toEqual({ up: 30, down: 12 })
  expect(moved.offline.ms.client.gc).toBe(1)
  // The client has nothing to do in a linear layer online.
  const computed = tell(() => tracker.done('server', { phase: 'online', step: 'd1', what: 'computed' }))
  expect(computed).toMatchObject({ phase: 'online' })
  expect(computed.steps[0].online).toEqual({ client: 1, server: 1 })
  const next = tell(() => tracker.answer(7, 'seven', 1))
  expect(next).toMatchObject({ image: 1, phase: 'offline', answers: [{ index: 0, label: 7, name: 'seven', clear: 1 }] })
  expect(next.steps[0]).toMatchObject({ offline: { client: 0, server: 0 }, bytes: { offline: { done: 0 } } })
  // Half of all but what is left for the end.
  expect(told.at(-1)?.fraction).toBeCloseTo(0.495, 9)
  tracker.end('for those who watch')
  expect(told.at(-1)?.transient).toBe('for those who watch')
})

test('with a server on another machine, its part follows from the client', () => {
  const { tracker, told, clock } = track(1, false)
  clock.now += 1000
  tracker.done('client', { phase: 'online', step: 'r1', what: 'evaluated' })
  const { steps, online } = (told.at(-1) as Told).detail
  expect(steps.map((step) => step.online?.server)).toEqual([1, 1, 0, 0])
  expect(online.ms.server).toBeNull()
})
