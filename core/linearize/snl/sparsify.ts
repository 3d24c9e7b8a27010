/**
 * The loop of SNL, algorithm 1 (Cho et al. 2022), as a hook of the trainer: lines 4 to 10. The penalty lambda * sum |c|
 * joins the loss, so weights and slopes move together; after each epoch the slopes above epsilon are counted, the run
 * stops at or under the budget, and lambda grows by kappa when the count has not fallen.
 */
import type { Scalar, Tensor as TfTensor } from '@tensorflow/tfjs-core'
import { AdytonError } from '../../errors/errors.ts'
import type { TensorEngine } from '../../training/model/model.ts'
import type { Json, TrainingContext, TrainingHook } from '../../training/trainer/hook.ts'

export interface SparsifyOptions {
  /** B: the run stops when at most so many ReLUs have a slope above epsilon. */
  readonly budget: number
  /** First lambda; the paper's is 1e-5. */
  readonly lambda: number
  /** kappa, above 1; the paper's is 1.1. */
  readonly kappa: number
  /** epsilon; the paper's is 0.01. */
  readonly epsilon: number
  /**
   * An epoch must bring the count under the lowest so far by this many ReLUs, or lambda grows. Algorithm 1 has
   * 'not decreased': 1. 'on-schedule', which is ours, asks for an equal share of what is above the budget in each of
   * the epochs that are left: for runs that cannot afford the paper's hundreds of epochs.
   */
  readonly requiredFall: number | 'on-schedule'
}

export interface SparsifyEpoch {
  /** From 0. */
  readonly epoch: number
  /** ReLUs with a slope above epsilon after the epoch. */
  readonly relus: number
  /** In force during the epoch. */
  readonly lambda: number
}

/** sum |c|; the gradient is the sign, 0 at 0, so that slopes which must stay at 0 are not moved by it. */
export function slopeNorm({ tf }: TensorEngine, slopes: readonly TfTensor[]): Scalar {
  const norm = tf.customGrad((...args) => {
    const [c, save] = args as unknown as [TfTensor, (tensors: TfTensor[]) => void]
    save([c])
    return {
      value: tf.sum<Scalar>(tf.abs(c)),
      gradFunc: (dy: TfTensor, [saved]: TfTensor[]) => tf.mul(dy, tf.sign(saved)),
    }
  })
  return tf.addN<Scalar>(slopes.map((slope) => norm(slope)))
}

export class SparsifyHook implements TrainingHook {
  readonly name = 'snl-sparsify'
  readonly #options: SparsifyOptions
  readonly #settings: string
  #lambda: number
  #lowest = Infinity
  #epochs: SparsifyEpoch[] = []

  /** @param settings what a resumed run must agree on: the options, and whatever else decides its outcome */
  constructor(options: SparsifyOptions, settings: Json = { ...options }) {
    this.#options = options
    this.#settings = JSON.stringify(settings)
    this.#lambda = options.lambda
  }

  /** Of the epochs so far. */
  get epochs(): readonly SparsifyEpoch[] {
    return this.#epochs
  }

  /** Whether the last count was at or under the budget. */
  get reached(): boolean {
    return (this.#epochs.at(-1)?.relus ?? Infinity) <= this.#options.budget
  }

  async start({ model }: TrainingContext): Promise<void> {
    if (this.#lowest === Infinity) this.#lowest = (await model.countRelus(this.#options.epsilon)).kept
  }

  penalty({ engine, model }: TrainingContext): Scalar {
    const slopes = [...model.slopes().values()].map((parameter) => parameter.variable)
    return engine.tf.mul(slopeNorm(engine, slopes), this.#lambda)
  }

  async afterEpoch({ model, epoch, epochs }: TrainingContext): Promise<'stop' | void> {
    const { budget, epsilon, requiredFall, kappa } = this.#options
    const relus = (await model.countRelus(epsilon)).kept
    this.#epochs.push({ epoch, relus, lambda: this.#lambda })
    if (relus <= budget) return 'stop'
    const fall = requiredFall === 'on-schedule' ? (this.#lowest - budget) / (epochs - epoch) : requiredFall
    if (relus > this.#lowest - fall) this.#lambda *= kappa
    this.#lowest = Math.min(this.#lowest, relus)
    return undefined
  }

  state(): Json {
    return {
      settings: this.#settings,
      lambda: this.#lambda,
      // JSON has no infinity; before `start` there is nothing to keep.
      lowest: this.#lowest === Infinity ? null : this.#lowest,
      epochs: this.#epochs.map(({ epoch, relus, lambda }) => ({ epoch, relus, lambda })),
    }
  }

  /** Throws AdytonError 'checkpoint-mismatch' for the state of a run with other settings. */
  restore(state: Json): void {
    const { settings, lambda, lowest, epochs } = state as unknown as {
      settings: string
      lambda: number
      lowest: number | null
      epochs: readonly SparsifyEpoch[]
    }
    if (settings !== this.#settings) {
      throw new AdytonError('checkpoint-mismatch', `SNL was begun with ${settings}, now it is ${this.#settings}`, {
        advice: 'Resume with the settings of the run that was stopped, or begin anew in another folder.',
      })
    }
    this.#lambda = lambda
    this.#lowest = lowest ?? Infinity
    this.#epochs = [...epochs]
  }
}
