import type { Tensor, Tensor1D, Tensor2D, Tensor4D, Variable } from '@tensorflow/tfjs-core'
import { loadEngine, type Engine, type EngineName } from '../../core/training/engine/index.ts'
import { values } from './engine-reference.ts'

/** That engine, or why it does not load here. */
export async function only(name: EngineName): Promise<{ engine: Engine } | { why: string }> {
  const engine = await loadEngine({ prefer: name })
  if (engine.name === name) return { engine }
  engine.dispose()
  return { why: engine.reasons.find(({ backend }) => backend === name)?.why ?? 'no reason given' }
}

/** A small residual network with everything the trainer needs; all numbers come from the seed. */
export function smallNetwork(engine: Engine, seed: number) {
  const { tf, ops } = engine
  const variables: Variable[] = []
  const make = (shape: number[], scale: number, offset = 0): Tensor => {
    const { data } = values(shape, seed * 100 + variables.length)
    const scaled = Float32Array.from(data, (value) => value * scale + offset)
    const variable = tf.tidy(() => tf.variable(tf.tensor(scaled, shape)))
    variables.push(variable)
    return variable
  }
  const conv = (inputs: number, outputs: number, stride: number) => {
    const w = make([3, 3, inputs, outputs], 0.4) as Tensor4D
    const gamma = make([outputs], 0.2, 1) as Tensor1D
    const beta = make([outputs], 0.2) as Tensor1D
    return (x: Tensor4D): Tensor4D =>
      ops.batchNormTraining(ops.conv2d(x, w, { stride, padding: 1 }), gamma, beta, 1e-5).output
  }
  const stem = conv(3, 8, 1)
  const first = conv(8, 8, 1)
  const second = conv(8, 16, 2)
  const slopes = make([1, 8, 8, 8], 0.5, 0.5) as Tensor4D
  const weight = make([16, 4], 0.4) as Tensor2D
  const bias = make([4], 0.1) as Tensor1D
  const forward = (x: Tensor4D): Tensor2D => {
    const stemOut = ops.relu(stem(x))
    const block = ops.slopedRelu(tf.add(first(stemOut), stemOut), slopes)
    const pooled = ops.globalAveragePool(ops.relu(second(block)))
    return ops.dense(pooled, weight, bias)
  }
  return { variables, forward }
}

/** Steps of SGD with momentum on made-up images; gives every weight after them and the losses. */
export function train(engine: Engine, seed: number, steps: number): { weights: Float32Array[]; losses: number[] } {
  const { tf, ops } = engine
  const { variables, forward } = smallNetwork(engine, seed)
  const speeds = tf.tidy(() => variables.map((variable) => tf.variable(tf.zerosLike(variable), false)))
  const losses: number[] = []
  for (let step = 0; step < steps; step++) {
    const images = tf.tensor4d(Float32Array.from(values([16, 8, 8, 3], seed + step).data), [16, 8, 8, 3])
    const labels = tf.tensor2d(
      Array.from({ length: 16 }, (_, i) => Array.from({ length: 4 }, (_, k) => (k === i % 4 ? 1 : 0))),
    )
    const loss = tf.tidy(() => {
      const { value, grads } = tf.variableGrads(() => ops.softmaxCrossEntropy(labels, forward(images)), variables)
      variables.forEach((variable, i) => {
        speeds[i].assign(tf.add(tf.mul(speeds[i], 0.9), grads[variable.name]))
        variable.assign(tf.sub(variable, tf.mul(speeds[i], 0.05)))
      })
      return value
    })
    losses.push(loss.dataSync()[0])
    tf.dispose([images, labels, loss])
  }
  const weights = variables.map((variable) => variable.dataSync<'float32'>().slice())
  tf.dispose([...variables, ...speeds])
  return { weights, losses }
}
