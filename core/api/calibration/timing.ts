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
export async function least(
  run: () => unknown,
  { spendMs, signal }: Timing,
  clock: () => number = processorMs,
): Promise<number> {
  let shortest = Infinity
  let runs = 0
  const until = performance.now() + spendMs
  do {
    // Lets a message in that asks to stop.
    await setImmediate()
    signal?.throwIfAborted()
    const from = clock()
    await run()
    shortest = Math.min(shortest, clock() - from)
    runs++
  } while (runs < MIN_RUNS || performance.now() < until)
  return shortest
}
