import type { Tensor2D } from '@tensorflow/tfjs-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as v from 'valibot'
import { Draws } from '../../core/datasets/random.ts'
import type { Engine } from '../../core/training/engine/index.ts'
import { decoupledTerms } from '../../core/training/losses/decoupled.ts'
import { softTerm } from '../../core/training/losses/distillation.ts'
import { LossSchema, type Loss, type LossSpec } from '../../core/training/losses/loss.ts'
import { makeLoss } from '../../core/training/losses/make.ts'
import { differences, engineOf } from '../fixtures/training.ts'

let engine: Engine
beforeAll(async () => {
  engine = await engineOf('cpu')
})
afterAll(() => engine.dispose())

const N = 5
const K = 4
const draws = new Draws(7, 'losses')
const random = (scale: number) => Float32Array.from({ length: N * K }, () => scale * draws.normal())
const LOGITS = random(2)
const TEACHER = random(3)
const LABELS = Int32Array.from([0, 3, 1, 2, 1])
const TARGETS = Float32Array.from({ length: N * K }, (_, i) => (LABELS[Math.floor(i / K)] === i % K ? 1 : 0))

const rows = (x: ArrayLike<number>): number[][] =>
  Array.from({ length: N }, (_, n) => Array.from({ length: K }, (_, k) => x[n * K + k]))
const mean = (f: (n: number) => number): number => rows(LOGITS).reduce((sum, _, n) => sum + f(n), 0) / N
const softmax = (x: readonly number[], t = 1): number[] => {
  const e = x.map((value) => Math.exp(value / t))
  const sum = e.reduce((a, b) => a + b, 0)
  return e.map((value) => value / sum)
}
const kl = (p: readonly number[], q: readonly number[]): number =>
  p.reduce((sum, value, i) => sum + value * Math.log(value / q[i]), 0)

function value(loss: Loss, logits: Float32Array = LOGITS, epoch = 0, teacher: Float32Array = TEACHER): number {
  const { tf } = engine
  return tf.tidy(
    () =>
      loss
        .compute(engine, {
          logits: tf.tensor2d(logits, [N, K]),
          targets: tf.tensor2d(TARGETS, [N, K]),
          labels: tf.tensor1d(LABELS, 'int32'),
          teacher: tf.tensor2d(teacher, [N, K]),
          epoch,
        })
        .dataSync()[0],
  )
}

const of = (spec: LossSpec): Loss => makeLoss(v.parse(LossSchema, spec))

/** Cross entropy by its definition. */
function hard(smoothing = 0): number {
  return mean((n) => {
    const p = softmax(rows(LOGITS)[n])
    return -p.reduce((sum, q, k) => {
      const target = (k === LABELS[n] ? 1 - smoothing : 0) + smoothing / K
      return sum + target * Math.log(q)
    }, 0)
  })
}

describe('cross entropy', () => {
  test('is the mean of -log p, and the smoothed target', () => {
    expect(value(of({ kind: 'cross-entropy' }))).toBeCloseTo(hard(), 5)
    expect(value(of({ kind: 'cross-entropy', smoothing: 0.1 }))).toBeCloseTo(hard(0.1), 5)
    // By hand: equal logits give log K, whatever the smoothing.
    expect(value(of({ kind: 'cross-entropy', smoothing: 0.3 }), new Float32Array(N * K))).toBeCloseTo(Math.log(4), 6)
  })
})

describe('distillation', () => {
  const soft = (t: number): number => t * t * mean((n) => kl(softmax(rows(TEACHER)[n], t), softmax(rows(LOGITS)[n], t)))

  test('is the weighted sum of cross entropy and T^2 KL', () => {
    expect(value(of({ kind: 'distillation' }))).toBeCloseTo(0.5 * hard() + 0.5 * soft(4), 4)
    expect(value(of({ kind: 'distillation', temperature: 2, weight: 0.9, smoothing: 0.2 }))).toBeCloseTo(
      0.1 * hard(0.2) + 0.9 * soft(2),
      4,
    )
    expect(value(of({ kind: 'distillation', temperature: 1, weight: 3, hardWeight: 2 }))).toBeCloseTo(
      2 * hard() + 3 * soft(1),
      4,
    )
  })

  test('has no soft term for a student that equals its teacher up to a shift', () => {
    const shifted = TEACHER.map((x) => x + 3)
    expect(value(of({ kind: 'distillation', weight: 1, hardWeight: 0 }), shifted)).toBeCloseTo(0, 5)
  })

  test('has a gradient that hardly depends on a high temperature', () => {
    // Hinton et al., section 2.1: at high T the soft gradient is (z - v) / classes, of centred logits.
    const { tf } = engine
    const gradient = tf.tidy(() =>
      tf
        .grad((z) => softTerm(engine, z as Tensor2D, tf.tensor2d(TEACHER, [N, K]), 300))(tf.tensor2d(LOGITS, [N, K]))
        .dataSync(),
    )
    const centred = (x: ArrayLike<number>) =>
      rows(x).flatMap((row) => row.map((a) => a - row.reduce((s, b) => s + b, 0) / K))
    const [z, t] = [centred(LOGITS), centred(TEACHER)]
    gradient.forEach((g, i) => expect(g).toBeCloseTo((z[i] - t[i]) / K / N, 2))
  })
})

describe('decoupled distillation', () => {
  /** As the paper writes it (equations 1 to 6), with probabilities. */
  function terms(t: number): { target: number; others: number } {
    const binary = (p: number[], label: number): number[] => [p[label], 1 - p[label]]
    const among = (p: number[], label: number): number[] =>
      p.filter((_, k) => k !== label).map((q) => q / (1 - p[label]))
    const each = (f: (p: number[], label: number) => number[]): number =>
      t * t * mean((n) => kl(f(softmax(rows(TEACHER)[n], t), LABELS[n]), f(softmax(rows(LOGITS)[n], t), LABELS[n])))
    return { target: each(binary), others: each(among) }
  }

  test('is alpha TCKD + beta NCKD beside the cross entropy', () => {
    const { target, others } = terms(4)
    expect(value(of({ kind: 'decoupled-distillation' }))).toBeCloseTo(hard() + target + 8 * others, 3)
    const two = terms(2)
    expect(
      value(
        of({ kind: 'decoupled-distillation', temperature: 2, alpha: 0.5, beta: 2, hardWeight: 0.3, smoothing: 0.1 }),
      ),
    ).toBeCloseTo(0.3 * hard(0.1) + 0.5 * two.target + 2 * two.others, 4)
  })

  test('grows over the warm-up', () => {
    const { target, others } = terms(4)
    const loss = of({ kind: 'decoupled-distillation', warmup: 20 })
    expect(value(loss, LOGITS, 0)).toBeCloseTo(hard(), 5)
    expect(value(loss, LOGITS, 5)).toBeCloseTo(hard() + 0.25 * (target + 8 * others), 3)
    expect(value(loss, LOGITS, 90)).toBeCloseTo(hard() + target + 8 * others, 3)
  })

  test('adds up to classical distillation: KL = TCKD + (1 - p_t) NCKD, image by image', () => {
    const { tf } = engine
    for (let n = 0; n < N; n++) {
      const row = (x: Float32Array) => tf.tensor2d(x.slice(n * K, (n + 1) * K), [1, K])
      tf.tidy(() => {
        const input = {
          logits: row(LOGITS),
          labels: tf.tensor1d([LABELS[n]], 'int32'),
          teacher: row(TEACHER),
        }
        const { target, others } = decoupledTerms(engine, input, 1)
        const unsure = 1 - softmax(rows(TEACHER)[n])[LABELS[n]]
        const whole = softTerm(engine, input.logits, input.teacher, 1).dataSync()[0]
        expect(target.dataSync()[0] + unsure * others.dataSync()[0]).toBeCloseTo(whole, 5)
      })
    }
  })

  test('stays finite, with its gradient, for networks that are quite sure', () => {
    const { tf } = engine
    const sure = Float32Array.from(TARGETS, (t) => 60 * t)
    const wrong = Float32Array.from(TARGETS, (t) => -60 * t)
    for (const [student, teacher] of [
      [sure, sure],
      [wrong, sure],
      [sure, wrong],
    ]) {
      const loss = of({ kind: 'decoupled-distillation', temperature: 1 })
      expect(Number.isFinite(value(loss, student, 0, teacher))).toBe(true)
      const gradient = tf.tidy(() =>
        tf
          .grad((z) =>
            loss.compute(engine, {
              logits: z as Tensor2D,
              targets: tf.tensor2d(TARGETS, [N, K]),
              labels: tf.tensor1d(LABELS, 'int32'),
              teacher: tf.tensor2d(teacher, [N, K]),
              epoch: 0,
            }),
          )(tf.tensor2d(student, [N, K]))
          .dataSync(),
      )
      expect([...gradient].every(Number.isFinite)).toBe(true)
    }
  })
})

describe('logit regression', () => {
  test('is cross entropy plus the squared distance of the logits', () => {
    const squares = mean((n) => rows(LOGITS)[n].reduce((sum, x, k) => sum + (x - rows(TEACHER)[n][k]) ** 2, 0))
    expect(value(of({ kind: 'logit-regression' }))).toBeCloseTo(hard() + squares, 3)
    expect(value(of({ kind: 'logit-regression', weight: 0.25 }))).toBeCloseTo(hard() + 0.25 * squares, 4)
  })
})

describe('every loss', () => {
  const specs: LossSpec[] = [
    { kind: 'cross-entropy', smoothing: 0.1 },
    { kind: 'distillation', temperature: 3, weight: 0.7 },
    { kind: 'decoupled-distillation', temperature: 3, beta: 2 },
    { kind: 'logit-regression', weight: 0.5 },
  ]
  test.each(specs)('$kind has the gradient of its finite differences', (spec) => {
    const { tf } = engine
    const loss = of(spec)
    const gradient = tf.tidy(() =>
      tf
        .grad((z) =>
          loss.compute(engine, {
            logits: z as Tensor2D,
            targets: tf.tensor2d(TARGETS, [N, K]),
            labels: tf.tensor1d(LABELS, 'int32'),
            teacher: tf.tensor2d(TEACHER, [N, K]),
            epoch: 0,
          }),
        )(tf.tensor2d(LOGITS, [N, K]))
        .dataSync(),
    )
    const expected = differences((z) => value(loss, z), LOGITS, 1e-2)
    // float32: the loss is known to 1e-6 of its size, and divided by 2e-2.
    gradient.forEach((g, i) => expect(Math.abs(g - expected[i])).toBeLessThan(2e-3 * Math.max(1, Math.abs(g))))
  })

  test.each(specs.slice(1))('$kind refuses to run without a teacher', (spec) => {
    const { tf } = engine
    const loss = of(spec)
    expect(loss.needsTeacher).toBe(true)
    expect(() =>
      tf.tidy(() =>
        loss.compute(engine, {
          logits: tf.tensor2d(LOGITS, [N, K]),
          targets: tf.tensor2d(TARGETS, [N, K]),
          labels: tf.tensor1d(LABELS, 'int32'),
          epoch: 0,
        }),
      ),
    ).toThrow(/teacher/)
  })

  test('is described by data that is checked', () => {
    expect(() => of({ kind: 'distillation', temperature: 0 })).toThrow()
    expect(() => of({ kind: 'cross-entropy', smoothing: 1 })).toThrow()
    expect(() => of({ kind: 'hinge' } as unknown as LossSpec)).toThrow()
  })
})
