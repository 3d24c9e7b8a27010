/** What a training engine is: TensorFlow.js with one backend chosen, and the operations that training is made of. */
import type * as tfjs from '@tensorflow/tfjs-core'

/** The tfjs-core namespace. */
export type TensorFlow = typeof tfjs

/** Every backend, best first. */
export const ENGINE_NAMES = ['native-gpu', 'native-cpu', 'webgpu', 'wasm', 'cpu'] as const

export type EngineName = (typeof ENGINE_NAMES)[number]

/** Why a backend is not the one that runs. */
export interface Reason {
  readonly backend: EngineName
  readonly why: string
}

export interface EngineOptions {
  /** Tried before the others; `reasons` tells why when it did not load. */
  readonly prefer?: EngineName
  /**
   * Threads of the native backends; by default as many as the machine has cores. It is read once for a process, when
   * TensorFlow loads. Another count gives other sums (in the last bits), so a checkpoint should name it.
   */
  readonly threads?: number
  /** Where native addons are looked for before build/engine; see locate.ts for what they may be. */
  readonly folders?: readonly string[]
  /** Told of each backend that did not load. */
  readonly report?: (reason: Reason) => void
}

/** tfjs has one active backend for a process: a second engine takes over from the first. */
export interface Engine {
  readonly name: EngineName
  /** What runs, in words: library, version, threads, device. */
  readonly description: string
  /** The name under which tfjs-core knows the backend. */
  readonly backend: string
  /** Threads that it may use; 0 when the library decides (a GPU). */
  readonly threads: number
  /** The better ones that did not load. */
  readonly reasons: readonly Reason[]
  readonly tf: TensorFlow
  readonly ops: Operations
  /** Frees the backend and all its tensors. The native library itself stays loaded until the process ends. */
  dispose(): void
}

/** Rows and columns that are added on each side: [top, bottom, left, right]. */
export type Padding = readonly [number, number, number, number]

export interface BatchNormResult {
  readonly output: tfjs.Tensor4D
  /** Of the batch, [channels]. No gradient flows through it. */
  readonly mean: tfjs.Tensor1D
  /** Of the batch, [channels]: biased (divided by the count). No gradient flows through it. */
  readonly variance: tfjs.Tensor1D
}

/**
 * Operations with gradients, made for the backend that runs. Feature maps are [batch, height, width, channels].
 * They give the same as the compositions of tfjs-core named below, but 2 to 5 times faster, and they know the padding
 * of core/network (any number on each side), which the native backend's kernels in tfjs do not.
 */
export interface Operations {
  /**
   * Cross-correlation. x [n, h, w, in]; weight [kh, kw, in / groups, out]; the same padding on all sides or one for
   * each. Output rows: floor((h + top + bottom - kh) / stride) + 1.
   */
  conv2d(
    x: tfjs.Tensor4D,
    weight: tfjs.Tensor4D,
    options: { stride: number; padding: number | Padding; groups?: number },
  ): tfjs.Tensor4D
  /** Batch norm in training mode: with the batch's own mean and variance. gamma, beta [channels]. */
  batchNormTraining(x: tfjs.Tensor4D, gamma: tfjs.Tensor1D, beta: tfjs.Tensor1D, epsilon: number): BatchNormResult
  /** max(x, 0). The gradient at 0 is 0. */
  relu<T extends tfjs.Tensor>(x: T): T
  /**
   * c * max(x, 0) + (1 - c) * x, the slope of SNL: c of 1 is a ReLU, c of 0 the identity. c has the shape of x, or
   * with 1 where it is shared (over the batch: [1, h, w, channels]; by channel: [1, 1, 1, channels]).
   */
  slopedRelu(x: tfjs.Tensor4D, c: tfjs.Tensor4D): tfjs.Tensor4D
  /** Padding counts as -infinity. At a tie one input, or all that are equal, may get the gradient. */
  maxPool(x: tfjs.Tensor4D, options: PoolOptions): tfjs.Tensor4D
  /** Padding counts as zeros in the average (count_include_pad). */
  averagePool(x: tfjs.Tensor4D, options: PoolOptions): tfjs.Tensor4D
  /** Mean over rows and columns: [n, channels]. */
  globalAveragePool(x: tfjs.Tensor4D): tfjs.Tensor2D
  /** x [n, in] times weight [in, out], plus bias [out]. */
  dense(x: tfjs.Tensor2D, weight: tfjs.Tensor2D, bias?: tfjs.Tensor1D): tfjs.Tensor2D
  /** Mean over the batch of -sum(labels * log softmax(logits)). labels [n, classes], rows sum to 1; logits likewise. */
  softmaxCrossEntropy(labels: tfjs.Tensor2D, logits: tfjs.Tensor2D): tfjs.Scalar
}

export interface PoolOptions {
  readonly kernel: readonly [number, number]
  readonly stride: number
  readonly padding: number
}
