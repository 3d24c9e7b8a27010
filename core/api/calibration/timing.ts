/** How long work takes: the least of several runs, as what others do on the machine only slows it down. */
import { setImmediate } from 'node:timers/promises'

const MIN_RUNS = 3

export interface Timing {
  /** Spent on each figure, ms, or as long as {@link MIN_RUNS} runs take. */
  readonly spendMs: number
  readonly signal?: AbortSignal | undefined
}

/** ms of processor time of this process, all its threads. */
export function processorMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

export const wallMs = (): number => performance.now()

/** ms of one run. Rejects with the signal's reason. */
export async function least(run: () => unknown, timing: Timing, clock?: () => number): Promise<number> {
  return (await leastOfEach([run], timing, clock))[0]
}

/** As {@link least}, of runs that take turns, so that their differences are not those of two moments of the machine. */
export async function leastOfEach(
  runs: readonly (() => unknown)[],
  { spendMs, signal }: Timing,
  clock: () => number = processorMs,
): Promise<number[]> {
  const shortest = runs.map(() => Infinity)
  const until = performance.now() + spendMs * runs.length
  for (let round = 0; round < MIN_RUNS || performance.now() < until; round++) {
    for (const [i, run] of runs.entries()) {
      // Lets a message in that asks to stop.
      await setImmediate()
      signal?.throwIfAborted()
      const from = clock()
      await run()
      shortest[i] = Math.min(shortest[i], clock() - from)
    }
  }
  return shortest
}
