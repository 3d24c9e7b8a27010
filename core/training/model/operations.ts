/** One node of a graph as a function of tf.js tensors. */
import type { Tensor, Tensor1D, Tensor2D, Tensor4D, Variable } from '@tensorflow/tfjs-core'
import type { BatchNormNode, GraphNode, ReluNode, Shape } from '../../network/graph.ts'
import type { Engine } from '../engine/types.ts'

export interface StepContext {
  readonly engine: Pick<Engine, 'tf' | 'ops'>
  readonly removed: 'identity' | 'zero'
  /** Weight of the newest batch in running statistics. */
  readonly momentum: number
  /** By tensor name; undefined when the model has no such variable. */
  readonly variable: (name: string) => Variable | undefined
  /** By node id: 0 where a slope must stay at 0. */
  readonly support: (id: string) => Tensor | undefined
}

/** The result is a tensor of its own, never one of the inputs. */
export type Step = (inputs: readonly Tensor[], training: boolean) => Tensor

/** Vectors as maps of one pixel, for operations that take maps only. */
const asMap = ({ engine: { tf } }: StepContext, x: Tensor, run: (x: Tensor4D) => Tensor4D): Tensor =>
  x.rank === 4 ? run(x as Tensor4D) : tf.reshape(run(tf.reshape(x, [x.shape[0], 1, 1, x.shape[1] ?? 1])), x.shape)

/**
 * Ioffe and Szegedy 2015, algorithms 1 and 2. The running variance is of the unbiased estimates, as in algorithm 2
 * and the usual libraries.
 */
function batchNorm(context: StepContext, node: BatchNormNode): Step {
  const { tf, ops } = context.engine
  const variable = (kind: string): Variable => context.variable(`${node.id}.${kind}`) as Variable
  const [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'variance'].map(variable)
  const move = (running: Variable, batch: Tensor, factor: number): void => {
    const weight = context.momentum
    running.assign(tf.add(tf.mul(running, 1 - weight), tf.mul(batch, weight * factor)))
  }
  return ([x], training) =>
    asMap(context, x, (map) => {
      if (!training) {
        const run = tf.batchNorm(
          map,
          mean as Tensor1D,
          variance as Tensor1D,
          beta as Tensor1D,
          gamma as Tensor1D,
          node.epsilon,
        )
        return run
      }
      const batch = ops.batchNormTraining(map, gamma as Tensor1D, beta as Tensor1D, node.epsilon)
      const count = map.size / map.shape[3]
      tf.tidy(() => {
        move(mean, batch.mean, 1)
        move(variance, batch.variance, count / Math.max(1, count - 1))
      })
      return batch.output
    })
}

function relu(context: StepContext, node: ReluNode): Step {
  const { tf, ops } = context.engine
  const slope = context.variable(`${node.id}.slope`)
  if (slope === undefined) return ([x]) => ops.relu(x)
  const support = context.support(node.id)
  return ([x]) =>
    asMap(context, x, (map) => {
      // The product leaves values as they are (0 stays 0) and takes the gradient from what must stay.
      const c = (support === undefined ? slope : tf.mul(slope, support)) as Tensor4D
      return context.removed === 'zero' ? tf.mul(c, ops.relu(map)) : ops.slopedRelu(map, c)
    })
}

/** core/network flattens [c][h][w]; a feature map here is [h][w][c]. */
function flatten({ engine: { tf } }: StepContext, shape: Shape): Step {
  return ([x]) => {
    const flat: [number, number] = [x.shape[0], shape[0]]
    const [, height, width] = x.shape
    if (x.rank !== 4 || height * width === 1) return tf.reshape(x, flat)
    return tf.reshape(tf.transpose(x, [0, 3, 1, 2]), flat)
  }
}

/** `shape` is the node's own, of core/network. */
export function nodeStep(context: StepContext, node: GraphNode, shape: Shape): Step {
  const { tf, ops } = context.engine
  const weight = context.variable(`${node.id}.weight`)
  const bias = context.variable(`${node.id}.bias`)
  switch (node.op) {
    case 'input':
      return ([x]) => x
    case 'conv2d':
      return ([x]) => {
        const out = ops.conv2d(x as Tensor4D, weight as unknown as Tensor4D, node)
        return bias === undefined ? out : tf.add(out, bias)
      }
    case 'dense':
      return ([x]) => ops.dense(x as Tensor2D, weight as unknown as Tensor2D, bias as Tensor1D | undefined)
    case 'batchNorm':
      return batchNorm(context, node)
    case 'relu':
      return relu(context, node)
    case 'add':
      return ([a, b]) => tf.add(a, b)
    case 'concat':
      return (inputs) => tf.concat([...inputs], -1)
    case 'averagePool':
      return ([x]) => ops.averagePool(x as Tensor4D, node)
    case 'maxPool':
      return ([x]) => ops.maxPool(x as Tensor4D, node)
    case 'globalAveragePool':
      return ([x]) => tf.reshape(ops.globalAveragePool(x as Tensor4D), [x.shape[0], 1, 1, shape[0]])
    case 'flatten':
      return flatten(context, shape)
  }
}
