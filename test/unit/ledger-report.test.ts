import { expect, test } from 'vitest'
import type { LedgerData, Part, Segment } from '../../core/ledger/ledger.ts'
import { Ledger } from '../../core/ledger/ledger.ts'
import { cpuTime, jointSteps, jointTimes } from '../../core/ledger/report.ts'

const part = (kind: Part['kind'], step: string): Part => ({ kind, step })
const segment = (start: number, end: number, ...parts: Part[]): Segment => ({ phase: 'online', start, end, parts })
const account = (...segments: Segment[]): LedgerData => ({ entries: [], segments })

test("the client's time goes to its own work, then to the server's while it waits, then to waiting", () => {
  const client = account(
    segment(0, 10, part('share', 'a')),
    segment(10, 40, part('wait', 'b')),
    segment(40, 50, part('gc', 'b'), part('share', 'c')),
  )
  const server = account(
    // Until 10 the client works itself; from 20 on nobody does, but for the 4 ms of two things at once.
    segment(5, 20, part('he', 'b')),
    segment(30, 34, part('gc', 'b'), part('ot', 'c')),
    segment(34, 60, part('wait', 'c')),
  )
  expect(Object.fromEntries(jointSteps(client, server, 'online'))).toEqual({
    a: { he: 0, gc: 0, ot: 0, share: 10, wait: 0 },
    b: { he: 10, gc: 2 + 5, ot: 0, share: 0, wait: 16 },
    c: { he: 0, gc: 0, ot: 2, share: 5, wait: 0 },
  })
  expect(jointTimes(client, server, 'online')).toEqual({ he: 10, gc: 7, ot: 2, share: 15, wait: 16 })
  expect(jointSteps(client, server, 'offline').size).toBe(0)
})

test('a ledger keeps what was open in each stretch, and steps add up to the wall time', async () => {
  const ledger = new Ledger()
  const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  await ledger.section('online', 'a', 'gc', () => pause(15))
  await ledger.section('online', 'b', 'wait', () => ledger.section('online', 'c', 'share', () => pause(15)))
  const data = ledger.data()
  expect(data.segments.map(({ parts }) => parts)).toEqual(
    expect.arrayContaining([[part('gc', 'a')], [part('share', 'c')]]),
  )
  const wall = data.segments.reduce((sum, { start, end }) => sum + end - start, 0)
  const steps = [...jointSteps(data, account(), 'online').values()]
  const all = steps.reduce((sum, { he, gc, ot, share, wait }) => sum + he + gc + ot + share + wait, 0)
  expect(all).toBeCloseTo(wall, 6)
})

test('processor time is charged whole, to the phase in which it was spent, also by sections too short to ask for it', async () => {
  const burn = (ms: number): void => {
    const { user, system } = process.cpuUsage()
    for (let spent = 0; spent < ms * 1000;) {
      const now = process.cpuUsage()
      spent = now.user + now.system - user - system
    }
  }
  const ledger = new Ledger()
  const from = process.cpuUsage()
  for (let i = 0; i < 100; i++) await ledger.section('offline', 'a', 'gc', () => burn(0.5))
  for (let i = 0; i < 10; i++) {
    await ledger.section('online', 'b', 'wait', async () => {
      for (let j = 0; j < 10; j++) await ledger.section('online', 'b', 'share', () => burn(0.5))
    })
  }
  const { user, system } = process.cpuUsage(from)
  const spent = (user + system) / 1000
  const data = ledger.take()
  const [offline, online] = (['offline', 'online'] as const).map((phase) => cpuTime(data, phase))
  expect(offline).toBeGreaterThanOrEqual(50 - 5)
  expect(online).toBeGreaterThanOrEqual(50 - 5)
  expect(offline + online).toBeLessThanOrEqual(spent + 0.001)
  expect(ledger.data().entries).toEqual([])
})
