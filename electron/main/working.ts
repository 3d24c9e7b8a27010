/** What the system sees of running jobs: a bar in the dock or task bar, and that it should not go to sleep. */
import type { BrowserWindow } from 'electron'
import type { JobQueue } from '../../core/jobs/queue.ts'
import type { ElectronApi } from './electron.ts'

/** The bar moves by steps of this, so that a job that tells a lot costs nothing. */
const STEP = 0.01

/** `window`: the one with the bar. Gives what ends it. */
export function showWork(
  { powerSaveBlocker }: Pick<ElectronApi, 'powerSaveBlocker'>,
  queue: JobQueue,
  window: () => BrowserWindow | undefined,
): () => void {
  let blocker: number | undefined
  /** Share of the work that is done; -1 shows no bar. */
  let shown = -1
  let shownIn: BrowserWindow | undefined
  const show = (fraction: number): void => {
    const target = window()
    if (fraction === shown && target === shownIn) return
    shown = fraction
    shownIn = target
    if (target?.isDestroyed() === false) target.setProgressBar(fraction)
  }
  const look = (): void => {
    const running = queue.list().filter(({ state }) => state === 'running')
    if (running.length > 0) blocker ??= powerSaveBlocker.start('prevent-app-suspension')
    else if (blocker !== undefined) {
      powerSaveBlocker.stop(blocker)
      blocker = undefined
    }
    // A server that waits for clients has no end to show.
    const known = running.map(({ progress }) => progress?.fraction).filter((fraction) => fraction !== undefined)
    const mean = known.reduce((sum, fraction) => sum + fraction, 0) / known.length
    show(known.length === 0 ? -1 : Math.round(mean / STEP) * STEP)
  }
  const unlisten = queue.listen(({ kind }) => {
    if (kind === 'job' || kind === 'progress') look()
  })
  look()
  return () => {
    unlisten()
    if (blocker !== undefined) powerSaveBlocker.stop(blocker)
    show(-1)
  }
}
