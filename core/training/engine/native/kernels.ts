/** Kernels of TensorFlow itself that tfjs-node does not reach: explicit padding, fused batch norm, ReluGrad. */
import type { KernelConfig, NamedAttrMap, Tensor, Tensor4D, TensorInfo } from '@tensorflow/tfjs-core'
import { positions, type KernelSet } from '../kernels.ts'
import type { TensorFlow } from '../types.ts'

/** An attribute of a TensorFlow operation, as tfjs-node's binding takes it. */
interface Attribute {
  readonly name: string
  readonly type: number
  readonly value: number | boolean | string | readonly number[]
}

/** The part of tfjs-node's binding that is used here. */
export interface Binding {
  readonly TF_Version: string
  readonly TF_FLOAT: number
  readonly TF_ATTR_TYPE: number
  readonly TF_ATTR_INT: number
  readonly TF_ATTR_FLOAT: number
  readonly TF_ATTR_BOOL: number
  readonly TF_ATTR_STRING: number
  isUsingGpuDevice(): boolean
}

/** The part of tfjs-node's NodeJSKernelBackend that is used here. Its results are tensors, tracked by tfjs. */
interface NodeBackend {
  executeSingleOutput(name: string, attributes: readonly Attribute[], inputs: readonly TensorInfo[]): Tensor
  executeMultipleOutputs(
    name: string,
    attributes: readonly Attribute[],
    inputs: readonly TensorInfo[],
    outputs: number,
  ): Tensor[]
}

type Conv2DInfo = ReturnType<TensorFlow['backend_util']['computeConv2DInfo']>

export const NATIVE_BACKEND = 'tensorflow'

export function nativeKernels(tf: TensorFlow, binding: Binding): KernelSet {
  const backend = (): NodeBackend => tf.backend() as unknown as NodeBackend
  const type = (name: string): Attribute => ({ name, type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT })
  const batchNormAttributes = (epsilon: number): Attribute[] => [
    type('T'),
    type('U'),
    { name: 'epsilon', type: binding.TF_ATTR_FLOAT, value: epsilon },
    { name: 'data_format', type: binding.TF_ATTR_STRING, value: 'NHWC' },
    { name: 'is_training', type: binding.TF_ATTR_BOOL, value: true },
  ]
  return {
    relu: (x) => tf.relu(x),
    reluGradient: (dy, signal) => backend().executeSingleOutput('ReluGrad', [type('T')], [dy, signal]),
    batchNorm(x, gamma, beta, epsilon) {
      const none = tf.zeros([0])
      const inputs = [x, gamma, beta, none, none]
      const [output, mean, unbiased, ...saved] = backend().executeMultipleOutputs(
        'FusedBatchNormV3',
        batchNormAttributes(epsilon),
        inputs,
        6,
      )
      // TensorFlow gives the variance for the running average, divided by count - 1.
      const count = positions(x)
      const variance = tf.mul(unbiased, count > 1 ? (count - 1) / count : 1)
      return [output, mean, variance, ...saved]
    },
    batchNormGradient: (dy, x, gamma, saved, epsilon) =>
      backend()
        .executeMultipleOutputs(
          'FusedBatchNormGradV3',
          batchNormAttributes(epsilon),
          [dy, x, gamma, ...saved],
          // The last two are empty.
          5,
        )
        .slice(0, 3),
  }
}

/**
 * Convolutions that take any padding, in place of tfjs-node's, whose gradients do not. TensorFlow's own explicit padding
 * is not used: it is slower backward, and 2.18 crashes on a window that lies in the padding altogether.
 */
export function registerNativeConvolutions(tf: TensorFlow, binding: Binding): void {
  type Inputs = Readonly<Record<string, Tensor4D>>

  const add = (kernelName: string, kernel: (backend: NodeBackend, inputs: Inputs, attrs: NamedAttrMap) => Tensor) => {
    const kernelFunc: KernelConfig['kernelFunc'] = ({ inputs, attrs, backend }) =>
      tf.tidy(() => kernel(backend as NodeBackend, inputs as Inputs, attrs as NamedAttrMap))
    if (tf.getKernel(kernelName, NATIVE_BACKEND) !== undefined) tf.unregisterKernel(kernelName, NATIVE_BACKEND)
    tf.registerKernel({ kernelName, backendName: NATIVE_BACKEND, kernelFunc })
  }
  const plan = (input: readonly number[], filter: readonly number[], attrs: NamedAttrMap): Plan =>
    planConvolution(tf, binding, input, filter, attrs)
  const padded = (x: Tensor4D, { pads }: Plan): Tensor4D => (pads === undefined ? x : tf.pad4d(x, pads))

  add('Conv2D', (backend, { x, filter }, attrs) => {
    const steps = plan(x.shape, filter.shape, attrs)
    return backend.executeSingleOutput('Conv2D', steps.attributes, [padded(x, steps), filter])
  })
  add('Conv2DBackpropFilter', (backend, { x, dy }, attrs) => {
    const shape = attrs.filterShape as number[]
    const steps = plan(x.shape, shape, attrs)
    const inputs = [padded(x, steps), tf.tensor1d(shape, 'int32'), dy]
    return backend.executeSingleOutput('Conv2DBackpropFilter', steps.attributes, inputs)
  })
  add('Conv2DBackpropInput', (backend, { dy, filter }, attrs) => {
    const shape = attrs.inputShape as [number, number, number, number]
    const { attributes, pads } = plan(shape, filter.shape, attrs)
    const whole = pads === undefined ? shape : shape.map((size, axis) => size + pads[axis][0] + pads[axis][1])
    const inputs = [tf.tensor1d(whole, 'int32'), filter, dy]
    const gradient = backend.executeSingleOutput('Conv2DBackpropInput', attributes, inputs) as Tensor4D
    const start = pads?.map(([before]) => before) as typeof shape | undefined
    return start === undefined ? gradient : tf.slice4d(gradient, start, shape)
  })
}

/** A convolution as TensorFlow is asked for it. */
interface Plan {
  readonly attributes: Attribute[]
  /** Zeros to put around the input beforehand; undefined for none. */
  readonly pads: Pads | undefined
}

type Pads = [[number, number], [number, number], [number, number], [number, number]]

function planConvolution(
  tf: TensorFlow,
  binding: Binding,
  input: readonly number[],
  filter: readonly number[],
  attrs: NamedAttrMap,
): Plan {
  const format = attrs.dataFormat as 'NHWC' | 'NCHW'
  const nhwc = format === 'NHWC'
  const info = tf.backend_util.computeConv2DInfo(
    input as [number, number, number, number],
    filter as [number, number, number, number],
    attrs.strides as number | [number, number],
    (attrs.dilations as number | [number, number] | undefined) ?? 1,
    attrs.pad as Parameters<TensorFlow['conv2d']>[3],
    attrs.dimRoundingMode as 'floor' | 'round' | 'ceil' | undefined,
    false,
    tf.backend_util.convertConv2DDataFormat(format),
  )
  const { top, left } = info.padInfo
  const same = isSame(info)
  // What the stride does not reach at the far sides is left out.
  const reach = (outputs: number, stride: number, kernel: number): number => (outputs - 1) * stride + kernel
  const bottom = reach(info.outHeight, info.strideHeight, info.effectiveFilterHeight) - info.inHeight - top
  const right = reach(info.outWidth, info.strideWidth, info.effectiveFilterWidth) - info.inWidth - left
  const rows: [number, number] = [top, Math.max(bottom, 0)]
  const columns: [number, number] = [left, Math.max(right, 0)]
  const none = same || [...rows, ...columns].every((count) => count === 0)
  const spatial = (height: number, width: number): number[] => (nhwc ? [1, height, width, 1] : [1, 1, height, width])
  return {
    pads: none ? undefined : nhwc ? [[0, 0], rows, columns, [0, 0]] : [[0, 0], [0, 0], rows, columns],
    attributes: [
      { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
      { name: 'strides', type: binding.TF_ATTR_INT, value: spatial(info.strideHeight, info.strideWidth) },
      { name: 'padding', type: binding.TF_ATTR_STRING, value: same ? 'SAME' : 'VALID' },
      { name: 'data_format', type: binding.TF_ATTR_STRING, value: format },
      { name: 'use_cudnn_on_gpu', type: binding.TF_ATTR_BOOL, value: true },
      { name: 'dilations', type: binding.TF_ATTR_INT, value: spatial(info.dilationHeight, info.dilationWidth) },
    ],
  }
}

/** Whether the padding comes to what TensorFlow calls SAME: the output is the input over the stride, rounded up. */
function isSame(info: Conv2DInfo): boolean {
  const { top, bottom, left, right } = info.padInfo
  const fits = (input: number, output: number, kernel: number, stride: number, before: number, after: number) => {
    const total = Math.max((Math.ceil(input / stride) - 1) * stride + kernel - input, 0)
    return output === Math.ceil(input / stride) && before === Math.floor(total / 2) && after === total - before
  }
  const { inHeight, outHeight, effectiveFilterHeight, strideHeight } = info
  const { inWidth, outWidth, effectiveFilterWidth, strideWidth } = info
  return (
    fits(inHeight, outHeight, effectiveFilterHeight, strideHeight, top, bottom) &&
    fits(inWidth, outWidth, effectiveFilterWidth, strideWidth, left, right)
  )
}
