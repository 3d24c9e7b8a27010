/** How long a training takes, judged by what ran on this machine before. */
import type { WindowJob } from '../../core/api/data/contract.ts'
import type { Output } from '../app/host.svelte.ts'

export interface Speed {
  readonly imagesPerSecond: number
  /** Of the same network, and not of another by its size. */
  readonly exact: boolean
}

type History = Output<'train'>['history']

/** Of the network that engineMeasure trains. */
const MEASURED_MACS = 19.4e6
/** Smaller networks take about as long, whatever their size. */
const LEAST_MACS = MEASURED_MACS / 4

/** Of the last epoch that was timed. */
const speedOf = (history: History): number | null =>
  history.findLast(({ imagesPerSecond }) => imagesPerSecond !== null)?.imagesPerSecond ?? null

/** Of a named network on an engine; null when nothing tells. `macs`: of one image. */
export function trainingSpeed(jobs: readonly WindowJob[], engine: string, arch: string, macs: number): Speed | null {
  const done = jobs.filter(({ state }) => state === 'done').toReversed()
  for (const { operation, input, result } of done) {
    if (operation !== 'train' || (input as { arch?: string }).arch !== arch) continue
    const trained = result as Output<'train'>
    const imagesPerSecond = trained.engine === engine ? speedOf(trained.history) : null
    if (imagesPerSecond !== null) return { imagesPerSecond, exact: true }
  }
  const measured = done.find(({ operation }) => operation === 'engineMeasure')?.result as
    Output<'engineMeasure'> | undefined
  if (measured?.description !== engine || macs < LEAST_MACS) return null
  return { imagesPerSecond: (measured.imagesPerSecond * MEASURED_MACS) / macs, exact: false }
}

/** Of a model that was linearised before on this engine. */
export function linearisingSpeed(jobs: readonly WindowJob[], engine: string, model: string): Speed | null {
  for (const { operation, input, result, state } of jobs.toReversed()) {
    if (operation !== 'linearize' || state !== 'done' || (input as { model?: string }).model !== model) continue
    const made = result as Output<'linearize'>
    const imagesPerSecond = made.engine === engine ? speedOf(made.history) : null
    if (imagesPerSecond !== null) return { imagesPerSecond, exact: true }
  }
  return null
}
