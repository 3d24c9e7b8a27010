/** The history of a run as curves: epochs of all stages in one row, lines parted between the stages. */
import { stageTitle, type PlannedPart, type TrainingPoint } from '../../core/api/data/training.ts'
import type { Section } from '../charts/curve.ts'
import { text } from './text.ts'

export interface Placed {
  /** Epochs since the beginning; between two stages one in the middle, which has no point. */
  readonly xs: readonly number[]
  readonly points: readonly (TrainingPoint | null)[]
  readonly sections: readonly Section[]
}

/** A stage in words, of a sweep with its budget. */
export const partTitle = ({ stage, budget }: Pick<PlannedPart, 'stage' | 'budget'>): string =>
  text.sectionOf(stageTitle(stage), budget)

/** A stage that ended early is as long as it was. */
export function placed(history: readonly TrainingPoint[], plan: readonly PlannedPart[]): Placed {
  const xs: number[] = []
  const points: (TrainingPoint | null)[] = []
  const sections: Section[] = []
  let before = 0
  for (const [part, mine] of Map.groupBy(history, (point) => point.part)) {
    if (xs.length > 0) {
      xs.push(before + 0.5)
      points.push(null)
    }
    const from = before + 1
    for (const point of mine) {
      xs.push(before + point.epoch)
      points.push(point)
    }
    before += Math.max(...mine.map(({ epoch }) => epoch))
    const planned = plan[part] as PlannedPart | undefined
    sections.push({ from, to: before, label: planned === undefined ? '' : partTitle(planned) })
  }
  return { xs, points, sections }
}

/** Every epoch with everything that is known of it, as rows of a table. */
export function rowsOf(history: readonly TrainingPoint[]): (readonly (string | number | null)[])[] {
  return [
    text.columns,
    ...history.map(({ part, stage, epoch, loss, accuracy, test, relus, rate, imagesPerSecond, seconds }) => [
      ...[part + 1, stage, epoch, loss, accuracy, test, relus, rate, imagesPerSecond, seconds],
    ]),
  ]
}
