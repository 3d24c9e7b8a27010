import { duration } from '../ui/format.ts'

/** Milliseconds of a part of a run: one decimal below 10 ms, which is all that a clock of two processes gives. */
export function shortTime(ms: number): string {
  if (ms >= 10 || ms === 0) return duration(ms)
  return ms < 0.05 ? '< 0.1 ms' : `${ms.toFixed(1)} ms`
}
