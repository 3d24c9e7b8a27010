/** Small networks: the MNIST network of MiniONN (Liu et al. 2017, figure 12), and a tiny one for tests. */
import type { Graph, Shape } from '../network/graph.ts'
import { GraphBuilder } from './builder.ts'

export interface SmallOptions {
  readonly name: string
  readonly classes: number
  readonly inputShape: Shape
}

/** Two 5x5 convolutions of 16 channels, each with ReLU and 2x2 max-pool; hidden layer of 100. */
export function minionnMnist(options: SmallOptions): Graph {
  const b = new GraphBuilder(options.inputShape)
  const conv = { kernel: 5, padding: 0, bias: true }
  b.stage('conv1')
  let x = b.maxPool('pool1', b.relu('relu1', b.conv('conv1', 'image', 16, conv)), 2)
  b.stage('conv2')
  x = b.maxPool('pool2', b.relu('relu2', b.conv('conv2', x, 16, conv)), 2)
  b.stage('flatten')
  x = b.relu('relu3', b.dense('fc1', b.flatten('flatten', x), 100))
  b.dense('fc', x, options.classes)
  return b.build(options.name)
}

/** One convolution of each pooling kind and a classifier: every kind of step in the least work. */
export function lenetTiny(options: SmallOptions): Graph {
  const b = new GraphBuilder(options.inputShape)
  b.stage('conv1.conv')
  let x = b.maxPool('pool1', b.relu('relu1', b.convNorm('conv1', 'image', 4, { stride: 2 })), 2)
  b.stage('conv2.conv')
  x = b.averagePool('pool2', b.relu('relu2', b.convNorm('conv2', x, 8)), 2)
  b.stage('flatten')
  x = b.relu('relu3', b.dense('fc1', b.flatten('flatten', x), 16))
  b.dense('fc', x, options.classes)
  return b.build(options.name)
}
