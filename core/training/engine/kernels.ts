/**
 * Kernels of our own, with their gradients. tfjs-core composes batch norm in training mode, the gradient of a ReLU and
 * a ReLU with a slope from many small operations, which cost more than the convolutions between them; here each is one
 * kernel that a backend may implement as it likes. {@link composedKernels} serves any backend.
 *
 * They are registered, not made with `tf.customGrad`, because then the gradient of an input that nobody asked for (the
 * image, most of all) is not computed.
 */
import type { KernelConfig, NamedAttrMap, NamedTensorMap, Tensor, Tensor4D } from '@tensorflow/tfjs-core'
import type { TensorFlow } from './types.ts'

export const KERNELS = {
  relu: 'AdytonRelu',
  reluGradient: 'AdytonReluGrad',
  slopedRelu: 'AdytonSlopedRelu',
  batchNorm: 'AdytonBatchNorm',
  batchNormGradient: 'AdytonBatchNormGrad',
} as const

/** What a backend must be able to do. Results are new tensors; inputs stay. */
export interface KernelSet {
  relu(x: Tensor): Tensor
  /** dy where x > 0, else 0; `signal` is x, or relu(x), which has the same sign where it matters. */
  reluGradient(dy: Tensor, signal: Tensor): Tensor
  /** [output, batch mean, biased batch variance, ...three tensors that only the gradient reads]. */
  batchNorm(x: Tensor, gamma: Tensor, beta: Tensor, epsilon: number): Tensor[]
  /** [dx, dgamma, dbeta], from dy, x, gamma and the three tensors. */
  batchNormGradient(dy: Tensor, x: Tensor, gamma: Tensor, saved: readonly Tensor[], epsilon: number): Tensor[]
}

/** How many values each channel of a feature map has. */
export function positions(x: Tensor): number {
  return x.size / (x as Tensor4D).shape[3]
}

/** Runs a kernel that is registered for the backend in use. */
export function runKernel(tf: TensorFlow, name: string, inputs: NamedTensorMap, attrs: NamedAttrMap = {}): Tensor[] {
  const out: Tensor | Tensor[] = tf.engine().runKernel(name, inputs, attrs)
  return Array.isArray(out) ? out : [out]
}

/** Registers the kernels for one backend, and the gradients, which are the same for all. */
export function registerKernels(tf: TensorFlow, backendName: string, set: KernelSet): void {
  const add = (
    kernelName: string,
    kernel: (inputs: NamedTensorMap, attrs: NamedAttrMap) => Tensor | Tensor[],
    single = false,
  ): void => {
    const kernelFunc: KernelConfig['kernelFunc'] = ({ inputs, attrs }) => {
      const out = tf.tidy(() => kernel(inputs as NamedTensorMap, attrs ?? {}))
      return single && Array.isArray(out) ? out[0] : out
    }
    if (tf.getKernel(kernelName, backendName) !== undefined) tf.unregisterKernel(kernelName, backendName)
    tf.registerKernel({ kernelName, backendName, kernelFunc })
  }
  add(KERNELS.relu, ({ x }) => set.relu(x))
  add(KERNELS.reluGradient, ({ dy, signal }) => set.reluGradient(dy, signal))
  // relu(x) + (1 - c) min(x, 0)
  add(KERNELS.slopedRelu, ({ x, c }) => {
    const positive = set.relu(x)
    return tf.add(positive, tf.mul(tf.sub(1, c), tf.sub(x, positive)))
  })
  add(KERNELS.batchNorm, ({ x, gamma, beta }, { epsilon }) => set.batchNorm(x, gamma, beta, epsilon as number))
  add(KERNELS.batchNormGradient, ({ dy, x, gamma, saved0, saved1, saved2 }, { epsilon }) =>
    set.batchNormGradient(dy, x, gamma, [saved0, saved1, saved2], epsilon as number),
  )
  registerGradients(tf)
}

function registerGradients(tf: TensorFlow): void {
  if (tf.getGradient(KERNELS.relu) !== undefined) return
  const masked = (dy: Tensor, signal: Tensor): Tensor => runKernel(tf, KERNELS.reluGradient, { dy, signal })[0]
  tf.registerGradient({
    kernelName: KERNELS.relu,
    // The output, not the input: the input can then be freed.
    outputsToSave: [true],
    gradFunc: (dy, [y]) => ({ x: () => masked(dy as Tensor, y) }),
  })
  tf.registerGradient({
    kernelName: KERNELS.slopedRelu,
    inputsToSave: ['x', 'c'],
    gradFunc: (dyGiven, [x, c]) => {
      const dy = dyGiven as Tensor
      // dy where x <= 0: there y = (1 - c) x, elsewhere y = x.
      const below = (): Tensor => tf.sub(dy, masked(dy, x))
      return {
        x: () => tf.sub(dy, tf.mul(c, below())),
        c: () => {
          const shared = c.shape.flatMap((size, axis) => (size === 1 && x.shape[axis] !== 1 ? [axis] : []))
          const all = tf.neg(tf.mul(below(), x))
          return shared.length === 0 ? all : tf.sum(all, shared, true)
        },
      }
    },
  })
  tf.registerGradient({
    kernelName: KERNELS.batchNorm,
    inputsToSave: ['x', 'gamma'],
    outputsToSave: [false, false, false, true, true, true],
    gradFunc: (dys, [x, gamma, saved0, saved1, saved2], attrs) => {
      const dy = (dys as Tensor[])[0]
      // One kernel makes all three, here and not in the functions below: tfjs frees what each of those makes but does
      // not return.
      const made = runKernel(tf, KERNELS.batchNormGradient, { dy, x, gamma, saved0, saved1, saved2 }, attrs)
      return { x: () => made[0], gamma: () => made[1], beta: () => made[2] }
    },
  })
}

/** The kernels from operations that every backend has. Sums over positions are matrix products: the fastest way. */
export function composedKernels(tf: TensorFlow): KernelSet {
  /** Sum over all but the channels, [channels]. By image first: the sums stay short, so little is lost to rounding. */
  const sum = (x: Tensor): Tensor => {
    const [images, height, width, channels] = (x as Tensor4D).shape
    const byImage = tf.matMul(tf.ones([images, 1, height * width]), tf.reshape(x, [images, height * width, channels]))
    return tf.sum(tf.reshape(byImage, [images, channels]), 0)
  }
  /** x * scale + offset by channel, as a batch norm with mean 0 and variance 1. */
  const affine = (x: Tensor, scale: Tensor, offset: Tensor): Tensor => {
    const zero = tf.zerosLike(scale)
    const one = tf.onesLike(scale)
    return runKernel(tf, 'FusedBatchNorm', { x, mean: zero, variance: one, offset, scale }, { varianceEpsilon: 0 })[0]
  }
  return {
    relu: (x) => tf.relu(x),
    reluGradient: (dy, signal) => tf.mul(dy, tf.step(signal)),
    batchNorm(x, gamma, beta, epsilon) {
      const mean = tf.div(sum(x), positions(x))
      const centred = affine(x, tf.onesLike(gamma), tf.neg(mean))
      const variance = tf.div(sum(tf.square(centred)), positions(x))
      const inverse = tf.rsqrt(tf.add(variance, epsilon))
      return [affine(centred, tf.mul(gamma, inverse), beta), mean, variance, tf.clone(mean), inverse, tf.scalar(0)]
    },
    // With z = (x - mean) inverse: dx = gamma inverse (dy - mean(dy) - z mean(dy z)).
    batchNormGradient(dy, x, gamma, [mean, inverse]) {
      const normal = affine(x, inverse, tf.neg(tf.mul(mean, inverse)))
      const dbeta = sum(dy)
      const dgamma = sum(tf.mul(dy, normal))
      const scale = tf.mul(gamma, inverse)
      const slope = tf.neg(tf.div(tf.mul(scale, dgamma), positions(x)))
      const offset = tf.neg(tf.div(tf.mul(scale, dbeta), positions(x)))
      return [tf.add(affine(dy, scale, offset), affine(normal, slope, tf.zerosLike(slope))), dgamma, dbeta]
    },
  }
}
