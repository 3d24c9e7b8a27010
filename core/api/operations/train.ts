/** train: a named architecture on a data set, into a model folder. Stops and goes on by its checkpoint. */
import { join } from 'node:path'
import * as v from 'valibot'
import { architecture } from '../../architectures/index.ts'
import { writeModel } from '../../formats/model-directory.ts'
import { pretrainPhase, runPhase } from '../../linearize/phase.ts'
import { countNetwork } from '../../network/counts.ts'
import { TrainableModel } from '../../training/model/model.ts'
import type { ScheduleSpec } from '../../training/trainer/schedule.ts'
import { checkTag } from '../../zoo/tags.ts'
import { TrainingTracker } from '../curation/tracker.ts'
import type { PlannedPart, TrainingPoint } from '../data/training.ts'
import { calibrateOn, checkFits, datasetCard, jobStorage, openSetting } from '../curation/setting.ts'
import type { Operation } from '../operation.ts'
import { keep } from '../recording.ts'
import { tagsEntry } from './zoo-input.ts'

const whole = (min: number, max: number) => v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max))

export const trainInput = v.strictObject({
  arch: v.pipe(v.string(), v.minLength(1)),
  /** Folder, file or archive of a data set; 'generated' needs none. */
  dataset: v.pipe(v.string(), v.minLength(1)),
  /** Folder of the model; checkpoints are kept in its subfolder `job` until the end. */
  out: v.pipe(v.string(), v.minLength(1)),
  epochs: v.optional(whole(1, 10_000), 30),
  batch: v.optional(whole(1, 65_536), 128),
  /** Highest learning rate, warmed up over one epoch. */
  rate: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(10)), 0.1),
  /** What the rate does then: half a cosine to zero, a tenth from half and three quarters of the epochs on, or nothing. */
  schedule: v.optional(v.picklist(['cosine', 'step', 'constant']), 'cosine'),
  seed: v.optional(whole(0, 2 ** 32 - 1), 1),
  name: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(100))),
  /** Bring the result into the catalog. */
  keep: v.optional(v.boolean(), false),
  /** In the catalog. */
  tags: tagsEntry,
  /** Folder of the catalog; see dataFolder. */
  data: v.exactOptional(v.string()),
})
export type TrainInput = v.InferOutput<typeof trainInput>

export interface TrainOutcome {
  /** Folder. */
  readonly model: string
  /** In the catalog, when it was brought there. */
  readonly id: string | null
  readonly accuracy: number
  readonly images: number
  readonly relus: number
  readonly macs: number
  readonly params: number
  readonly epochs: number
  /** Spent in steps, evaluation left out, by this run and those that it went on from. */
  readonly seconds: number
  readonly engine: string
  /** Every epoch, for curves. */
  readonly history: readonly TrainingPoint[]
  /** What the points' `part` counts. */
  readonly plan: readonly PlannedPart[]
}

const SCHEDULES: Readonly<Record<TrainInput['schedule'], string>> = {
  cosine: 'half a cosine',
  step: 'a tenth of it from half and a hundredth from three quarters of the epochs on',
  constant: 'no change',
}

function scheduleOf({ schedule, rate, epochs }: TrainInput): ScheduleSpec {
  if (schedule !== 'step') return { kind: schedule, rate, warmup: 1 }
  return { kind: 'step', rate, warmup: 1, milestones: [epochs / 2, (3 * epochs) / 4], factor: 0.1 }
}

export const train: Operation<typeof trainInput, TrainOutcome> = {
  name: 'train',
  summary: 'Trains a named architecture on a data set and writes a model folder; run it again to go on after a stop.',
  input: trainInput,
  async run(input, context) {
    const { dataset: path, batch, data } = input
    // Known before hours of training.
    const tags = input.tags.map(checkTag)
    const { engine, dataset, around, perEpoch } = await openSetting({ dataset: path, batch, data, context })
    try {
      const graph = architecture(input.arch, { classes: dataset.classes, inputShape: [...dataset.shape] })
      checkFits(dataset, graph, dataset.classes)
      const model = TrainableModel.create(engine, graph, { init: input.seed })
      const spec = pretrainPhase({
        epochs: input.epochs,
        loss: { kind: 'cross-entropy', smoothing: 0.05 },
        optimiser: { kind: 'sgd', momentum: 0.9, nesterov: true, decay: 0.0005 },
        schedule: scheduleOf(input),
      })
      const storage = await jobStorage(join(input.out, 'job'))
      const { relus, macs, params } = countNetwork(graph)
      const plan: PlannedPart[] = [{ stage: 'train', epochs: input.epochs, step: 0 }]
      const tracker = new TrainingTracker({
        ...{ context, engine: engine.description, images: perEpoch, relus, budget: null, folder: storage.folder },
        plan,
      })
      const run = { phase: 'train', model, spec, seed: `${input.seed} train`, kept: relus, storage }
      const { reports } = await runPhase({ ...around, ...tracker.hooks }, run)
      tracker.finish('calibrating the model')
      const trained = await model.exportModel()
      const measured = reports.at(-1)?.evaluation
      if (measured === undefined) throw new Error('the last epoch was not evaluated')
      // An epoch that was resumed after its last step has no rate; it took what the others took.
      const timed = reports.filter(({ imagesPerSecond }) => imagesPerSecond > 0)
      const spent = timed.reduce((sum, { imagesPerSecond }) => sum + perEpoch / imagesPerSecond, 0)
      const seconds = timed.length === 0 ? 0 : (spent * reports.length) / timed.length
      const command = `adyton train --arch ${input.arch} --epochs ${input.epochs} --batch ${input.batch} --rate ${input.rate} --schedule ${input.schedule} --seed ${input.seed}`
      await writeModel(input.out, {
        ...trained,
        calibration: await calibrateOn(dataset, trained.graph, trained.tensors),
        card: {
          name: input.name ?? input.arch,
          ...datasetCard(dataset),
          licence: 'Apache-2.0',
          accuracy: { top1: measured.top1, images: measured.images },
          training: {
            epochs: input.epochs,
            images: dataset.parts.train.count,
            summary:
              `SGD with Nesterov momentum 0.9, weight decay 0.0005, label smoothing 0.05, batches of ${input.batch}, one epoch of ` +
              `warm-up to a rate of ${input.rate}, then ${SCHEDULES[input.schedule]}; ${dataset.augmentation.flip ? 'mirror images and ' : ''}crops ` +
              `after padding by ${dataset.augmentation.crop}. ${Math.round(seconds)} s on ${engine.description}. The accuracy is that of the ` +
              `last epoch on the ${measured.images} test images, which chose nothing. Command: ${command}`,
          },
        },
      })
      const of = `${input.arch} on ${dataset.name}`
      const id = input.keep ? await keep({ folder: input.out, data, by: 'train', of, tags }) : null
      return {
        model: input.out,
        id,
        accuracy: measured.top1,
        images: measured.images,
        relus,
        macs,
        params,
        epochs: input.epochs,
        seconds,
        engine: engine.description,
        history: tracker.history,
        plan,
      }
    } finally {
      engine.dispose()
    }
  },
}
