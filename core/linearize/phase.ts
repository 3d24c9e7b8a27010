/** One training run of a recipe, as plain data, and how it is carried out. */
import { join } from 'node:path'
import * as v from 'valibot'
import type { Seed } from '../datasets/random.ts'
import { LossSchema } from '../training/losses/loss.ts'
import type { TensorEngine, TrainableModel } from '../training/model/model.ts'
import type { BatchSource } from '../training/trainer/batches.ts'
import type { CheckpointFormat } from '../training/trainer/checkpoint.ts'
import type { TrainingHook } from '../training/trainer/hook.ts'
import { OptimiserSchema, type OptimiserSpec } from '../training/trainer/optimiser.ts'
import type { EpochReport, Progress } from '../training/trainer/report.ts'
import { ScheduleSchema, type ScheduleSpec } from '../training/trainer/schedule.ts'
import { train, type TrainResult } from '../training/trainer/trainer.ts'

const epochs = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(10_000))

/** What a recipe says of a training run; what it leaves out is the default of its step. */
export const PhaseSchema = v.strictObject({
  epochs: v.exactOptional(epochs),
  loss: v.exactOptional(LossSchema),
  optimiser: v.exactOptional(OptimiserSchema),
  schedule: v.exactOptional(ScheduleSchema),
})

export type PhaseSpec = v.InferOutput<typeof PhaseSchema>

export type FullPhase = Required<PhaseSpec>

/** Section 4 of the SNL paper, for CIFAR: SGD, rate 0.1 divided by ten at half and three quarters of the epochs. */
export function pretrainPhase(spec: PhaseSpec): FullPhase {
  const { epochs: count = 160 } = spec
  const optimiser: OptimiserSpec = { kind: 'sgd', momentum: 0.9, decay: 0.0005 }
  const schedule: ScheduleSpec = { kind: 'step', rate: 0.1, milestones: [count / 2, (3 * count) / 4], factor: 0.1 }
  return { loss: { kind: 'cross-entropy' }, optimiser, schedule, ...spec, epochs: count }
}

/** Section 4: SGD with a rate of 0.001, 100 epochs, distillation at temperature 4 with equal weights. */
export function finetunePhase(spec: PhaseSpec): FullPhase {
  return {
    epochs: 100,
    loss: { kind: 'distillation', temperature: 4, weight: 0.5 },
    optimiser: { kind: 'sgd', momentum: 0.9, decay: 0.0005 },
    schedule: { kind: 'constant', rate: 0.001 },
    ...spec,
  }
}

/** Where a run keeps what it needs to be resumed. */
export interface Storage {
  /** Must exist. */
  readonly folder: string
  /** readSafetensors and writeSafetensors of core/formats fit. */
  readonly format: CheckpointFormat
  /** Goes on from what the folder holds; false begins anew and overwrites. */
  readonly resume: boolean
  /** Epochs between checkpoints; 1 unless given. */
  readonly every?: number
}

/** What training needs beside the model and the recipe. */
export interface Surroundings {
  readonly engine: TensorEngine
  /** Training batches; each purpose gets an order and an augmentation of its own, by seed. */
  readonly batches: (seed: Seed) => BatchSource
  /** Test images; without them no accuracy is measured. */
  readonly evaluation?: BatchSource
  readonly evaluateEvery?: number
  readonly signal?: AbortSignal
  /** Told before each phase, with the epochs that were done before a stop, and the ReLUs of a network without slopes. */
  readonly onPhase?: (phase: string, done: readonly PhaseEpoch[], kept?: number) => void
  readonly onEpoch?: (epoch: PhaseEpoch) => void
  readonly onProgress?: (progress: Progress & { readonly phase: string }) => void
}

export interface PhaseEpoch extends EpochReport {
  readonly phase: string
  /** ReLUs of the network after the epoch; absent when the phase was not told. */
  readonly kept?: number
}

export interface PhaseRun {
  /** For reports, and the name of its checkpoint file. */
  readonly phase: string
  readonly model: TrainableModel
  readonly teacher?: TrainableModel
  readonly spec: FullPhase
  readonly seed: Seed
  readonly hooks?: readonly TrainingHook[]
  readonly reluThreshold?: number
  /** ReLUs of a model without slopes, for reports. */
  readonly kept?: number
  readonly storage?: Storage
}

/** Carries out a training run; the model is trained in place. Throws what {@link train} throws. */
export function runPhase(around: Surroundings, run: PhaseRun): Promise<TrainResult> {
  const { storage, phase, teacher, spec } = run
  const { evaluation, evaluateEvery, signal, onPhase, onEpoch, onProgress } = around
  const epochOf = (report: EpochReport): PhaseEpoch => {
    const kept = report.relus?.kept ?? run.kept
    return { ...report, phase, ...(kept === undefined ? {} : { kept }) }
  }
  const checkpoint =
    storage === undefined
      ? undefined
      : {
          file: join(storage.folder, `${phase}.safetensors`),
          format: storage.format,
          resume: storage.resume,
          every: storage.every ?? 1,
        }
  return train({
    model: run.model,
    ...(teacher === undefined ? {} : { teacher }),
    batches: around.batches(run.seed),
    ...spec,
    ...(evaluation === undefined ? {} : { evaluation }),
    ...(evaluateEvery === undefined ? {} : { evaluateEvery }),
    ...(run.hooks === undefined ? {} : { hooks: run.hooks }),
    ...(run.reluThreshold === undefined ? {} : { reluThreshold: run.reluThreshold }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(signal === undefined ? {} : { signal }),
    ...(onPhase === undefined
      ? {}
      : { onStart: (done: readonly EpochReport[]) => onPhase(phase, done.map(epochOf), run.kept) }),
    ...(onEpoch === undefined ? {} : { onEpoch: (report: EpochReport) => onEpoch(epochOf(report)) }),
    ...(onProgress === undefined ? {} : { onProgress: (progress: Progress) => onProgress({ ...progress, phase }) }),
  })
}

export const needsTeacher = ({ loss }: FullPhase): boolean => loss.kind !== 'cross-entropy'
