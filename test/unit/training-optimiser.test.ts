import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as v from 'valibot'
import { Draws } from '../../core/datasets/random.ts'
import type { Engine } from '../../core/training/engine/index.ts'
import type { Parameter } from '../../core/training/model/model.ts'
import { Optimiser, OptimiserSchema, type OptimiserSpec } from '../../core/training/trainer/optimiser.ts'
import { rateAt, ScheduleSchema } from '../../core/training/trainer/schedule.ts'
import { bits, engineOf } from '../fixtures/training.ts'

let engine: Engine
beforeAll(async () => {
  engine = await engineOf('cpu')
})
afterAll(() => engine.dispose())

const SIZE = 6
const STEPS = 7
const KINDS = ['weight', 'gamma', 'slope'] as const
const draws = new Draws(3, 'optimiser')
const vector = () => Float32Array.from({ length: SIZE }, () => draws.normal())
const START = KINDS.map(vector)
const GRADIENTS = Array.from({ length: STEPS }, () => KINDS.map(vector))
const RATES = Array.from({ length: STEPS }, (_, i) => 0.1 / (i + 1))

function parameters(): Parameter[] {
  const { tf } = engine
  return KINDS.map((kind, i) => ({
    name: `n.${kind}`,
    nodeId: 'n',
    kind,
    variable: tf.tidy(() => tf.variable(tf.tensor1d(START[i]))),
    layout: { shape: [SIZE], network: [SIZE], there: [0], back: [0] },
    trainable: true,
  }))
}

function steps(optimiser: Optimiser, all: readonly Parameter[], from: number, to: number): void {
  const { tf } = engine
  for (let step = from; step < to; step++) {
    tf.tidy(() => {
      const gradients = new Map(all.map(({ name }, i) => [name, tf.tensor1d(GRADIENTS[step][i])]))
      optimiser.apply(all, gradients, RATES[step])
    })
  }
}

async function run(spec: OptimiserSpec): Promise<number[][]> {
  const optimiser = new Optimiser(engine.tf, v.parse(OptimiserSchema, spec))
  const all = parameters()
  steps(optimiser, all, 0, STEPS)
  const out = await Promise.all(all.map(async ({ variable }) => [...(await variable.data())]))
  all.forEach(({ variable }) => variable.dispose())
  optimiser.dispose()
  return out
}

/** Doubles, one number at a time, after the papers. */
function expected(spec: OptimiserSpec): number[][] {
  return KINDS.map((kind, k) =>
    Array.from({ length: SIZE }, (_, i) => {
      let w = START[k][i]
      let first = 0
      let second = 0
      for (let t = 0; t < STEPS; t++) {
        const norm = Math.sqrt(GRADIENTS[t].reduce((s, g) => s + g.reduce((a, x) => a + x * x, 0), 0))
        const rate = RATES[t] * (kind === 'slope' ? (spec.slopeRate ?? 1) : 1)
        const decay = kind === 'weight' || (kind === 'gamma' && spec.decayOn === 'all') ? (spec.decay ?? 0) : 0
        let g = GRADIENTS[t][k][i] * (spec.clip === undefined ? 1 : Math.min(1, spec.clip / norm))
        if (spec.decayKind === 'decoupled') w -= rate * decay * w
        else g += decay * w
        if (spec.kind === 'sgd') {
          const momentum = spec.momentum ?? 0.9
          first = momentum * first + g
          w -= rate * (spec.nesterov === true ? g + momentum * first : first)
        } else {
          const [b1, b2] = [spec.beta1 ?? 0.9, spec.beta2 ?? 0.999]
          first = b1 * first + (1 - b1) * g
          second = b2 * second + (1 - b2) * g * g
          w -=
            (rate * (first / (1 - b1 ** (t + 1)))) / (Math.sqrt(second / (1 - b2 ** (t + 1))) + (spec.epsilon ?? 1e-8))
        }
      }
      return w
    }),
  )
}

describe('optimiser', () => {
  const specs: OptimiserSpec[] = [
    { kind: 'sgd', momentum: 0 },
    { kind: 'sgd' },
    { kind: 'sgd', momentum: 0.8, nesterov: true, decay: 0.1, slopeRate: 3 },
    { kind: 'sgd', decay: 0.2, decayOn: 'all', clip: 1.5 },
    { kind: 'sgd', decay: 0.2, decayKind: 'decoupled' },
    { kind: 'adam' },
    { kind: 'adam', beta1: 0.8, beta2: 0.9, epsilon: 1e-3, decay: 0.1, clip: 100 },
    { kind: 'adam', decay: 0.3, decayKind: 'decoupled', decayOn: 'all', slopeRate: 0.1, clip: 0.5 },
  ]
  test.each(specs)('moves as the papers have it: %j', async (spec) => {
    const got = await run(spec)
    const want = expected(spec)
    want.forEach((row, k) => row.forEach((w, i) => expect(got[k][i]).toBeCloseTo(w, 5)))
  })

  test.each<OptimiserSpec>([{ kind: 'sgd' }, { kind: 'adam' }])(
    'goes on from its state to the bit: $kind',
    async (spec) => {
      const { tf } = engine
      const before = tf.memory().numTensors
      const all = parameters()
      const one = new Optimiser(tf, spec)
      steps(one, all, 0, 3)
      const { tensors, counts } = await one.state()
      const two = new Optimiser(tf, spec)
      two.restore(all, tensors, counts)
      one.dispose()
      steps(two, all, 3, STEPS)
      const resumed = await two.state()
      const got = await Promise.all(all.map(async ({ variable }) => [...(await variable.data())]))
      expect(got).toEqual(await run(spec))
      const third = new Optimiser(tf, spec)
      third.restore(all, resumed.tensors, resumed.counts)
      expect(bits((await third.state()).tensors)).toEqual(bits(resumed.tensors))
      for (const optimiser of [two, third]) optimiser.dispose()
      all.forEach(({ variable }) => variable.dispose())
      expect(tf.memory().numTensors).toBe(before)
    },
  )

  test('leaves parameters without a gradient alone, and begins their state when they get one', async () => {
    const { tf } = engine
    const optimiser = new Optimiser(tf, { kind: 'adam' })
    const all = parameters()
    steps(optimiser, all.slice(0, 1), 0, 2)
    expect([...(await all[1].variable.data())]).toEqual([...START[1]])
    steps(optimiser, all, 2, 3)
    expect((await optimiser.state()).counts).toEqual({ 'n.weight': 3, 'n.gamma': 1, 'n.slope': 1 })
    all.forEach(({ variable }) => variable.dispose())
    optimiser.dispose()
  })

  test('refuses the state of another parameter', () => {
    const optimiser = new Optimiser(engine.tf, { kind: 'sgd' })
    expect(() => optimiser.restore([], new Map(), { 'n.weight': 1 })).toThrow(
      expect.objectContaining({ code: 'checkpoint-mismatch' }),
    )
  })
})

describe('schedule', () => {
  const parse = (spec: unknown) => v.parse(ScheduleSchema, spec)

  test('steps down at the milestones', () => {
    const spec = parse({ kind: 'step', rate: 0.1, milestones: [80, 120], factor: 0.1 })
    const at = (epoch: number) => rateAt(spec, epoch * 10, 10, 160)
    expect([0, 79.9, 80, 119.9, 120, 159].map((epoch) => Number(at(epoch).toPrecision(6)))).toEqual([
      0.1, 0.1, 0.01, 0.01, 0.001, 0.001,
    ])
  })

  test('warms up linearly and goes down by half a cosine', () => {
    const spec = parse({ kind: 'cosine', rate: 2, floor: 1, warmup: 0.5 })
    const rates = Array.from({ length: 25 }, (_, step) => rateAt(spec, step, 10, 2))
    // By hand: fifths of 2, then 1 + (1 + cos(pi * (step - 5) / 15)) / 2.
    expect(rates.slice(0, 5)).toEqual([0.4, 0.8, 1.2, 1.6, 2].map((x) => expect.closeTo(x, 10) as number))
    expect(rates[5]).toBeCloseTo(2, 10)
    expect(rates[10]).toBeCloseTo(1 + (1 + Math.cos(Math.PI / 3)) / 2, 10)
    expect(rates[20]).toBeCloseTo(1, 10)
    expect(rates[24]).toBeCloseTo(1, 10)
  })

  test('stays', () => {
    expect(rateAt(parse({ kind: 'constant', rate: 0.3 }), 999, 10, 2)).toBe(0.3)
  })

  test('is data that is checked', () => {
    for (const spec of [{ kind: 'constant', rate: 0 }, { kind: 'constant' }, { kind: 'cosine', rate: 1, warmup: -1 }]) {
      expect(() => parse(spec)).toThrow()
    }
  })
})
