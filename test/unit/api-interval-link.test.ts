/** Confidence intervals and the time that a network adds. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { wilson } from '../../core/api/data/interval.ts'
import { LINKS, linkTime, phaseTime } from '../../core/api/data/link.ts'
import { remaining } from '../../core/api/data/progress.ts'

/** Wilson's bounds are the shares p at which the observed one is 1.96 standard errors of p away. */
test('the bounds of an interval solve the equation that defines them', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (total, part) => {
      const matches = Math.round(part * total)
      const share = matches / total
      const { low, high } = wilson(matches, total)
      expect(low).toBeLessThanOrEqual(share)
      expect(high).toBeGreaterThanOrEqual(share)
      for (const p of [low, high]) {
        if (p === 0 || p === 1) expect(matches).toBe(p * total)
        else expect(Math.abs(share - p) / Math.sqrt((p * (1 - p)) / total)).toBeCloseTo(1.96, 3)
      }
    }),
  )
})

test('intervals at the ends are not empty, and what is no share is refused', () => {
  expect(wilson(0, 10).low).toBe(0)
  expect(wilson(0, 10).high).toBeGreaterThan(0.2)
  expect(wilson(10, 10).high).toBe(1)
  expect(wilson(10, 10).low).toBeCloseTo(1 - wilson(0, 10).high, 12)
  for (const [matches, total] of [
    [1, 0],
    [2, 1],
    [-1, 3],
  ])
    expect(() => wilson(matches, total)).toThrow(RangeError)
})

test('a link takes its bits each way and its turns', () => {
  const link = { up: 8e6, down: 16e6, rttMs: 100 }
  // A megabyte up at 1 MB/s, four down at 2 MB/s, three turns of a tenth of a second.
  expect(linkTime(1e6, 4e6, 3, link)).toBeCloseTo(1 + 2 + 0.3, 9)
  expect(() => linkTime(1, 1, 0, { ...link, up: 0 })).toThrow(RangeError)
  const cost = { workMs: 5000, bytesUp: 1e6, bytesDown: 4e6, rounds: 3 }
  expect(phaseTime('offline', cost, link)).toBeCloseTo(5.3, 9)
  expect(phaseTime('online', cost, link)).toBeCloseTo(8.3, 9)
  expect(phaseTime('online', cost, LINKS.wan)).toBeGreaterThan(phaseTime('online', cost, LINKS.lan))
})

test('nothing is said about what is left while too little is known', () => {
  expect(remaining(60_000, 0.001)).toBeNull()
  expect(remaining(100, 0.5)).toBeNull()
  expect(remaining(3000, 0.25)).toBe(9000)
  expect(remaining(3000, 1)).toBe(0)
})
