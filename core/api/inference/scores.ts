/** How probable an inference found the classes. */
import { dequantise } from '../../network/fixed.ts'
import type { Plan, RevealStep } from '../../network/plan.ts'

export interface ClassScore {
  readonly label: number
  readonly private: number
  /** Of the clear float run; null where the weights are not on this machine. */
  readonly clear: number | null
}

const TOP = 5

/**
 * The five most probable classes; null when only the label was revealed.
 *
 * @param logits as integers of the plan's last value
 * @param clear logits of the clear float run, where there is one
 */
export function topClasses(
  plan: Plan,
  logits: Float64Array | null,
  clear: Float32Array | null,
): readonly ClassScore[] | null {
  if (logits === null) return null
  const ours = softmax(dequantise(plan.values[(plan.steps.at(-1) as RevealStep).input], logits))
  const theirs = clear === null ? null : softmax(Float64Array.from(clear))
  const scores = Array.from(ours, (score, label) => ({ label, private: score, clear: theirs?.[label] ?? null }))
  return scores.sort((a, b) => b.private - a.private).slice(0, TOP)
}

function softmax(logits: Float64Array): Float64Array {
  const largest = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  const powers = logits.map((logit) => Math.exp(logit - largest))
  const all = powers.reduce((a, b) => a + b, 0)
  return powers.map((power) => power / all)
}
