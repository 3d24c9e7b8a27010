/** The settings of SNL as plain data, with the paper's values (section 4 and appendix B) for what is left out. */
import * as v from 'valibot'
import { finetunePhase, PhaseSchema, type FullPhase, type PhaseSpec } from '../phase.ts'

const positive = v.pipe(v.number(), v.finite(), v.gtValue(0))

/** Everything but the budget. */
export const SNL_ENTRIES = {
  /** A slope for each element ('element', unless given) or for each channel (structured SNL, equation 6). */
  granularity: v.exactOptional(v.picklist(['element', 'channel'])),
  /** What a removed ReLU leaves: the value ('identity', unless given) or 0 (zero-out, appendix B.2; no export). */
  removed: v.exactOptional(v.picklist(['identity', 'zero'])),
  /** 'trained' (unless given) starts from the network's weights, 'scratch' from fresh ones (appendix B.2). */
  start: v.exactOptional(v.picklist(['trained', 'scratch'])),
  /** First Lasso coefficient; 1e-5 unless given. */
  lambda: v.exactOptional(positive),
  /** Its factor when the count does not fall; 1.1 unless given. */
  kappa: v.exactOptional(v.pipe(positive, v.gtValue(1))),
  /** Slopes above it count; 0.01 unless given. */
  epsilon: v.exactOptional(v.pipe(v.number(), v.minValue(0), v.ltValue(1))),
  /** See SparsifyOptions; 1 unless given. */
  requiredFall: v.exactOptional(
    v.union(
      [v.pipe(v.number(), v.integer(), v.minValue(1)), v.literal('on-schedule')],
      "expected a whole number from 1, or 'on-schedule'",
    ),
  ),
  /**
   * 'threshold' (unless given) keeps the slopes above epsilon, at or under the budget, as algorithm 1 does. 'largest'
   * is a step of ours after it: exactly as many as the budget, the largest slopes (by channel: as many as fit). With it
   * the budget is met even when `sparsify.epochs` ran out before.
   */
  final: v.exactOptional(v.picklist(['threshold', 'largest'])),
  /**
   * Lines 4 to 10. `epochs` is the most there may be; 200 unless given. A rate of slopes (rate times `slopeRate`) above
   * epsilon makes them swing across it, so that the count jumps.
   */
  sparsify: v.exactOptional(PhaseSchema),
  /** Line 12. `epochs` of 100 unless given; false leaves it out. */
  finetune: v.exactOptional(v.union([v.literal(false), PhaseSchema])),
}

export const SnlSchema = v.strictObject({
  /** B: ReLUs to keep. */
  budget: v.pipe(v.number(), v.integer(), v.minValue(0)),
  ...SNL_ENTRIES,
})

export type SnlSpec = v.InferOutput<typeof SnlSchema>

export interface FullSnlSpec extends Required<Omit<SnlSpec, 'sparsify' | 'finetune'>> {
  readonly sparsify: FullPhase
  readonly finetune: FullPhase | false
}

/** Section 4: Adam with a rate of 0.001; weight decay 0.0005 as in appendix B.3. */
function sparsifyPhase(spec: PhaseSpec): FullPhase {
  return {
    epochs: 200,
    loss: { kind: 'cross-entropy' },
    optimiser: { kind: 'adam', decay: 0.0005 },
    schedule: { kind: 'constant', rate: 0.001 },
    ...spec,
  }
}

export function fullSnlSpec(spec: SnlSpec): FullSnlSpec {
  return {
    granularity: 'element',
    removed: 'identity',
    start: 'trained',
    lambda: 1e-5,
    kappa: 1.1,
    epsilon: 0.01,
    requiredFall: 1,
    final: 'threshold',
    ...spec,
    sparsify: sparsifyPhase(spec.sparsify ?? {}),
    finetune: spec.finetune === false ? false : finetunePhase(spec.finetune ?? {}),
  }
}
