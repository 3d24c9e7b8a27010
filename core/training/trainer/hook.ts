/** How algorithms take part in a training run: SNL adds a penalty, counts its slopes and stops at its budget. */
import type { Scalar } from '@tensorflow/tfjs-core'
import type { Forward, TensorEngine, TrainableModel } from '../model/model.ts'
import type { EpochReport } from './report.ts'

/** Plain data. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

export interface TrainingContext {
  readonly engine: TensorEngine
  readonly model: TrainableModel
  /** From 0. In `start` those of the first step to come. */
  readonly epoch: number
  readonly step: number
  readonly stepsPerEpoch: number
  readonly epochs: number
  /** Of this step. */
  readonly rate: number
}

export interface TrainingHook {
  /** Under which its state is in checkpoints; one of a kind in a run. */
  readonly name: string
  /** Nodes whose values {@link penalty} reads. */
  readonly values?: readonly string[]
  /** Before the first step, and again after a resume (once `restore` was called). May freeze or free parameters. */
  start?(context: TrainingContext): void | Promise<void>
  /** Added to the loss; within the gradient, so it may depend on any variable or value. */
  penalty?(context: TrainingContext, forward: Forward): Scalar | undefined
  /** After the optimiser moved. May change variables, and which are trained. Not asynchronous: no waiting on a device. */
  afterStep?(context: TrainingContext): void
  /**
   * After the last step of an epoch, before the checkpoint. May change variables and which are trained; 'stop' ends the
   * run as finished.
   */
  afterEpoch?(context: TrainingContext, report: EpochReport): 'stop' | void | Promise<'stop' | void>
  /** What a checkpoint must keep for the hook to go on as if nothing had happened. */
  state?(): Json
  restore?(state: Json): void
}
