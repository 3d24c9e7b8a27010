/** Runs each job in a process of its own, so that nothing that it does can hold up or take down the one with the queue. */
import type { JobRunner } from '../../jobs/job.ts'
import { WorkerProcess } from '../worker/worker.ts'

/** A job that does not react to being stopped is ended by force after so long, ms. */
const PATIENCE_MS = 20_000

/** `data`: the data folder of the jobs. */
export function processRunner(data?: string): JobRunner {
  return ({ operation, input }, events) => {
    const worker = new WorkerProcess(data)
    let timer: NodeJS.Timeout | undefined
    const { done, stop, tell } = worker.run(operation, input, events)
    return {
      done: done.finally(() => {
        clearTimeout(timer)
        worker.kill()
      }),
      stop: () => {
        stop()
        timer ??= setTimeout(() => worker.kill(), PATIENCE_MS)
      },
      tell,
    }
  }
}
