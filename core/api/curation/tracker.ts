/**
 * Follows a training job through its stages: progress with curves, a fraction that never falls and an estimate of what
 * is left. Points are kept in a file beside the checkpoints; where the two differ, the checkpoints are right.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import type { PhaseEpoch, Surroundings } from '../../linearize/phase.ts'
import type { StepRecord } from '../../linearize/recipe/state.ts'
import type { Progress } from '../../training/trainer/report.ts'
import { stageTitle, thinned, type PlannedPart, type TrainingDetail, type TrainingPoint } from '../data/training.ts'
import type { OperationContext } from '../operation.ts'
import { epochNotice } from './setting.ts'

export interface TrackerOptions {
  readonly context: Pick<OperationContext, 'onProgress' | 'onNotice'>
  readonly plan: readonly PlannedPart[]
  readonly engine: string
  /** Training images of an epoch. */
  readonly images: number
  /** ReLUs before anything is done. */
  readonly relus: number
  readonly budget: number | null
  /** Folder of the job. */
  readonly folder: string
}

const FILE = 'history.json'
/** The last hundredth is for calibrating and writing the model. */
const TRAINING_SHARE = 0.99

const number = v.pipe(v.number(), v.finite())
const PointsSchema = v.array(
  v.strictObject({
    ...{ part: number, stage: v.string(), epoch: number, loss: number, accuracy: number, seconds: number },
    ...{ test: v.nullable(number), relus: v.nullable(number), rate: v.nullable(number) },
    imagesPerSecond: v.nullable(number),
  }),
)

/** Six significant digits: more are not seen in a chart, and histories are sent often. */
const short = (value: number): number => Number(value.toPrecision(6))

type Epoch = Omit<TrainingPoint, 'part' | 'stage' | 'seconds'>

const ofReport = (report: PhaseEpoch): Epoch => ({
  epoch: report.epoch + 1,
  loss: short(report.loss),
  accuracy: short(report.accuracy),
  test: report.evaluation === undefined ? null : short(report.evaluation.top1),
  relus: report.kept ?? null,
  rate: short(report.rate),
  imagesPerSecond: report.imagesPerSecond > 0 ? short(report.imagesPerSecond) : null,
})

export class TrainingTracker {
  readonly #options: TrackerOptions
  #points: TrainingPoint[]
  /** Parts of the plan before it belong to earlier runs of a sweep. */
  #base = 0
  #step = 0
  #part = 0
  #furthest = 0
  #rate: number | null = null
  #left: number | null = null
  #budget: number | null
  /** ReLUs now, when known. */
  #kept: number | null = null

  constructor(options: TrackerOptions) {
    this.#options = options
    this.#budget = options.budget
    this.#points = readPoints(options.folder)
  }

  get history(): readonly TrainingPoint[] {
    return this.#points
  }

  /** What Surroundings and RecipeContext take. */
  get hooks(): Required<Pick<Surroundings, 'onPhase' | 'onEpoch' | 'onProgress'>> & {
    onBegin: (step: number) => void
  } {
    return {
      onBegin: (step) => {
        this.#step = step
      },
      onPhase: (phase, done, kept) => {
        this.#kept = kept ?? null
        this.#part = this.#place(this.#step, phase)
        this.#left = null
        this.#reconcile(this.#part, done.map(ofReport))
        this.#tell(done.length, 0, 0)
      },
      onEpoch: (report) => {
        this.#options.context.onNotice(epochNotice(report))
        const earlier = this.#of(this.#part).filter(({ epoch }) => epoch <= report.epoch)
        this.#reconcile(this.#part, [...earlier, ofReport(report)])
        writePoints(this.#options.folder, this.#points)
        this.#rate = report.imagesPerSecond
        this.#left = report.secondsLeft
        this.#kept = report.kept ?? null
        this.#tell(report.epoch + 1, 0, 0)
      },
      onProgress: (progress) => this.#advance(progress),
    }
  }

  /** A sweep goes on to the run of this seed and budget. */
  enter(seed: number, budget: number | null): void {
    this.#base = this.#options.plan.findIndex((part) => part.seed === seed && part.budget === budget)
    this.#budget = budget
    this.#step = 0
  }

  /** A step of a recipe is done; perhaps by an earlier run. */
  record(record: StepRecord, step: number): void {
    for (const [phase, epochs] of Map.groupBy(record.epochs, ({ phase }) => phase)) {
      const known = epochs.map((epoch): Epoch => ({
        epoch: epoch.epoch + 1,
        loss: short(epoch.loss),
        accuracy: short(epoch.trainAccuracy),
        test: epoch.accuracy === undefined ? null : short(epoch.accuracy),
        relus: epoch.relus,
        rate: null,
        imagesPerSecond: null,
      }))
      const part = this.#place(step, phase)
      this.#reconcile(part, known)
      this.#part = part
    }
  }

  /** Training is over; the model is being measured and written. */
  finish(text: string): void {
    this.#part = this.#options.plan.length
    this.#left = 0
    this.#emit(text, { epoch: 0, epochs: 0, step: 0, steps: 0, stage: '' })
  }

  #place(step: number, phase: string): number {
    const { plan } = this.#options
    const place = plan.findIndex((part, i) => i >= this.#base && part.step === step && part.stage === phase)
    // A recipe that changes the network's stages has parts that could not be foreseen.
    return place < 0 ? this.#part : place
  }

  #of(part: number): TrainingPoint[] {
    return this.#points.filter((point) => point.part === part)
  }

  /** Makes the points of a part those of `epochs`; what is known of an epoch already stays. */
  #reconcile(part: number, epochs: readonly Epoch[]): void {
    const before = this.#points.filter((point) => point.part < part)
    const known = new Map(this.#of(part).map((point) => [point.epoch, point]))
    const after = this.#points.filter((point) => point.part > part)
    const stage = this.#options.plan[part]?.stage ?? ''
    let seconds = before.at(-1)?.seconds ?? 0
    const mine = epochs.map((epoch): TrainingPoint => {
      const was = known.get(epoch.epoch)
      if (was !== undefined && same(was, epoch)) {
        seconds = was.seconds
        return was
      }
      const speed = epoch.imagesPerSecond ?? before.at(-1)?.imagesPerSecond ?? null
      seconds = short(seconds + (speed === null ? 0 : this.#options.images / speed))
      return { part, stage, ...epoch, seconds }
    })
    this.#points = thinned([...before, ...mine, ...after])
  }

  #advance({ epoch, step, stepsPerEpoch, imagesPerSecond, secondsLeft }: Progress): void {
    this.#rate = imagesPerSecond
    this.#left = secondsLeft
    this.#tell(epoch, step, stepsPerEpoch)
  }

  /** `done`: whole epochs of the part; of the next one, `step` of `steps`. */
  #tell(done: number, step: number, steps: number): void {
    const { stage, epochs } = this.#options.plan[this.#part]
    const epoch = Math.min(done + 1, epochs)
    const text = `${stageTitle(stage)}: epoch ${epoch} of ${epochs}${steps === 0 ? '' : `, step ${step} of ${steps}`}`
    this.#emit(text, { stage, epoch, epochs, step, steps }, done + (steps === 0 ? 0 : step / steps))
  }

  #emit(text: string, place: Pick<TrainingDetail, 'stage' | 'epoch' | 'epochs' | 'step' | 'steps'>, done = 0): void {
    const { plan, engine, relus, context } = this.#options
    const total = plan.reduce((sum, { epochs }) => sum + epochs, 0)
    const past = plan.slice(0, this.#part).reduce((sum, { epochs }) => sum + epochs, 0)
    const share = total === 0 ? 0 : (TRAINING_SHARE * (past + done)) / total
    this.#furthest = Math.max(this.#furthest, Math.min(share, TRAINING_SHARE))
    const mine = plan[this.#part]
    const rest = mine === undefined ? 0 : mine.epochs - done
    const later = total - past - (mine?.epochs ?? 0)
    const left = this.#left
    const detail: TrainingDetail = {
      kind: 'training',
      plan,
      part: this.#part,
      ...place,
      imagesPerSecond: this.#rate === null || this.#rate === 0 ? null : short(this.#rate),
      secondsLeft:
        left === null ? null : short(left + (rest > 0 && left > 0 ? (left / rest) * later : this.#guess(later))),
      budget: this.#budget,
      relus:
        this.#kept ??
        this.#points.findLast((point) => point.part <= this.#part && point.relus !== null)?.relus ??
        relus,
      engine,
      history: this.#points,
    }
    context.onProgress({ text, fraction: this.#furthest, detail })
  }

  /** Seconds of so many epochs, by the latest speed. */
  #guess(epochs: number): number {
    const speed = this.#points.findLast(({ imagesPerSecond }) => imagesPerSecond !== null)?.imagesPerSecond ?? null
    return speed === null ? 0 : (epochs * this.#options.images) / speed
  }
}

const same = (point: TrainingPoint, epoch: Epoch): boolean =>
  point.loss === epoch.loss && point.accuracy === epoch.accuracy && (epoch.rate === null || point.rate === epoch.rate)

/** What cannot be read is rebuilt from the checkpoints, as far as they know it. */
function readPoints(folder: string): TrainingPoint[] {
  try {
    return thinned(v.parse(PointsSchema, JSON.parse(readFileSync(join(folder, FILE), 'utf8'))))
  } catch {
    return []
  }
}

function writePoints(folder: string, points: readonly TrainingPoint[]): void {
  const file = join(folder, FILE)
  try {
    writeFileSync(`${file}.tmp`, JSON.stringify(points))
    renameSync(`${file}.tmp`, file)
  } catch {
    // Curves are no reason to stop; a folder that is gone is told of by the next checkpoint.
  }
}
