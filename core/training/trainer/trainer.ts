/**
 * The training run: epochs of batches, a learning-rate schedule, evaluation, reports, hooks and checkpoints. The
 * trainer draws nothing at random itself: a run is repeated to the bit, on the same backend and number of threads, by
 * the seeds of the model and of the batches.
 */
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Variable } from '@tensorflow/tfjs-core'
import { AdytonError } from '../../errors/errors.ts'
import type { Loss, LossSpec } from '../losses/loss.ts'
import { makeLoss } from '../losses/make.ts'
import type { TrainableModel } from '../model/model.ts'
import type { BatchSource, OpenBatches } from './batches.ts'
import {
  checkSettings,
  readCheckpoint,
  writeCheckpoint,
  type Checkpoint,
  type CheckpointOptions,
} from './checkpoint.ts'
import { evaluate } from './evaluate.ts'
import type { Json, TrainingContext, TrainingHook } from './hook.ts'
import { Optimiser, type OptimiserSpec } from './optimiser.ts'
import type { EpochReport, Progress } from './report.ts'
import { rateAt, type ScheduleSpec } from './schedule.ts'
import { TOTALS, trainStep } from './step.ts'

export interface TrainOptions {
  /** Trained in place. */
  readonly model: TrainableModel
  /** Its logits are what a distilling loss reads, in evaluation mode. It is not changed. */
  readonly teacher?: TrainableModel
  readonly batches: BatchSource
  readonly epochs: number
  /** Cross entropy unless given. */
  readonly loss?: LossSpec | Loss
  readonly optimiser: OptimiserSpec
  readonly schedule: ScheduleSpec
  /** Measured after every `evaluateEvery` epochs (1 unless given) and after the last. */
  readonly evaluation?: BatchSource
  readonly evaluateEvery?: number
  readonly hooks?: readonly TrainingHook[]
  /** A slope above it counts as a kept ReLU in reports; 0 unless given. */
  readonly reluThreshold?: number
  readonly checkpoint?: CheckpointOptions
  readonly signal?: AbortSignal
  /** Before the first step: the epochs of the run that this one goes on from; none when it begins anew. */
  readonly onStart?: (done: readonly EpochReport[]) => void
  readonly onEpoch?: (report: EpochReport) => void
  readonly onProgress?: (progress: Progress) => void
  /** Told when a run is resumed on another engine, which is allowed, but ends with other bits. */
  readonly onNotice?: (notice: string) => void
}

export interface TrainResult {
  /** Of all epochs, also those before a resume. */
  readonly reports: readonly EpochReport[]
  /** True when a hook ended the run before its last epoch. */
  readonly stopped: boolean
}

/** Steps between looks at the loss: a look waits for the device. */
const LOOK_EVERY = 16
const PROGRESS_MS = 500

/**
 * Trains. With a checkpoint file and `resume`, goes on where that file stopped.
 * @throws AdytonError 'cancelled' when `signal` fires (after a checkpoint was written, if one was asked for),
 *   'training-diverged' when the loss is no longer finite, 'checkpoint-mismatch', 'file-corrupt'; RangeError for
 *   impossible options
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const run = new Run(options)
  try {
    return await run.go()
  } finally {
    run.dispose()
  }
}

class Run {
  readonly #options: TrainOptions
  readonly #hooks: readonly TrainingHook[]
  readonly #loss: Loss
  readonly #optimiser: Optimiser
  readonly #totals: Variable
  readonly #reports: EpochReport[] = []
  #agreed: Record<string, Json> | undefined
  #epoch = 0
  #step = 0
  #finished = false
  /** Since when, and from which step on, this process trains; for the estimates. */
  #began = 0
  #first = 0

  constructor(options: TrainOptions) {
    const { model, teacher, epochs, hooks = [], loss = { kind: 'cross-entropy' } } = options
    const { tf } = model.engine
    if (!Number.isInteger(epochs) || epochs < 1) throw new RangeError(`1 epoch or more, got ${epochs}`)
    if (new Set(hooks.map(({ name }) => name)).size !== hooks.length) throw new RangeError('two hooks of one name')
    this.#options = options
    this.#hooks = hooks
    this.#loss = 'compute' in loss ? loss : makeLoss(loss)
    if (this.#loss.needsTeacher && teacher === undefined) throw new RangeError('this loss needs a teacher')
    this.#optimiser = new Optimiser(tf, options.optimiser)
    this.#totals = tf.tidy(() => tf.variable(tf.zeros([TOTALS]), false))
  }

  dispose(): void {
    this.#optimiser.dispose()
    this.#totals.dispose()
  }

  get #steps(): number {
    return this.#options.batches.stepsPerEpoch
  }

  #context(): TrainingContext {
    const { model, epochs, schedule } = this.#options
    const rate = rateAt(schedule, this.#epoch * this.#steps + this.#step, this.#steps, epochs)
    return {
      engine: model.engine,
      model,
      epoch: this.#epoch,
      step: this.#step,
      stepsPerEpoch: this.#steps,
      epochs,
      rate,
    }
  }

  async go(): Promise<TrainResult> {
    const { epochs, batches } = this.#options
    await this.#resume()
    for (const hook of this.#hooks) await hook.start?.(this.#context())
    this.#options.onStart?.([...this.#reports])
    this.#began = performance.now()
    this.#first = this.#epoch * this.#steps + this.#step
    let stream: OpenBatches | undefined
    try {
      while (!this.#finished) {
        if (this.#step < this.#steps) stream ??= batches.open({ epoch: this.#epoch, step: this.#step })
        const report = await this.#trainEpoch(stream)
        await this.#endEpoch(report)
      }
    } finally {
      await stream?.close()
    }
    return { reports: this.#reports, stopped: this.#reports.length < epochs }
  }

  /** The rest of the steps of an epoch; seconds and images of that rest for its report. */
  async #trainEpoch(stream: OpenBatches | undefined): Promise<{ seconds: number; images: number }> {
    const began = performance.now()
    const { model, teacher, onProgress } = this.#options
    const parts = {
      model,
      teacher,
      loss: this.#loss,
      optimiser: this.#optimiser,
      hooks: this.#hooks,
      totals: this.#totals,
    }
    let images = 0
    let told = began
    while (this.#step < this.#steps) {
      await this.#stopIfAsked()
      const next = await (stream as OpenBatches).next()
      if (next.done === true) throw new RangeError(`the batches ended at epoch ${this.#epoch}, step ${this.#step}`)
      trainStep(parts, this.#context(), next.value)
      this.#step++
      images += next.value.count
      if (this.#step % LOOK_EVERY === 0 || this.#step === this.#steps) await this.#look()
      // Steps and batches from memory never wait: without this no timer or message could stop the run.
      await setImmediate()
      const now = performance.now()
      if (onProgress === undefined || now - told < PROGRESS_MS) continue
      told = now
      onProgress({
        epoch: this.#epoch,
        epochs: this.#options.epochs,
        step: this.#step,
        stepsPerEpoch: this.#steps,
        imagesPerSecond: images / ((now - began) / 1000),
        secondsLeft: this.#secondsLeft(),
      })
    }
    return { seconds: (performance.now() - began) / 1000, images }
  }

  /** Waits for the device; the sums of the epoch so far. */
  async #look(): Promise<Float32Array> {
    const totals = Float32Array.from(await this.#totals.data())
    if (totals.every(Number.isFinite)) return totals
    throw new AdytonError(
      'training-diverged',
      `the loss is not finite after step ${this.#step} of epoch ${this.#epoch}`,
      {
        advice: 'Take a lower learning rate, a longer warm-up or gradient clipping; go on from an earlier checkpoint.',
      },
    )
  }

  async #endEpoch({ seconds, images }: { seconds: number; images: number }): Promise<void> {
    const {
      model,
      epochs,
      evaluation,
      evaluateEvery = 1,
      reluThreshold = 0,
      checkpoint,
      onEpoch,
      signal,
    } = this.#options
    const [loss, penalty, correct, count] = await this.#look()
    const last = this.#epoch + 1 === epochs
    const due = evaluation !== undefined && (last || (this.#epoch + 1) % evaluateEvery === 0)
    await this.#stopIfAsked()
    const measured = due ? await this.#evaluate(evaluation) : undefined
    const relus = model.slopes().size > 0 ? await model.countRelus(reluThreshold) : undefined
    // The last step's, which is before this place.
    const rate = rateAt(this.#options.schedule, this.#epoch * this.#steps + this.#steps - 1, this.#steps, epochs)
    const report: EpochReport = {
      epoch: this.#epoch,
      epochs,
      loss: loss / count,
      penalty: penalty / count,
      accuracy: correct / count,
      ...(measured === undefined ? {} : { evaluation: measured }),
      ...(relus === undefined ? {} : { relus: { kept: relus.kept, total: relus.total } }),
      rate,
      imagesPerSecond: seconds > 0 ? images / seconds : 0,
      secondsLeft: this.#secondsLeft(),
    }
    const context = { ...this.#context(), rate }
    let stop = false
    for (const hook of this.#hooks) if ((await hook.afterEpoch?.(context, report)) === 'stop') stop = true
    this.#reports.push(report)
    this.#finished = stop || last
    this.#epoch++
    this.#step = 0
    const { tf } = model.engine
    tf.tidy(() => this.#totals.assign(tf.zeros([TOTALS])))
    if (checkpoint !== undefined && (this.#finished || this.#epoch % (checkpoint.every ?? 1) === 0)) await this.#save()
    onEpoch?.(report)
    if (!this.#finished && signal?.aborted === true) await this.#stopIfAsked()
  }

  async #evaluate(source: BatchSource): Promise<EpochReport['evaluation']> {
    const { model, signal } = this.#options
    try {
      return await evaluate(model, source, signal === undefined ? {} : { signal })
    } catch (error) {
      // The steps of this epoch are done: what is written resumes with the evaluation.
      if (error instanceof AdytonError && error.code === 'cancelled') await this.#stopIfAsked()
      throw error
    }
  }

  #secondsLeft(): number {
    const done = this.#epoch * this.#steps + this.#step
    const left = this.#options.epochs * this.#steps - done
    return done === this.#first ? 0 : ((performance.now() - this.#began) / 1000 / (done - this.#first)) * left
  }

  async #stopIfAsked(): Promise<void> {
    if (this.#options.signal?.aborted !== true) return
    const { checkpoint } = this.#options
    if (checkpoint !== undefined) await this.#save()
    throw new AdytonError('cancelled', `training was stopped in epoch ${this.#epoch + 1} of ${this.#options.epochs}`, {
      ...(checkpoint === undefined ? {} : { advice: 'Resume it: a checkpoint was written.' }),
    })
  }

  /** What must be the same for a resumed run to be the same run. */
  async #settings(): Promise<Record<string, Json>> {
    const { model, teacher, batches, epochs, loss = { kind: 'cross-entropy' }, optimiser, schedule } = this.#options
    const settings = {
      network: model.parameters.map(({ name, variable }) => `${name} ${variable.shape.join('x')}`).join(' '),
      model: model.options,
      teacher: teacher === undefined ? null : await digest(teacher),
      batches: { images: batches.images, steps: batches.stepsPerEpoch, identity: batches.identity },
      epochs,
      loss: 'compute' in loss ? 'custom' : loss,
      optimiser,
      schedule,
      hooks: this.#hooks.map(({ name }) => name),
    }
    return JSON.parse(JSON.stringify(settings)) as Record<string, Json>
  }

  async #save(): Promise<void> {
    const { model, checkpoint } = this.#options
    const { tensors, counts } = await this.#optimiser.state()
    const state: Checkpoint = {
      settings: (this.#agreed ??= await this.#settings()),
      engine: engineName(model),
      epoch: this.#epoch,
      step: this.#step,
      finished: this.#finished,
      trainable: model.trainable().map(({ name }) => name),
      optimiserSteps: counts,
      hooks: Object.fromEntries(this.#hooks.flatMap((hook) => (hook.state ? [[hook.name, hook.state()]] : []))),
      reports: this.#reports,
      tensors: { model: await model.state(), optimiser: tensors, totals: Float32Array.from(await this.#totals.data()) },
    }
    await writeCheckpoint(checkpoint as CheckpointOptions, state)
  }

  async #resume(): Promise<void> {
    const { model, checkpoint, onNotice } = this.#options
    if (checkpoint?.resume !== true) return
    const stored = await readCheckpoint(checkpoint)
    if (stored === undefined) return
    this.#agreed = await this.#settings()
    checkSettings(checkpoint.file, stored.settings, this.#agreed)
    const name = engineName(model)
    if (stored.engine !== name) onNotice?.(`resumed on ${name}, begun on ${stored.engine}: the last bits will differ`)
    model.restore(stored.tensors.model)
    const trainable = new Set(stored.trainable)
    model.setTrainable(() => true, false)
    model.setTrainable(({ name }) => trainable.has(name), true)
    this.#optimiser.restore(model.parameters, stored.tensors.optimiser, stored.optimiserSteps)
    const { tf } = model.engine
    tf.tidy(() => this.#totals.assign(tf.tensor(stored.tensors.totals, [TOTALS])))
    for (const hook of this.#hooks) if (hook.name in stored.hooks) hook.restore?.(stored.hooks[hook.name])
    this.#reports.push(...stored.reports)
    this.#epoch = stored.epoch
    this.#step = stored.step
    this.#finished = stored.finished
  }
}

const engineName = ({ engine: { tf, description } }: TrainableModel): string => description ?? tf.getBackend()

/** A name for the teacher's exact weights. */
async function digest(model: TrainableModel): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(model.graph))
  for (const [name, { data }] of await model.state()) hash.update(name).update(data)
  return hash.digest('hex')
}
