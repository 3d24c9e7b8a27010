/** Measuring this machine, keeping what was found, and estimates that use it. No times are judged. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import * as v from 'valibot'
import { CostsSchema, type Costs } from '../../core/api/calibration/costs.ts'
import { DEFAULT_COSTS } from '../../core/api/calibration/defaults.ts'
import { loadCalibration, saveCalibration, thisMachine } from '../../core/api/calibration/file.ts'
import { fitFactors, fitLine } from '../../core/api/calibration/fit.ts'
import { garblingCosts } from '../../core/api/calibration/garbling.ts'
import { heCosts } from '../../core/api/calibration/he.ts'
import { PARTS, type Part } from '../../core/api/calibration/measure.ts'
import { diskCosts, linkCosts } from '../../core/api/calibration/places.ts'
import { ringCosts } from '../../core/api/calibration/ring.ts'
import { least } from '../../core/api/calibration/timing.ts'
import { idleNetwork } from '../../core/api/calibration/whole.ts'
import { layerCounts } from '../../core/api/estimate.ts'
import { runCalibration } from '../../core/api/operations/calibrate.ts'
import { describe as describeNetwork } from '../../core/api/operations/describe.ts'
import { loadKernels } from '../../core/kernels/index.ts'
import { fixedRunner, quantiseInput } from '../../core/network/fixed.ts'
import { temporaryFolder } from '../fixtures/zoo.ts'

const quick = { spendMs: 0 }
const context = { signal: new AbortController().signal, onNotice: () => undefined, onProgress: () => undefined }

describe('what is measured', () => {
  const positive = (figures: object): void => {
    for (const [name, value] of Object.entries(figures)) expect([name, value]).toEqual([name, expect.any(Number)])
    // What is found as a difference may vanish in noise.
    const apart = Object.entries(figures).filter(([name]) => !['weights', 'product', 'answer'].includes(name))
    expect(apart.filter(([, value]) => !(value > 0))).toEqual([])
  }

  test('HE', async () => {
    const found = await heCosts({ plainBits: 32, polyDegree: 8192, primeBits: [50, 50, 50] }, quick)
    positive(found)
    expect(v.safeParse(CostsSchema.entries.he.entries['50,50,50'], found).success).toBe(true)
  }, 60_000)

  test('garbling, transfers, the ring', async () => {
    const kernels = loadKernels()
    const { garbling, transfers } = await garblingCosts(kernels, quick, 256)
    for (const figures of [garbling, transfers, await ringCosts(kernels, quick, 8)]) positive(figures)
  })

  test('TLS and the disk', async () => {
    positive(await linkCosts(quick, 2 ** 18))
    positive(await diskCosts(quick, 2 ** 18))
  }, 60_000)

  test('in parts that are all of the costs', () => {
    expect(PARTS.filter(({ text }) => text.includes('homomorphic')).length).toBe(
      Object.keys(CostsSchema.entries.he.entries).length,
    )
  })

  test('whole inferences of networks that do little in many layers, and do not die out on the way', () => {
    const model = idleNetwork(12)
    expect(layerCounts(model.plan)).toEqual({ offline: 12, online: 12 })
    const images = [0.9, -0.4].map((x) => new Float32Array(32).fill(x))
    const logits = images.map((image) => fixedRunner(model)(quantiseInput(model.plan, image)).logits)
    expect(logits[0]).not.toEqual(logits[1])
  })

  test('the least of several runs counts', async () => {
    const clock = [0, 5, 10, 13, 20, 27]
    expect(
      await least(
        () => undefined,
        quick,
        () => clock.shift() as number,
      ),
    ).toBe(3)
  })
})

/** Two parts that give the default costs at once. */
const { he, ...others } = DEFAULT_COSTS
const given = (found: Partial<Costs>, share = 1): Part => ({
  text: `part of ${share}`,
  share,
  measure: () => Promise.resolve(found),
})
const halves = Object.entries(he).map(([primes, one]) => given({ he: { [primes]: one } }))
const parts = [...halves, given(others, halves.length)]

describe('what is fitted', () => {
  test('factors are found where they are exact', () => {
    const factor = fc.double({ min: 0.5, max: 5, noNaN: true })
    const work = fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 1000 }))
    fc.assert(
      fc.property(factor, factor, fc.array(work, { minLength: 3, maxLength: 5 }), (a, b, works) => {
        fc.pre(works.some(([p, q]) => works.some(([r, s]) => Math.abs(p * s - q * r) > 0.1 * p * s)))
        const [x, y] = fitFactors(works.map(([p, q]) => [p, q, a * p + b * q]))
        expect(x).toBeCloseTo(a, 5)
        expect(y).toBeCloseTo(b, 5)
      }),
    )
  })

  test('a line goes through points on it, and as near small figures as large ones by their size', () => {
    const on = fitLine([1, 50, 60, 400].map((x) => [x, 30 + 2 * x]))
    expect(on.start).toBeCloseTo(30)
    expect(on.slope).toBeCloseTo(2)
    const { start, slope } = fitLine([
      [0, 10],
      [100, 100],
      [1000, 1200],
    ])
    const errors = [10, 100, 1200].map((y, i) => (start + slope * [0, 100, 1000][i] - y) / y)
    const squares = (of: readonly number[]): number => of.reduce((sum, e) => sum + e * e, 0)
    // No step to either side does better.
    for (const [da, db] of [
      [0.1, 0],
      [-0.1, 0],
      [0, 0.001],
      [0, -0.001],
    ] as const) {
      const moved = [0, 100, 1000].map(
        (x, i) => (start + da + (slope + db) * x - [10, 100, 1200][i]) / [10, 100, 1200][i],
      )
      expect(squares(moved)).toBeGreaterThan(squares(errors))
    }
  })
})

describe('the operation', () => {
  test('puts the parts together, keeps them, and tells how far it is', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.dir, 'not-there-yet')
    const told: (number | undefined)[] = []
    const onProgress = ({ fraction }: { fraction?: number }): void => void told.push(fraction)
    const found = await runCalibration({ spendMs: 0, data }, { ...context, onProgress }, parts)
    expect(found.costs).toEqual(DEFAULT_COSTS)
    expect(await loadCalibration(data, expect.unreachable)).toEqual(found)
    expect(told).toEqual(parts.map((_, i) => i / halves.length / 2))
    expect(readdirSync(data)).toEqual(['calibration.json'])
  })

  test('can be stopped, and keeps what was there', async () => {
    await using folder = await temporaryFolder()
    const before = await runCalibration({ spendMs: 0, data: folder.dir }, context, parts)
    const abort = new AbortController()
    const stops: Part = {
      ...parts[0],
      measure: ({ signal }) => least(() => abort.abort(), { spendMs: 1e9, signal }).then(() => ({})),
    }
    const stopped = runCalibration({ spendMs: 0, data: folder.dir }, { ...context, signal: abort.signal }, [
      stops,
      ...parts,
    ])
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' })
    expect(await loadCalibration(folder.dir, expect.unreachable)).toEqual(before)
  })
})

describe('the file', () => {
  const measured = { ...thisMachine(), date: new Date(0).toISOString(), costs: DEFAULT_COSTS }

  test('what is damaged or of another version is named and not used', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.dir, 'calibration.json')
    await saveCalibration(folder.dir, measured)
    const text = readFileSync(path, 'utf8')
    const whole = JSON.parse(text) as { costs: { ring: { wide: unknown } } }
    for (const [damaged, why] of [
      [text.slice(0, 200), 'is damaged'],
      ['[]', 'is damaged'],
      [JSON.stringify({ ...whole, version: 99 }), 'is of another version'],
      [
        JSON.stringify({ ...whole, costs: { ...whole.costs, ring: { ...whole.costs.ring, wide: -1 } } }),
        'costs.ring.wide',
      ],
      [JSON.stringify({ ...whole, more: 1 }), 'is damaged at more'],
      [JSON.stringify({ ...whole, machine: 'an abacus' }), 'is of another machine (an abacus)'],
      [JSON.stringify({ ...whole, kernels: 'beads' }), 'is of other kernels (beads)'],
    ]) {
      writeFileSync(path, damaged)
      const notices: string[] = []
      expect(await loadCalibration(folder.dir, (line) => void notices.push(line))).toBeUndefined()
      expect(notices).toEqual([expect.stringContaining(path)])
      expect(notices[0]).toContain(why)
    }
    // What is there and no file is no reason to fail either.
    await using other = await temporaryFolder()
    mkdirSync(join(other.dir, 'calibration.json'))
    expect(await loadCalibration(other.dir, () => undefined)).toBeUndefined()
    expect(await loadCalibration(join(other.dir, 'nowhere'), expect.unreachable)).toBeUndefined()
  })

  test('describe uses it and says so', async () => {
    await using folder = await temporaryFolder()
    const ask = async () => {
      const input = { source: { model: 'digits' }, costs: true, reveal: 'logits' as const, data: folder.dir }
      const { costs } = await describeNetwork.run(input, context)
      if (costs === undefined) throw new Error('no costs')
      return costs
    }
    const before = await ask()
    expect(before.calibrated).toBeNull()
    const { whole } = DEFAULT_COSTS
    const start = { offline: whole.start.offline + 1234, online: whole.start.online }
    await saveCalibration(folder.dir, { ...measured, costs: { ...DEFAULT_COSTS, whole: { ...whole, start } } })
    const after = await ask()
    expect(after.calibrated).toEqual({ machine: thisMachine().machine, date: measured.date })
    expect(after.estimate.offline.wallMs - before.estimate.offline.wallMs).toBeCloseTo(1234)
    expect(after.estimate.online).toEqual(before.estimate.online)
  })
})
