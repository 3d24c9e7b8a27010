/**
 * Learning rates by step. Steps as in He et al. 2016 (divided at given epochs); half a cosine as in Loshchilov and
 * Hutter 2017, "SGDR" (equation 5, without restarts); a linear warm-up first as in Goyal et al. 2017 (section 2.2).
 */
import * as v from 'valibot'

const positive = v.pipe(v.number(), v.finite(), v.gtValue(0))
const natural = v.pipe(v.number(), v.finite(), v.minValue(0))

/** The rate after the warm-up. */
const rate = positive
/** Epochs of warm-up, not necessarily whole; none unless given. */
const warmup = v.exactOptional(natural)

export const ScheduleSchema = v.variant('kind', [
  v.strictObject({ kind: v.literal('constant'), rate, warmup }),
  v.strictObject({
    kind: v.literal('step'),
    rate,
    warmup,
    /** Epochs (from 0) at whose beginning the rate is multiplied by `factor`. */
    milestones: v.pipe(v.array(natural), v.maxLength(100)),
    factor: positive,
  }),
  v.strictObject({
    kind: v.literal('cosine'),
    rate,
    warmup,
    /** What the rate ends at; 0 unless given. */
    floor: v.exactOptional(natural),
  }),
])

export type ScheduleSpec = v.InferOutput<typeof ScheduleSchema>

/** The rate of a step, counted from 0 over all epochs. */
export function rateAt(spec: ScheduleSpec, step: number, stepsPerEpoch: number, epochs: number): number {
  const warm = Math.round((spec.warmup ?? 0) * stepsPerEpoch)
  if (step < warm) return (spec.rate * (step + 1)) / warm
  switch (spec.kind) {
    case 'constant':
      return spec.rate
    case 'step': {
      const passed = spec.milestones.filter((epoch) => step >= Math.round(epoch * stepsPerEpoch)).length
      return spec.rate * spec.factor ** passed
    }
    case 'cosine': {
      const { floor = 0 } = spec
      const share = (step - warm) / Math.max(1, stepsPerEpoch * epochs - warm)
      return floor + 0.5 * (spec.rate - floor) * (1 + Math.cos(Math.PI * Math.min(1, share)))
    }
  }
}
